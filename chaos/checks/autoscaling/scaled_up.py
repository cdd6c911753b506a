"""Eventually: replicas follow a load spike, in time at every stage, until users are inside the SLO again."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.new_pods import ready_in_time, replicas_made
from chaos.checks.autoscaling.other_orders import other_orders
from chaos.checks.autoscaling.room import late_by
from chaos.checks.autoscaling.scale_up import Climb, FollowedDetail, climb_of, not_sent
from chaos.checks.autoscaling.shown_metrics import Ignored
from chaos.checks.base import NEWS, UNCUT, Summary, finding, judged, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife, autoscalers
from chaos.history.facts.offered_load import LoadSpike, load_spikes
from chaos.slo import Slo

__all__ = ["ScaledUp", "ScaledUpDetail"]

LONGER = "a load spike that lasts longer"
DECLARED = "cluster.timings in gameday.toml with metric_delay_s, the most that the metric lags behind the load"
ALL_READY = "replicas that are all Ready when the load rises"
RECORDED = "cluster.timings in gameday.toml, with the flags of metrics-server and of the autoscaler's controller"


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
    so (`cause` is `capacity`), as of a pod without room. Without an autoscaler, or with one whose metric the load does
    not move, nothing follows: FAIL. A spike that is too short to tell, or of too few requests, metrics that are
    missing, two autoscalers on one target, a rise that something else made or took back, and a metric of which nobody
    says how soon it shows the load, are UNKNOWN.
    """

    name: ClassVar[str] = "scaled-up"
    Detail: ClassVar[type] = ScaledUpDetail

    slo: Slo | None = None

    def __call__(self, history: History) -> Finding:
        owed: list[Obligation] = []
        climbs: list[Climb] = []
        causes: list[str] = []
        for spike in load_spikes(history):
            scaler = scaling.one_autoscaler(history, spike.begin_ns, spike.end_ns)
            here: list[tuple[str, Obligation]] = []
            if isinstance(scaler, Obligation):
                here += (("autoscaler", one) for one in _without(history, spike, scaler))
            else:
                climbs.append(climb := climb_of(history, scaler, spike, self.slo))
                here += _judged(history, scaler, climb, slo=self.slo)
                here = [(cause, _doubted(history, scaler, climb, one)) for cause, one in here]
            causes += [cause for cause, one in here if one.answer is not Answer.PASS]
            owed += scaling.unless_unseen(
                scaling.unwatched(history, spike.begin_ns, spike.end_ns), [one for _, one in here]
            )
        users = ", until users are well." if self.slo else "."
        return finding(
            self.name,
            f"Replicas follow a load spike, in time at every stage{users}",
            owed,
            _summary(climbs, next(iter(causes), "")),
            nothing=unknown("the load", "the load never rose by half or more", "a trial with a spike"),
        )


def _summary(climbs: list[Climb], cause: str) -> Summary:
    detail = ScaledUpDetail(tuple(climb.detail for climb in climbs), cause)
    if not climbs:
        return Summary("nothing followed the load", "first rise within the derived bound", detail=detail)
    slowest = max(climbs, key=lambda one: one.detail.stages["desired_raised_s"] or 1e9)
    stages = slowest.detail.stages
    seen = ", ".join(f"{word} {stages[name]:.1f} s" for name, word in WORDS.items() if stages[name] is not None)
    moved = f"replicas {slowest.detail.desired_before} to {slowest.detail.desired_at_end}"
    return Summary(
        measured=f"{moved}: {seen}" if seen else moved,
        limit=f"first rise within {slowest.bound.total_s:g} s",
        margin=slowest.bound.words,
        detail=detail,
        evidence=tuple(moment for climb in climbs for moment in climb.evidence()),
    )


WORDS = {
    "metric_over_s": "metric over target",
    "metric_seen_s": "seen by the autoscaler",
    "desired_raised_s": "desired raised",
    "scheduled_s": "all scheduled",
    "ready_s": "all Ready",
    "slo_regained_s": "SLO regained",
}
"""The stages that are shown in words."""


