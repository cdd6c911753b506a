"""Find the undo entries that runs left in the cluster, and execute them: one function for each kind.

A fault's heal uses the same functions as any process after a dead run. Each entry is undone by itself, so that one that
fails stops no other, and verified by state. Undoing twice does no harm.
"""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import TypeVar

from chaos.cluster import Cluster, DryRunExecutor, Executor, NullJournal, mutations, ref_of, unrecorded_executor
from chaos.errors import ClusterRefused, GamedayError, HarnessBroken, plural
from chaos.faults.context import FaultContext, UndoContext
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, Infrastructure
from chaos.faults.undo.restore_infrastructure import node_on, reconnect_pod
from chaos.faults.undo.restore_object import Outcome, Result, delete_object, restore_part, uncordon
from chaos.faults.undo.restore_process import continue_process, signal_process
from chaos.objects.base import Raw, Ref, View
from chaos.safety import UndoEntry
from chaos.safety.consent import ADOPT, ENABLED
from chaos.safety.lease import LEASE_NAME, holder_of
from chaos.safety.owner import HIDDEN, Owner, started_tick
from chaos.safety.undo_journal import (
    OURS,
    RUN,
    SELECTOR,
    SYSTEM,
    UndoKind,
    is_namespace,
    is_own_namespace,
    own_namespace,
)
from chaos.safety.undo_rules import by_hand, refusal

__all__ = ["Left", "Undone", "find_left", "heal", "restore", "undo_all", "undo_leftovers", "undo_of_deployed"]

T = TypeVar("T")
R = TypeVar("R")

STRANGE = f"neither did gameday make its namespace, nor is that annotated {ADOPT}={ENABLED}; see it, then --force"

RUNS_AT_ONCE = 8
"""So many dead runs are undone beside each other."""

WORDS_MAX = 500
"""So much is told of what a stranger may have written; a ConfigMap holds a megabyte."""

CLOCKS_S = 60.0
"""By how much the clocks of two hosts may differ."""


@dataclass(frozen=True, slots=True)
class Left:
    """What one run has not undone yet.

    Attributes:
        alive: Why it is left alone: the run is taken to be at work, or nobody let gameday into its namespace; empty:
            it is dead.
        refused: What is no entry of ours, or asks for what no fault does; it is reported, and never executed.
    """

    where: Ref
    run: str
    owner: str
    alive: str
    entries: tuple[UndoEntry, ...]
    refused: tuple[str, ...] = ()


def find_left(cluster: Cluster, namespace: str | None, *, of_others: bool = True) -> tuple[Left, ...]:
    """Find them for the system in a namespace, or for all. A run past its own deadline is taken for dead.

    Where all are looked through, those for systems that never let gameday in are left alone: anybody may have written
    them. Without `of_others`, so are those for every system that gameday did not deploy. Raises `ClusterRefused`.
    """
    here = Owner.this_process()
    found = cluster.list("ConfigMap", own_namespace(namespace) if namespace else None, selector=SELECTOR)
    left = [_left(raw, here, lambda where: cluster.get("Lease", where, LEASE_NAME)) for raw in found]
    if namespace is None and left:
        known = {name for raw in cluster.list("Namespace") for name in _let_in(View(raw), of_others=of_others)}
        left = [one if one.alive or one.where.namespace in known else replace(one, alive=STRANGE) for one in left]
    return tuple(left)


def _let_in(namespace: View, *, of_others: bool) -> tuple[str, ...]:
    """Where the journals of a namespace may lie that gameday made, or that its owners let it into.

    One that gameday made for journals alone outlives the namespace that they are about.
    """
    if OURS.items() <= namespace.labels.items():
        return (own_namespace(namespace.name), *([namespace.name] if is_own_namespace(namespace.name) else ()))
    return (own_namespace(namespace.name),) if of_others and namespace.annotations.get(ADOPT) == ENABLED else ()


def _left(raw: Raw, here: Owner, lease_in: Callable[[str], Raw | None]) -> Left:
    view = View(raw)
    entries: list[UndoEntry] = []
    refused: list[str] = []
    owner, system = Owner.read(view.annotations), str(view.annotations.get(SYSTEM, ""))
    strange = "" if owner else "nobody says that it is theirs"
    # What is none would lead into any other in the paths of the API.
    if not is_namespace(system) or own_namespace(system) != view.namespace:
        strange = f"it is not where the journals of namespace {system!r:.80} lie"
    for key, text in sorted((raw.get("data") or {}).items()):
        try:
            entry = UndoEntry.read(key, text)
        except ValueError as error:
            refused.append(f"{key}: {error!s:.{WORDS_MAX}}")
            continue
        if why := strange or refusal(entry, system):
            refused.append(f"{key}: {why:.{WORDS_MAX}}")
        else:
            entries.append(replace(entry, manual=by_hand(entry)))
    late = bool(entries) and all(one.deadline_ns < time.time_ns() for one in entries)
    run = str(view.annotations.get(RUN, ""))[:WORDS_MAX]
    words = owner.words[:WORDS_MAX] if owner else "an owner that is not named"
    alive = _alive(owner, here, system, lease_in, late=late) if owner and is_namespace(system) else ""
    return Left(ref_of(raw), run, words, alive[:WORDS_MAX], tuple(entries), tuple(refused))


def _alive(owner: Owner, here: Owner, namespace: str, lease_in: Callable[[str], Raw | None], *, late: bool) -> str:
    """Why an owner is taken to be at work. On another host only the lease can say: while somebody else holds it, no.

    One that is `late` has not renewed its entries until their deadline, and works only if it renews its lease.
    """
    if (owner.host, owner.scope) == (here.host, here.scope):
        if started_tick(owner.pid) not in (owner.started, HIDDEN):
            return ""
        if not late:
            return f"process {owner.pid} of this host runs"
    lease = lease_in(namespace)
    if not (holder := holder_of(lease)):
        return "" if late else f"it ran on host {owner.host}, of which nothing is known before its deadline"
    if not owner.holds(holder):
        return ""
    spec = View(lease or {}).spec
    age_s, lasts_s = _age_s(str(spec.get("renewTime"))), float(spec.get("leaseDurationSeconds") or 0)
    return f"the lease was renewed {age_s:.0f} s ago by {holder}" if age_s < lasts_s + CLOCKS_S else ""


def _age_s(renewed: str) -> float:
    """How long ago a lease was renewed: very long where that is no time, which others may have written."""
    try:
        return (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds()
    except (TypeError, ValueError):
        return float("inf")


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
    dead = [one for one in find_left(cluster, None, of_others=False) if not one.alive]
    return undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=infrastructure)


def undo_leftovers(
    cluster: Cluster, namespace: str | None, infrastructure: Infrastructure = NO_INFRASTRUCTURE
) -> tuple[Undone, ...]:
    """Before a run on a system that stays, or on the lab (None): undo what dead runs left there.

    Raises `ClusterRefused`, also for what could not be undone: the system is not as its owners had it.
    """
    dead = [one for one in find_left(cluster, namespace) if not one.alive]
    results = undo_all(cluster, unrecorded_executor(cluster), dead, infrastructure=infrastructure)
    if left := [one for one in results if one.result == "left"]:
        raise ClusterRefused(
            f"a dead run left {plural(len(left), 'thing')} that could not be undone: "
            + "; ".join(one.words for one in left),
            "undo them by hand, then run gameday undo",
        )
    return results
