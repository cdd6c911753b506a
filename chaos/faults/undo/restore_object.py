"""Put back a part of an object, if it still is as the dead run made it.

What the dead run wanted is known; what the server made of it (defaults filled in) is not. So the server is asked, by a
dry run, what it would make of it now: where that is how the part stands, it is ours.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal

from chaos.cluster import Mutation, mutations
from chaos.safety import Inverse

if TYPE_CHECKING:
    from chaos.faults.undo.restore import Undoer

__all__ = ["restore_part"]


def restore_part(undoer: Undoer, inverse: Inverse) -> tuple[Literal["undone", "nothing", "left"], str]:
    """Put it back, and verify. Raises `ClusterRefused` if the object cannot be read."""
    ref, path, before = inverse.target, str(inverse.detail["path"]), inverse.detail["before"]
    what = f"{path} of {ref.kind} {ref.namespace}/{ref.name}"
    found = undoer.cluster.get(ref.kind, ref.namespace, ref.name)
    if found is None or found["metadata"]["uid"] != ref.uid:
        return "nothing", f"{ref.kind} {ref.namespace}/{ref.name} is not there any more"
    now = _part(found, path)
    if now == before:
        return "nothing", f"{what} is as it was before"
    ours = undoer.executor.do(_dry(_order(inverse, [], inverse.detail["wanted"], undoer.fault)))
    if ours.outcome != "ok" or not isinstance(ours.body, Mapping):
        return "left", f"{what}: the server does not say what it would be: {ours.reason}"
    if _part(ours.body, path) != now:
        return "left", f"{what} was changed by somebody else since, so it is left to them"
    done = undoer.executor.do(_order(inverse, [{"op": "test", "path": path, "value": now}], before, undoer.fault))
    after = undoer.cluster.get(ref.kind, ref.namespace, ref.name)
    if after is None or _part(after, path) != before:
        return "left", f"{what} is not as it was before: {done.reason or 'it reads otherwise'}"
    return "undone", f"{what} is as it was before again"


def _order(inverse: Inverse, tests: list[dict[str, Any]], value: Any, fault: str) -> Mutation:
    ref, path = inverse.target, inverse.detail["path"]
    operations = [
        {"op": "test", "path": "/metadata/uid", "value": ref.uid},
        *tests,
        {"op": "replace", "path": path, "value": value},
    ]
    return mutations.patch(ref, operations, mutations.JSON, action="restore-part", fault=fault)


def _dry(order: Mutation) -> Mutation:
    return replace(order, action="ask-what-it-would-be", query={**order.query, "dryRun": "All"})


def _part(found: Mapping[str, Any], path: str) -> Any:
    part: Any = found
    for step in path.strip("/").split("/"):
        part = part.get(step) if isinstance(part, Mapping) else None
    return part
