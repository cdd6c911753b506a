"""The parts of a `SystemSpec` that have fields of their own; each field has the meaning that Kubernetes gives it."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Annotated, Any, Literal

from pydantic import Field

from chaos.system.spec.base import Count, CountOrShare, Image, Name, Path, Quantity, Seconds, Written

__all__ = [
    "AccessMode",
    "Autoscale",
    "DisruptionBudget",
    "Fill",
    "Keda",
    "ProbeSpec",
    "Rollout",
    "Security",
    "Spread",
    "Toleration",
    "Volume",
]

AccessMode = Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"]
WAYS = ("cpu_percent", "metric", "keda")
WhenUnsatisfiable = Literal["ScheduleAnyway", "DoNotSchedule"]


class ProbeSpec(Written):
    """One HTTP probe of the kubelet, on the system's port. Defaults are Kubernetes' own."""

    path: Path
    period_s: Count = 10
    timeout_s: Count = 1
    failure_threshold: Count = 3
    success_threshold: Count = 1
    initial_delay_s: Seconds = 0


class DisruptionBudget(Written):
    """The PodDisruptionBudget: exactly one of the two bounds. It binds evictions only, never a plain delete.

    A percentage of `max_unavailable` or `min_available` is rounded up to whole pods (kubernetes.md A.2).
    """

    min_available: CountOrShare | None = None
    max_unavailable: CountOrShare | None = None
    unhealthy_pod_eviction_policy: Literal["IfHealthyBudget", "AlwaysAllow"] | None = None

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if (self.min_available is None) == (self.max_unavailable is None):
            yield "give one of min_available and max_unavailable, and only one"


class Keda(Written):
    """What KEDA's ScaledObject says beside the numbers of replicas; the defaults are KEDA's own.

    `triggers` are as KEDA's documentation has them; `$namespace` in what they say is the trial's. `polling_s` is how
    often it looks whether one is active while there are no replicas, or may be none; `cooldown_s` after the last
    active look there are `replicas_idle`, or none where `replicas_min` is 0; until the first such look,
    `initial_cooldown_s` after it was made. More than `fallback_after` failures of a trigger in a row make it ask for
    `fallback_replicas`.
    """

    triggers: Annotated[tuple[Mapping[str, Any], ...], Field(min_length=1)]
    polling_s: Count = 30
    cooldown_s: Seconds = 300
    initial_cooldown_s: Seconds = 0
    replicas_idle: Seconds | None = None
    fallback_replicas: Seconds | None = None
    fallback_after: Seconds = 3

    def complaints(self) -> Iterator[str]:
        """Say which fields are not right."""
        for trigger in self.triggers:
            said = trigger.get("metadata")
            if not isinstance(trigger.get("type"), str) or not isinstance(said, Mapping):
                yield "triggers have a type and metadata each, as KEDA's documentation has them"
            elif numbers := [key for key, value in said.items() if not isinstance(value, str)]:
                yield f"triggers say all in text: write {numbers[0]}: {str(said[numbers[0]])!r} in metadata"
        if self.fallback_replicas is None and "fallback_after" in self.model_fields_set:
            yield "fallback_after goes only with fallback_replicas"


class Autoscale(Written):
    """The HorizontalPodAutoscaler on CPU. `cpu_percent` is of the request, averaged over the pods.

    `metric` is one of the pods' own in its place, e.g. `model_requests_waiting`, as the custom metrics API calls it;
    `average` is its target, averaged over the pods. `keda` has KEDA make the autoscaler, of a ScaledObject; then
    `replicas_min` may be 0. With either the pods ask Prometheus to scrape them.

    The windows and rates left at None are Kubernetes' own: up at once, 100 % or 4 pods each 15 s; down after the
    highest recommendation of 300 s, 100 % each 15 s. A rate is given as pods that may be added or removed a period.
    """

    replicas_min: Annotated[int, Field(ge=0, strict=True)] = 1
    replicas_max: Count
    cpu_percent: Count = 80
    metric: Annotated[str, Field(pattern=r"^[a-zA-Z_][a-zA-Z0-9_]*$")] | None = None
    average: Quantity | None = None
    keda: Keda | None = None
    scale_up_window_s: Annotated[int, Field(ge=0, le=3600, strict=True)] | None = None
    scale_down_window_s: Annotated[int, Field(ge=0, le=3600, strict=True)] | None = None
    scale_up_pods: Count | None = None
    scale_down_pods: Count | None = None
    rate_period_s: Annotated[int, Field(ge=1, le=1800, strict=True)] = 15

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if self.replicas_max < self.replicas_min:
            yield f"replicas_max must be at least replicas_min ({self.replicas_min})"
        if (self.metric is None) is not (self.average is None):
            yield "metric and average go only together"
        cpu = True if "cpu_percent" in self.model_fields_set else None
        given = [name for name, one in zip(WAYS, (cpu, self.metric, self.keda), strict=True) if one is not None]
        if len(given) > 1:
            yield f"give {' or '.join(given)}, not both"
        if not self.replicas_min and self.keda is None:
            yield "replicas_min must be at least 1: only keda scales to none"
        idle = self.keda.replicas_idle if self.keda else None
        if idle is not None and idle >= self.replicas_min:
            yield f"keda.replicas_idle must be less than replicas_min ({self.replicas_min})"

    @property
    def on_cpu(self) -> bool:
        """Whether it looks at CPU, and so at what the pods request."""
        return self.metric is None and self.keda is None


class Rollout(Written):
    """How the Deployment replaces pods: how many more, and how many fewer, than desired there may be meanwhile.

    `progress_deadline_s`: without progress for so long, the Deployment says that it is stuck.
    """

    max_surge: CountOrShare = 1
    max_unavailable: CountOrShare = 0
    min_ready_s: Seconds = 0
    progress_deadline_s: Count = 600

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if all(str(bound).removesuffix("%") == "0" for bound in (self.max_surge, self.max_unavailable)):
            yield "max_surge and max_unavailable must not both be zero: no pod could ever be replaced"
        if self.progress_deadline_s <= self.min_ready_s:
            yield f"progress_deadline_s must be greater than min_ready_s ({self.min_ready_s})"


class Spread(Written):
    """How evenly the pods lie over nodes and zones; None leaves that key to the scheduler."""

    hostname: WhenUnsatisfiable | None = "ScheduleAnyway"
    zone: WhenUnsatisfiable | None = None
    max_skew: Count = 1


class Security(Written):
    """What the container may do on its node. Privilege escalation and capabilities are always refused."""

    non_root: bool = True
    user: Annotated[int, Field(ge=0, strict=True)] | None = None
    read_only_root: bool = False

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if self.non_root and self.user == 0:
            yield "user 0 is root: give another user, or non_root = false"


class Toleration(Written):
    """A taint that the pods put up with, for `toleration_s` seconds where that is given (NoExecute only).

    With key `node.kubernetes.io/unreachable` it says how long pods stay bound to a lost node (300 s if nobody says).
    """

    key: str
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_s: Seconds | None = None

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if self.toleration_s is not None and self.effect != "NoExecute":
            yield "toleration_s goes only with effect NoExecute"


def _not_below(files: Iterable[str]) -> Iterator[str]:
    """Complain of files that are not named by their paths below a mount path."""
    if wrong := [file for file in files if file.startswith("/") or ".." in file.split("/")]:
        yield f"files must be paths below the mount path, not {wrong[0]}"


class Fill(Written):
    """How a claim gets its content: a Job runs `command` once, with the volume writable, before the replicas start.

    `image` None is the system's own. `files` are what the command leaves, by their paths below the volume's mount path:
    they must be the same as long as the claim lives. The Job must be done within `deadline_s`.
    """

    command: Annotated[tuple[str, ...], Field(min_length=1)]
    files: Annotated[tuple[str, ...], Field(min_length=1)]
    image: Image | None = None
    deadline_s: Count = 300

    def complaints(self) -> Iterator[str]:
        """Say which fields are not right."""
        yield from _not_below(self.files)


class Volume(Written):
    """A folder that outlives the container.

    With `storage` it is a PersistentVolumeClaim of that size, shared by all replicas; without, an emptyDir of the pod.
    A claim that many may only read is filled by one who may write, so with `fill` it asks for both. `read_only` mounts
    it so for the replicas. `per_replica` gives each replica a claim of its own, for classes that no two nodes share: it
    lives as long as its pod, and an init container fills it instead of a Job. `files` must survive as those of `fill`
    must, by their paths below the mount path, where the service itself or somebody else puts them there.

    On a system that already runs, `claim` is the name of its claim, and `storage` and `access_mode` are None where
    nobody looked the claim up.
    """

    name: Name
    mount_path: Path
    storage: Quantity | None = None
    storage_class: str | None = None
    access_mode: AccessMode | None = "ReadWriteMany"
    read_only: bool = False
    per_replica: bool = False
    fill: Fill | None = None
    files: tuple[str, ...] = ()
    claim: str | None = None

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        if self.storage_class is not None and self.storage is None:
            yield "storage_class goes only with storage"
        if self.fill is not None and self.storage is None:
            yield "fill goes only with storage: what is not on a claim goes with the pod"
        if self.files and self.storage is None:
            yield "files goes only with storage: what is not on a claim goes with the pod"
        if self.storage is not None and self.access_mode is None:
            yield "access_mode is missing: a claim asks for one"
        if self.claim is not None:
            yield "claim is read from a system that already runs: what is deployed gets a claim of its own, by storage"
        yield from _not_below(self.files)
        if self.per_replica and self.storage is None:
            yield "per_replica goes only with storage: without, the folder is each pod's own anyway"
        if self.fill is not None and not self.per_replica and self.access_mode == "ReadWriteOncePod":
            yield "access_mode ReadWriteOncePod lets no Job fill the claim beside a replica"

    @property
    def access_modes(self) -> tuple[str, ...]:
        """The access modes that the claim asks for."""
        writer = ("ReadWriteOnce",) if self.fill and self.access_mode == "ReadOnlyMany" else ()
        return (*writer, self.access_mode) if self.access_mode else ()

    @property
    def shared_claim(self) -> bool:
        """Whether there is one claim, made before the replicas and outliving them."""
        return bool(self.storage or self.claim) and not self.per_replica

    @property
    def kept_files(self) -> tuple[str, ...]:
        """The files that must survive, by their paths in the container."""
        names = (*(self.fill.files if self.fill else ()), *self.files)
        return tuple(f"{self.mount_path.rstrip('/')}/{file}" for file in dict.fromkeys(names))
