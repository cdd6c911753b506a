"""What the autoscaler's own status shows of its metrics, and for how many replicas that asks."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos.checks.autoscaling.custom_metrics import averaged_over, counted_pods, first_over, refusal, target_of
from chaos.checks.autoscaling.other_orders import other_orders
from chaos.checks.autoscaling.recommendations import Reach
from chaos.checks.autoscaling.scaling import NEAR_NS, behaviour_at, changes_of, own_rescales
from chaos.checks.base import timings_of
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics import Bound, Timings
from chaos.semantics.hpa.bounds import MEASURED, decision_bound
from chaos.semantics.hpa.replica_calculator import shown_replicas

__all__ = ["Asked", "Ignored", "MetricPeak", "asked", "first_shown", "ignored", "peak_of", "unread"]


@dataclass(frozen=True, slots=True)
class Asked:
    """For how many replicas the metrics ask that the autoscaler's own status shows: at least and at most so many.

    `words` is the metric that asks for most, beside its target; `unread` are those that it could not read.
    """

    least: int
    most: int
    words: str
    unread: tuple[str, ...]


def asked(history: History, life: AutoscalerLife, at_ns: int) -> Asked | None:
    """What the status in force at a moment asks for; None where it shows no metric."""
    view, current = life.at(at_ns), desired_replicas(history).value_at(at_ns) or 0
    tolerance = behaviour_at(history, life, at_ns).tolerance
    found: list[tuple[int, int, str]] = []
    unread = []
    for metric, seen in view.readings:
        target = target_of(metric)
        shown = None if target is None else seen.amount(target.kind)
        if target is None or shown is None:
            unread.append(metric.name)
            continue
        pods = counted_pods(history, metric, at_ns)
        over = {current}
        if metric.outside and target.kind == "AverageValue":
            reported_ns = max((since_ns for since_ns, _ in life.states if since_ns <= at_ns), default=at_ns)
            over = averaged_over(history, view, (reported_ns, at_ns))
        numbers = [
            shown_replicas(target, shown, current=of, pods=pods, tolerance=tolerance, outside=metric.outside)
            for of in over
        ]
        words = f"{metric.name} is at {seen.shown(target.kind)} of {metric.shown(target.kind)}"
        found.append((min(one[0] for one in numbers), max(one[1] for one in numbers), words))
    if not found:
        return None
    least, most = max(one[0] for one in found), max(one[1] for one in found)
    if unread:  # which lets nothing fall
        least, most = max(least, current), max(most, current)
    return Asked(least, most, max(found, key=lambda one: one[1])[2], tuple(unread))


@dataclass(frozen=True, slots=True)
class MetricPeak:
    """One metric of the autoscaler over a spike, as its status shows it.

    Attributes:
        over_ns: when it was first over its target and the tolerance, None if never.
        highest: its highest value beside its target (`ratio`), in words; empty and -1 where it was never read.
    """

    name: str
    type: str
    target: str
    over_ns: int | None = None
    highest: str = ""
    ratio: float = -1.0


def peak_of(history: History, life: AutoscalerLife, number: int, begin_ns: int, end_ns: int) -> MetricPeak:
    """One of the metrics, by its place in the spec, over a span; as it was before it where it was not read in it."""
    metric = life.at(begin_ns).metrics[number]
    target, over = target_of(metric), 1.0 + behaviour_at(history, life, begin_ns).up.tolerance
    found = MetricPeak(metric.name, metric.type, "" if metric.kind is None else metric.shown(metric.kind))
    before, *inside = life.within(begin_ns, end_ns)
    for at_ns, view in (*inside, before):
        for wanted, seen in view.readings[number : number + 1]:
            amount = None if target is None or wanted.name != metric.name else seen.amount(target.kind)
            if target is None or amount is None or view.inactive or (found.highest and at_ns == begin_ns):
                continue
            ratio = amount / target.value
            if ratio > over and found.over_ns is None:
                found = replace(found, over_ns=at_ns)
            if ratio > found.ratio:
                found = replace(found, highest=seen.shown(target.kind), ratio=ratio)
    return found


def first_shown(history: History, life: AutoscalerLife, metric: MetricPeak, begin_ns: int, end_ns: int) -> int | None:
    """When the metrics API first had a metric over its target and the tolerance; None if it was not seen to."""
    if metric.type in MEASURED:
        return Reach(history, life).first_over(begin_ns, end_ns)
    over = 1.0 + behaviour_at(history, life, begin_ns).up.tolerance
    same = (one for one in life.at(begin_ns).metrics if (one.type, one.name) == (metric.type, metric.name))
    moments = [at_ns for one in same if (at_ns := first_over(history, one, over, begin_ns, end_ns)) is not None]
    return min(moments, default=None)


def unread(
    history: History, life: AutoscalerLife, peaks: Sequence[MetricPeak], span: tuple[int, int]
) -> tuple[str, ...]:
    """The metrics that its status never showed, each with what the metrics API told us instead, where it did."""
    found = []
    for one in (peak for peak in peaks if not peak.highest):
        same = (metric for metric in life.at(span[0]).metrics if (metric.type, metric.name) == (one.type, one.name))
        refused = next((words for metric in same if (words := refusal(history, metric, span))), "")
        found.append(f"{one.name} ({refused})" if refused else one.name)
    return tuple(found)


LOOKS = 400
"""So often a span is looked at for what the metrics ask."""


@dataclass(frozen=True, slots=True)
class Ignored:
    """A time in which the metrics asked for more replicas than were desired, there was room for them, and none came.

    `bound` is how soon a rise must come, from `since_ns` on.
    """

    since_ns: int
    lasted_s: float
    bound: Bound

    @property
    def until_ns(self) -> int:
        """When it was over, or last looked at."""
        return self.since_ns + round(self.lasted_s * NS)

    @property
    def over_s(self) -> float:
        """By how much it lasted longer than it may."""
        return self.lasted_s - self.bound.total_s


def ignored(history: History, life: AutoscalerLife, begin_ns: int, end_ns: int, *, status: bool) -> Ignored | None:
    """The worst such time in a span, by the samples that were recorded, and if `status`, by the autoscaler's own.

    What it shows for the number before a rise says little of the one after it. So without `status` only what it
    reported of the number that is desired counts, and only for metrics that nobody samples.
    """
    desired, timings = desired_replicas(history), timings_of(history)
    looks = {at_ns for at_ns, _ in (*life.within(begin_ns, end_ns), *desired.points) if begin_ns <= at_ns <= end_ns}
    looks |= {end_ns, *range(begin_ns, end_ns, max(NS, (end_ns - begin_ns) // LOOKS))}
    found: list[Ignored] = []
    now: Ignored | None = None
    for at_ns in sorted(looks):
        if now is not None and desired.value_at(at_ns) != desired.value_at(now.since_ns):
            now = None
        if now is not None and other_orders(history, life, now.since_ns, at_ns)[0]:
            now = None  # by its new spec, or as it has forgotten the former, it has its time anew
        if not _wants_more(history, life, at_ns, status=status):
            now = None
        elif now is None:
            now = Ignored(at_ns, 0.0, _decision(history, life, at_ns, timings))
        else:
            now = replace(now, lasted_s=seconds(at_ns - now.since_ns))
        if now is not None:
            found.append(now)
    return max(found, key=lambda one: one.over_s, default=None)


def _decision(history: History, life: AutoscalerLife, at_ns: int, timings: Timings) -> Bound:
    """How soon a rise must come from a moment on in which the metrics ask for it."""
    behaviour, current = behaviour_at(history, life, at_ns), desired_replicas(history).value_at(at_ns) or 0
    past = changes_of(own_rescales(history, life, at_ns))
    return decision_bound(behaviour, timings, current=current, changes=past, now_s=at_ns / NS)


def _reported_since(history: History, life: AutoscalerLife, at_ns: int) -> bool:
    """Whether the status in force is of the number that is desired, and of metrics that are never sampled."""
    view, desired = life.at(at_ns), desired_replicas(history)
    reported_ns = max((since_ns for since_ns, _ in life.states if since_ns <= at_ns), default=0)
    changed_ns = max((since_ns for since_ns, _ in desired.points if since_ns <= at_ns), default=at_ns)
    if view.status.get("currentReplicas") != desired.value_at(at_ns) or reported_ns <= changed_ns + NEAR_NS:
        return False
    return not any(one.type in MEASURED for one in view.metrics)


def _wants_more(history: History, life: AutoscalerLife, at_ns: int, *, status: bool) -> bool:
    """Whether the metrics ask for more than is desired at a moment, whatever pods were measured."""
    current, view = desired_replicas(history).value_at(at_ns) or 0, life.at(at_ns)
    if current >= view.most or view.inactive:
        return False
    shown = asked(history, life, at_ns) if status or _reported_since(history, life, at_ns) else None
    sampled = [one.replicas or 0 for one in Reach(history, life).proposals(at_ns, at_ns, current)]
    return (shown is not None and shown.least > current) or min(sampled, default=0) > current
