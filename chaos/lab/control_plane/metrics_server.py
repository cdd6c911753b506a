"""metrics-server: it reads the kubelets' figures and serves them as the API that the autoscaler asks.

It runs beside the control plane, not in a pod.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.lab.control_plane.aggregated import AggregatedServer, Collected
from chaos.lab.control_plane.authorization import RBAC, cluster_role, cluster_role_binding
from chaos.lab.control_plane.components import ControlPlane

__all__ = ["METRICS_SERVER", "metrics_objects", "metrics_server"]

METRICS_SERVER = AggregatedServer("metrics-server", "gameday:metrics-server", 4443, ("metrics.k8s.io/v1beta1",))
ROLE = "system:metrics-server"


def metrics_server(control: ControlPlane) -> list[str]:
    """Arguments of metrics-server, with its certificates and kubeconfig written."""
    kubeconfig = control.kubeconfig(METRICS_SERVER.name, user=METRICS_SERVER.user)
    resolution_s = control.timings.metrics_resolution_s
    return [
        METRICS_SERVER.name,
        f"--kubeconfig={kubeconfig}",
        *METRICS_SERVER.arguments(control.authority, kubeconfig),
        f"--kubelet-certificate-authority={control.authority.certificate}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--metric-resolution={resolution_s}s",
        f"--kubelet-request-timeout={resolution_s / 2}s",  # must be shorter than the resolution
    ]


def metrics_objects(authority: Path) -> tuple[Collected, ...]:
    """The objects that metrics-server needs, each with the path of its collection, in the order of creation.

    Its rights are those of its own manifests (components.yaml of the release).
    """
    roles, bindings = f"/apis/{RBAC}/v1/clusterroles", f"/apis/{RBAC}/v1/clusterrolebindings"
    return (
        (roles, cluster_role(ROLE, RULES)),
        (roles, cluster_role("system:aggregated-metrics-reader", READER_RULES, aggregated=("view", "edit", "admin"))),
        (bindings, cluster_role_binding(ROLE, role=ROLE, kind="User", subject=METRICS_SERVER.user)),
        *METRICS_SERVER.objects(authority),
    )


RULES: tuple[Mapping[str, Any], ...] = (
    {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
    {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
)
READER_RULES: tuple[Mapping[str, Any], ...] = (
    {"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
)
