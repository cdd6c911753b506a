"""What must hold of each accepted eviction: it was charged to a budget with room, and left enough pods healthy.

These are the invariants I1 and I2 of kubernetes.md A.3.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.budgets.evictions import Eviction, Evictions
from chaos.checks.budgets.model import Grant, Replay
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.history import History
from chaos.history.coverage import covered, gaps_in
from chaos.history.facts.revisions import DELIVERY_NS
from chaos.semantics import BudgetState, Timings, decide_eviction

__all__ = ["COUNTABLE", "Problem", "Stale", "blurred", "judge_evictions"]

COUNTABLE = "a trial that sees how many pods each controller of them wants, or a budget that nobody changes in it"

SYNC_NS = NS
"""Kubernetes' objective for one mutating call: by then the controller has counted anew, an allowance aside."""


@dataclass(frozen=True, slots=True)
class Problem:
    """What speaks against the claim (FAIL), or leaves it open (UNKNOWN), and when."""

    answer: Answer
    at_ns: int
    text: str
    settle: str = "a trial whose watch has no gap"


@dataclass(frozen=True, slots=True)
class Stale:
    """An eviction that was granted on a count which did not know yet of a pod lost just before, as documented."""

    at_ns: int
    text: str


def judge_evictions(history: History, replay: Replay, evictions: Evictions) -> Iterator[Problem | Stale]:
    """I1 and I2, for every accepted eviction of a Ready pod."""
    for one in evictions.accepted:
        if one.grant is None:
            yield from _uncharged(history, replay, one)
        else:
            yield from _charged(replay, one, one.grant)
            yield from _kept(history, replay, one, one.grant)
    for grant in replay.grants:
        if grant.pod is None:
            text = (
                f"disruption budget {grant.after.name} was charged for {grant.name}, a pod that the watch does not know"
            )
            yield Problem(Answer.UNKNOWN, grant.revision.at_ns, text)


def blurred(history: History, one: Eviction) -> bool:
    """Whether the state of pods at an eviction is uncertain, because a gap in the watch is near."""
    near = (one.at_ns - DELIVERY_NS, one.at_ns + DELIVERY_NS)
    return one.lossy or any(gaps_in(history, kind, *near) for kind in ("Pod", "PodDisruptionBudget"))


def _charged(replay: Replay, one: Eviction, grant: Grant) -> Iterator[Problem]:
    """I1: the budget was up to date, had room, and was charged for exactly this pod."""
    before, after, named = grant.before, grant.after, f"disruption budget {grant.after.name}"
    if grant.revision.lossy:
        yield Problem(Answer.UNKNOWN, one.at_ns, f"{named} was charged for {one.name} in a gap of the watch")
        return
    decision = decide_eviction(grant.pod, [BudgetState.of(before.raw)]) if grant.pod else None
    if decision is not None and one.ready and not decision.spends:
        yield Problem(Answer.FAIL, one.at_ns, f"{one.name} was evicted though {decision.words}")
    elif after.allowed != before.allowed - 1:
        text = f"the eviction of {one.name} took {named} from {before.allowed} to {after.allowed} permitted, not 1 down"
        yield Problem(Answer.FAIL, one.at_ns, text)
    if before.up_to_date and before.allowed > max(0, before.healthy - before.desired):
        text = (
            f"{named} permitted {before.allowed} as {one.name} was evicted, "
            f"though by its own count {before.healthy} were healthy and {before.desired} needed"
        )
        yield Problem(Answer.FAIL, one.at_ns, text)
    if len(one.binding) > 1:
        yield _two_bind(replay, one)


def _two_bind(replay: Replay, one: Eviction) -> Problem:
    names = " and ".join(replay.budgets[uid].name for uid in one.binding)
    text = f"{one.name} was evicted though two disruption budgets bind it ({names}), which the API refuses"
    if all(replay.budgets[uid].aimed_ns < one.asked_ns for uid in one.binding):
        return Problem(Answer.FAIL, one.at_ns, text)
    return Problem(
        Answer.UNKNOWN, one.at_ns, f"{text}, if they did as it was asked for", "budgets that stay as they are"
    )