def _without(history: History, spike: LoadSpike, scaler: Obligation) -> Iterator[Obligation]:
    """With no autoscaler at all nothing follows, unless something else did; with several nobody knows which of them."""
    evidence = (Evidence(spike.begin_ns, f"the load rose from {spike.words}"),)
    if scaling.scalers_in(history, spike.begin_ns, spike.end_ns):
        yield replace(scaler, evidence=evidence)
        return
    end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    rises = [one for one in scaling.rescales(history) if spike.begin_ns < one.at_ns <= end_ns and one.up]
    before = [life for life in autoscalers(history) if life.gone_ns is not None and life.gone_ns <= spike.begin_ns]
    gone = f": {before[-1].name} was deleted before the load rose" if before else ""
    if not rises:
        yield replace(scaler, answer=Answer.FAIL, reason=f"{scaler.reason}{gone}", settle="", evidence=evidence)
        return
    after_s = seconds(rises[0].at_ns - spike.begin_ns)
    text = f"{scaler.reason}{gone}, but something else made {rises[0].words} {after_s:.1f} s after the step"
    yield replace(
        scaler, reason=f"{text}: nobody promises how soon", evidence=(*evidence, *scaling.rescale_evidence(rises))
    )
    for rise in rises:
        yield from replicas_made(history, rise, end_ns)


def _doubted(history: History, life: AutoscalerLife, climb: Climb, one: Obligation) -> Obligation:
    """Nothing is held against an autoscaler that was not given the load that was meant, or was given other orders."""
    lost = [worker.number for worker in history.load_workers if (worker.lost_ns or climb.end_ns) < climb.end_ns]
    if one.answer is not Answer.FAIL:
        return one
    if lost:
        text = f"{one.reason}; but load worker {lost[0]} was lost, and part of the load with it"
        return unknown(one.subject, text, "a trial whose load workers live to its end")
    if one.subject != "first rise":
        return one
    if (orders := other_orders(history, life, climb.spike.begin_ns, climb.end_ns))[0]:
        return unknown(one.subject, f"{one.reason}; but {orders[0]}", orders[1])
    if missed := not_sent(history, climb.spike.begin_ns, climb.end_ns):
        return unknown(one.subject, f"{one.reason}; but {missed}", "a generator that sends the whole load")
    return one


def _judged(
    history: History, life: AutoscalerLife, climb: Climb, *, slo: Slo | None
) -> Iterator[tuple[str, Obligation]]:
    """What a load spike asks of the system, each with what went wrong if it was not kept, in a word."""
    if not climb.rises:
        yield _no_rise(history, life, climb, unwell=slo is not None and climb.regained_ns is None and not climb.unsure)
        return
    yield _first_rise(history, life, climb)
    for rise in climb.rises:
        yield from (("pods", one) for one in replicas_made(history, rise, climb.end_ns))
    yield from ((late_by(history, pod), one) for pod in climb.pods for one in ready_in_time(history, pod, climb.end_ns))
    if rivals := _taken_back(history, life, climb):
        yield from (("rival", one) for one in rivals)
    elif ignored := _ignored(history, life, climb, climb.stalled, "desired replicas did not rise further"):
        yield "desired", ignored
    if slo is None:
        return
    if climb.regained_ns is not None:
        yield "", Obligation("users", measured="inside the SLO again", bound="before the spike ends")
    elif climb.end_ns < climb.due_ns:
        yield "short", _too_short(climb)
    elif climb.unsure:
        yield "few", unknown("users", climb.unsure, "a load spike of more requests, or one whose answers are streamed")
    else:
        yield _not_regained(climb)


