"""What a load of 1.0 is: the requests a second that one ready replica carries within the SLO, stated or learned.

What was learned is kept in the user's cache, one file for each system: its image, arguments and resources, the request,
the SLO, the cluster and where the load comes from. A file is believed only if it says just what it was asked for.
"""

import hashlib
import json
import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Literal, Self

from chaos.clock import NS
from chaos.errors import GamedayError, UsageError, plural
from chaos.history.writing.jsonl import private_folder, write_private
from chaos.lab.host.cache import cache_root
from chaos.objects.base import Raw
from chaos.objects.pod import PodView
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.deploy.manifest_folder import Manifests
from loadgen.profiles import Profile
from loadgen.shapes.patterns import RATE_MAX_RPS

__all__ = ["STATE_IT", "CapacityCache", "ReplicaCapacity", "assumed", "images_of", "key_of", "stated"]

STATE_IT = "state it: replica_rps under [system] in gameday.toml, or --gameday-replica-rps"

SCHEMA = 1

LASTS_S = 7 * 24 * 3600.0
"""After so long it is learned anew: machines and their neighbours change."""

FILE_MAX_BYTES = 64 * 1024

ASSUMED_RPS = 1.0

SPEC_FIELDS = (
    "image",
    "command",
    "args",
    "env",
    "cpu_request",
    "cpu_limit",
    "memory_limit",
    "node_selector",
    "volumes",
)
"""What of a spec changes how much a replica carries."""

Key = Mapping[str, Any]
"""What a capacity holds for, as plain data without any secret."""


