"""The Kubernetes timings that a cluster of ours runs with: what components are told, and what each trial records."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass

__all__ = ["DEFAULT_TIMINGS", "LAB_TIMINGS", "KubernetesTimings"]


@dataclass(frozen=True, slots=True)
class KubernetesTimings:
    """Periods, delays and graces of the control plane and the kubelets, in seconds; by default, Kubernetes' own.

    Source: the flag defaults of kube-controller-manager and kube-apiserver and of KubeletConfiguration in Kubernetes
    1.36, and the manifests of metrics-server. `chaos.semantics.Timings` has the same names where it needs them.
    """

    name: str = "kubernetes"
    node_status_update_s: float = 10
    node_lease_s: int = 40
    node_monitor_period_s: float = 5
    node_monitor_grace_s: float = 50
    not_ready_toleration_s: int = 300
    unreachable_toleration_s: int = 300
    hpa_sync_s: float = 15
    hpa_cpu_initialization_s: float = 300
    hpa_initial_readiness_s: float = 30
    restart_backoff_cap_s: float = 300
    metrics_resolution_s: float = 15

    def as_mapping(self) -> Mapping[str, object]:
        """The timings as plain data, as `trial.json` keeps them."""
        return asdict(self)


DEFAULT_TIMINGS = KubernetesTimings()

# Shortened so that a trial that waits for node loss, back-off or the autoscaler ends in minutes; every report says so.
LAB_TIMINGS = KubernetesTimings(
    name="lab",
    node_status_update_s=4,
    # A kubelet renews its lease four times within this: as often within the grace as with the defaults.
    node_lease_s=16,
    node_monitor_period_s=2,
    node_monitor_grace_s=16,
    not_ready_toleration_s=10,
    unreachable_toleration_s=10,
    hpa_sync_s=5,
    hpa_cpu_initialization_s=10,
    hpa_initial_readiness_s=5,
    restart_backoff_cap_s=5,
    metrics_resolution_s=10,
)
