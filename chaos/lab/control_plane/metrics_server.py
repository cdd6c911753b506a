"""metrics-server: it reads the kubelets' figures and serves them as the API that the autoscaler asks.

It runs beside the control plane, not in a pod, and the API server finds it by a Service without a selector.
"""

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from chaos.lab.control_plane.authorization import RBAC, cluster_role_binding
from chaos.lab.control_plane.components import ControlPlane
from chaos.lab.host.network import API_ADDRESS

__all__ = ["REVIEWS_PATH", "metrics_objects", "metrics_server", "start_review"]

PORT = 4443
NAME, NAMESPACE = "metrics-server", "kube-system"
USER = "gameday:metrics-server"
API_SERVICE = "v1beta1.metrics.k8s.io"
REVIEWS_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def start_review() -> Mapping[str, Any]:
    """The question whether metrics-server may read what it reads first; it ends at once if it may not.

    The API server takes a moment to act on a binding that was just made.
    """
    asked = {
        "namespace": NAMESPACE,
        "verb": "get",
        "resource": "configmaps",
        "name": "extension-apiserver-authentication",
    }
    spec = {"user": USER, "resourceAttributes": asked}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def metrics_server(control: ControlPlane) -> list[str]:
    """Arguments of metrics-server, with its certificates and kubeconfig written."""
    served = control.authority.issue(
        "metrics-server-serving",
        user=NAME,
        addresses=[API_ADDRESS],
        hosts=[f"{NAME}.{NAMESPACE}.svc", f"{NAME}.{NAMESPACE}", NAME],
    )
    kubeconfig = control.kubeconfig("metrics-server", user=USER)
    resolution_s = control.timings.metrics_resolution_s
    return [
        "metrics-server",
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={API_ADDRESS}",
        f"--secure-port={PORT}",
        f"--tls-cert-file={served.certificate}",
        f"--tls-private-key-file={served.key}",
        f"--kubelet-certificate-authority={control.authority.certificate}",
        "--kubelet-preferred-address-types=InternalIP",
        f"--metric-resolution={resolution_s}s",
        f"--kubelet-request-timeout={resolution_s / 2}s",  # must be shorter than the resolution
    ]


def metrics_objects(authority: Path) -> tuple[tuple[str, Mapping[str, Any]], ...]:
    """The objects that metrics-server needs, each with the path of its collection, in the order of creation.

    Its rights are those of its own manifests (components.yaml of the release).
    """
    roles, bindings = f"/apis/{RBAC}/v1/clusterroles", f"/apis/{RBAC}/v1/clusterrolebindings"
    local = f"/apis/{RBAC}/v1/namespaces/{NAMESPACE}/rolebindings"
    return (
        (roles, _role("system:metrics-server", _rules())),
        (roles, _reader()),
        (
            bindings,
            cluster_role_binding("system:metrics-server", role="system:metrics-server", kind="User", subject=USER),
        ),
        (
            bindings,
            cluster_role_binding(
                "metrics-server:system:auth-delegator", role="system:auth-delegator", kind="User", subject=USER
            ),
        ),
        (local, _authentication_reader()),
        (f"/api/v1/namespaces/{NAMESPACE}/services", _service()),
        (f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices", _endpoint_slice()),
        ("/apis/apiregistration.k8s.io/v1/apiservices", _api_service(authority)),
    )


def _rules() -> list[Mapping[str, Any]]:
    return [
        {"apiGroups": [""], "resources": ["nodes/metrics"], "verbs": ["get"]},
        {"apiGroups": [""], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]},
    ]


def _role(name: str, rules: list[Mapping[str, Any]], labels: Mapping[str, str] | None = None) -> Mapping[str, Any]:
    metadata = {"name": name, "labels": dict(labels or {})}
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": rules}


def _reader() -> Mapping[str, Any]:
    aggregated = {f"{RBAC}/aggregate-to-{role}": "true" for role in ("view", "edit", "admin")}
    rules = [{"apiGroups": ["metrics.k8s.io"], "resources": ["pods", "nodes"], "verbs": ["get", "list", "watch"]}]
    return _role("system:aggregated-metrics-reader", list(rules), aggregated)


def _authentication_reader() -> Mapping[str, Any]:
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": "metrics-server-auth-reader"},
        "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "extension-apiserver-authentication-reader"},
        "subjects": [{"apiGroup": RBAC, "kind": "User", "name": USER}],
    }


def _service() -> Mapping[str, Any]:
    ports = [{"name": "https", "port": 443, "targetPort": PORT}]
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": NAME}, "spec": {"ports": ports}}


def _endpoint_slice() -> Mapping[str, Any]:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": NAME, "labels": {"kubernetes.io/service-name": NAME}},
        "addressType": "IPv4",
        "ports": [{"name": "https", "port": PORT, "protocol": "TCP"}],
        "endpoints": [{"addresses": [API_ADDRESS], "conditions": {"ready": True}}],
    }


def _api_service(authority: Path) -> Mapping[str, Any]:
    return {
        "apiVersion": "apiregistration.k8s.io/v1",
        "kind": "APIService",
        "metadata": {"name": API_SERVICE},
        "spec": {
            "group": "metrics.k8s.io",
            "version": "v1beta1",
            "service": {"name": NAME, "namespace": NAMESPACE},
            "caBundle": base64.b64encode(authority.read_bytes()).decode(),
            "groupPriorityMinimum": 100,
            "versionPriority": 100,
        },
    }
