"""What people wrote of a system's objects, and how it differs from one look to the next: evidence, not judged here."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from chaos.cluster import Cluster
from chaos.errors import ClusterRefused
from chaos.history.objects import Raw
from chaos.system.system import System

__all__ = ["compared", "differences", "standing"]

COUNTED = "deployment.kubernetes.io/revision"
"""The Deployment's controller counts its revisions, which a rollout and its undoing both raise."""


@contextmanager
def compared(cluster: Cluster, system: System, path: Path, say: Callable[[str], None]) -> Iterator[None]:
    """Write into `path` how the objects read before the block and what differs after it, and say what does."""
    before = standing(cluster, system)
    try:
        yield
    finally:
        found = differences(before, standing(cluster, system))
        path.write_text(json.dumps({"before": before, "differences": found}, indent=1) + "\n")
        for one in found:
            say(f"{one['object']} reads otherwise than before: {one['path']}")


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
