"""Eventually: whatever replicas were lost came back, within the time that the system's own spec promises."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.recovery.causes import victims_of
from chaos.checks.recovery.dip_judge import Judged, judge_dip
from chaos.checks.recovery.dips import Dip, dips_of
from chaos.checks.recovery.replacements import Succession, successions
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import seconds
from chaos.history import History
from chaos.history.coverage import covered, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives

__all__ = ["Recovered"]

SHOWN = 50
"""How many dips, worst first, and replicas a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class Recovered:
    """Every dip of ready below desired since the first fault ended within its derived bound.

    The bound counts from the first observation below desired, not from the heal, and starts anew when a fault takes a
    further victim or more replicas are desired. A dip that never was proves nothing, so without one the answer is
    UNKNOWN; so it is with a gap in the watch, with a recording that ended before the bound, and where the spec
    promises nothing about what took so long.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "recovered"

    def __call__(self, history: History) -> Finding:
        """Judge every dip of the trial."""
        if not history.faults:
            return self._finding(Answer.UNKNOWN, (), (), "no fault was injected, so there was nothing to recover from")
        since_ns = min(fault.begin_ns for fault in history.faults)
        lives = pod_lives(history)
        victims = tuple({life.uid: life for f in history.faults for life in victims_of(history, f, lives)}.values())
        pairs = successions(history, victims, lives, since_ns)
        judged = tuple(judge_dip(history, dip, lives) for dip in dips_of(history, lives, since_ns))
        failures = [one.reason for one in judged if one.answer is Answer.FAIL]
        if failures:
            return self._finding(Answer.FAIL, judged, pairs, "; ".join(failures))
        doubts = [*_coverage(history, since_ns), *(one.reason for one in judged if one.answer is Answer.UNKNOWN)]
        doubts += _open_questions(judged, pairs, victims, since_ns)
        answer = Answer.UNKNOWN if doubts else Answer.PASS
        return self._finding(answer, judged, pairs, "; ".join(doubts))

    def _finding(
        self, answer: Answer, judged: tuple[Judged, ...], pairs: tuple[Succession, ...], reason: str
    ) -> Finding:
        by_badness = sorted(judged, key=lambda one: (one.answer, one.seconds - one.dip.bound.total_s), reverse=True)
        worst = by_badness[0] if by_badness else None
        shown = sorted(by_badness[:SHOWN], key=lambda one: one.dip.begin_ns)
        return Finding(
            check=self.name,
            answer=answer,
            rule="Lost replicas are back within the time that the system's own spec promises.",
            limit=_limit(worst),
            measured=_measured(worst),
            margin=_margin(worst),
            reason=reason,
            settle=_settle(judged) if answer is Answer.UNKNOWN else "",
            detail={
                "dips_count": len(judged),
                "dips": [one.values for one in shown],
                "replicas_count": len(pairs),
                "replicas": [pair.stages for pair in pairs[:SHOWN]],
                "bound_parts": _parts(worst.dip) if worst else [],
            },
            evidence=tuple(sorted(_evidence(shown, pairs[:SHOWN]), key=lambda one: one.at_ns)),
        )


def _coverage(history: History, since_ns: int) -> Iterator[str]:
    """Why the watch does not carry a PASS: it must be whole from the first fault to the end of the last phase."""
    ends = [phase.end_ns for phase in history.phases if phase.end_ns is not None]
    ends += [fault.healed_ns for fault in history.faults if fault.healed_ns is not None]
    until_ns = max(ends, default=history.ended_ns)
    for kind in ("Pod", history.facts.workload_kind):
        gaps = gaps_in(history, kind, since_ns, until_ns)
        if gaps:
            lost_s = sum(seconds(gap.until_ns - gap.since_ns) for gap in gaps)
            yield f"the watch of {kind}s had {plural(len(gaps), 'gap')} since the first fault ({lost_s:.1f} s)"
        elif not covered(history, kind, since_ns, until_ns):
            yield f"the watch of {kind}s did not cover the time from the first fault to the end"


def _open_questions(
    judged: tuple[Judged, ...], pairs: tuple[Succession, ...], victims: tuple[PodLife, ...], since_ns: int
) -> Iterator[str]:
    began = [one.dip for one in judged if one.dip.begin_ns >= since_ns]
    if not began:
        lost = sum(life.lost_ns is not None and life.lost_ns >= since_ns for life in victims)
        what = f"though {plural(lost, 'victim was', 'victims were')} lost" if lost else "and no victim was lost"
        yield f"ready was never seen to fall below desired after the first fault, {what}"
    if len(began) < len(judged):
        yield "ready was below desired already when the first fault began"
    orphans = [pair.victim.name for pair in pairs if pair.needed and pair.successor is None]
    if orphans:
        yield f"no pod of the same owner was made after the loss of {', '.join(orphans)}"


def _limit(worst: Judged | None) -> str:
    return "back within the derived bound" if worst is None else f"bound {worst.dip.bound.total_s:g} s"


def _measured(worst: Judged | None) -> str:
    if worst is None:
        return "no dip seen"
    dip = worst.dip
    if dip.end_ns is None:
        return f"ready {dip.lowest} of {dip.desired}, not back {worst.seconds:.1f} s later"
    return f"ready {dip.lowest} of {dip.desired}, back after {worst.seconds:.1f} s"


def _margin(worst: Judged | None) -> str:
    if worst is None:
        return ""
    left_s = worst.dip.bound.total_s - worst.seconds
    words = f"{left_s:.1f} s left" if left_s >= 0 else f"{-left_s:.1f} s over"
    return f"{words} ({worst.dip.cause}: {worst.dip.bound.words})"


def _settle(judged: tuple[Judged, ...]) -> str:
    told = [one.settle for one in judged if one.settle]
    return "; ".join(dict.fromkeys(told)) or "a trial whose fault takes replicas that were ready, watched without a gap"


def _parts(dip: Dip) -> list[dict[str, object]]:
    return [{"name": part.name, "seconds": part.seconds, "source": part.source} for part in dip.bound.parts]


def _evidence(judged: Sequence[Judged], pairs: tuple[Succession, ...]) -> Iterator[Evidence]:
    for one in judged:
        yield Evidence(
            one.dip.begin_ns, f"ready fell below desired ({one.dip.lowest} of {one.dip.desired} at the lowest)"
        )
        if one.dip.end_ns is not None:
            yield Evidence(one.dip.end_ns, f"ready was back at desired, {one.seconds:.1f} s after the last loss")
    for pair in pairs:
        yield Evidence(pair.lost_ns, f"{pair.victim.name} ({pair.victim.uid[:8]}) was lost")
        if pair.successor is not None and pair.successor.ready_ns is not None:
            after_s = seconds(pair.successor.ready_ns - pair.lost_ns)
            yield Evidence(
                pair.successor.ready_ns,
                f"{pair.successor.name} was Ready in place of {pair.victim.name}, {after_s:.1f} s after its loss",
            )
