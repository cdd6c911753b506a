"""Eventually: whatever replicas were lost came back, within the time that the system's own spec promises."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chaos.checks.base import GAPLESS, Summary, finding, judged_until_ns, unknown
from chaos.checks.log_words import with_log_words
from chaos.checks.recovery.loss_judge import judge_loss
from chaos.checks.recovery.losses import REPLACES, Loss, losses, victims_of
from chaos.checks.recovery.missing_replicas import Missing, new_replicas
from chaos.checks.recovery.replacements import replacements
from chaos.checks.recovery.timeline import StepDetail, steps_of, timelines
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import covered, gaps_in
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics import Part

__all__ = ["LossDetail", "Recovered", "RecoveredDetail"]

SHOWN = 50
"""How many losses, worst first, a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class LossDetail:
    """One lost replica, or one that was newly desired (`path` is `new`).

    Attributes:
        fault: the fault that took it, empty if none did, and when it struck (`struck_ns`).
        path: how it came back, or has to: `replaced`, `moved`, `restarted`, `crashed`, `returned`, `node back`, `new`.
        cause: the same for people.
        lost_ns, due_ns: when it was lost, and when it was due back: `bound_s` later.
        back_ns: when it was made good; None if it was not.
        seconds: from the loss until then, or until the end of the record.
        replacement: the pod in its place, itself where it came back itself.
        steps: from the fault, or else from the loss, to Ready.
    """

    answer: str
    victim: str
    victim_uid: str
    node: str
    fault: str
    struck_ns: int | None
    path: str
    cause: str
    lost_ns: int
    due_ns: int
    bound_s: float
    back_ns: int | None
    seconds: float
    replacement: str | None
    replacement_uid: str | None
    replacement_node: str | None
    steps: tuple[StepDetail, ...]


@dataclass(frozen=True, slots=True)
class RecoveredDetail:
    """The losses, in order, at most 50 of `losses_count`, and how the bound of the worst comes about."""

    losses_count: int
    losses: tuple[LossDetail, ...]
    bound_parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class Recovered:
    """Every replica that was lost since the first fault, and every one newly desired, was Ready within its bound.

    Each has its own deadline, which counts from its loss and not from the heal, and which nothing moves; but where a
    fault kept it from being Ready (NotReady, NetworkPartition), from the heal, or from when others took the pod. A loss
    is made good by its replacement, or when ready replicas are as many as desired again. One that was given up before
    it was due, because fewer replicas were desired, is not owed. Without a loss that is owed there is nothing to prove:
    the answer is UNKNOWN. So it is with a gap in the watch, with a recording that ended before the bound, where the
    spec promises nothing about what took so long, and where a node had room only late, in the scheduler's words. A
    replacement that no node took up to the end is a FAIL, unless a node was being made for it.
    """

    name: ClassVar[str] = "recovered"
    Detail: ClassVar[type] = RecoveredDetail

    def __call__(self, history: History) -> Finding:
        rule = "Lost replicas are back within the time that the system's own spec promises."
        if not history.faults:
            nothing = unknown("replicas", "no fault was injected, so there was nothing to recover from", TAKES)
            return finding(self.name, rule, (), Summary("no loss seen", WITHIN), nothing=nothing)
        since_ns = min(fault.begin_ns for fault in history.faults)
        missed = _missed(history, since_ns)
        given_up = _given_up(history, missed)
        owed = tuple((one, judge_loss(history, one)) for one in missed if one not in given_up)
        doubts = [*_coverage(history, since_ns), *_unreplaced(history, since_ns)]
        doubts += _premises(history, missed, [one for one, _ in owed], since_ns)
        kept = [obligation for _, obligation in owed]
        said = with_log_words(history, (*kept, *doubts), also=_in_place(history, owed))
        return finding(self.name, rule, said, _summary(history, owed))


WITHIN = "back within the derived bound"
TAKES = "a trial whose fault takes replicas that were ready, watched without a gap"


def _in_place(history: History, owed: Sequence[tuple[Missing, Obligation]]) -> Mapping[str, str]:
    """By the subject of an obligation: the pod that has the lost one's place, Ready or not."""
    places = replacements(history).of
    found = {one.subject: places.get(loss.life.uid) for loss, one in owed if isinstance(loss, Loss)}
    return {subject: life.name for subject, life in found.items() if life is not None}


def _missed(history: History, since_ns: int) -> tuple[Missing, ...]:
    """Whatever left ready below desired since a moment, or had left it so by then."""

    def open_since(one: Missing) -> bool:
        return one.since_ns >= since_ns or one.back_ns is None or one.back_ns > since_ns

    lost = {(one.life.uid, one.lost_ns): one for one in losses(history) if one.lost_ns is not None and one.short}
    found: tuple[Missing, ...] = (*lost.values(), *new_replicas(history))
    return tuple(sorted((one for one in found if open_since(one)), key=lambda one: one.since_ns))


def _given_up(history: History, missed: Sequence[Missing]) -> tuple[Missing, ...]:
    """Those that fewer desired replicas made needless before they were due: no more of them than the number fell by."""
    given_up: list[Missing] = []
    for (_, before), (at_ns, after) in pairwise(desired_replicas(history).points):
        open_then = [
            one
            for one in reversed(missed)
            if one.since_ns < at_ns < one.due_ns
            and (one.back_ns is None or one.back_ns > one.due_ns)
            and one not in given_up
        ]
        given_up += open_then[: max(0, before - after)]
    return tuple(given_up)


