"""API groups that a program beside the control plane serves: its certificates, rights, Service and APIServices.

The API server finds it by a Service without a selector, and asks with its front-proxy certificate.
"""

import base64
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.lab.control_plane.authorization import RBAC, access_review, cluster_role_binding
from chaos.lab.control_plane.pki import Authority
from chaos.lab.host.network import API_ADDRESS

__all__ = ["API_SERVICES", "NAMESPACE", "AggregatedServer", "Collected"]

NAMESPACE = "kube-system"
API_SERVICES = "/apis/apiregistration.k8s.io/v1/apiservices"

Collected = tuple[str, Mapping[str, Any]]
"""An object with the path of its collection."""


@dataclass(frozen=True, slots=True)
class AggregatedServer:
    """A server of API groups: `versions` are `GROUP/VERSION`, the preferred one of a group first.

    `user` is who it is for the API server; `port` is its own at the address of the control plane.
    """

    name: str
    user: str
    port: int
    versions: tuple[str, ...]

    @property
    def api_services(self) -> tuple[str, ...]:
        """The names of its APIServices."""
        return tuple(".".join(reversed(version.split("/"))) for version in self.versions)

    def start_review(self) -> Mapping[str, Any]:
        """The question whether it may read what it reads first; it ends at once if it may not."""
        return access_review(
            self.user, "get", "configmaps", namespace=NAMESPACE, name="extension-apiserver-authentication"
        )

    def arguments(self, authority: Authority, kubeconfig: Path) -> list[str]:
        """The flags that every server made with k8s.io/apiserver has; its serving certificate is issued here."""
        host = f"{self.name}.{NAMESPACE}"
        served = authority.issue(
            f"{self.name}-serving", user=self.name, addresses=[API_ADDRESS], hosts=[f"{host}.svc", host, self.name]
        )
        return [
            f"--authentication-kubeconfig={kubeconfig}",
            f"--authorization-kubeconfig={kubeconfig}",
            f"--bind-address={API_ADDRESS}",
            f"--secure-port={self.port}",
            f"--tls-cert-file={served.certificate}",
            f"--tls-private-key-file={served.key}",
        ]

    def objects(self, authority: Path) -> tuple[Collected, ...]:
        """What makes the API server ask it, and lets it ask who calls, in the order of creation."""
        delegator = cluster_role_binding(
            f"{self.name}:system:auth-delegator", role="system:auth-delegator", kind="User", subject=self.user
        )
        return (
            (f"/apis/{RBAC}/v1/clusterrolebindings", delegator),
            (f"/apis/{RBAC}/v1/namespaces/{NAMESPACE}/rolebindings", self._authentication_reader()),
            (f"/api/v1/namespaces/{NAMESPACE}/services", self._service()),
            (f"/apis/discovery.k8s.io/v1/namespaces/{NAMESPACE}/endpointslices", self._endpoint_slice()),
            *[(API_SERVICES, self._api_service(number, authority)) for number in range(len(self.versions))],
        )

    def _authentication_reader(self) -> Mapping[str, Any]:
        return {
            "apiVersion": f"{RBAC}/v1",
            "kind": "RoleBinding",
            "metadata": {"name": f"{self.name}-auth-reader"},
            "roleRef": {"apiGroup": RBAC, "kind": "Role", "name": "extension-apiserver-authentication-reader"},
            "subjects": [{"apiGroup": RBAC, "kind": "User", "name": self.user}],
        }

    def _service(self) -> Mapping[str, Any]:
        ports = [{"name": "https", "port": 443, "targetPort": self.port}]
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": self.name}, "spec": {"ports": ports}}

    def _endpoint_slice(self) -> Mapping[str, Any]:
        return {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": self.name, "labels": {"kubernetes.io/service-name": self.name}},
            "addressType": "IPv4",
            "ports": [{"name": "https", "port": self.port, "protocol": "TCP"}],
            "endpoints": [{"addresses": [API_ADDRESS], "conditions": {"ready": True}}],
        }

    def _api_service(self, number: int, authority: Path) -> Mapping[str, Any]:
        group, version = self.versions[number].split("/")
        return {
            "apiVersion": "apiregistration.k8s.io/v1",
            "kind": "APIService",
            "metadata": {"name": self.api_services[number]},
            "spec": {
                "group": group,
                "version": version,
                "service": {"name": self.name, "namespace": NAMESPACE},
                "caBundle": base64.b64encode(authority.read_bytes()).decode(),
                "groupPriorityMinimum": 100,
                "versionPriority": 100 - number,
            },
        }