def _taken_back(history: History, life: AutoscalerLife, climb: Climb) -> list[Obligation]:
    """Each fall in the spike that somebody else made, e.g. a GitOps controller: it undoes what the autoscaler did."""
    inside = (one for one in scaling.rescales(history) if climb.spike.begin_ns < one.at_ns <= climb.end_ns)
    falls = [one for one in inside if not one.up and not scaling.confirmed(history, life, one)]
    texts = dict.fromkeys(f"{one.words} in the spike, and {scaling.not_asked(history, one)}" for one in falls)
    return [unknown("desired replicas", text, "a trial in which nobody else scales") for text in texts]


def _first_rise(history: History, life: AutoscalerLife, climb: Climb) -> tuple[str, Obligation]:
    subject, bound_s = "first rise", climb.bound.total_s
    if not climb.own:
        least = scaling.confirmed(history, life, climb.rises[0])
        why = "which only brings it to the minimum" if least else f"and {scaling.not_asked(history, climb.rises[0])}"
        settle = "a trial in which nobody else scales, nor sets the minimum"
        return "rival", unknown(subject, f"{climb.rises[0].words}, {why}", settle)
    first = climb.own[0]
    came_ns = earliest_ns(history, history.facts.workload_kind, first.at_ns)
    took_s = seconds(came_ns - climb.spike.begin_ns)
    measured, limit = f"{took_s:.1f} s", f"{bound_s:g} s"
    if came_ns <= climb.due_ns:
        doubt = f"first rise after {measured} or later, bound {limit}: {NEWS}" if first.at_ns > climb.due_ns else ""
        return "late", judged(subject, doubt, doubt and UNCUT, measured=measured, bound=limit)
    if blind := _blind(life, climb, first.at_ns):
        return "metrics", blind
    late_metric = climb.over_ns is None or climb.over_ns > climb.due_ns
    stage = "the metric was not over its target" if late_metric else "desired replicas did not rise"
    text = f"late: {stage} in time, first rise after {took_s:.1f} s, bound {bound_s:g} s"
    if climb.bound.unpromised:
        return "late", unknown(subject, f"first rise after {took_s:.1f} s: {_unpromised(climb)}", DECLARED)
    flags = ("metrics_resolution_s", "hpa_sync_s") if late_metric else ("hpa_sync_s",)
    doubt, settle = scaling.assumed(history, *flags), RECORDED
    if not doubt and not late_metric and (climb.ignored is None or climb.ignored.over_s < 0):
        doubt, settle = "but pods that are not Ready or not measured may have held it back", ALL_READY
    if doubt:
        return "late", unknown(subject, f"{text}, {doubt}", settle)
    return "late", Obligation(subject, Answer.FAIL, text, measured=measured, bound=limit)


def _unpromised(climb: Climb) -> str:
    return "; ".join(one.reason for one in climb.bound.unpromised)


def _blind(life: AutoscalerLife, climb: Climb, until_ns: int) -> Obligation | None:
    """Why no rise can be demanded by a moment: it could not compute, or only too short a time before; else None."""
    blind = scaling.stood_still(life, climb.spike.begin_ns, until_ns)
    if blind is None or (blind.until_ns is not None and seconds(until_ns - blind.until_ns) > climb.bound.total_s):
        return None
    if blind.until_ns is None:
        return unknown("first rise", blind.why.replace("had no", "has no"), blind.settle)
    since_s = seconds(blind.until_ns - climb.spike.begin_ns)
    what, words = blind.why.split(": ", 1)
    return unknown("first rise", f"{what} until {since_s:.1f} s after the step: {words}", blind.settle)


def _no_rise(history: History, life: AutoscalerLife, climb: Climb, *, unwell: bool) -> tuple[str, Obligation]:
    subject, detail = "first rise", climb.detail
    if blind := _blind(life, climb, climb.end_ns):
        return "metrics", blind
    if climb.end_ns < climb.due_ns:
        return "short", _too_short(climb)
    if ignored := _ignored(history, life, climb, climb.ignored, "desired replicas did not rise"):
        return "desired", ignored
    if detail.desired_before >= detail.replicas_max:
        if unwell:
            return _not_regained(climb)
        text = f"the autoscaler was at its maximum of {detail.replicas_max} before the load rose"
        return "maximum", unknown(subject, text, "fewer replicas at first")
    return _unmoved(climb, unwell=unwell)


