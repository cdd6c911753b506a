"""Whether one dip ended in time; and if it did not, whether that breaks a promise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from chaos.checks.recovery.dips import Dip
from chaos.checks.verdict import Answer
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics import Stage

__all__ = ["Judged", "judge_dip"]

STAGE_WORDS: dict[Stage, str] = {
    "created": "a replacement was not created",
    "scheduled": "a pod was not scheduled",
    "started": "a pod's containers had not started",
    "ready": "a pod was not Ready",
}


@dataclass(frozen=True, slots=True)
class Judged:
    """A dip and its answer. `seconds` is how long the way back took, or has been under way, from the dip's anchor."""

    dip: Dip
    answer: Answer
    seconds: float
    reason: str = ""
    settle: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """The dip in numbers."""
        dip = self.dip
        return {
            "answer": self.answer.name,
            "cause": dip.cause,
            "begin_ns": dip.begin_ns,
            "end_ns": dip.end_ns,
            "anchor_ns": dip.anchor_ns,
            "seconds": round(self.seconds, 3),
            "bound_s": dip.bound.total_s,
            "lowest": dip.lowest,
            "desired": dip.desired,
        }


def judge_dip(history: History, dip: Dip, lives: tuple[PodLife, ...]) -> Judged:
    """Judge one dip.

    News that came late (after a resumed watch) makes moments uncertain: in time means in time at the longest possible
    reading, too late means too late at the shortest.
    """
    bound_ns = round(dip.bound.total_s * NS)
    known_ns = min(_earliest(history, end_ns) for _, end_ns in _spans(history)) if dip.end_ns is None else dip.end_ns
    took_s = seconds(max(0, known_ns - dip.anchor_ns))
    if dip.end_ns is None:
        if not history.finished:
            return Judged(dip, Answer.UNKNOWN, took_s, "the run died before the system was back", "a trial that ends")
        if known_ns - dip.anchor_ns <= bound_ns:
            reason = (
                f"the recording ended {took_s:.1f} s into a bound of {dip.bound.total_s:g} s, ready still below desired"
            )
            return Judged(dip, Answer.UNKNOWN, took_s, reason, "a longer recovery phase")
    else:
        if dip.end_ns - _earliest(history, dip.anchor_ns) <= bound_ns:
            return Judged(dip, Answer.PASS, took_s)
        if _earliest(history, dip.end_ns) - dip.anchor_ns <= bound_ns:
            reason = "news came late from the watch, so whether the bound was kept cannot be told"
            return Judged(dip, Answer.UNKNOWN, took_s, reason, "a trial whose watch is not cut off")
    return _late(history, dip, lives, took_s)


def _late(history: History, dip: Dip, lives: tuple[PodLife, ...], took_s: float) -> Judged:
    """The dip outlasted its bound: a FAIL, unless that was not seen without a gap, or breaks no promise."""
    for kind in ("Pod", history.facts.workload_kind):
        if gaps_in(history, kind, dip.begin_ns, dip.deadline_ns):
            reason = f"the watch of {kind}s had a gap while ready was below desired"
            return Judged(dip, Answer.UNKNOWN, took_s, reason, "a trial whose watch has no gap")
    desired = desired_replicas(history).value_at(dip.deadline_ns)
    stages = _held_up(dip, lives, dip.desired if desired is None else desired)
    excuses = [dip.bound.excuses(stage) for stage in stages]
    if all(excuses):
        reasons = dict.fromkeys(reason for each in excuses for reason in each)
        reason = f"over the bound of {dip.bound.total_s:g} s, but no promise was broken: {'; '.join(reasons)}"
        settle = (
            "a startup probe, whose failureThreshold x periodSeconds says how long a start may take, or a present image"
        )
        return Judged(dip, Answer.UNKNOWN, took_s, reason, settle)
    over = (
        f"not back {dip.bound.total_s:g} s after the last loss" if dip.end_ns is None else f"back after {took_s:.1f} s"
    )
    words = ", ".join(STAGE_WORDS[stage] for stage in stages)
    return Judged(dip, Answer.FAIL, took_s, f"{over}, bound {dip.bound.total_s:g} s: at the deadline {words}")


def _held_up(dip: Dip, lives: tuple[PodLife, ...], desired: int) -> tuple[Stage, ...]:
    """What the replicas that were missing at the deadline still lacked."""
    at_ns = dip.deadline_ns
    alive = [life for life in lives if life.created_ns <= at_ns and (life.lost_ns is None or life.lost_ns > at_ns)]
    waiting = [life for life in alive if not life.ready_at(at_ns)]
    stages: list[Stage] = ["created"] if len(alive) < desired or not waiting else []
    stages += [_stage(life, at_ns) for life in waiting]
    return tuple(dict.fromkeys(stages))


def _stage(life: PodLife, at_ns: int) -> Stage:
    if life.scheduled_ns is None or life.scheduled_ns > at_ns:
        return "scheduled"
    if life.started_ns is None or life.started_ns > at_ns:
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
