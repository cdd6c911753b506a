"""Eventually: every stage of every victim's recovery took no longer than its own bound; the late one is named."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.recovery.stage_judge import Recovery, recoveries
from chaos.checks.recovery.timeline import Leg
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import seconds
from chaos.history import History

__all__ = ["RecoveredInTime"]

SHOWN = 50
"""How many recoveries, worst first, a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class RecoveredInTime:
    """The recovery of each victim, stage by stage: each stage that Kubernetes promises a time for kept it.

    `Recovered` judges the whole: when all replicas were back. This one judges the way: fault, first failed request,
    probe failure event, unready, endpoint removed, container restarted or replacement created, scheduled, started,
    Ready, endpoint added, first answer from that replica, latency back in the baseline's band. `detection_s` is how
    long the server itself may take to know that it is unwell, as for `RestartedByLiveness`.

    FAIL names the late stages. UNKNOWN: no victim was lost, a gap, a step that was not seen and whose bound was not
    over, or one that nothing bounds. First failed request and probe failure event only witness: requests may fail or
    not, and a kubelet may drop events; what was not seen of them is said.

    `values["recoveries"]` has the table, as docs/run-folder.md describes it.
    """

    detection_s: float = 0.0

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "recovered-in-time"

    def __call__(self, history: History) -> Finding:
        """Judge every stage of every victim."""
        found = recoveries(history, detection_s=self.detection_s)
        failures = [reason for one in found if one.broken for reason in _reasons(one, Answer.FAIL)]
        doubts = [reason for one in found for reason in _reasons(one, Answer.UNKNOWN)]
        doubts += ["no victim of a fault that landed was lost"] if not found else []
        answer = Answer.FAIL if failures else Answer.UNKNOWN if doubts else Answer.PASS
        ordered = sorted(found, key=lambda one: (one.broken, one.whole_s), reverse=True)
        tightest = _tightest(found)
        return Finding(
            check=self.name,
            answer=answer,
            rule="Every stage of each victim's recovery takes no longer than its own derived bound.",
            limit="each stage within its bound",
            measured=_measured(found),
            margin="" if tightest is None else _margin(tightest),
            reason="; ".join(failures or doubts),
            settle=_settle(found) if answer is Answer.UNKNOWN else "",
            detail={
                "recoveries_count": len(found),
                "recoveries": [one.values for one in ordered[:SHOWN]],
                "late": list(dict.fromkeys(name for one in found if one.broken for name in one.late)),
            },
            evidence=tuple(sorted(_evidence(ordered[:SHOWN]), key=lambda one: one.at_ns)),
        )


def _reasons(recovery: Recovery, answer: Answer) -> Iterator[str]:
    """What is wrong with its stages; of those that were not reached the one before says why."""
    for stage in recovery.stages:
        told = stage.reason and stage.reason != "not reached"
        if stage.answer is answer and told and (recovery.broken or not stage.rule.witness):
            yield f"{recovery.who}: {stage.name} {stage.reason}"


def _tightest(found: Sequence[Recovery]) -> tuple[Recovery, Leg] | None:
    """The stage that used the greatest share of its bound."""
    stages = [
        (one, stage)
        for one in found
        for stage in one.stages
        if stage.took_ns is not None and stage.rule.bound is not None
    ]
    return max(stages, key=lambda pair: _share(pair[1]), default=None)


def _share(stage: Leg) -> float:
    bound_s = stage.rule.bound.total_s if stage.rule.bound else 0.0
    return seconds(stage.took_ns or 0) / max(bound_s, 0.001)


def _measured(found: Sequence[Recovery]) -> str:
    if not found:
        return "no recovery seen"
    slowest = max(found, key=lambda one: one.whole_s)
    longest = max(slowest.stages, key=lambda stage: stage.part_ns)
    return (
        f"{plural(len(found), 'recovery', 'recoveries')}, the slowest in {slowest.whole_s:.1f} s, "
        f"of which {longest.name} {seconds(longest.part_ns):.1f} s"
    )


def _margin(tightest: tuple[Recovery, Leg]) -> str:
    recovery, stage = tightest
    bound_s = stage.rule.bound.total_s if stage.rule.bound else 0.0
    took_s = seconds(stage.took_ns or 0)
    return f"nearest its bound: {stage.name} of {recovery.course.life.name}, {took_s:.1f} s of {bound_s:g} s"


def _settle(found: Sequence[Recovery]) -> str:
    if not found:
        return "a trial whose fault takes a replica"
    return "traffic that names its replica and goes on for long enough, watched without a gap until the bounds are over"


def _evidence(found: Sequence[Recovery]) -> Iterator[Evidence]:
    for recovery in found:
        yield Evidence(recovery.course.moments["fault"], f"{recovery.course.fault.id} struck {recovery.who}")
        for stage in recovery.stages:
            if stage.at_ns is not None:
                note = f" ({stage.note})" if stage.note else ""
                part_s = seconds(stage.part_ns)
                yield Evidence(stage.at_ns, f"{recovery.course.life.name}: {stage.name}, +{part_s:.3f} s{note}")
