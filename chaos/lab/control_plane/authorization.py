"""Who may do what on a cluster of ours (RBAC), and the audit log of what the suite's ServiceAccount was refused."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from chaos.lab.control_plane.components import ADMINS, KUBELET_CLIENT
from chaos.lab.host.paths import LabPaths

__all__ = [
    "RBAC",
    "REVIEWS_PATH",
    "access_review",
    "admins_binding",
    "audit_flags",
    "cluster_role",
    "cluster_role_binding",
    "kubelet_client_binding",
    "refused",
]

POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "userGroups": ["system:serviceaccounts:kube-system"]},
        {"level": "Metadata", "userGroups": ["system:serviceaccounts"]},
        {"level": "None"},
    ],
}
"""Service accounts are who scenarios run as; Kubernetes' own controllers, and certificates, are not logged."""

FORBIDDEN = "forbid"
SIZE_MB = 50


def audit_flags(paths: LabPaths) -> tuple[str, ...]:
    """Write the policy, and give the API server's flags for it."""
    policy = paths.control / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(POLICY))
    return (f"--audit-policy-file={policy}", f"--audit-log-path={paths.audit}", f"--audit-log-maxsize={SIZE_MB}")


def refused(log: Path, user: str) -> tuple[str, ...]:
    """What a user asked for and had no right to, each once: verb, resource, and namespace/name where there is one."""
    found: dict[str, None] = {}
    for file in sorted(log.parent.glob(f"{log.stem}*{log.suffix}")):
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                # Most lines are of what was allowed: reading only the others costs a fraction.
                if FORBIDDEN in line and (words := _refused(line, user)):
                    found[words] = None
    return tuple(found)


def _refused(line: str, user: str) -> str:
    try:
        event = json.loads(line)
    except ValueError:
        return ""  # the last line may be half written
    decision = (event.get("annotations") or {}).get("authorization.k8s.io/decision")
    if decision != FORBIDDEN or (event.get("user") or {}).get("username") != user:
        return ""
    about = event.get("objectRef") or {}
    what = "/".join(filter(None, (about.get("resource", event.get("requestURI", "")), about.get("subresource"))))
    where = "/".join(filter(None, (about.get("namespace"), about.get("name"))))
    return f"{event.get('verb')} {what}" + (f" ({where})" if where else "")


RBAC = "rbac.authorization.k8s.io"
REVIEWS_PATH = "/apis/authorization.k8s.io/v1/subjectaccessreviews"


def admins_binding() -> Mapping[str, Any]:
    """The administrators' group may do everything."""
    return cluster_role_binding("gameday:admins", role="cluster-admin", kind="Group", subject=ADMINS)


def cluster_role(name: str, rules: Sequence[Mapping[str, Any]], *, aggregated: Sequence[str] = ()) -> Mapping[str, Any]:
    """A cluster role; `aggregated` are the user-facing roles whose bearers have its rights too."""
    labels = {f"{RBAC}/aggregate-to-{role}": "true" for role in aggregated}
    metadata = {"name": name, "labels": labels}
    return {"apiVersion": f"{RBAC}/v1", "kind": "ClusterRole", "metadata": metadata, "rules": list(rules)}


def access_review(user: str, verb: str, resource: str, **where: str) -> Mapping[str, Any]:
    """The question whether a user may do something; `where` are the namespace, name and group, if any.

    The API server takes a moment to act on a binding that was just made.
    """
    asked = {"verb": verb, "resource": resource, **where}
    spec = {"user": user, "resourceAttributes": asked}
    return {"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": spec}


def cluster_role_binding(name: str, *, role: str, kind: str, subject: str) -> Mapping[str, Any]:
    """Give a cluster role to a user or group everywhere."""
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "ClusterRoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role},
        "subjects": [{"apiGroup": RBAC, "kind": kind, "name": subject}],
    }


def kubelet_client_binding() -> Mapping[str, Any]:
    """The API server may do at the kubelets what `kubectl logs`, `exec` and `port-forward` need."""
    return cluster_role_binding(
        "gameday:apiserver-kubelet-client", role="system:kubelet-api-admin", kind="User", subject=KUBELET_CLIENT
    )
