"""What every rollout owes: replicas that stay Ready, an end in time, and a record that shows both."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from chaos.checks.base import GAPLESS, undecided, unknown, watched
from chaos.checks.budgets.dips import Dip, dips_of
from chaos.checks.budgets.replay import replay
from chaos.checks.rollouts.rollout import Count, Rollout
from chaos.checks.verdict import Answer, Evidence, Obligation
from chaos.clock import seconds
from chaos.history import Fault, History
from chaos.semantics import Bound

__all__ = ["RolloutDetail", "as_seen", "floor_kept", "in_time", "never_changed", "rollout_dips"]

KINDS = ("Pod", "Deployment", "ReplicaSet")


@dataclass(frozen=True, slots=True)
class RolloutDetail:
    """What is known of any rollout in numbers.

    Attributes:
        fault: the fault that made it.
        changed_ns: when the template changed, None if that was not seen; then nothing else is known.
        bound_s: how long replacing all pods may take.
        ready_min: the fewest Ready pods meanwhile.
        ready_floor: how many of them the strategy keeps.
        dips: each span below the floor.
    """

    fault: str
    changed_ns: int | None = None
    bound_s: float | None = None
    ready_min: int | None = None
    ready_floor: int | None = None
    dips: tuple[Dip, ...] = ()


def never_changed(history: History, fault: Fault) -> tuple[Obligation, ...]:
    """What is said of a rollout that the watch does not show."""
    unchanged = unknown(fault.id, f"{fault.id}: the watch shows no change of the template", "a watched rollout")
    return as_seen(history, fault, fault.begin_ns, [unchanged])


def as_seen(history: History, fault: Fault, until_ns: int, owed: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """What a rollout owed, and what leaves it open: a dry run, a fault that missed, a watch that did not see it all."""
    if history.facts.dry_run:
        reason = "a dry run (--gameday-dry-run) rolls nothing out"
        owed = (unknown(fault.id, reason, "run the trial for real"), *owed)
    if fault.missed or fault.landed_ns is None:
        reason = f"{fault.id} did not land: {fault.missed or 'no proof'}"
        owed = (unknown(fault.id, reason, "a trial in which it lands"), *owed)
    blind = (*watched(history, KINDS, fault.begin_ns, until_ns), *replay(history).ordered())
    return (*blind, *(undecided(owed) if blind else owed))


def rollout_dips(history: History, rollout: Rollout, until_ns: int) -> tuple[Dip, ...]:
    """Every dip of the system's ready pods below a rollout's floor, from its change of the template on."""
    played = replay(history)
    of = "the rollout's strategy"
    found = dips_of(history, played, played.system, rollout.changed_ns, of=of, at_least=rollout.floor)
    return tuple(dip for dip in found if dip.begin_ns <= until_ns)


def floor_kept(rollout: Rollout, detail: RolloutDetail) -> Iterator[Obligation]:
    """No fewer replicas were Ready than the strategy keeps: one obligation for each dip, or one that was kept."""
    subject, bound = f"{rollout.fault.id}: ready replicas", f"at least {rollout.floor}"
    for dip in detail.dips:
        answer, reason, settle = Answer.FAIL, dip.words, ""
        if dip.begin_ns < rollout.changed_ns:
            answer, settle = Answer.UNKNOWN, "a whole system"
            reason = f"fewer were ready before the rollout began: {dip.words}"
        elif dip.unseen:
            answer, settle = Answer.UNKNOWN, GAPLESS
        yield Obligation(subject, answer, reason, settle, f"{dip.lowest} ready", bound, dip.evidence)
    if not detail.dips and detail.ready_min is not None:
        yield Obligation(subject, measured=f"lowest {detail.ready_min} ready", bound=bound)


def in_time(
    subject: str, bound: Bound, begin_ns: int, done: Count | None, until_ns: int, *, evidence: tuple[Evidence, ...] = ()
) -> Obligation:
    """A rollout that began at `begin_ns` is complete by its bound; it was watched until `until_ns`."""
    took_s = seconds(max(0, (until_ns if done is None else done.at_ns) - begin_ns))
    answer, reason, settle = Answer.PASS, "", ""
    if took_s <= bound.total_s and done is None:
        answer, settle = Answer.UNKNOWN, "a trial that waits for the rollout"
        reason = f"not complete when the watch of it ended, {took_s:.1f} s into a bound of {bound.total_s:g} s"
    elif took_s > bound.total_s:
        over = f"not complete {took_s:.1f} s later" if done is None else f"complete only after {took_s:.1f} s"
        answer, reason = Answer.FAIL, f"{over}, bound {bound.total_s:g} s"
        if bound.unpromised:
            why = "; ".join(one.reason for one in bound.unpromised)
            answer, reason = Answer.UNKNOWN, f"{reason}, but no promise was broken: {why}"
            settle = "a startup probe, and an image that need not be pulled"
    measured = "not complete" if done is None else f"complete after {took_s:.1f} s"
    reason = f"{subject}: {reason}" if reason else ""
    return Obligation(subject, answer, reason, settle, measured, f"{bound.total_s:g} s", evidence)
