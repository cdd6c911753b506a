"""Eventually: every stage of every victim's recovery took no longer than its own bound; the late one is named."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.recovery.stage_judge import Recovery, recoveries
from chaos.checks.recovery.stages import Stage, StageDetail
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History

__all__ = ["RecoveredInTime", "RecoveryDetail", "VictimDetail"]

SHOWN = 50
"""How many recoveries, worst first, a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class VictimDetail:
    """The recovery of one victim, as docs/run-folder.md describes it."""

    fault: str
    fault_name: str
    victim: str
    victim_uid: str
    path: str
    replacement: str | None
    fault_ns: int
    whole_s: float
    late: tuple[str, ...]
    stages: tuple[StageDetail, ...]


@dataclass(frozen=True, slots=True)
class RecoveryDetail:
    """The recoveries, worst first, at most 50 of `recoveries_count`, and the names of the late stages."""

    recoveries_count: int
    recoveries: tuple[VictimDetail, ...]
    late: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RecoveredInTime:
    """The recovery of each victim, stage by stage: each stage that Kubernetes promises a time for kept it.

    `Recovered` judges the whole: when each loss was made good. This one judges the stages: fault, first failed request,
    probe failure event, unready, endpoint removed, container restarted or replacement created, scheduled, started,
    Ready, endpoint added, first answer from that replica, latency back in the baseline's band. `detection_s` is how
    long the server itself may take to know that it is unwell, as for `RestartedByLiveness`.

    FAIL names the late stages. UNKNOWN: no victim was lost, a gap, a step that was not seen and whose bound was not
    over, or one that nothing bounds. First failed request and probe failure event only witness: requests may fail or
    not, and a kubelet may drop events; what was not seen of them is noted.
    """

    name: ClassVar[str] = "recovered-in-time"
    Detail: ClassVar[type] = RecoveryDetail

    detection_s: float = 0.0

    def __call__(self, history: History) -> Finding:
        found = recoveries(history, detection_s=self.detection_s)
        ordered = sorted(found, key=lambda one: (one.broken, one.whole_s), reverse=True)
        summary = Summary(
            measured=_measured(found),
            limit="each stage within its bound",
            margin=_margin(found),
            detail=RecoveryDetail(
                recoveries_count=len(found),
                recoveries=tuple(_victim(one) for one in ordered[:SHOWN]),
                late=tuple(dict.fromkeys(name for one in found if one.broken for name in one.late)),
            ),
            evidence=tuple(_evidence(ordered[:SHOWN])),
        )
        return finding(
            self.name,
            "Every stage of each victim's recovery takes no longer than its own derived bound.",
            (obligation for one in found for obligation in _owed(one)),
            summary,
            nothing=NOTHING,
        )


def _owed(recovery: Recovery) -> Iterator[Obligation]:
    """Each stage. A witness owes nothing, unless a promise was broken; why one was not reached, the one before says."""
    for stage in recovery.stages:
        if stage.rule.witness and not (recovery.broken and stage.answer is Answer.FAIL):
            continue
        detail = stage.detail
        reason = stage.reason if stage.reason != "not reached" else ""
        yield Obligation(
            subject=f"{recovery.who}: {stage.name}",
            answer=stage.answer,
            reason=f"{recovery.who}: {stage.name} {reason}" if reason else "",
            settle=SETTLE if stage.answer is Answer.UNKNOWN else "",
            measured="" if detail.took_s is None else f"{detail.took_s:g} s",
            bound="" if detail.bound_s is None else f"{detail.bound_s:g} s",
        )


NOTHING = unknown(
    "victims", "no victim of a fault that landed was lost, or none by it alone", "a trial whose fault takes a replica"
)
SETTLE = "traffic that names its replica and goes on for long enough, watched without a gap until the bounds are over"


def _victim(recovery: Recovery) -> VictimDetail:
    loss, pod = recovery.timeline.loss, recovery.timeline.loss.replacement
    return VictimDetail(
        fault=recovery.timeline.fault.id,
        fault_name=recovery.timeline.fault.name,
        victim=loss.life.name,
        victim_uid=loss.life.uid,
        path=loss.path,
        replacement=None if pod is None or pod.uid == loss.life.uid else pod.name,
        fault_ns=recovery.timeline.moments["fault"],
        whole_s=round(recovery.whole_s, 3),
        late=recovery.late,
        stages=tuple(stage.detail for stage in recovery.stages),
    )


def _measured(found: Sequence[Recovery]) -> str:
    if not found:
        return "no recovery seen"
    slowest = max(found, key=lambda one: one.whole_s)
    longest = max(slowest.stages, key=lambda stage: stage.part_ns)
    return (
        f"{plural(len(found), 'recovery', 'recoveries')}, the slowest in {slowest.whole_s:.1f} s, "
        f"of which {longest.name} {seconds(longest.part_ns):.1f} s"
    )


def _margin(found: Sequence[Recovery]) -> str:
    """The stage that used the greatest share of its bound."""
    timed = [(one, stage) for one in found for stage in one.stages if stage.took_ns is not None and stage.rule.bound]
    if not timed:
        return ""
    recovery, stage = max(timed, key=lambda pair: _share(pair[1]))
    bound_s = stage.rule.bound.total_s if stage.rule.bound else 0.0
    took_s = seconds(stage.took_ns or 0)
    return f"nearest its bound: {stage.name} of {recovery.timeline.loss.life.name}, {took_s:.1f} s of {bound_s:g} s"


def _share(stage: Stage) -> float:
    bound_s = stage.rule.bound.total_s if stage.rule.bound else 0.0
    return seconds(stage.took_ns or 0) / max(bound_s, 0.001)


def _evidence(found: Sequence[Recovery]) -> Iterator[Evidence]:
    for recovery in found:
        timeline = recovery.timeline
        yield Evidence(timeline.moments["fault"], f"{timeline.fault.id} struck {recovery.who}")
        for stage in recovery.stages:
            if stage.at_ns is not None:
                note = f" ({stage.note})" if stage.note else ""
                part_s = seconds(stage.part_ns)
                yield Evidence(stage.at_ns, f"{timeline.loss.life.name}: {stage.name}, +{part_s:.3f} s{note}")