@dataclass(frozen=True, slots=True)
class ReplicaCapacity:
    """How many requests a second one ready replica carries within the SLO.

    Attributes:
        replica_rps: The rate.
        source: `stated` by people, `learned` by a ramp, or `assumed` in a dry run.
        learned_ns: When it was learned, epoch ns; 0 if it was not.
        replicas: On how many ready replicas; the rate is an equal share of what all held together.
        images: The images' digests that ran then, as the nodes' runtime names them.
        run: The run folder of the ramp.
        file: Where it is kept.
    """

    replica_rps: float
    source: Literal["stated", "learned", "assumed"] = "stated"
    learned_ns: int = 0
    replicas: int = 1
    images: tuple[str, ...] = ()
    run: str = ""
    file: Path | None = field(default=None, compare=False)

    def __post_init__(self) -> None:
        if not 0 < self.replica_rps <= RATE_MAX_RPS:
            raise UsageError(f"replica_rps {self.replica_rps:g}: is not in (0, {RATE_MAX_RPS:,}]")

    @property
    def words(self) -> str:
        """The same for people."""
        rate = f"a load of 1.0 is {self.replica_rps:g}/s"
        if self.source == "stated":
            return f"{rate}: what one replica carries within the SLO, as was stated"
        if self.source == "assumed":
            return f"{rate} in this dry run, which learns nothing: what one replica carries is not known"
        when = time.strftime("%Y-%m-%d %H:%M UTC", time.gmtime(self.learned_ns // NS))
        share = "" if self.replicas == 1 else ", an equal share of what all held"
        return (
            f"{rate}: what one replica carries within the SLO, learned {when} on {plural(self.replicas, 'replica')}"
            f"{share} (run {self.run})"
        )

    def plain(self) -> dict[str, Any]:
        """As JSON has it."""
        return {name: value for name, value in asdict(self).items() if name != "file"}

    @classmethod
    def of_plain(cls, plain: object) -> Self:
        """What `plain` gave. Raises `ValueError` for anything else."""
        names = {one.name for one in fields(cls)} - {"file"}
        if not isinstance(plain, Mapping) or set(plain) != names:
            raise ValueError("it has other fields")
        rps, ns, replicas = plain["replica_rps"], plain["learned_ns"], plain["replicas"]
        numbers = isinstance(rps, int | float) and type(ns) is int and type(replicas) is int
        if not numbers or isinstance(rps, bool) or not math.isfinite(rps) or ns < 0 or replicas < 1:
            raise ValueError("its numbers are none that were learned")
        images, run, source = plain["images"], plain["run"], plain["source"]
        texts = isinstance(images, list | tuple) and all(isinstance(one, str) for one in (*images, run))
        if not texts or source not in ("stated", "learned", "assumed"):
            raise ValueError("its words are none that were written")
        try:
            return cls(float(rps), source, ns, replicas, tuple(images), run)
        except UsageError as wrong:
            raise ValueError(wrong.what) from None

    def other_image(self, images: Iterable[str]) -> str:
        """Whether these images are all others than those that it was learned of, in words; empty where nobody knows.

        Nodes of several architectures may name one image by several digests.
        """
        now, then = {one for one in images if one}, set(self.images)
        others = bool(now and then) and now.isdisjoint(then)
        return f"the image is {min(now)}, and the capacity was learned of {min(then)}" if others else ""


def stated(replica_rps: float | None) -> ReplicaCapacity | None:
    """What people state, if they do. Raises `UsageError` for what is no rate."""
    return None if replica_rps is None else ReplicaCapacity(replica_rps)


def assumed() -> ReplicaCapacity:
    """What a dry run takes it to be where nobody knows: its verdict can never be PASS."""
    return ReplicaCapacity(ASSUMED_RPS, "assumed")


def images_of(pods: Iterable[Raw], container: str) -> tuple[str, ...]:
    """The digests that this container of the pods runs from, as the nodes' runtime names them."""
    statuses = (one for pod in pods for one in PodView(pod).status.get("containerStatuses") or ())
    return tuple(
        sorted({str(one["imageID"]) for one in statuses if one.get("name") == container and one.get("imageID")})
    )


def key_of(
    system: SystemSpec | Manifests | Adopted, *, cluster: str, origin: str, profile: Profile, slo: Slo
) -> dict[str, Any]:
    """What a capacity of this system holds for. Of values that may be secret there is only a digest."""
    if isinstance(system, SystemSpec):
        image, made_of = system.image, system.model_dump(mode="json", include=set(SPEC_FIELDS))
    elif isinstance(system, Manifests):
        image, made_of = system.spec.image, {"objects": system.objects}
    else:
        image, made_of = system.system.spec.image, {"template": system.system.template}
    named = {} if isinstance(system, SystemSpec) else {"workload": _workload(system)}
    return {
        "schema": SCHEMA,
        "cluster": cluster,
        "origin": origin,
        "image": image,
        **named,
        "system": _digest(made_of),
        "request": _digest(profile.plain()),
        "slo": {name: value for name, value in asdict(slo).items() if value is not None},
    }


def _workload(system: Manifests | Adopted) -> str:
    if isinstance(system, Manifests):
        return str(system.folder.name)
    ref = system.system.workload
    return f"{ref.kind} {ref.namespace}/{ref.name}"


def _digest(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


class CapacityCache:
    """The capacities that this user has learned. `folder` is None where the cache cannot be used."""

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    @classmethod
    def of_user(cls) -> Self:
        """That of the user; without one nothing is remembered, which costs a ramp and no more."""
        try:
            return cls(cache_root() / "replica-capacity")
        except GamedayError:
            return cls(None)

    def known(self, key: Key, images: Iterable[str] = (), *, now_ns: int | None = None) -> ReplicaCapacity | str:
        """What is remembered for the key, or why nothing that holds now is, in words; empty if nothing was learned.

        `images` are those that run now, where that is known.
        """
        if self._folder is None or not (path := self._path(self._folder, key)).is_file():
            return ""
        try:
            found = _read(path, key)
        except (OSError, ValueError, OverflowError, RecursionError) as wrong:
            return f"what was remembered in {path} cannot be used: {wrong}"
        now = time.time_ns() if now_ns is None else now_ns
        age_s = (now - found.learned_ns) / NS
        if not 0 <= age_s <= LASTS_S:
            return (
                f"what was remembered is {age_s / 86400:.0f} days old"
                if age_s > 0
                else "what was remembered is to come"
            )
        return found.other_image(images) or found

    def remember(self, key: Key, capacity: ReplicaCapacity) -> None:
        """Keep it for the next session; a cache that cannot be written is no reason to stop."""
        if self._folder is None:
            return
        path = self._path(self._folder, key)
        beside = path.with_suffix(".new")
        try:
            if not self._folder.is_dir():
                private_folder(self._folder)
            beside.unlink(missing_ok=True)
            write_private(beside, json.dumps({"key": key, "capacity": capacity.plain()}, indent=1) + "\n")
            beside.replace(path)
        except (OSError, GamedayError):
            return

    @staticmethod
    def _path(folder: Path, key: Key) -> Path:
        return folder / f"{_digest(key)}.json"


def _read(path: Path, key: Key) -> ReplicaCapacity:
    """Read a file. Raises `ValueError` in words unless it is whole, and of this very key."""
    with path.open("rb") as file:
        text = file.read(FILE_MAX_BYTES + 1)
    if len(text) > FILE_MAX_BYTES:
        raise ValueError("it is too large")
    data = json.loads(text)
    if not isinstance(data, Mapping) or data.get("key") != json.loads(json.dumps(key)):
        raise ValueError("it is of another system")
    found = ReplicaCapacity.of_plain(data.get("capacity"))
    if found.source != "learned":
        raise ValueError("it was not learned")
    values = {one.name: getattr(found, one.name) for one in fields(found)}
    return ReplicaCapacity(**{**values, "file": path})
