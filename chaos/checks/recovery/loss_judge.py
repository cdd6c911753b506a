"""Whether one lost replica was back in time; and if it was not, whether that breaks a promise."""

from __future__ import annotations

from chaos.checks.base import GAPLESS
from chaos.checks.recovery.losses import AWAY, Loss
from chaos.checks.recovery.missing import Missing
from chaos.checks.verdict import Answer, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.semantics import Stage

__all__ = ["judge_loss", "lacking"]

STAGE_WORDS: dict[Stage, str] = {
    "created": "a replacement was not created",
    "scheduled": "a pod was not scheduled",
    "started": "a pod's containers had not started",
    "ready": "a pod was not Ready",
}


def judge_loss(history: History, one: Missing) -> Obligation:
    """Judge one loss.

    News that came late (after a resumed watch) makes moments uncertain: in time means in time at the longest possible
    reading, too late means too late at the shortest.
    """
    bound_ns, back_ns = round(one.bound.total_s * NS), one.back_ns
    known_ns = min(_earliest(history, end_ns) for _, end_ns in _spans(history)) if back_ns is None else back_ns
    took_s = seconds(max(0, known_ns - one.counts_ns))
    if back_ns is None:
        if not history.finished:
            return _unknown(one, took_s, f"the run died before {one.who} was back", "a trial that ends")
        if known_ns - one.counts_ns <= bound_ns:
            reason = f"the recording ended {took_s:.1f} s into a bound of {one.bound.total_s:g} s, {one.who} not back"
            return _unknown(one, took_s, reason, "a longer recovery phase")
        return _late(history, one, took_s)
    if back_ns - _earliest(history, one.counts_ns) <= bound_ns:
        return _back(one, took_s)
    if _earliest(history, back_ns) - one.counts_ns <= bound_ns:
        reason = "news came late from the watch, so whether the bound was kept is not known"
        return _unknown(one, took_s, reason, "a trial whose watch is not cut off")
    return _late(history, one, took_s)


def _back(one: Missing, took_s: float) -> Obligation:
    """Back in time: kept, if it is known who took its place."""
    if isinstance(one, Loss) and one.fault is not None and one.path in AWAY and one.needed and one.replacement is None:
        reason = f"no pod of the same owner was made after the loss of {one.life.name}"
        return _unknown(one, took_s, reason, "a trial in which its own controller replaces it")
    return Obligation(one.who, measured=f"back after {took_s:.1f} s", bound=f"{one.bound.total_s:g} s")


def _late(history: History, one: Missing, took_s: float) -> Obligation:
    """The loss outlasted its bound: a FAIL, unless that was not seen without a gap, or breaks no promise."""
    for kind in ("Pod", history.facts.workload_kind):
        if gaps_in(history, kind, one.since_ns, one.due_ns):
            return _unknown(one, took_s, f"the watch of {kind}s had a gap while {one.who} was away", GAPLESS)
    stage = lacking(one.waiting, one.due_ns)
    if excuses := one.bound.excuses(stage):
        reason = f"over the bound of {one.bound.total_s:g} s, but no promise was broken: {'; '.join(excuses)}"
        return _unknown(one, took_s, reason, SPEC)
    over = "not back" if one.back_ns is None else f"back after {took_s:.1f} s"
    text = f"{one.who} {over}, bound {one.bound.total_s:g} s: at the deadline {STAGE_WORDS[stage]}"
    return Obligation(one.who, Answer.FAIL, text, measured=f"{took_s:.1f} s", bound=f"{one.bound.total_s:g} s")


SPEC = "a startup probe, whose failureThreshold x periodSeconds says how long a start may take, or a present image"


def _unknown(one: Missing, took_s: float, reason: str, settle: str) -> Obligation:
    return Obligation(
        one.who, Answer.UNKNOWN, reason, settle, measured=f"{took_s:.1f} s", bound=f"{one.bound.total_s:g} s"
    )


def lacking(pod: PodLife | None, at_ns: int) -> Stage:
    """What a pod that was not Ready at its deadline still lacked."""
    if pod is None:
        return "created"
    if pod.scheduled_ns is None or pod.scheduled_ns > at_ns:
        return "scheduled"
    if pod.started_ns is None or pod.started_ns > at_ns:
        return "started"
    return "ready"


def _earliest(history: History, at_ns: int) -> int:
    """The earliest moment at which what was received then may have happened, by either watch."""
    return min(earliest_ns(history, kind, at_ns) for kind in ("Pod", history.facts.workload_kind))


def _spans(history: History) -> tuple[tuple[int, int], ...]:
    return tuple(
        history.covered_ns.get(kind, (history.began_ns, history.began_ns))
        for kind in ("Pod", history.facts.workload_kind)
    )