def _kept(history: History, replay: Replay, one: Eviction, grant: Grant) -> Iterator[Problem | Stale]:
    """I2: after it as many were healthy as the budget needs, by the pods themselves at that revision."""
    if not one.ready:
        return
    named = f"disruption budget {grant.after.name}"
    if grant.unknown:
        text = f"{one.name} was evicted, and how many {named} needed then is not known: {grant.unknown}"
        yield Problem(Answer.UNKNOWN, one.at_ns, text, COUNTABLE)
        return
    if grant.healthy >= grant.desired:
        return
    said = f"the eviction of {one.name} ({one.whose}) left {grant.healthy} healthy, {named} needs {grant.desired}"
    timings = Timings.of(history.facts.raw.get("timings") or {})
    unknown = _unknown_losses(replay, grant, SYNC_NS + round(timings.allowance_s * NS))
    believed = grant.before.desired + grant.before.allowed - 1
    over = believed - grant.healthy
    if 0 < over <= len(unknown):
        ms = max(0, (grant.revision.at_ns - unknown[-over]) // 1_000_000)
        yield Stale(one.at_ns, f"{said}: its count was {ms} ms old and did not know of a pod lost meanwhile")
    else:
        yield Problem(Answer.UNKNOWN if blurred(history, one) else Answer.FAIL, one.at_ns, said)


def _unknown_losses(replay: Replay, grant: Grant, window_ns: int) -> list[int]:
    """When pods ceased to be healthy, otherwise than by an eviction, so shortly before that no count knew of it yet."""
    record = replay.budgets[grant.after.uid]
    counted = max((number for number in record.counted if number < grant.revision.number), default=0)
    moments: dict[str, int] = {}
    for standing in record.standings:
        if not counted < standing.revision.number < grant.revision.number:
            continue
        for change in standing.lost:
            if change.pod.uid not in replay.marked and grant.revision.at_ns - standing.at_ns <= window_ns:
                moments[change.pod.uid] = standing.at_ns
    return sorted(moments.values())


def _uncharged(history: History, replay: Replay, one: Eviction) -> Iterator[Problem]:
    """I1, where no budget was charged: right only if none bound the pod."""
    binding = [replay.budgets[uid] for uid in one.binding]
    if not binding:
        if one.uid in replay.replicas:
            text = f"no disruption budget bound {one.name} as it was evicted"
            yield Problem(Answer.UNKNOWN, one.at_ns, text, "a disruption budget that selects the system's pods")
        return
    names = " and ".join(record.name for record in binding)
    text = f"{one.name} was evicted ({one.whose}), and no charge to disruption budget {names} is seen"
    seen = all(covered(history, kind, one.asked_ns, one.at_ns) for kind in ("Pod", "PodDisruptionBudget"))
    if one.lossy or not _seen_since(history, one, sure=seen):
        yield Problem(Answer.UNKNOWN, one.at_ns, f"{text}, but the watch did not cover that time")
    elif any(record.aimed_ns >= one.asked_ns for record in binding):
        yield Problem(Answer.UNKNOWN, one.at_ns, f"{text}: it was new", "budgets that stay as they are")
    else:
        yield Problem(Answer.FAIL, one.at_ns, f"{text}{_refused_before(history, one)}")


def _seen_since(history: History, one: Eviction, *, sure: bool) -> bool:
    """Whether a charge would have been seen: from when it was asked, or, for somebody else's, since the watch began."""
    if sure or one.by is not None:
        return sure
    begins = [history.covered_ns[kind][0] for kind in ("Pod", "PodDisruptionBudget") if kind in history.covered_ns]
    since_ns = max((one.asked_ns, *begins))
    return len(begins) == 2 and all(
        covered(history, kind, since_ns, one.at_ns) for kind in ("Pod", "PodDisruptionBudget")
    )


def _refused_before(history: History, one: Eviction) -> str:
    tried = [action for action in history.actions if action.name == "evict-pod" and action.target.uid == one.uid]
    return "; ours had been refused" if tried and all(action.outcome == "fail" for action in tried) else ""
