"""Execute undo entries: one function for each kind, used by a fault's heal and by any process after a dead run.

Each entry by itself, so that one that fails stops no other, and verified by state. Undoing twice does no harm.
"""

from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from chaos.cluster import Cluster, Executor, NullJournal, mutations, unrecorded_executor
from chaos.errors import ClusterRefused, GamedayError
from chaos.faults.context import FaultContext, UndoContext
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, Infrastructure
from chaos.faults.undo.discovery import Left, find_left
from chaos.faults.undo.restore_infrastructure import node_on, reconnect_pod
from chaos.faults.undo.restore_object import Outcome, Result, delete_object, restore_part, uncordon
from chaos.faults.undo.restore_process import continue_process, signal_process
from chaos.safety import UndoEntry
from chaos.safety.undo_entry import UndoKind

__all__ = ["Undone", "heal", "restore", "undo_all", "undo_leftovers"]

RESTORE: Mapping[UndoKind, Callable[[UndoContext, UndoEntry], Outcome]] = {
    "uncordon": uncordon,
    "restore-part": restore_part,
    "continue-process": continue_process,
    "signal-process": signal_process,
    "delete-policy": delete_object,
    "reconnect-pod": reconnect_pod,
    "node-on": node_on,
    "delete-job": delete_object,
}


@dataclass(frozen=True, slots=True)
class Undone:
    """What became of one entry of a run."""

    entry: UndoEntry
    run: str
    result: Result
    words: str


def restore(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Execute one entry. What is left comes with the command for people; whatever goes wrong is left, not raised."""
    function = RESTORE.get(entry.kind)
    if function is None:
        return "left", f"this version does not know how to undo {entry.kind}; run: {entry.manual}"
    try:
        result, words = function(context, entry)
    except GamedayError as error:
        result, words = "left", f"{_state(entry)}: {error.what}"
    except Exception as error:  # noqa: BLE001  # one entry that cannot be undone must not stop the next
        result, words = "left", f"{_state(entry)}: {type(error).__name__}: {error}"
    return result, f"{words}; run: {entry.manual}" if result == "left" else words


def _state(entry: UndoEntry) -> str:
    return f"{entry.kind} of {entry.target.kind} {entry.target.name} was not possible"


def heal(context: FaultContext, *entries: UndoEntry) -> str:
    """Undo what a fault has recorded, or these entries of it, all at once. Return what is left and how to mend it."""

    def one(entry: UndoEntry) -> str:
        result, words = restore(context, entry)
        if result == "left":
            return words
        context.discard(entry)
        return ""

    chosen = entries or context.entries
    with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
        return "; ".join(words for words in pool.map(one, chosen) if words)


def undo_all(
    cluster: Cluster,
    executor: Executor,
    left: Iterable[Left],
    *,
    infrastructure: Infrastructure = NO_INFRASTRUCTURE,
    forget: bool = False,
) -> tuple[Undone, ...]:
    """Undo all that these runs left, the last action first, and take off what is done. Goes on past every failure.

    `forget` takes off also what could not be undone.
    """

    def context_of(entry: UndoEntry) -> UndoContext:
        return UndoContext(cluster, executor, NullJournal(), entry.fault, infrastructure=infrastructure)

    results: list[Undone] = []
    for one in left:
        own = [Undone(entry, one.run, *restore(context_of(entry), entry)) for entry in reversed(one.entries)]
        results += own
        done = {undone.entry.key: None for undone in own if undone.result != "left"}
        if forget or (len(done) == len(one.entries) and not one.unreadable):
            executor.do(mutations.delete(one.where))
        elif done:
            executor.do(mutations.patch(one.where, {"data": done}, action="remove-undo-entries"))
    return tuple(results)


def undo_leftovers(
    cluster: Cluster, namespace: str | None, infrastructure: Infrastructure = NO_INFRASTRUCTURE
) -> tuple[Undone, ...]:
    """Before a run begins: undo what dead runs left in a namespace, or in all. Raises `ClusterRefused`."""
    dead = [one for one in find_left(cluster, namespace) if not one.alive]
    results = undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=infrastructure)
    if left := [one for one in results if one.result == "left"]:
        raise ClusterRefused(
            f"a dead run left {len(left)} things that could not be undone: " + "; ".join(one.words for one in left),
            "undo them by hand, then run gameday undo",
        )
    return results
