"""Keep the promises of dead runs: each by itself, so that one that fails stops no other, and verified by state.

Every undoing looks first. What is undone already, or was never done, or was changed by somebody else since, is left as
it is, so that undoing twice does no harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from chaos.cluster import Cluster, Hand, Journal, NullJournal, mutations
from chaos.errors import GamedayError
from chaos.history.objects import Raw, View
from chaos.history.views import NodeView
from chaos.safety import Promise
from chaos.undo.container import continue_process, tell_process
from chaos.undo.found import Left
from chaos.undo.part import restore_part

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
    """Who undoes: a hand on the cluster, and the fault whose deed it is."""

    cluster: Cluster
    hand: Hand
    journal: Journal
    fault: str


def undo_all(cluster: Cluster, hand: Hand, left: Iterable[Left], *, forget: bool = False) -> tuple[Undone, ...]:
    """Undo all that these runs left, the last deed first, and take off what is done. Goes on past every failure.

    `forget` takes off also what could not be undone.
    """
    return tuple(done for one in left for done in _undo(cluster, hand, one, forget=forget))


def _undo(cluster: Cluster, hand: Hand, left: Left, *, forget: bool) -> list[Undone]:
    results = [_undone(cluster, hand, left, promise) for promise in reversed(left.promises)]
    kept = {one.promise.key: None for one in results if one.result != "left"}
    if forget or (len(kept) == len(left.promises) and not left.unreadable):
        hand.do(mutations.delete(left.where))
    elif kept:
        hand.do(mutations.patch(left.where, {"data": kept}, action="take-off-promises"))
    return results


def _undone(cluster: Cluster, hand: Hand, left: Left, promise: Promise) -> Undone:
    undoer = Undoer(cluster, hand, NullJournal(), promise.fault)
    try:
        result, words = _by_kind(undoer, promise)
    except GamedayError as error:
        result, words = "left", error.what
    except Exception as error:  # noqa: BLE001  # one promise that cannot be kept must not stop the next
        result, words = "left", f"{type(error).__name__}: {error}"
    if result == "left":
        words = f"{words}; by hand: {promise.inverse.by_hand}"
    return Undone(promise, left.run, result, words)


def _by_kind(undoer: Undoer, promise: Promise) -> tuple[Result, str]:
    inverse = promise.inverse
    if inverse.kind == "open-node":
        return _open_node(undoer, promise)
    if inverse.kind == "restore-part":
        return restore_part(undoer, inverse)
    if inverse.kind == "continue-process":
        return continue_process(undoer, inverse)
    if inverse.kind == "tell-process":
        return tell_process(undoer, inverse)
    if inverse.kind in {"delete-policy", "delete-job"}:
        return _delete_object(undoer, promise)
    return "left", f"this version does not know how to undo {inverse.kind}"


def _open_node(undoer: Undoer, promise: Promise) -> tuple[Result, str]:
    node = promise.inverse.target
    if not _closed(undoer.cluster, promise):
        return "nothing", f"node {node.name} is open, or not there any more"
    if others := closed_by(undoer.cluster.get("Node", None, node.name) or {}) - {MANAGER}:
        return "nothing", f"node {node.name} was closed anew by {', '.join(sorted(others))}, so it is left to them"
    # None takes the field away, which is how a node that was never cordoned looks.
    done = undoer.hand.do(
        mutations.patch(node, {"spec": {"unschedulable": None}}, action="uncordon", fault=promise.fault)
    )
    if _closed(undoer.cluster, promise):
        return "left", f"node {node.name} is still cordoned: {done.reason or 'it was closed again'}"
    return "undone", f"node {node.name} is open again"


def closed_by(node: Raw) -> frozenset[str]:
    """Who last wrote a node's `unschedulable`, as the server keeps account of it; empty where it does not say."""
    return frozenset(
        str(entry.get("manager"))
        for entry in View(node).metadata.get("managedFields") or ()
        if "f:unschedulable" in ((entry.get("fieldsV1") or {}).get("f:spec") or {})
    )


def _delete_object(undoer: Undoer, promise: Promise) -> tuple[Result, str]:
    ours = promise.inverse.target
    where = f"{ours.kind} {ours.namespace}/{ours.name}"
    if undoer.cluster.get(ours.kind, ours.namespace, ours.name) is None:
        return "nothing", f"{where} is not there"
    done = undoer.hand.do(mutations.delete(ours, fault=promise.fault))
    if undoer.cluster.get(ours.kind, ours.namespace, ours.name) is not None:
        return "left", f"{where} is still there: {done.reason or 'it was made again'}"
    return "undone", f"{where} is gone"


def _closed(cluster: Cluster, promise: Promise) -> bool:
    node = promise.inverse.target
    found = cluster.get("Node", None, node.name)
    return found is not None and View(found).uid == node.uid and NodeView(found).unschedulable
