"""What the doctor wants to know about this host, found out without changing it."""

import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.errors import LabError
from chaos.lab.control_plane.build import kube_built
from chaos.lab.host.cache import cache_root
from chaos.lab.host.cgroups import hierarchies
from chaos.lab.host.changes import RAISED, SYSCTLS
from chaos.lab.host.network import host_routes
from chaos.lab.host.packages import missing_packages, packages_off_path
from chaos.lab.host.toolchain import go_output, go_program

__all__ = ["CgroupFacts", "Folder", "Host", "examine"]

TRIAL_DEADLINE_S = 10.0
GB = 10**9
# Measured with everything built from nothing, and rounded up. The compiler's scratch files lie in the lab's cache.
LAB_BYTES, SCRATCH_BYTES, GO_CACHE_BYTES, GO_MODULES_BYTES = 2 * GB, 4 * GB, 4 * GB, 1 * GB

Problem = tuple[str, str]
"""What is wrong, and what mends it."""


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that the lab fills: what for, on which filesystem, how much is free and how much is still needed."""

    path: Path
    purpose: str
    device: int
    free_bytes: int
    needed_bytes: int


@dataclass(frozen=True, slots=True)
class CgroupFacts:
    """`version` is 0 where none is mounted; `read_only` are the mount points where no group can be made.

    `confined`: the v2 tree at hand is only that of a cgroup namespace.
    """

    version: int
    controllers: frozenset[str]
    read_only: tuple[str, ...] = ()
    confined: bool = False


@dataclass(frozen=True, slots=True)
class Host:
    """The facts. Those that only root can find out are as if all were well where we are not root.

    `refusals` maps a kernel feature to what was said when it was tried; `limits_stuck` maps a kernel setting that is
    too low and cannot be raised to its value; `routes` are what `ip -json route` tells.
    """

    system: str
    distribution: str
    root: bool
    go: Problem | None
    cache: Problem | None
    packages_missing: tuple[str, ...]
    packages_off_path: tuple[str, ...]
    folders: tuple[Folder, ...]
    cgroups: CgroupFacts
    refusals: Mapping[str, str] = field(default_factory=dict)
    limits_stuck: Mapping[str, int] = field(default_factory=dict)
    routes: tuple[Mapping[str, Any], ...] = ()


def examine() -> Host:
    """Find the facts out. What must be tried is tried in namespaces that vanish with the trial."""
    root = os.geteuid() == 0
    go = _problem(go_program)
    cache = _problem(cache_root)
    return Host(
        system=platform.system(),
        distribution=_distribution(),
        root=root,
        go=go,
        cache=cache,
        packages_missing=tuple(missing_packages()),
        packages_off_path=tuple(packages_off_path()),
        folders=_folders() if go is None and cache is None else (),
        cgroups=cgroup_facts(_read("/proc/self/mountinfo")),
        refusals=_refusals() if root and cache is None else {},
        limits_stuck=_limits_stuck() if root else {},
        routes=tuple(host_routes()) if shutil.which("ip") else (),
    )


def _problem(needed: Callable[[], object]) -> Problem | None:
    try:
        needed()
    except LabError as error:
        return error.what, error.fix
    return None


def _distribution() -> str:
    try:
        release = platform.freedesktop_os_release()
    except OSError:
        return "an unknown distribution"
    return f"{release['ID']} {release.get('VERSION_ID', '')}".strip()


def _folders() -> tuple[Folder, ...]:
    here = Path(__file__).parent
    go_cache, modules = (Path(go_output(here, "env", name)) for name in ("GOCACHE", "GOMODCACHE"))
    built = kube_built()
    lab_bytes = LAB_BYTES if built else LAB_BYTES + SCRATCH_BYTES
    return (
        _folder(cache_root(), "the lab's programs and images (GAMEDAY_CACHE)", lab_bytes),
        _folder(go_cache, "Go's build cache (GOCACHE)", 0 if built else GO_CACHE_BYTES),
        _folder(modules, "Go's modules (GOMODCACHE)", 0 if built else GO_MODULES_BYTES),
    )


def _folder(path: Path, purpose: str, whole_bytes: int) -> Folder:
    """What of `whole_bytes` is in the folder already is not needed again."""
    existing = next(place for place in (path, *path.parents) if place.exists())
    used = 0
    if path.exists() and whole_bytes:
        done = subprocess.run(["du", "-sk", path], capture_output=True, text=True, check=False)
        used = int(done.stdout.split()[0]) * 1024 if done.stdout else 0
    free_bytes = shutil.disk_usage(existing).free
    return Folder(path, purpose, existing.stat().st_dev, free_bytes, max(whole_bytes - used, 0))


def cgroup_facts(mountinfo: str) -> CgroupFacts:
    """What a text of the form of /proc/self/mountinfo, and the unified tree in it, say about control groups."""
    mounted = hierarchies(mountinfo)
    legacy = [hierarchy for hierarchy in mounted if not hierarchy.unified]
    if legacy:
        version, ours = 1, legacy
        controllers = frozenset(option for hierarchy in legacy for option in hierarchy.options)
    else:
        version, ours = (2 if mounted else 0), list(mounted)
        controllers = frozenset(word for h in mounted for word in _read(h.mount / "cgroup.controllers").split())
    stuck = tuple(str(h.mount) for h in ours if h.mount.exists() and os.statvfs(h.mount).f_flag & os.ST_RDONLY)
    return CgroupFacts(version, controllers, stuck, confined=version == 2 and any(one.confined for one in ours))


def _read(path: str | Path) -> str:
    try:
        return Path(path).read_text()
    except OSError:
        return ""


def _refusals() -> dict[str, str]:
    with tempfile.TemporaryDirectory(dir=cache_root(), prefix=".trial-") as scratch:
        for name in ("lower", "upper", "work", "merged"):
            Path(scratch, name).mkdir()
        overlay = ["mount", "-t", "overlay", "overlay", "-o", "lowerdir=lower,upperdir=upper,workdir=work", "merged"]
        trials: dict[str, tuple[list[str], list[str]]] = {
            "namespaces": (["--mount", "--uts", "--ipc", "--net", "--pid", "--fork"], ["true"]),
            "veth": (["--net"], ["ip", "link", "add", "v0", "type", "veth", "peer", "name", "v1"]),
            "bridge": (["--net"], ["ip", "link", "add", "b0", "type", "bridge"]),
            "nf_tables": (["--net"], ["nft", "add", "table", "inet", "trial"]),
            "overlay": (["--mount"], overlay),
        }
        said = {name: _tried(["unshare", *own, *argv], argv[0], scratch) for name, (own, argv) in trials.items()}
    return {name: words for name, words in said.items() if words is not None}


def _tried(argv: list[str], program: str, folder: str) -> str | None:
    """What was said if the trial failed; None if it succeeded, or the program for it is missing anyhow."""
    if shutil.which(program) is None or shutil.which(argv[0]) is None:
        return None
    try:
        done = subprocess.run(argv, cwd=folder, capture_output=True, text=True, check=False, timeout=TRIAL_DEADLINE_S)
    except subprocess.TimeoutExpired:
        return f"no answer within {TRIAL_DEADLINE_S:g} s"
    return None if done.returncode == 0 else done.stderr.strip() or f"status {done.returncode}"


def _limits_stuck() -> dict[str, int]:
    now = {name: int(_read(SYSCTLS / name) or 0) for name in RAISED}
    return {
        name: value for name, value in now.items() if value < RAISED[name] and not os.access(SYSCTLS / name, os.W_OK)
    }