def _coverage(history: History, since_ns: int) -> Iterator[Obligation]:
    """Why the watch does not carry a PASS: it must be whole from the first fault to the end of the last phase."""
    until_ns = judged_until_ns(history)
    for kind in ("Pod", history.facts.workload_kind):
        gaps = gaps_in(history, kind, since_ns, until_ns)
        if gaps:
            lost_s = sum(seconds(gap.until_ns - gap.since_ns) for gap in gaps)
            text = f"the watch of {kind}s had {plural(len(gaps), 'gap')} since the first fault ({lost_s:.1f} s)"
            yield unknown("the watch", text, GAPLESS)
        elif not covered(history, kind, since_ns, until_ns):
            text = f"the watch of {kind}s did not cover the time from the first fault to the end"
            yield unknown("the watch", text, GAPLESS)


def _unreplaced(history: History, since_ns: int) -> Iterator[Obligation]:
    """The victims that left ready at desired, and in whose place no pod was made: whether one was due is not known."""
    for one in losses(history):
        if one.unreplaced and not one.short and one.since_ns >= since_ns:
            yield unknown(one.who, one.unreplaced, REPLACES)


def _premises(
    history: History, missed: Sequence[Missing], owed: Sequence[Missing], since_ns: int
) -> Iterator[Obligation]:
    """Why the losses prove nothing, or not only what the faults do."""
    if any(one.since_ns < since_ns for one in missed):
        yield unknown("replicas", "ready was below desired already when the first fault began", TAKES)
    if any(one.since_ns >= since_ns for one in owed):
        return
    if any(one.since_ns >= since_ns for one in missed):
        text = "fewer replicas were desired before any lost one was due, so none had to come back"
        yield unknown("replicas", text, "a trial in which as many replicas stay desired")
        return
    lives = pod_lives(history)
    victims = {life.uid: life for fault in history.faults for life in victims_of(history, fault, lives)}
    lost = sum(life.lost_ns is not None and life.lost_ns >= since_ns for life in victims.values())
    what = f"though {plural(lost, 'victim was', 'victims were')} lost" if lost else "and no victim was lost"
    yield unknown("replicas", f"ready was never seen to fall below desired after the first fault, {what}", TAKES)


def _away_s(history: History, one: Missing) -> float:
    end_ns = history.covered_ns.get("Pod", (0, history.ended_ns))[1] if one.back_ns is None else one.back_ns
    return max(0.0, seconds(end_ns - one.since_ns))


def _summary(history: History, owed: Sequence[tuple[Missing, Obligation]]) -> Summary:
    def badness(pair: tuple[Missing, Obligation]) -> tuple[Answer, float]:
        one, obligation = pair
        return obligation.answer, _away_s(history, one) - one.bound.total_s - seconds(one.counts_ns - one.since_ns)

    ordered = sorted(owed, key=badness, reverse=True)
    if not ordered:
        return Summary("no loss seen", WITHIN, detail=RecoveredDetail(0, (), ()))
    worst = ordered[0][0]
    struck = {id(line.loss): line.moments["fault"] for line in timelines(history)}
    shown = sorted(ordered[:SHOWN], key=lambda pair: pair[0].since_ns)
    details = tuple(_detail(history, one, obligation, struck.get(id(one))) for one, obligation in shown)
    took_s = _away_s(history, worst)
    back = f"back after {took_s:.1f} s" if worst.back_ns is not None else f"not back {took_s:.1f} s later"
    left_s = worst.bound.total_s + seconds(worst.counts_ns - worst.since_ns) - took_s
    room = f"{left_s:.1f} s left" if left_s >= 0 else f"{-left_s:.1f} s over"
    return Summary(
        measured=f"{plural(len(owed), 'loss', 'losses')}, {worst.who} {back}",
        limit=f"bound {worst.bound.total_s:g} s",
        margin=f"{room} ({worst.cause}: {worst.bound.words})",
        detail=RecoveredDetail(len(owed), details, worst.bound.parts),
        evidence=tuple(moment for one, _ in shown for moment in _evidence(one)),
    )


def _detail(history: History, one: Missing, obligation: Obligation, struck_ns: int | None) -> LossDetail:
    life, pod = one.life if isinstance(one, Loss) else None, one.replacement
    return LossDetail(
        answer=obligation.answer.name,
        victim=one.who if life is None else life.name,
        victim_uid="" if life is None else life.uid,
        node="" if life is None else life.node,
        fault=one.fault.id if isinstance(one, Loss) and one.fault is not None else "",
        struck_ns=struck_ns,
        path=one.path if isinstance(one, Loss) else "new",
        cause=one.cause,
        lost_ns=one.since_ns,
        due_ns=one.due_ns,
        bound_s=round(one.bound.total_s, 3),
        back_ns=one.back_ns,
        seconds=round(_away_s(history, one), 3),
        replacement=None if pod is None else pod.name,
        replacement_uid=None if pod is None else pod.uid,
        replacement_node=None if pod is None else pod.node,
        steps=tuple(steps_of(one, struck_ns)),
    )


def _evidence(one: Missing) -> Iterator[Evidence]:
    lost = f"{one.who} was lost" if isinstance(one, Loss) else f"{one.who} was desired"
    yield Evidence(one.since_ns, lost)
    if one.replacement is not None and one.ready_ns is not None:
        after_s = seconds(one.ready_ns - one.since_ns)
        yield Evidence(one.ready_ns, f"{one.replacement.name} was Ready, {after_s:.1f} s after {lost}")
