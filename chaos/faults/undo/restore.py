"""Execute the undo entries that runs left in the cluster: one function for each kind.

A fault's heal uses the same functions as any process after a dead run. Each entry is undone by itself, so that one that
fails stops no other, and verified by state. Undoing twice does no harm.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import TypeVar

from chaos.cluster import Cluster, DryRunExecutor, Executor, NullJournal, mutations, unrecorded_executor
from chaos.errors import ClusterRefused, GamedayError, HarnessBroken, plural
from chaos.faults.context import FaultContext, UndoContext
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, Infrastructure
from chaos.faults.undo.find import Left, find_left
from chaos.faults.undo.restore_infrastructure import continue_metrics, node_on, pass_probes, reconnect_pod
from chaos.faults.undo.restore_object import Outcome, Result, delete_object, restore_part, uncordon
from chaos.faults.undo.restore_process import continue_process, run_ready, signal_process, thaw_container
from chaos.history.writing.redaction import redacted_message
from chaos.safety import UndoEntry
from chaos.safety.undo_journal import UndoKind

__all__ = ["Undone", "heal", "restore", "undo_all", "undo_leftovers", "undo_of_deployed"]

T = TypeVar("T")
R = TypeVar("R")

RUNS_AT_ONCE = 8
"""So many dead runs are undone beside each other."""

RESTORE: Mapping[UndoKind, Callable[[UndoContext, UndoEntry], Outcome]] = {
    "uncordon": uncordon,
    "restore-part": restore_part,
    "continue-process": continue_process,
    "signal-process": signal_process,
    "thaw-container": thaw_container,
    "run-ready": run_ready,
    "pass-probes": pass_probes,
    "delete-policy": delete_object,
    "reconnect-pod": reconnect_pod,
    "node-on": node_on,
    "delete-job": delete_object,
    "continue-metrics": continue_metrics,
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
    except HarnessBroken as error:
        if isinstance(context.journal, NullJournal) or isinstance(context.executor, DryRunExecutor):
            result, words = "left", f"{_state(entry)}: {error.what}"
        else:
            # On a full disk the cluster comes before the record of it.
            return restore(_unrecorded(context), entry)
    except GamedayError as error:
        result, words = "left", f"{_state(entry)}: {error.what}"
    except Exception as error:  # noqa: BLE001  # one entry that cannot be undone must not stop the next
        result, words = "left", f"{_state(entry)}: {type(error).__name__}: {error}"
    words = redacted_message(words)
    return result, f"{words}; run: {entry.manual}" if result == "left" else words


def _unrecorded(context: UndoContext) -> UndoContext:
    """The same, for when nothing can be written down any more."""
    executor = unrecorded_executor(context.cluster)
    return UndoContext(context.cluster, executor, NullJournal(), context.fault, infrastructure=context.infrastructure)


def _state(entry: UndoEntry) -> str:
    return f"{entry.kind} of {entry.target.kind} {entry.target.name} was not possible"


def heal(context: FaultContext, *entries: UndoEntry, keep: bool = False) -> str:
    """Undo what a fault has recorded, or these entries of it, all at once. Return what is left and how to mend it.

    `keep`: the entries stay, as the fault still goes on and may do what they undo.
    """

    def one(entry: UndoEntry) -> str:
        result, words = restore(context, entry)
        if result == "left":
            return words
        with suppress(HarnessBroken):  # then it stays in the undo journal, where it does no harm
            if not keep:
                context.discard(entry)
        return ""

    chosen = entries or context.entries
    return "; ".join(words for words in _beside_each_other(one, chosen, len(chosen)) if words)


def _beside_each_other(do: Callable[[T], R], each: Sequence[T], most: int) -> list[R]:
    """Do it with each, so many at once; where no thread can be started any more, with one after the other."""
    try:
        with ThreadPoolExecutor(max(1, most)) as pool:
            return list(pool.map(do, each))
    except RuntimeError:  # some may be done already: whatever undoes looks first
        return list(map(do, each))


def undo_all(
    cluster: Cluster,
    executor: Executor,
    left: Iterable[Left],
    *,
    infrastructure: Infrastructure = NO_INFRASTRUCTURE,
    forget: bool = False,
) -> tuple[Undone, ...]:
    """Undo all that these runs left, of each the last action first, and take off what is done, past every failure.

    `forget` takes off also what could not be undone.
    """

    def context_of(entry: UndoEntry) -> UndoContext:
        return UndoContext(cluster, executor, NullJournal(), entry.fault, infrastructure=infrastructure)

    def undone(one: Left) -> list[Undone]:
        own = [Undone(entry, one.run, *restore(context_of(entry), entry)) for entry in reversed(one.entries)]
        done = {each.entry.key: None for each in own if each.result != "left"}
        if forget or (len(done) == len(one.entries) and not one.refused):
            executor.do(mutations.delete(one.where))
        elif done:
            executor.do(mutations.patch(one.where, {"data": done}, action="remove-undo-entries"))
        return own

    # One run beside the other: a node that does not come back takes minutes, which the others need not have.
    return tuple(done for own in _beside_each_other(undone, tuple(left), RUNS_AT_ONCE) for done in own)


def undo_of_deployed(cluster: Cluster, infrastructure: Infrastructure = NO_INFRASTRUCTURE) -> tuple[Undone, ...]:
    """Before a run that deploys its system: undo what dead runs of its kind left. Raises `ClusterRefused`.

    What is left even so is in the way of no other system, so it is the caller's to tell: a node that is out counts in
    the blast radius. A system that others run is undone by its own runs.
    """
    dead = [one for one in find_left(cluster, None, of_others="none") if not one.alive]
    return undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=infrastructure)


def undo_leftovers(
    cluster: Cluster, namespace: str | None, infrastructure: Infrastructure = NO_INFRASTRUCTURE
) -> tuple[Undone, ...]:
    """Before a run on a system that stays, or on the lab (None): undo what dead runs left there.

    Raises `ClusterRefused`, also for what could not be undone: the system is not as its owners had it.
    """
    dead = [one for one in find_left(cluster, namespace, of_others="all") if not one.alive]
    results = undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=infrastructure)
    if left := [one for one in results if one.result == "left"]:
        raise ClusterRefused(
            f"a dead run left {plural(len(left), 'thing')} that could not be undone: "
            + "; ".join(one.words for one in left),
            "undo them by hand, then run gameday undo",
        )
    return results
