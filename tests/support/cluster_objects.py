"""Builders of raw API objects, as a server lists them: pods, their owners, nodes, disruption budgets, volumes."""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

NAMESPACE = "shop"
NOW = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)

Obj = dict[str, Any]


def stamp(seconds_ago: float) -> str:
    """A moment before `NOW`, as the API writes it."""
    return (NOW - timedelta(seconds=seconds_ago)).strftime("%Y-%m-%dT%H:%M:%SZ")


def owner(kind: str, name: str, *, api: str = "apps/v1", uid: str = "") -> Obj:
    """An owner reference to a controller."""
    return {"apiVersion": api, "kind": kind, "name": name, "uid": uid or f"uid-{name}", "controller": True}


def pod(
    name: str,
    *,
    app: str = "web",
    by: Obj | None = None,
    node: str = "n1",
    ready: bool = True,
    phase: str = "Running",
    deleting: bool = False,
    labels: Mapping[str, str] | None = None,
    cpu: str = "100m",
    namespace: str = NAMESPACE,
    **spec: Any,
) -> Obj:
    """A pod of the ReplicaSet of its app, unless `by` names another owner; an empty `by` is none."""
    by = owner("ReplicaSet", f"{app}-rs") if by is None else by
    metadata: Obj = {
        "name": name,
        "namespace": namespace,
        "uid": f"uid-{name}",
        "labels": {"app": app, **(labels or {})},
        "ownerReferences": [by] if by else [],
    }
    if deleting:
        metadata["deletionTimestamp"] = stamp(0)
    return {
        "kind": "Pod",
        "metadata": metadata,
        "spec": {
            "terminationGracePeriodSeconds": 10,
            "schedulerName": "default-scheduler",
            "containers": [{"name": "c", "image": "i", "resources": {"requests": {"cpu": cpu}}}],
            **({"nodeName": node} if node else {}),
            **spec,
        },
        "status": {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]},
    }


def workload(kind: str, name: str, replicas: int | None, *, by: Obj | None = None, namespace: str = NAMESPACE) -> Obj:
    """A Deployment, ReplicaSet, StatefulSet or Job; `replicas` None leaves the number out."""
    metadata: Obj = {"name": name, "namespace": namespace, "uid": f"uid-{name}"}
    if by:
        metadata["ownerReferences"] = [by]
    return {"kind": kind, "metadata": metadata, "spec": {} if replicas is None else {"replicas": replicas}}


def deployment(app: str, replicas: int, *, namespace: str = NAMESPACE) -> list[Obj]:
    """A Deployment and its ReplicaSet, which the pods of `app` belong to."""
    return [
        workload("Deployment", app, replicas, namespace=namespace),
        workload("ReplicaSet", f"{app}-rs", replicas, by=owner("Deployment", app), namespace=namespace),
    ]


def budget(
    name: str = "pdb",
    *,
    selector: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    generation: int = 1,
    namespace: str = NAMESPACE,
    **spec: Any,
) -> Obj:
    """A disruption budget over app `web`, unless `selector` says otherwise; its bounds are given as in the API."""
    chosen = {"matchLabels": {"app": "web"}} if selector is None else selector
    return {
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": namespace, "uid": f"uid-{name}", "generation": generation},
        "spec": {"selector": chosen, **spec},
        "status": {"observedGeneration": generation, **(status or {})},
    }


def standing(healthy: int, desired: int, allowed: int, **more: Any) -> Obj:
    """A disruption budget's status."""
    return {
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": healthy,
        **more,
    }


def node(
    name: str,
    *,
    cpu: str = "4",
    pods: str = "110",
    labels: Mapping[str, str] | None = None,
    taints: tuple[Mapping[str, str], ...] = (),
    cordoned: bool = False,
    ready: bool = True,
) -> Obj:
    """A node, Ready unless told otherwise, labelled with its host name."""
    spec: Obj = {"taints": list(taints)} if taints else {}
    if cordoned:
        spec["unschedulable"] = True
    return {
        "kind": "Node",
        "metadata": {
            "name": name,
            "uid": f"uid-{name}",
            "labels": {"kubernetes.io/hostname": name, **(labels or {})},
        },
        "spec": spec,
        "status": {
            "allocatable": {"cpu": cpu, "memory": "8Gi", "pods": pods},
            "conditions": [{"type": "Ready", "status": "True" if ready else "Unknown"}],
        },
    }
