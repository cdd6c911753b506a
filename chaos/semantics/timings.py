"""How a cluster is timed: periods and delays that no object shows, taken from trial.json.

Two profiles have names: `kubernetes`, the defaults of its components, and `lab`, shortened so that trials stay short.
The field names are those of trial.json's `timings`; what it leaves out is taken as Kubernetes' default.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

__all__ = ["KUBERNETES", "LAB", "Timings"]


@dataclass(frozen=True, slots=True)
class Timings:
    """Seconds, each the flag or configuration field of the component named (kubernetes.md A.5, A.7, A.8).

    `node_monitor_*`: controller manager's node-monitor-period and -grace-period. `node_lease_s`: the kubelet's
    nodeLeaseDurationSeconds. `*_toleration_s`: what the API server adds to
    pods that do not say how long they stay bound to a lost node. `hpa_*`: the autoscaler's sync period, CPU
    initialisation and initial readiness. `restart_backoff_cap_s`: kubelet's maxContainerRestartPeriod.
    `metrics_resolution_s`: metrics-server's. `proxy_sync_s`: kube-proxy's minSyncPeriod. `allowance_s` is ours: what
    delivery over a watch and a busy machine may add to any sequence of steps.
    """

    name: str = "kubernetes"
    node_monitor_period_s: float = 5
    node_monitor_grace_s: float = 50
    node_lease_s: float = 40
    not_ready_toleration_s: float = 300
    unreachable_toleration_s: float = 300
    hpa_sync_s: float = 15
    hpa_cpu_initialization_s: float = 300
    hpa_initial_readiness_s: float = 30
    restart_backoff_cap_s: float = 300
    metrics_resolution_s: float = 15
    proxy_sync_s: float = 1
    allowance_s: float = 5

    @classmethod
    def of(cls, told: Mapping[str, Any]) -> Timings:
        """Read trial.json's `timings`; fields that we do not know are for others."""
        known = {field.name for field in fields(cls)}
        return cls(**{name: value for name, value in told.items() if name in known and value is not None})


KUBERNETES = Timings()

LAB = Timings(
    name="lab",
    node_monitor_period_s=2,
    node_monitor_grace_s=16,
    node_lease_s=16,
    not_ready_toleration_s=10,
    unreachable_toleration_s=10,
    hpa_sync_s=5,
    hpa_cpu_initialization_s=10,
    hpa_initial_readiness_s=5,
    restart_backoff_cap_s=5,
    metrics_resolution_s=10,
)
