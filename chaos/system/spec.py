"""`SystemSpec`: what a person writes about the system under test, and nothing about any particular model.

The defaults suit a small HTTP server that answers `GET /health` and holds no state. Every field has the meaning that
Kubernetes gives it; numbers are whole seconds, pods, or Kubernetes quantities.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from chaos.system.fields import Count, CountOrShare, Labels, Name, Path, Port, Quantity, Seconds, amount
from chaos.system.written import Written

__all__ = [
    "Autoscale",
    "DisruptionBudget",
    "ProbeSpec",
    "Rollout",
    "Security",
    "Spread",
    "SystemSpec",
    "Toleration",
    "Volume",
]

Profile = Literal["openai-chat", "http"]
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

    @model_validator(mode="after")
    def _one_bound(self) -> Self:
        if (self.min_available is None) == (self.max_unavailable is None):
            raise ValueError("give one of min_available and max_unavailable, and only one")
        return self


class Autoscale(Written):
    """The HorizontalPodAutoscaler on CPU. `cpu_percent` is of the request, averaged over the pods.

    The windows and rates left at None are Kubernetes' own: up at once, 100 % or 4 pods each 15 s; down after the
    highest recommendation of 300 s, 100 % each 15 s. A rate is given as pods that may be added or removed a period.
    """

    replicas_min: Count = 1
    replicas_max: Count
    cpu_percent: Count = 80
    scale_up_window_s: Annotated[int, Field(ge=0, le=3600, strict=True)] | None = None
    scale_down_window_s: Annotated[int, Field(ge=0, le=3600, strict=True)] | None = None
    scale_up_pods: Count | None = None
    scale_down_pods: Count | None = None
    rate_period_s: Annotated[int, Field(ge=1, le=1800, strict=True)] = 15

    @model_validator(mode="after")
    def _ordered(self) -> Self:
        if self.replicas_max < self.replicas_min:
            raise ValueError(f"replicas_max must be at least replicas_min ({self.replicas_min})")
        return self


class Rollout(Written):
    """How the Deployment replaces pods: how many more, and how many fewer, than desired there may be meanwhile.

    `progress_deadline_s`: without progress for so long, the Deployment says that it is stuck.
    """

    max_surge: CountOrShare = 1
    max_unavailable: CountOrShare = 0
    min_ready_s: Seconds = 0
    progress_deadline_s: Count = 600

    @model_validator(mode="after")
    def _can_move(self) -> Self:
        if all(str(bound).removesuffix("%") == "0" for bound in (self.max_surge, self.max_unavailable)):
            raise ValueError("max_surge and max_unavailable must not both be zero: no pod could ever be replaced")
        if self.progress_deadline_s <= self.min_ready_s:
            raise ValueError(f"progress_deadline_s must be greater than min_ready_s ({self.min_ready_s})")
        return self


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

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.non_root and self.user == 0:
            raise ValueError("user 0 is root: give another user, or non_root = false")
        return self


class Toleration(Written):
    """A taint that the pods put up with, for `toleration_s` seconds where that is given (NoExecute only).

    With key `node.kubernetes.io/unreachable` it says how long pods stay bound to a lost node (300 s if nobody says).
    """

    key: str
    value: str | None = None
    effect: Literal["NoSchedule", "PreferNoSchedule", "NoExecute"] | None = None
    toleration_s: Seconds | None = None

    @model_validator(mode="after")
    def _timed_only_for_no_execute(self) -> Self:
        if self.toleration_s is not None and self.effect != "NoExecute":
            raise ValueError("toleration_s goes only with effect NoExecute")
        return self


class Volume(Written):
    """A folder that outlives the container.

    With `storage` it is a PersistentVolumeClaim of that size, shared by all replicas; without, an emptyDir of the pod's.
    """

    name: Name
    mount_path: Path
    storage: Quantity | None = None
    storage_class: str | None = None
    access_mode: Literal["ReadWriteOnce", "ReadWriteMany", "ReadOnlyMany", "ReadWriteOncePod"] = "ReadWriteMany"

    @model_validator(mode="after")
    def _class_needs_claim(self) -> Self:
        if self.storage_class is not None and self.storage is None:
            raise ValueError("storage_class goes only with storage")
        return self


class SystemSpec(Written):
    """The system under test: a replicated HTTP service, as a Deployment with all that stands around it.

    `replicas` counts only without `autoscale`: with it, the autoscaler owns the number and starts at `replicas_min`.
    `service_port` is where users reach it, `port` where the container listens. `grace_s` is
    terminationGracePeriodSeconds, of which the preStop sleep takes its part. `tolerance` is how many replicas may be
    lost at once within the promise to users; None means half of the fewest replicas, rounded down. `labels` are added
    to every object and pod. `profile` says what one request is and what counts as an answer.
    """

    name: Name
    image: Annotated[str, Field(min_length=1, pattern=r"^\S+$")]
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = {}
    port: Port = 8080
    service_port: Port = 80
    profile: Profile = "http"

    startup: ProbeSpec | None = ProbeSpec(path="/health", period_s=1, failure_threshold=60)
    readiness: ProbeSpec | None = ProbeSpec(path="/health", period_s=1)
    liveness: ProbeSpec | None = ProbeSpec(path="/health", period_s=1)

    replicas: Count = 3
    tolerance: Annotated[int, Field(ge=0, strict=True)] | None = None
    cpu_request: Quantity | None = "100m"
    cpu_limit: Quantity | None = "500m"
    memory_request: Quantity | None = "128Mi"
    memory_limit: Quantity | None = "512Mi"
    grace_s: Seconds = 30
    pre_stop_sleep_s: Seconds = 2

    spread: Spread = Spread()
    disruption_budget: DisruptionBudget | None = DisruptionBudget(max_unavailable=1)
    autoscale: Autoscale | None = None
    rollout: Rollout = Rollout()
    security: Security = Security()
    volumes: tuple[Volume, ...] = ()
    labels: Labels = {}
    node_selector: Labels = {}
    tolerations: tuple[Toleration, ...] = ()

    @model_validator(mode="after")
    def _agrees_with_itself(self) -> Self:
        for complaint in self._complaints():
            raise ValueError(complaint)
        return self

    def _complaints(self) -> tuple[str, ...]:
        probes = (("startup", self.startup), ("liveness", self.liveness))
        amounts = (("cpu", self.cpu_request, self.cpu_limit), ("memory", self.memory_request, self.memory_limit))
        reserved = [key for key in self.labels if key.startswith(("app.kubernetes.io/name", "gameday.dev/"))]
        reserved += [key for key in self.labels if key == "app.kubernetes.io/managed-by"]
        names = [volume.name for volume in self.volumes]
        mounts = [volume.mount_path for volume in self.volumes]
        rules = (
            *((p is not None and p.success_threshold != 1, f"{name}.success_threshold must be 1") for name, p in probes),
            *(
                (request is not None and limit is not None and amount(request) > amount(limit),
                 f"{name}_request ({request}) must not be greater than {name}_limit ({limit})")
                for name, request, limit in amounts
            ),
            (self.pre_stop_sleep_s > self.grace_s, f"pre_stop_sleep_s must not be greater than grace_s ({self.grace_s})"),
            (self.autoscale is not None and self.cpu_request is None, "autoscale needs a cpu_request to measure against"),
            (self.losses_tolerated >= self.replicas_floor + (self.tolerance is None),
             f"tolerance must be less than the fewest replicas ({self.replicas_floor})"),
            (bool(reserved), f"labels must not contain {', '.join(reserved)}: gameday sets it"),
            (len(set(names)) < len(names) or len(set(mounts)) < len(mounts),
             "volumes must differ in name and in mount_path"),
        )
        return tuple(words for broken, words in rules if broken)

    @property
    def replicas_floor(self) -> int:
        """The fewest replicas that the system is meant to have."""
        return self.autoscale.replicas_min if self.autoscale else self.replicas

    @property
    def losses_tolerated(self) -> int:
        """How many replicas may be lost at once within the promise to users."""
        return self.replicas_floor // 2 if self.tolerance is None else self.tolerance
