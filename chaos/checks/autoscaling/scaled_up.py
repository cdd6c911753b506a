"""Eventually: replicas follow a load spike up, in time on every leg, until users are inside the SLO again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.autoscaling.common import behaviour_at, one_autoscaler, stood_still, timings_of, unwatched
from chaos.checks.autoscaling.scale_up import Climb, climb_of
from chaos.checks.rollouts.common import Said, weighed, worst
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife, autoscalers
from chaos.history.facts.load_spikes import LoadSpike, load_spikes
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.semantics import Bound, recovery_bound
from chaos.semantics.hpa.bounds import rise_bound
from chaos.slo import Slo

__all__ = ["ScaledUp"]

LONGER = "a spike that lasts longer"
WORKS = "a metric that the autoscaler can read: metrics-server, and requests on every container"


@dataclass(frozen=True, slots=True)
class ScaledUp:
    """Every load spike is followed: desired replicas rise, and each new pod is Ready, within the derived bounds.

    With an `slo` users must moreover be inside it again before the spike ends, for ten seconds at least. If they are
    not while the autoscaler is at its maximum, that is a matter of capacity and not of the autoscaler; the reason says
    so (`cause` is `capacity`). Without an autoscaler, or with one whose metric the load does not move, nothing follows:
    FAIL. A spike that is too short to tell, metrics that are missing and two autoscalers on one target are UNKNOWN.
    """

    slo: Slo | None = None

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "scaled-up"

    def __call__(self, history: History) -> Finding:
        """Judge every spike of the trial."""
        said: list[Said] = []
        climbs: list[tuple[Climb, Bound]] = []
        causes: list[str] = []
        raised = load_spikes(history)
        if not raised:
            said.append(Said(Answer.UNKNOWN, "the load never rose by half or more", "a trial with a spike"))
        scaler = one_autoscaler(history)
        for spike in raised:
            here = list(unwatched(history, spike.begin_ns, spike.end_ns))
            if isinstance(scaler, Said):
                here.append(
                    Said(Answer.FAIL if not autoscalers(history) else scaler.answer, scaler.text, scaler.settle)
                )
                causes.append("autoscaler")
            else:
                climb = climb_of(history, scaler, spike, self.slo)
                bound = rise_bound(behaviour_at(scaler, spike.begin_ns), timings_of(history))
                climbs.append((climb, bound))
                found = list(_judged(history, scaler, climb, bound, slo=self.slo))
                causes += [cause for cause, _ in found]
                here += [_doubted(history, climb, one) for _, one in found]
            said += weighed(here)
        return self._finding(worst(said), raised, climbs, causes)

    def _finding(
        self,
        decided: tuple[Answer, str, str],
        raised: tuple[LoadSpike, ...],
        climbs: list[tuple[Climb, Bound]],
        causes: list[str],
    ) -> Finding:
        answer, reason, settle = decided
        slowest = max(climbs, key=lambda one: one[0].legs["desired_raised_s"] or 1e9, default=None)
        evidence = [moment for climb, _ in climbs for moment in climb.evidence()]
        if not climbs:
            evidence = [Evidence(spike.begin_ns, f"the load rose from {spike.words}") for spike in raised]
        return Finding(
            check=self.name,
            answer=answer,
            rule="Replicas follow a load spike, in time on every leg"
            + (", until users are well." if self.slo else "."),
            limit="first rise within the derived bound"
            if slowest is None
            else f"first rise within {slowest[1].total_s:g} s",
            measured="nothing followed the load" if slowest is None else _measured(slowest[0]),
            margin="" if slowest is None else slowest[1].words,
            reason=reason,
            settle=settle,
            detail={
                "spikes": [climb.values | {"bound_s": bound.total_s} for climb, bound in climbs],
                "cause": causes[0] if causes and answer is not Answer.PASS else "",
            },
            evidence=tuple(sorted(evidence, key=lambda one: one.at_ns)),
        )


def _doubted(history: History, climb: Climb, one: Said) -> Said:
    """Nothing is held against an autoscaler that was not given the load that was meant."""
    lost = [worker.number for worker in history.load_workers if (worker.lost_ns or climb.end_ns) < climb.end_ns]
    if one.answer is not Answer.FAIL or not lost:
        return one
    text = f"{one.text}; but load worker {lost[0]} was lost, and part of the load with it"
    return Said(Answer.UNKNOWN, text, "a trial whose load workers live to its end")


def _measured(climb: Climb) -> str:
    legs = climb.legs
    words = {
        "metric_over_s": "metric over target",
        "desired_raised_s": "desired raised",
        "scheduled_s": "all scheduled",
        "ready_s": "all Ready",
        "slo_regained_s": "SLO regained",
    }
    told = ", ".join(f"{word} {legs[name]:.1f} s" for name, word in words.items() if legs[name] is not None)
    return f"replicas {climb.start} to {climb.desired}" + (f": {told}" if told else "")


def _judged(
    history: History, life: AutoscalerLife, climb: Climb, bound: Bound, *, slo: Slo | None
) -> Iterator[tuple[str, Said]]:
    """What speaks against a climb, or leaves it open, each with its cause in a word."""
    if not climb.rises:
        yield _no_rise(life, climb, bound, unwell=slo is not None and climb.regained_ns is None)
        return
    first = climb.rises[0]
    took_s = seconds(earliest_ns(history, history.facts.workload_kind, first.at_ns) - climb.spike.begin_ns)
    if took_s > bound.total_s and (text := _blind(life, climb, bound, first.at_ns)):
        yield "metrics", Said(Answer.UNKNOWN, text, WORKS)
    elif took_s > bound.total_s:
        leg = "the metric was not over its target" if _late_metric(climb, bound) else "desired replicas did not rise"
        text = f"late: {leg} in time, first rise after {took_s:.1f} s, bound {bound.total_s:g} s"
        yield "late", Said(Answer.FAIL, text)
    yield from (("late", one) for pod in climb.pods for one in _late_pod(history, pod, climb))
    if slo is None or climb.regained_ns is not None:
        return
    if climb.end_ns < climb.spike.begin_ns + round(bound.total_s * NS):
        yield "short", _too_short(climb, bound)
    else:
        yield _not_regained(climb)


def _late_metric(climb: Climb, bound: Bound) -> bool:
    return climb.over_ns is None or climb.over_ns > climb.spike.begin_ns + round(bound.total_s * NS)


def _blind(life: AutoscalerLife, climb: Climb, bound: Bound, until_ns: int) -> str:
    """Why no rise can be demanded by a moment: without metrics, and too little time after it had them; else empty."""
    blind = stood_still(life, climb.spike.begin_ns, until_ns)
    if blind is None:
        return ""
    if blind.until_ns is None:
        return f"the autoscaler has no metrics: {blind.why}"
    if until_ns - blind.until_ns > round(bound.total_s * NS):
        return ""
    since_s = seconds(blind.until_ns - climb.spike.begin_ns)
    return f"the autoscaler had no metrics until {since_s:.1f} s after the step: {blind.why}"


def _no_rise(life: AutoscalerLife, climb: Climb, bound: Bound, *, unwell: bool) -> tuple[str, Said]:
    """Why desired replicas did not rise in the spike."""
    if text := _blind(life, climb, bound, climb.end_ns):
        return "metrics", Said(Answer.UNKNOWN, text, WORKS)
    if climb.end_ns < climb.spike.begin_ns + round(bound.total_s * NS):
        return "short", _too_short(climb, bound)
    if climb.start >= climb.most and unwell:
        return _not_regained(climb)
    if climb.start >= climb.most:
        return "maximum", Said(
            Answer.UNKNOWN, f"it was at its maximum of {climb.most} before", "fewer replicas at first"
        )
    if climb.over_ns is not None:
        over_s = seconds(climb.over_ns - climb.spike.begin_ns)
        text = f"desired replicas did not rise, though {climb.metric} was over its target {over_s:.1f} s after the step"
        return "desired", Said(Answer.FAIL, text)
    return "metric", _unmoved(climb, unwell=unwell)


def _too_short(climb: Climb, bound: Bound) -> Said:
    lasted_s = seconds(climb.end_ns - climb.spike.begin_ns)
    text = f"the spike lasted {lasted_s:.1f} s, less than the {bound.total_s:g} s in which it must be followed"
    return Said(Answer.UNKNOWN, text, LONGER)


def _unmoved(climb: Climb, *, unwell: bool) -> Said:
    """The metric stayed under its target: nothing to follow, or if users felt the load, the wrong metric."""
    seen = "" if climb.measured is None else f" (at most {climb.measured} % of {climb.target} %)"
    text = f"{climb.metric or 'its metric'} never passed its target{seen}"
    if unwell:
        return Said(Answer.FAIL, f"users were outside the SLO, yet {text}: the load does not move this metric")
    return Said(Answer.UNKNOWN, f"{text}, so there was nothing to follow", "a spike that the system feels")


def _late_pod(history: History, pod: PodLife, climb: Climb) -> Iterator[Said]:
    """What is to be said of a new pod that was not Ready in the time that its spec promises."""
    bound = recovery_bound(pod.spec, timings_of(history), workload_kind=history.facts.workload.pods_by)
    deadline_ns = pod.created_ns + round(bound.total_s * NS)
    if pod.ready_ns is not None and earliest_ns(history, "Pod", pod.ready_ns) <= deadline_ns:
        return
    if pod.lost_ns is not None and pod.lost_ns <= deadline_ns:
        return
    if pod.ready_ns is None and climb.end_ns < deadline_ns:
        text = f"{pod.name} was not Ready when the spike ended, within its bound of {bound.total_s:g} s"
        yield Said(Answer.UNKNOWN, text, LONGER)
        return
    stage, words = "ready", "Ready"
    if pod.scheduled_ns is None or pod.scheduled_ns > deadline_ns:
        stage, words = "scheduled", "scheduled"
    elif pod.started_ns is None or pod.started_ns > deadline_ns:
        stage, words = "started", "started"
    excuses = bound.excuses(stage)  # type: ignore[arg-type]  # one of the stages
    text = f"late: {pod.name} was not {words} {bound.total_s:g} s after it was made"
    if excuses:
        yield Said(Answer.UNKNOWN, f"{text}, but no promise was broken: {'; '.join(excuses)}", "a startup probe")
    else:
        yield Said(Answer.FAIL, text)


def _not_regained(climb: Climb) -> tuple[str, Said]:
    """Users were not inside the SLO again before the spike ended."""
    rates = f"{climb.answered[2]:g}/s answered of {climb.spike.peak_rps:g}/s" if climb.answered[2] is not None else ""
    if climb.at_most:
        text = (
            f"capacity: at its maximum of {climb.most} replicas ({climb.ready} Ready) users were still outside the SLO"
        )
        return "capacity", Said(Answer.FAIL, f"{text}, {rates}")
    there = f"with {climb.ready} of {climb.desired} replicas Ready (at most {climb.most})"
    return "slo", Said(Answer.FAIL, f"users were not inside the SLO again before the spike ended, {there}, {rates}")
