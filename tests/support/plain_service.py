"""A service as others deploy it: plain manifests, nothing of ours on them, in a namespace that others use too."""

import copy
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from cluster_snapshot import snapshot

from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.objects.base import Ref
from chaos.objects.kinds import DeploymentView
from chaos.safety.undo_journal import own_namespace
from chaos.wait import until

__all__ = ["apply_all", "plain_namespace", "service_of", "settle", "shared_namespace", "snapshot"]

SETTLED_S = 120.0


def service_of(name: str, *, replicas: int = 4, kind: str = "Deployment") -> list[dict[str, Any]]:
    """A workload of that kind with its Service and disruption budget."""
    labels = {"app": name}
    container = {
        "name": "server",
        "image": "registry.example/chat:1",
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 2},
    }
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 1, "containers": [container]}}
    spec: dict[str, Any] = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    if kind == "StatefulSet":
        spec |= {"serviceName": name, "podManagementPolicy": "Parallel"}
    return [
        {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": spec},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name},
            "spec": {"selector": labels, "ports": [{"port": 80, "targetPort": 8000}]},
        },
        {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": f"{name}-pdb"},
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": labels}},
        },
    ]


def apply_all(cluster: Cluster, namespace: str, manifests: list[dict[str, Any]]) -> None:
    """Apply them as kubectl would, and wait until their replicas are ready and counted."""
    executor = LiveExecutor(cluster, NullJournal())
    for manifest in copy.deepcopy(manifests):
        manifest["metadata"]["namespace"] = namespace
        done = executor.do(mutations.apply(manifest, field_manager="kubectl"))
        assert done.outcome == "ok", done.reason

    def settled() -> bool:
        views = [DeploymentView(one) for kind in ("Deployment", "StatefulSet") for one in cluster.list(kind, namespace)]
        budgets = [one.get("status", {}) for one in cluster.list("PodDisruptionBudget", namespace)]
        counted = all(one.get("currentHealthy", 0) >= one.get("expectedPods", 1) for one in budgets)
        return counted and all(view.rolled_out and view.ready_replicas >= view.replicas for view in views)

    until(settled, deadline_s=SETTLED_S, awaited=f"the services in {namespace} to be ready")


def settle(cluster: Cluster, namespace: str) -> None:
    """Wait until the service has all its replicas, of one template.

    Not until its budget has counted them: an eviction whose client died half-way is counted as spent for two minutes.
    """

    def whole() -> bool:
        view = DeploymentView(cluster.get("Deployment", namespace, "chat") or {})
        return view.rolled_out and view.ready_replicas == view.replicas

    def seen() -> str:
        told = [cluster.get("Deployment", namespace, "chat"), cluster.get("PodDisruptionBudget", namespace, "chat-pdb")]
        pods = [(pod["metadata"]["name"], pod["status"]) for pod in cluster.list("Pod", namespace)]
        return str([one["status"] for one in told if one]) + str(pods)

    until(whole, deadline_s=60, awaited="chat to be whole", last_seen=seen)


@contextmanager
def plain_namespace(cluster: Cluster, annotations: Mapping[str, str] | None = None) -> Iterator[str]:
    """A namespace of somebody else's, with gameday's own beside it, removed by the test, not by the suite."""
    executor = LiveExecutor(cluster, NullJournal())
    name = f"team-{uuid.uuid4().hex[:8]}"
    metadata = {"name": name, "annotations": dict(annotations or {})}
    for about in (metadata, {"name": own_namespace(name)}):
        made = executor.do(mutations.create({"apiVersion": "v1", "kind": "Namespace", "metadata": about}))
        assert made.outcome == "ok", made.reason
    try:
        yield name
    finally:
        for kind in ("Deployment", "StatefulSet"):
            for one in cluster.list(kind, name):
                executor.do(mutations.delete(Ref(kind, name, one["metadata"]["name"])))
        for made_here in (name, own_namespace(name)):
            executor.do(mutations.delete(Ref("Namespace", "", made_here)))
        until(lambda: not cluster.list("Pod", name), deadline_s=SETTLED_S, awaited=f"the pods of {name} to go")


@contextmanager
def shared_namespace(cluster: Cluster, *, kind: str = "Deployment") -> Iterator[str]:
    """A namespace with the service `chat`, and with `other`, which is none of our business."""
    with plain_namespace(cluster) as name:
        apply_all(cluster, name, [*service_of("chat", replicas=4, kind=kind), *service_of("other", replicas=2)])
        yield name
