"""`SystemSpec`: what a person writes about the system under test, and nothing about any particular model.

The defaults suit a small HTTP server that holds no state and answers the kubelet at `/startupz`, `/readyz` and
`/livez`, much as Kubernetes' own components do. Every field has the meaning that Kubernetes gives it; numbers are whole
seconds, pods, or Kubernetes quantities.
"""

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from chaos.objects.quantities import amount
from chaos.system.spec.base import Count, Image, Labels, Name, Port, Quantity, Seconds, Written
from chaos.system.spec.parts import (
    Autoscale,
    DisruptionBudget,
    ProbeSpec,
    Rollout,
    Security,
    Spread,
    Toleration,
    Volume,
)

__all__ = ["SystemSpec"]

RESERVED = ("app.kubernetes.io/name", "app.kubernetes.io/managed-by")


class SystemSpec(Written):
    """The system under test: a replicated HTTP service, as a Deployment with all that stands around it.

    `replicas` counts only without `autoscale`: with it, the autoscaler owns the number and starts at `replicas_min`,
    but at one where that is 0.
    `service_port` is where users reach it, `port` where the container listens. `grace_s` is
    terminationGracePeriodSeconds, of which the preStop sleep takes its part; a server that does not itself go on taking
    connections for a while after SIGTERM needs that sleep. It is None where what runs has a hook that does something
    else, for as long as that takes. `tolerance` is how many replicas may be lost at once within the promise to users;
    None means half of the fewest replicas, rounded down. `labels` are added to every object and pod. `profile` says
    what one request is and what counts as an answer.
    """

    name: Name
    image: Image
    image_pull_policy: Literal["Always", "IfNotPresent", "Never"] = "IfNotPresent"
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    env: Mapping[str, str] = Field(default_factory=dict)
    port: Port = 8080
    service_port: Port = 80
    profile: Literal["openai-chat", "openai-completions", "openai-embeddings", "rerank", "http"] = "http"

    startup: ProbeSpec | None = ProbeSpec(path="/startupz", period_s=1, failure_threshold=60)
    readiness: ProbeSpec | None = ProbeSpec(path="/readyz", period_s=1)
    liveness: ProbeSpec | None = ProbeSpec(path="/livez", period_s=2, timeout_s=2)

    replicas: Count = 3
    tolerance: Annotated[int, Field(ge=0, strict=True)] | None = None
    cpu_request: Quantity | None = "100m"
    cpu_limit: Quantity | None = "500m"
    memory_request: Quantity | None = "128Mi"
    memory_limit: Quantity | None = "512Mi"
    grace_s: Seconds = 30
    pre_stop_sleep_s: Seconds | None = 0

    spread: Spread = Spread()
    disruption_budget: DisruptionBudget | None = DisruptionBudget(max_unavailable=1)
    autoscale: Autoscale | None = None
    rollout: Rollout = Rollout()
    security: Security = Security()
    volumes: tuple[Volume, ...] = ()
    labels: Labels = Field(default_factory=dict)
    node_selector: Labels = Field(default_factory=dict)
    tolerations: tuple[Toleration, ...] = ()

    def complaints(self) -> Iterator[str]:
        """Say which fields do not go together."""
        for name, probe in (("startup", self.startup), ("liveness", self.liveness)):
            if probe and probe.success_threshold != 1:
                yield f"{name}.success_threshold must be 1"
        yield from self._resource_complaints()
        if (self.pre_stop_sleep_s or 0) > self.grace_s:
            yield f"pre_stop_sleep_s must not be greater than grace_s ({self.grace_s})"
        if self.tolerance is not None and self.tolerance >= self.replicas_floor:
            yield f"tolerance must be less than the fewest replicas ({self.replicas_floor})"
        if reserved := sorted(key for key in self.labels if key in RESERVED or key.startswith("gameday.dev/")):
            yield f"labels must not contain {', '.join(reserved)}: gameday sets it"
        for field in ("name", "mount_path"):
            values = [getattr(volume, field) for volume in self.volumes]
            if len(set(values)) < len(values):
                yield f"volumes must differ in {field}"

    def _resource_complaints(self) -> Iterator[str]:
        amounts = (("cpu", self.cpu_request, self.cpu_limit), ("memory", self.memory_request, self.memory_limit))
        for name, request, limit in amounts:
            if request and limit and amount(request) > amount(limit):
                yield f"{name}_request ({request}) must not be greater than {name}_limit ({limit})"
        # Utilisation is a share of the request; a limit alone would be taken for the request by the API server.
        if self.autoscale and self.autoscale.on_cpu and not (self.cpu_request or self.cpu_limit):
            yield "autoscale needs a cpu_request to measure against"

    @property
    def replicas_floor(self) -> int:
        """The fewest replicas that the system is meant to have; one that may go to zero is tried while it has some."""
        return max(1, self.autoscale.replicas_min) if self.autoscale else self.replicas

    @property
    def by_keda(self) -> bool:
        """Whether KEDA scales it."""
        return self.autoscale is not None and self.autoscale.keda is not None

    @property
    def kept_files(self) -> tuple[str, ...]:
        """The files that must survive, by their paths in the container."""
        return tuple(file for volume in self.volumes for file in volume.kept_files)

    @property
    def losses_tolerated(self) -> int:
        """How many replicas may be lost at once within the promise to users."""
        return self.replicas_floor // 2 if self.tolerance is None else self.tolerance
