"""How the system followed a load spike up, stage by stage."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace

import polars as pl

from chaos.checks.autoscaling.scaling import Rescale, behaviour_at, changes_of, confirmed, own_rescales, rescales
from chaos.checks.autoscaling.shown_metrics import Ignored, MetricPeak, first_shown, ignored, peak_of, unread
from chaos.checks.base import after_s, timings_of
from chaos.checks.verdict import Evidence
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import LoadSpike
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import GOOD, INDICATORS, SENT, TOKEN_TIMES, VALID, meant_within, untimed
from chaos.semantics import Bound
from chaos.semantics.hpa.bounds import MEASURED, decision_bound, metric_bound
from chaos.slo import Slo, judged_requests

__all__ = [
    "Climb",
    "FollowedDetail",
    "answered_rps",
    "climb_of",
    "not_sent",
    "regained_ns",
    "too_few",
]

TAIL_NS = 10 * NS
"""Users are well again only if they stay so for at least this long, up to the end of the spike."""

REQUESTS_MIN = 20
"""And if so many requests say so."""


def regained_ns(
    history: History,
    slo: Slo,
    begin_ns: int,
    end_ns: int,
    *,
    requests_min: int = REQUESTS_MIN,
    tail_ns: int = TAIL_NS,
    blank: bool = True,
) -> int | None:
    """The intended time of the first good request of the spike from which on all of it, to its end, is inside the SLO.

    Begins that leave less than ten seconds, or fewer than twenty requests, do not count. None: users were not well
    again before the spike ended. Unless `blank`, full answers of streams without any token miss no time of tokens.
    """
    meant = history.requests.filter(meant_within(begin_ns, end_ns))
    table = judged_requests(meant, replace(slo, shed_max=None)).sort("intended_ns", descending=True)
    # A time that is undefined for a request (one token only) is not over; one that failed has infinite times.
    over = {name: INDICATORS[name][1].fill_null(0) > limit_s for name, limit_s in slo.times}
    bad = ~pl.col("outcome").is_in(GOOD)
    if not blank:
        marks = untimed(history.requests).select("stream", "id").with_columns(untimed=pl.lit(value=True))
        table = table.join(marks, on=["stream", "id"], how="left").sort("intended_ns", descending=True)
        over |= {name: over[name] & pl.col("untimed").is_null() for name in TOKEN_TIMES & over.keys()}
    shed = pl.lit(value=False) if slo.shed_max is None else pl.col("outcome") == "shed"
    unwell = pl.any_horizontal(bad, *over.values())
    counted = table.select(
        "intended_ns",
        *((flag & ~shed).cum_sum().alias(name) for name, flag in {"bad": bad, "unwell": unwell, **over}.items()),
        asked=pl.int_range(1, pl.len() + 1),
        shed=(bad & shed).cum_sum(),
        well=~unwell,
    )
    count = pl.col("asked") - pl.col("shed")
    spare, may_shed = count - (99 * count / 100).ceil(), _spare(1 - (slo.shed_max or 0.0), pl.col("asked"))
    kept = [pl.col("shed") <= may_shed, *(pl.col(name) <= spare for name in over)]
    kept += [pl.col("bad") <= _spare(slo.availability, count), pl.col("unwell") <= _spare(slo.goodput, count)]
    enough = (count >= requests_min) & (pl.col("intended_ns") <= end_ns - tail_ns)
    found = counted.filter(pl.all_horizontal(kept), enough, pl.col("well"))["intended_ns"].min()
    return found if isinstance(found, int) else None


def _valid(history: History, begin_ns: int, end_ns: int) -> pl.DataFrame:
    """The requests of a span that count: all but those that were never sent, or whose clients were to leave."""
    return history.requests.filter(meant_within(begin_ns, end_ns) & VALID)


def not_sent(history: History, begin_ns: int, end_ns: int) -> str:
    """How much of the load of a span was never sent, in words; empty where it was one request in a hundred at most."""
    meant = history.requests.filter(meant_within(begin_ns, end_ns))
    count, missed = meant.height, meant.filter(~SENT).height
    return f"{missed} of {plural(count, 'request')} of the spike were never sent" if missed > 0.01 * count else ""


def too_few(history: History, slo: Slo, begin_ns: int, end_ns: int, *, blank: bool = True) -> bool:
    """Whether users who are not known to be well again may be so all the same: too few requests say anything.

    Of fewer than twenty in all the last one has to be unwell, or nobody knows.
    """
    known = _valid(history, begin_ns, end_ns).height
    tail_ns = 0 if known < REQUESTS_MIN else TAIL_NS
    found = regained_ns(history, slo, begin_ns, end_ns, requests_min=1, tail_ns=tail_ns, blank=blank)
    return not known or found is not None


def _unsure(history: History, slo: Slo, begin_ns: int, end_ns: int) -> str:
    """Why users who are not known to be well again may be so all the same, in words; empty if they may not."""
    whether = "whether users were inside the SLO again before the spike ended"
    if too_few(history, slo, begin_ns, end_ns):
        return f"fewer than {REQUESTS_MIN} requests say {whether}"
    open_ = too_few(history, slo, begin_ns, end_ns, blank=False)
    return f"of answers in which no token was ever seen nobody knows {whether}" if open_ else ""


def _spare(objective: float | None, count: pl.Expr) -> pl.Expr:
    """How many of so many requests may miss an objective; all, if there is none."""
    return ((1 - (objective or 0.0)) * count).round(6).floor()


def answered_rps(history: History, begin_ns: int, end_ns: int) -> float | None:
    """How many answers a second ended in a span, None for an empty one."""
    if end_ns <= begin_ns:
        return None
    ended = pl.col("end_ns").is_between(begin_ns, end_ns, closed="left") & pl.col("outcome").is_in(GOOD)
    return round(history.requests.filter(ended).height * NS / (end_ns - begin_ns), 2)


RATE_SPAN_NS = 10 * NS
"""Answers are counted over ten seconds before the step, after it, and at the end of the spike."""


@dataclass(frozen=True, slots=True)
class FollowedDetail:
    """One load spike as the system followed it, in numbers.

    Attributes:
        stages: seconds from the step to the end of each; None for what was not seen before the spike ended.
        metric: the one that came highest above its target, with its highest value and the target as Kubernetes writes
            them; empty where none was read.
    """

    spike_end_ns: int
    peak_rps: float
    stages: Mapping[str, float | None]
    bound_s: float
    metric: str
    desired_before: int
    desired_at_end: int
    ready_at_end: int
    replicas_max: int
    answered_before_rps: float | None
    answered_at_step_rps: float | None
    answered_at_end_rps: float | None
    measured_max: str = ""
    target: str = ""


@dataclass(frozen=True, slots=True)
class Climb:
    """One spike as the system followed it. Moments are None for what was not seen before the spike ended.

    Attributes:
        bound: how soon desired replicas must rise once the load is high.
        metric: the metric that came highest above its target, and `unread` those that were never read.
        over_ns: when the metrics API, or where it was not recorded the autoscaler, first had that over its target.
        ignored: the worst time before the first rise in which the metrics asked for more replicas for nothing.
        stalled: the same since the first rise.
        rises: of desired replicas, by whomever; `own` are those that the autoscaler's metrics asked for: not one that
            only brings the number back to the minimum, for which it looks at none.
        pods: those made since the first rise.
        regained_ns: when users were inside the SLO again.
        unsure: why nobody knows whether they were; empty if that is known.
    """

    spike: LoadSpike
    bound: Bound
    metric: MetricPeak
    unread: tuple[str, ...]
    over_ns: int | None
    ignored: Ignored | None
    stalled: Ignored | None
    rises: tuple[Rescale, ...]
    own: tuple[Rescale, ...]
    pods: tuple[PodLife, ...]
    regained_ns: int | None
    unsure: str
    detail: FollowedDetail

    @property
    def end_ns(self) -> int:
        return self.detail.spike_end_ns

    @property
    def due_ns(self) -> int:
        """When the first rise must have come: the load need not be felt before it is as high as it gets."""
        return self.spike.high_ns + round(self.bound.total_s * NS)

    def evidence(self) -> Iterator[Evidence]:
        detail = self.detail
        yield Evidence(self.spike.begin_ns, f"the load rose from {self.spike.words}")
        if self.over_ns is not None:
            yield Evidence(self.over_ns, f"{detail.metric} was over its target of {detail.target}")
        for rise in self.rises:
            yield Evidence(rise.at_ns, rise.words)
        for life in self.pods:
            if life.ready_ns is not None:
                age_s = seconds(life.ready_ns - life.created_ns)
                yield Evidence(life.ready_ns, f"{life.name} was Ready, {age_s:.1f} s old")
        after, end = detail.answered_at_step_rps, detail.answered_at_end_rps
        if after is not None and end is not None:
            text = f"{end:g} answers/s from {detail.ready_at_end} replicas"
            text += f", {after:g}/s from {detail.desired_before} at the step, {detail.peak_rps:g}/s asked for"
            yield Evidence(self.end_ns, text)
        if self.regained_ns is not None:
            yield Evidence(self.regained_ns, "users were inside the SLO from here to the end of the spike")


def climb_of(history: History, life: AutoscalerLife, spike: LoadSpike, slo: Slo | None) -> Climb:
    """Read a climb off the history."""
    begin_ns = spike.begin_ns
    end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    peaks = [peak_of(history, life, number, begin_ns, end_ns) for number in range(len(life.at(begin_ns).metrics))]
    metric = max(peaks, key=lambda one: one.ratio, default=MetricPeak("", "", ""))
    types = [metric.type] if metric.highest else [one.type for one in peaks]
    behaviour, current = behaviour_at(history, life, begin_ns), desired_replicas(history).value_at(begin_ns) or 0
    past = changes_of(own_rescales(history, life, begin_ns))
    shown = metric_bound(timings_of(history), types or MEASURED)
    decision = decision_bound(behaviour, timings_of(history), current=current, changes=past, now_s=begin_ns / NS)
    bound = Bound((*shown.parts, *decision.parts), (*shown.unpromised, *decision.unpromised))
    rises = tuple(one for one in rescales(history) if begin_ns < one.at_ns <= end_ns and one.up)
    first_ns = rises[0].at_ns if rises else end_ns
    # News of a pod may come a moment before that of the number that asked for it.
    pods = tuple(life for life in pod_lives(history) if first_ns - NS <= life.created_ns <= end_ns) if rises else ()
    over_ns = metric.over_ns
    # The metrics API had it before the autoscaler looked, where it was recorded.
    api_ns = first_shown(history, life, metric, begin_ns, end_ns if over_ns is None else over_ns)
    over_ns = over_ns if api_ns is None else api_ns
    well_ns = None if slo is None else regained_ns(history, slo, begin_ns, end_ns)
    moments = {
        "metric_over_s": over_ns,
        "metric_seen_s": metric.over_ns,
        "desired_raised_s": rises[0].at_ns if rises else None,
        "scheduled_s": _last(pod.scheduled_ns for pod in pods),
        "started_s": _last(pod.started_ns for pod in pods),
        "ready_s": _last(pod.ready_ns for pod in pods),
        "slo_regained_s": well_ns,
    }
    stages = {name: after_s(at_ns, begin_ns) for name, at_ns in moments.items()}
    return Climb(
        spike=spike,
        bound=bound,
        metric=metric,
        unread=unread(history, life, peaks, (begin_ns, end_ns)),
        over_ns=over_ns,
        ignored=ignored(history, life, begin_ns, first_ns, status=True),
        stalled=ignored(history, life, first_ns, end_ns, status=False) if rises else None,
        rises=rises,
        own=tuple(one for one in rises if one.before >= life.at(one.at_ns).least and confirmed(history, life, one)),
        pods=pods,
        regained_ns=well_ns,
        unsure="" if slo is None or well_ns is not None else _unsure(history, slo, begin_ns, end_ns),
        detail=_detail(history, life, spike, metric, stages=stages, bound_s=bound.total_s),
    )


def _detail(
    history: History,
    life: AutoscalerLife,
    spike: LoadSpike,
    metric: MetricPeak,
    *,
    stages: Mapping[str, float | None],
    bound_s: float,
) -> FollowedDetail:
    begin_ns = spike.begin_ns
    end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    desired = desired_replicas(history)
    return FollowedDetail(
        spike_end_ns=end_ns,
        peak_rps=spike.peak_rps,
        stages=stages,
        bound_s=bound_s,
        metric=metric.name,
        measured_max=metric.highest,
        target=metric.target,
        desired_before=desired.value_at(begin_ns) or 0,
        desired_at_end=desired.value_at(end_ns) or 0,
        ready_at_end=ready_replicas(history).value_at(end_ns) or 0,
        replicas_max=life.at(end_ns).most,
        answered_before_rps=answered_rps(history, begin_ns - RATE_SPAN_NS, begin_ns),
        answered_at_step_rps=answered_rps(history, begin_ns, min(end_ns, begin_ns + RATE_SPAN_NS)),
        answered_at_end_rps=answered_rps(history, max(begin_ns, end_ns - RATE_SPAN_NS), end_ns),
    )


def _last(moments: Iterable[int | None]) -> int | None:
    found = list(moments)
    return max((at_ns or 0 for at_ns in found), default=None) if None not in found else None
