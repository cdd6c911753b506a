"""Parts of gameday.toml about how the cluster is timed, and what is promised of the autoscaling."""

from typing import Annotated, Literal

from pydantic import Field

from chaos.semantics import KUBERNETES, Timings
from chaos.system.spec.base import Written

__all__ = ["AutoscalingPart", "Positive", "TimingsPart"]

Positive = Annotated[float, Field(gt=0)]


class TimingsPart(Written):
    """How the cluster is timed where it differs from Kubernetes' defaults: see `chaos.semantics.Timings`."""

    node_monitor_period_s: Positive | None = None
    node_monitor_grace_s: Positive | None = None
    not_ready_toleration_s: Positive | None = None
    unreachable_toleration_s: Positive | None = None
    hpa_sync_s: Positive | None = None
    hpa_cpu_initialization_s: Positive | None = None
    hpa_initial_readiness_s: Positive | None = None
    hpa_tolerance: Annotated[float, Field(ge=0)] | None = None
    hpa_downscale_stabilization_s: Annotated[float, Field(ge=0)] | None = None
    restart_backoff_cap_s: Positive | None = None
    metrics_resolution_s: Positive | None = None
    metric_delay_s: Positive | None = None
    allowance_s: Positive | None = None

    def timings(self) -> Timings:
        """The cluster's timings: these, and Kubernetes' defaults for the rest."""
        given = self.model_dump(exclude_none=True)
        return Timings.of({"name": "gameday.toml", **given}) if given else KUBERNETES


class AutoscalingPart(Written):
    """What the owner says of the autoscaling: `at_zero`, what becomes of requests while there is no replica.

    `refused`: users are told at once; `held`: a router or an activator keeps them until a replica can answer.
    `room` for as many replicas as the autoscaler may set: `present`, on the nodes that are there; `grows`, a node
    autoscaler makes it.
    """

    at_zero: Literal["refused", "held"] | None = None
    room: Literal["present", "grows"] | None = None
