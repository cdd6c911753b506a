"""Keep the promises of dead runs: each by itself, so that one that fails stops no other, and verified by state.

Every undoing looks first. What is undone already, or was never done, or was changed by somebody else since, is left as
it is, so that undoing twice does no harm.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Literal

from chaos.cluster import Cluster, Executor, Journal, NullJournal, mutations
from chaos.errors import GamedayError
from chaos.faults.support.infrastructure import NodePower
from chaos.faults.undo.discovery import Left
from chaos.faults.undo.restore_node import give_power_back
from chaos.faults.undo.restore_object import restore_part
from chaos.faults.undo.restore_process import continue_process, tell_process
from chaos.objects.base import Raw, Ref, View
from chaos.objects.kinds import NodeView
from chaos.safety import Inverse, Promise
from chaos.safety.undo_entry import InverseKind

__all__ = ["Undoer", "Undone", "closed_by", "undo_all"]

MANAGER = "gameday"
"""Under this name our patches are kept account of."""

Result = Literal["undone", "nothing", "left"]


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one promise. `nothing`: there was nothing to undo (any more); `left`: it is still to be done."""

    promise: Promise
    run: str
    result: Result
    words: str


@dataclass(frozen=True, slots=True)
class Undoer:
    """Who undoes: a hand on the cluster, the fault whose action it is, and who gives nodes power, if anybody."""

    cluster: Cluster
    executor: Executor
    journal: Journal
    fault: str
    power: NodePower | None = None


def undo_all(
    cluster: Cluster, executor: Executor, left: Iterable[Left], *, power: NodePower | None = None, forget: bool = False
) -> tuple[Undone, ...]:
    """Undo all that these runs left, the last action first, and take off what is done. Goes on past every failure.

    `power` gives nodes their power back; `forget` takes off also what could not be undone.
    """
    return tuple(
        done for one in left for done in _undo(Undoer(cluster, executor, NullJournal(), "", power), one, forget=forget)
    )


def _undo(undoer: Undoer, left: Left, *, forget: bool) -> list[Undone]:
    executor = undoer.executor
    results = [_undone(replace(undoer, fault=promise.fault), left, promise) for promise in reversed(left.promises)]
    kept = {one.promise.key: None for one in results if one.result != "left"}
    if forget or (len(kept) == len(left.promises) and not left.unreadable):
        executor.do(mutations.delete(left.where))
    elif kept:
        executor.do(mutations.patch(left.where, {"data": kept}, action="take-off-promises"))
    return results


def _undone(undoer: Undoer, left: Left, promise: Promise) -> Undone:
    way = WAYS.get(promise.inverse.kind, _unknown)
    try:
        result, words = way(undoer, promise.inverse)
    except GamedayError as error:
        result, words = "left", error.what
    except Exception as error:  # noqa: BLE001  # one promise that cannot be kept must not stop the next
        result, words = "left", f"{type(error).__name__}: {error}"
    if result == "left":
        words = f"{words}; by hand: {promise.inverse.by_hand}"
    return Undone(promise, left.run, result, words)


def _open_node(undoer: Undoer, inverse: Inverse) -> tuple[Result, str]:
    node = inverse.target
    if not _closed(undoer.cluster, node):
        return "nothing", f"node {node.name} is open, or not there any more"
    if others := closed_by(undoer.cluster.get("Node", None, node.name) or {}) - {MANAGER}:
        return "nothing", f"node {node.name} was closed anew by {', '.join(sorted(others))}, so it is left to them"
    # None takes the field away, which is how a node that was never cordoned looks.
    done = undoer.executor.do(
        mutations.patch(node, {"spec": {"unschedulable": None}}, action="uncordon", fault=undoer.fault)
    )
    if _closed(undoer.cluster, node):
        return "left", f"node {node.name} is still cordoned: {done.reason or 'it was closed again'}"
    return "undone", f"node {node.name} is open again"


def closed_by(node: Raw) -> frozenset[str]:
    """Who last wrote a node's `unschedulable`, as the server keeps account of it; empty where it does not say."""
    return frozenset(
        str(entry.get("manager"))
        for entry in View(node).metadata.get("managedFields") or ()
        if "f:unschedulable" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    )


def _delete_object(undoer: Undoer, inverse: Inverse) -> tuple[Result, str]:
    ours = inverse.target
    where = f"{ours.kind} {ours.namespace}/{ours.name}"
    if undoer.cluster.get(ours.kind, ours.namespace, ours.name) is None:
        return "nothing", f"{where} is not there"
    done = undoer.executor.do(mutations.delete(ours, fault=undoer.fault))
    if undoer.cluster.get(ours.kind, ours.namespace, ours.name) is not None:
        return "left", f"{where} is still there: {done.reason or 'it was made again'}"
    return "undone", f"{where} is gone"


def _closed(cluster: Cluster, node: Ref) -> bool:
    found = cluster.get("Node", None, node.name)
    return found is not None and View(found).uid == node.uid and NodeView(found).unschedulable


def _unknown(undoer: Undoer, inverse: Inverse) -> tuple[Result, str]:  # noqa: ARG001  # the shape of a way
    """What a later version wrote, and this one reads."""
    return "left", f"this version does not know how to undo {inverse.kind}"


WAYS: Mapping[InverseKind, Callable[[Undoer, Inverse], tuple[Result, str]]] = {
    "open-node": _open_node,
    "restore-part": restore_part,
    "continue-process": continue_process,
    "tell-process": tell_process,
    "delete-policy": _delete_object,
    "delete-job": _delete_object,
    "power-on": give_power_back,
}
