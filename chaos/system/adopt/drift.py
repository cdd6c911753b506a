"""How a system's objects, and the nodes of its replicas, differ before and after a trial. Evidence, not judged here."""

import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.cluster import Cluster, selector_of
from chaos.errors import ClusterRefused
from chaos.history.writing.jsonl import write_private
from chaos.history.writing.redaction import without_secrets
from chaos.objects.base import Raw
from chaos.objects.pod import PodView
from chaos.system.system import System

__all__ = ["compared", "differences", "standing"]

COUNTED = "deployment.kubernetes.io/revision"
"""The Deployment's controller counts its revisions, which a rollout and its undoing both raise."""


@contextmanager
def compared(cluster: Cluster, system: System, path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Write into `path` how the objects read before the block and what differs after it, and say what does.

    Replicas that were moved stay where they are: Kubernetes does not spread them again by itself, so it is said when
    one node holds a greater share of them than before.
    """
    before, held = _kept(cluster, system), replicas_by_node(cluster, system)
    try:
        yield
    finally:
        found, holds = differences(before, _kept(cluster, system)), replicas_by_node(cluster, system)
        record = {"before": before, "differences": found, "replicas": {"before": held, "after": holds}}
        write_private(path, json.dumps(record, indent=1) + "\n")
        for one in found:
            say(f"{one['object']} differs from before: {one['path']}")
        if _fullest(holds) > _fullest(held):
            workload = f"{system.workload.kind.lower()} {system.workload.name} -n {system.namespace}"
            say(f"{_crowded(holds)}; spread them again: kubectl rollout restart {workload}")


def _kept(cluster: Cluster, system: System) -> dict[str, Any]:
    """As they read, without secrets: of a part that differs nobody could tell any more whether it was one."""
    return {name: without_secrets(one) for name, one in standing(cluster, system).items()}


def replicas_by_node(cluster: Cluster, system: System) -> dict[str, int]:
    """How many ready replicas each node holds; empty where they cannot be listed."""
    try:
        pods = cluster.list("Pod", system.namespace, selector=selector_of(system.selector))
    except ClusterRefused:
        return {}
    return dict(sorted(Counter(pod.node for pod in map(PodView, pods) if pod.ready).items()))


def _fullest(held: Mapping[str, int]) -> float:
    """The share of the replicas that the fullest node holds."""
    return max(held.values(), default=0) / max(1, sum(held.values()))


def standing(cluster: Cluster, system: System) -> dict[str, Any]:
    """Labels, annotations and spec of each object of the system, by kind and name; None for one that is not there.

    What cannot be read says why, as text.
    """
    found: dict[str, Any] = {}
    for ref in system.objects:
        try:
            raw = cluster.get(ref.kind, ref.namespace, ref.name)
        except ClusterRefused as refused:
            found[f"{ref.kind} {ref.name}"] = refused.what
            continue
        found[f"{ref.kind} {ref.name}"] = None if raw is None else _written(raw)
    return found


def differences(before: Mapping[str, Any], after: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Each part that differs, by its object and its path within; a part that is not there reads null."""
    return [
        {"object": name, "path": path, "before": was, "after": now}
        for name in {**before, **after}
        for path, was, now in _differing("", before.get(name), after.get(name))
    ]


def _crowded(held: Mapping[str, int]) -> str:
    node, most = max(held.items(), key=lambda one: one[1])
    return f"node {node} holds {most} of {sum(held.values())} replicas, more than any node before"


def _written(raw: Raw) -> dict[str, Any]:
    metadata = raw["metadata"]
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != COUNTED}
    return {
        "uid": metadata["uid"],
        "labels": metadata.get("labels") or {},
        "annotations": annotations,
        "spec": raw["spec"],
    }


def _differing(path: str, was: Any, now: Any) -> Iterator[tuple[str, Any, Any]]:
    if isinstance(was, Mapping) and isinstance(now, Mapping):
        for key in {**was, **now}:
            yield from _differing(f"{path}/{key}", was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for index, (one, other) in enumerate(zip(was, now, strict=True)):
            yield from _differing(f"{path}/{index}", one, other)
    elif was != now:
        yield path or "/", was, now