def _ignored(
    history: History, life: AutoscalerLife, climb: Climb, ignored: Ignored | None, what: str
) -> Obligation | None:
    """A metric that was over its target for long enough, and asked for more replicas than there were, for nothing."""
    metric = climb.metric
    if ignored is None or climb.over_ns is None or ignored.over_s < 0:
        return None
    since_s = seconds(ignored.since_ns - climb.spike.begin_ns)
    if not climb.rises:
        since_s = min(since_s, seconds(climb.over_ns - climb.spike.begin_ns))
    text = f"{what}, though {metric.name} was over its target {since_s:.1f} s after the step"
    text += f" ({metric.highest} of {metric.target})" if metric.highest else ""
    if ignored.bound.unpromised:
        return unknown("rise", f"{text}: {ignored.bound.unpromised[0].reason}", "other rates")
    # What went on to the end of the spike was ignored, however seldom it looks.
    if ignored.until_ns < climb.end_ns - NS and (doubt := scaling.assumed(history, "hpa_sync_s")):
        return unknown("rise", f"{text} for {ignored.lasted_s:.1f} s, {doubt}", RECORDED)
    refused = [view.refused for at_ns, view in life.states if ignored.since_ns <= at_ns <= climb.end_ns if view.refused]
    return Obligation("rise", Answer.FAIL, text + (f"; {refused[-1]}" if refused else ""))


def _unmoved(climb: Climb, *, unwell: bool) -> tuple[str, Obligation]:
    """Nothing rose: no metric asked for it for long enough, as far as the record shows."""
    subject, metric = "first rise", climb.metric
    if climb.over_ns is not None:
        text = f"{metric.name} was over its target, but not for long enough, or not with all pods Ready and measured"
        return "metric", unknown(subject, f"{text}, to call for a rise", "a load spike that the system feels")
    if climb.unread:
        return "metric", unknown(subject, f"{' and '.join(climb.unread)} could not be read", "metrics that it can read")
    text = f"{metric.name or 'its metric'} never passed its target"
    text += f" (at most {metric.highest} of {metric.target})" if metric.highest else ""
    if climb.bound.unpromised:
        return "metric", unknown(subject, f"{text}: {_unpromised(climb)}", DECLARED)
    if unwell:
        text = f"users were outside the SLO, yet {text}: the load does not move this metric"
        return "metric", Obligation(subject, Answer.FAIL, text)
    return "metric", unknown(subject, f"{text}, so there was nothing to follow", "a load spike that the system feels")


def _too_short(climb: Climb) -> Obligation:
    lasted_s = seconds(climb.end_ns - climb.spike.begin_ns)
    text = f"the spike lasted {lasted_s:.1f} s, less than the {climb.bound.total_s:g} s in which it must be followed"
    return unknown("load spike", text, LONGER)


def _not_regained(climb: Climb) -> tuple[str, Obligation]:
    one = climb.detail
    answered_rps, ready, most = one.answered_at_end_rps, one.ready_at_end, one.replicas_max
    rates = "" if answered_rps is None else f"{answered_rps:g}/s answered of {one.peak_rps:g}/s"
    if one.desired_at_end >= most:
        text = f"capacity: at its maximum of {most} replicas ({ready} Ready) users were still outside the SLO"
        return "capacity", Obligation("users", Answer.FAIL, f"{text}, {rates}")
    there = f"with {ready} of {one.desired_at_end} replicas Ready (at most {most})"
    text = f"users were not inside the SLO again before the spike ended, {there}, {rates}"
    return "slo", Obligation("users", Answer.FAIL, text)
