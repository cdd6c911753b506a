"""Eventually: replicas follow a load spike, in time at every stage, until users are inside the SLO again."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from chaos.checks.autoscaling.common import (
    behaviour_at,
    one_autoscaler,
    replicas_made,
    scalers_in,
    stood_still,
    unless_unseen,
    unwatched,
)
from chaos.checks.autoscaling.scale_up import Climb, FollowedDetail, climb_of
from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import LoadSpike, load_spikes
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.semantics import Bound, recovery_bound
from chaos.semantics.hpa.bounds import rise_bound
from chaos.slo import Slo

__all__ = ["ScaledUp", "ScaledUpDetail"]

LONGER = "a load spike that lasts longer"
WORKS = "a metric that the autoscaler can read: metrics-server, and requests on every container"


@dataclass(frozen=True, slots=True)
class ScaledUpDetail:
    """Each load spike; `cause` is what went wrong first, in a word, empty for a PASS."""

    spikes: tuple[FollowedDetail, ...]
    cause: str


@dataclass(frozen=True, slots=True)
class ScaledUp:
    """Every load spike is followed: desired replicas rise, each new pod is made and Ready, within the derived bounds.

    With an `slo` users must moreover be inside it again before the spike ends, for ten seconds at least. If they are
    not while the autoscaler is at its maximum, that is a matter of capacity and not of the autoscaler; the reason says
    so (`cause` is `capacity`). Without an autoscaler, or with one whose metric the load does not move, nothing follows:
    FAIL. A spike that is too short to tell, metrics that are missing and two autoscalers on one target are UNKNOWN.
    """

    name: ClassVar[str] = "scaled-up"
    Detail: ClassVar[type] = ScaledUpDetail

    slo: Slo | None = None

    def __call__(self, history: History) -> Finding:
        """Judge every load spike of the trial."""
        owed: list[Obligation] = []
        climbs: list[tuple[Climb, Bound]] = []
        causes: list[str] = []
        for spike in load_spikes(history):
            scaler = one_autoscaler(history, spike.begin_ns, spike.end_ns)
            here: list[tuple[str, Obligation]] = []
            if isinstance(scaler, Obligation):
                here.append(("autoscaler", _without(history, spike, scaler)))
            else:
                climb = climb_of(history, scaler, spike, self.slo)
                bound = rise_bound(behaviour_at(history, scaler, spike.begin_ns), timings_of(history))
                climbs.append((climb, bound))
                here += _judged(history, scaler, climb, bound, slo=self.slo)
                here = [(cause, _doubted(history, climb, one)) for cause, one in here]
            causes += [cause for cause, one in here if one.answer is not Answer.PASS]
            owed += unless_unseen(unwatched(history, spike.begin_ns, spike.end_ns), [one for _, one in here])
        users = ", until users are well." if self.slo else "."
        return finding(
            self.name,
            f"Replicas follow a load spike, in time at every stage{users}",
            owed,
            _summary(climbs, next(iter(causes), "")),
            nothing=unknown("the load", "the load never rose by half or more", "a trial with a spike"),
        )


def _summary(climbs: list[tuple[Climb, Bound]], cause: str) -> Summary:
    detail = ScaledUpDetail(tuple(climb.detail(bound.total_s) for climb, bound in climbs), cause)
    if not climbs:
        return Summary("nothing followed the load", "first rise within the derived bound", detail=detail)
    slowest, bound = max(climbs, key=lambda one: one[0].stages["desired_raised_s"] or 1e9)
    return Summary(
        measured=_measured(slowest),
        limit=f"first rise within {bound.total_s:g} s",
        margin=bound.words,
        detail=detail,
        evidence=tuple(moment for climb, _ in climbs for moment in climb.evidence()),
    )


def _measured(climb: Climb) -> str:
    stages = climb.stages
    words = {
        "metric_over_s": "metric over target",
        "desired_raised_s": "desired raised",
        "scheduled_s": "all scheduled",
        "ready_s": "all Ready",
        "slo_regained_s": "SLO regained",
    }
    seen = ", ".join(f"{word} {stages[name]:.1f} s" for name, word in words.items() if stages[name] is not None)
    return f"replicas {climb.start} to {climb.desired}" + (f": {seen}" if seen else "")


def _without(history: History, spike: LoadSpike, scaler: Obligation) -> Obligation:
    """With no autoscaler at all nothing follows; with several nobody can tell which of them did."""
    evidence = (Evidence(spike.begin_ns, f"the load rose from {spike.words}"),)
    if scalers_in(history, spike.begin_ns, spike.end_ns):
        return replace(scaler, evidence=evidence)
    return replace(scaler, answer=Answer.FAIL, settle="", evidence=evidence)


def _doubted(history: History, climb: Climb, one: Obligation) -> Obligation:
    """Nothing is held against an autoscaler that was not given the load that was meant."""
    lost = [worker.number for worker in history.load_workers if (worker.lost_ns or climb.end_ns) < climb.end_ns]
    if one.answer is not Answer.FAIL or not lost:
        return one
    text = f"{one.reason}; but load worker {lost[0]} was lost, and part of the load with it"
    return unknown(one.subject, text, "a trial whose load workers live to its end")


def _judged(
    history: History, life: AutoscalerLife, climb: Climb, bound: Bound, *, slo: Slo | None
) -> Iterator[tuple[str, Obligation]]:
    """What a load spike asks of the system, each with what went wrong if it was not kept, in a word."""
    if not climb.rises:
        yield _no_rise(life, climb, bound, unwell=slo is not None and climb.regained_ns is None)
        return
    yield _first_rise(history, life, climb, bound)
    for rise in climb.rises:
        yield from (("pods", one) for one in replicas_made(history, rise, climb.end_ns))
    yield from (("late", one) for pod in climb.pods for one in _new_pod(history, pod, climb))
    if slo is None:
        return
    if climb.regained_ns is not None:
        yield "", Obligation("users", measured="inside the SLO again", bound="before the spike ends")
    elif climb.end_ns < climb.spike.begin_ns + round(bound.total_s * NS):
        yield "short", _too_short(climb, bound)
    else:
        yield _not_regained(climb)


def _first_rise(history: History, life: AutoscalerLife, climb: Climb, bound: Bound) -> tuple[str, Obligation]:
    """The first rise of desired replicas is in time."""
    subject, first = "first rise", climb.rises[0]
    deadline_ns = climb.spike.begin_ns + round(bound.total_s * NS)
    took_s = seconds(earliest_ns(history, history.facts.workload_kind, first.at_ns) - climb.spike.begin_ns)
    measured, limit = f"{took_s:.1f} s", f"{bound.total_s:g} s"
    if took_s <= bound.total_s:
        return "", Obligation(subject, measured=measured, bound=limit)
    if text := _blind(life, climb, bound, first.at_ns):
        return "metrics", unknown(subject, text, WORKS)
    late_metric = climb.over_ns is None or climb.over_ns > deadline_ns
    stage = "the metric was not over its target" if late_metric else "desired replicas did not rise"
    text = f"late: {stage} in time, first rise after {took_s:.1f} s, bound {bound.total_s:g} s"
    return "late", Obligation(subject, Answer.FAIL, text, measured=measured, bound=limit)


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


def _no_rise(life: AutoscalerLife, climb: Climb, bound: Bound, *, unwell: bool) -> tuple[str, Obligation]:
    """Why desired replicas did not rise in the spike."""
    subject = "first rise"
    if text := _blind(life, climb, bound, climb.end_ns):
        return "metrics", unknown(subject, text, WORKS)
    if climb.end_ns < climb.spike.begin_ns + round(bound.total_s * NS):
        return "short", _too_short(climb, bound)
    if climb.start >= climb.most and unwell:
        return _not_regained(climb)
    if climb.start >= climb.most:
        return "maximum", unknown(subject, f"it was at its maximum of {climb.most} before", "fewer replicas at first")
    if climb.over_ns is not None:
        over_s = seconds(climb.over_ns - climb.spike.begin_ns)
        text = f"desired replicas did not rise, though {climb.metric} was over its target {over_s:.1f} s after the step"
        return "desired", Obligation(subject, Answer.FAIL, text)
    return "metric", _unmoved(climb, unwell=unwell)


def _unmoved(climb: Climb, *, unwell: bool) -> Obligation:
    """The metric stayed under its target: nothing to follow, or if users felt the load, the wrong metric."""
    seen = "" if climb.measured is None else f" (at most {climb.measured} % of {climb.target} %)"
    text = f"{climb.metric or 'its metric'} never passed its target{seen}"
    if unwell:
        text = f"users were outside the SLO, yet {text}: the load does not move this metric"
        return Obligation("first rise", Answer.FAIL, text)
    return unknown("first rise", f"{text}, so there was nothing to follow", "a load spike that the system feels")


def _too_short(climb: Climb, bound: Bound) -> Obligation:
    lasted_s = seconds(climb.end_ns - climb.spike.begin_ns)
    text = f"the spike lasted {lasted_s:.1f} s, less than the {bound.total_s:g} s in which it must be followed"
    return unknown("load spike", text, LONGER)


def _new_pod(history: History, pod: PodLife, climb: Climb) -> Iterator[Obligation]:
    """A new pod is Ready in the time that its spec promises, unless it was taken away before."""
    bound = recovery_bound(pod.spec, timings_of(history), workload_kind=history.facts.workload.pods_by)
    deadline_ns, limit = pod.created_ns + round(bound.total_s * NS), f"Ready within {bound.total_s:g} s"
    if pod.ready_ns is not None and earliest_ns(history, "Pod", pod.ready_ns) <= deadline_ns:
        yield Obligation(pod.name, measured=f"Ready after {seconds(pod.ready_ns - pod.created_ns):.1f} s", bound=limit)
        return
    if pod.lost_ns is not None and pod.lost_ns <= deadline_ns:
        return
    if pod.ready_ns is None and climb.end_ns < deadline_ns:
        text = f"{pod.name} was not Ready when the spike ended, within its bound of {bound.total_s:g} s"
        yield unknown(pod.name, text, LONGER)
        return
    stage, words = "ready", "Ready"
    if pod.scheduled_ns is None or pod.scheduled_ns > deadline_ns:
        stage, words = "scheduled", "scheduled"
    elif pod.started_ns is None or pod.started_ns > deadline_ns:
        stage, words = "started", "started"
    excuses = bound.excuses(stage)  # type: ignore[arg-type]  # one of the stages
    text = f"late: {pod.name} was not {words} {bound.total_s:g} s after it was made"
    if excuses:
        yield unknown(pod.name, f"{text}, but no promise was broken: {'; '.join(excuses)}", "a startup probe")
    else:
        yield Obligation(pod.name, Answer.FAIL, text, bound=limit)


def _not_regained(climb: Climb) -> tuple[str, Obligation]:
    """Users were not inside the SLO again before the spike ended."""
    rates = f"{climb.answered[2]:g}/s answered of {climb.spike.peak_rps:g}/s" if climb.answered[2] is not None else ""
    if climb.at_most:
        text = (
            f"capacity: at its maximum of {climb.most} replicas ({climb.ready} Ready) users were still outside the SLO"
        )
        return "capacity", Obligation("users", Answer.FAIL, f"{text}, {rates}")
    there = f"with {climb.ready} of {climb.desired} replicas Ready (at most {climb.most})"
    text = f"users were not inside the SLO again before the spike ended, {there}, {rates}"
    return "slo", Obligation("users", Answer.FAIL, text)
