"""How a cluster is timed: periods, delays and flags of its components that no object shows, taken from trial.json.

Two profiles have names: `kubernetes`, the defaults of its components, and `lab`, shortened so that trials stay short.
The field names are those of trial.json's `timings`; what it leaves out is taken as Kubernetes' default.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any

__all__ = ["KUBERNETES", "LAB", "Timings"]


FORMER_NAMES = {"custom_metrics_s": "metric_delay_s"}
"""What earlier records call a field."""


@dataclass(frozen=True, slots=True)
class Timings:
    """What flags and configuration set, in seconds where not said otherwise.

    Source: Kubernetes documentation, "Command line tools reference" and "Configuration APIs".

    Attributes:
        name: of the profile.
        node_status_update_s: the kubelet's nodeStatusUpdateFrequency.
        node_monitor_period_s: kube-controller-manager's `--node-monitor-period`.
        node_monitor_grace_s: its `--node-monitor-grace-period`.
        node_lease_s: the kubelet's nodeLeaseDurationSeconds.
        node_eviction_rate: nodes a second of one zone that are tainted when lost (`--node-eviction-rate`).
        secondary_node_eviction_rate: the same in a large zone in partial disruption (`--secondary-node-eviction-rate`).
        large_cluster_nodes: a zone of at most so many is not evicted then (`--large-cluster-size-threshold`).
        unhealthy_zone_share: from this share of lost nodes on a zone is in partial disruption
            (`--unhealthy-zone-threshold`).
        not_ready_toleration_s: how long pods that do not say so stay bound to a node that is not ready, as the API
            server adds it (`--default-not-ready-toleration-seconds`).
        unreachable_toleration_s: the same for one that is unreachable (`--default-unreachable-toleration-seconds`).
        hpa_sync_s: the autoscaler's `--horizontal-pod-autoscaler-sync-period`.
        hpa_cpu_initialization_s: its `--horizontal-pod-autoscaler-cpu-initialization-period`.
        hpa_initial_readiness_s: its `--horizontal-pod-autoscaler-initial-readiness-delay`.
        hpa_tolerance: how far the ratio of measured to target may lie from 1 (`--horizontal-pod-autoscaler-tolerance`).
        hpa_downscale_stabilization_s: its `--horizontal-pod-autoscaler-downscale-stabilization`.
        restart_backoff_cap_s: the kubelet's crashLoopBackOff.maxContainerRestartPeriod.
        metrics_resolution_s: metrics-server's `--metric-resolution`.
        metric_delay_s: how long a change of the load may take to show in a metric that is not metrics-server's (Pods,
            Object, External): its source's scrape, its query's span, its adapter's cache. None: nobody says.
        proxy_sync_s: kube-proxy's minSyncPeriod.
        allowance_s: ours: what delivery over a watch and a busy machine may add to any sequence of steps.
        assumed: the fields that nobody recorded or declared, and that are taken as Kubernetes' defaults.
    """

    name: str = "kubernetes"
    node_status_update_s: float = 10
    node_monitor_period_s: float = 5
    node_monitor_grace_s: float = 50
    node_lease_s: float = 40
    node_eviction_rate: float = 0.1
    secondary_node_eviction_rate: float = 0.01
    large_cluster_nodes: int = 50
    unhealthy_zone_share: float = 0.55
    not_ready_toleration_s: float = 300
    unreachable_toleration_s: float = 300
    hpa_sync_s: float = 15
    hpa_cpu_initialization_s: float = 300
    hpa_initial_readiness_s: float = 30
    hpa_tolerance: float = 0.1
    hpa_downscale_stabilization_s: float = 300
    restart_backoff_cap_s: float = 300
    metrics_resolution_s: float = 15
    metric_delay_s: float | None = None
    proxy_sync_s: float = 1
    allowance_s: float = 5
    assumed: Sequence[str] = field(default_factory=list, compare=False)

    @classmethod
    def of(cls, recorded: Mapping[str, Any]) -> Timings:
        """Read trial.json's `timings`; fields that we do not know are for others."""
        defaults = {one.name: one.default for one in fields(cls) if one.name != "assumed"}
        named = {FORMER_NAMES.get(name, name): value for name, value in recorded.items()}
        given = {name: value for name, value in named.items() if name in defaults and value is not None}
        silent = {name for name, value in defaults.items() if value is not None} - given.keys() - {"name"}
        return cls(**given, assumed=sorted({*silent, *recorded.get("assumed", ())}))


KUBERNETES = Timings.of({"name": "kubernetes"})

LAB = Timings(
    name="lab",
    node_status_update_s=4,
    node_monitor_period_s=2,
    node_monitor_grace_s=16,
    # A kubelet renews its lease four times within this: as often within the grace as with the defaults.
    node_lease_s=16,
    not_ready_toleration_s=10,
    unreachable_toleration_s=10,
    hpa_sync_s=5,
    hpa_cpu_initialization_s=10,
    hpa_initial_readiness_s=5,
    restart_backoff_cap_s=5,
    metrics_resolution_s=10,
)
