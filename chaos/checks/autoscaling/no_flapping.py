"""Always: the autoscaler does not go back and forth."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.base import Summary, finding, judged, timings_of, unknown
from chaos.checks.verdict import Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import load_spikes
from chaos.semantics.hpa.bounds import MEASURED, fall_bound, metric_bound, rise_bound

__all__ = ["NoFlapping", "NoFlappingDetail"]


@dataclass(frozen=True, slots=True)
class NoFlappingDetail:
    """How often desired replicas turned, and each change of them: its moment (ns), the number before and after.

    `reversals_max` is how often they may, by the scenario or by the load, whichever is more often.
    """

    reversals: int
    reversals_max: int
    desired: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class NoFlapping:
    """Desired replicas change their direction at most `reversals_max` times: up and down again once is one reversal.

    More often they may turn where the load itself does, and lasts for longer than the bounds of `ScaledUp` and
    `ScaledDown`, by which they must have followed it. Counted from the begin of the first phase. An autoscaler that
    changed nothing was not put to the test: UNKNOWN. So is a change that it did not ask for: what it would have done
    without that, nobody can tell. So are turns that only keep to other limits, turns that begin with a fall which may
    follow a load of before the record, turns no more often than the load's own, by a metric of which nobody says how
    soon it shows the load, and turns under a replay or a closed loop, whose load may turn by itself.
    """

    name: ClassVar[str] = "no-flapping"
    Detail: ClassVar[type] = NoFlappingDetail

    reversals_max: int = 1

    def __call__(self, history: History) -> Finding:
        begin_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
        changes = [one for one in scaling.rescales(history) if one.at_ns >= begin_ns]
        scaler, turns = scaling.one_autoscaler(history), _turns(changes)
        most = self.reversals_max
        if not isinstance(scaler, Obligation):
            most = max(most, _turns(list(_followed(history, scaler, changes))))
        return finding(
            self.name,
            "The autoscaler does not go back and forth.",
            scaling.unless_unseen(scaling.unwatched(history, begin_ns), _owed(history, scaler, changes, most)),
            Summary(
                measured=f"{plural(turns, 'reversal')} in {plural(len(changes), 'change')} of desired replicas",
                limit=f"at most {plural(most, 'reversal')}",
                detail=NoFlappingDetail(turns, most, tuple((one.at_ns, one.before, one.after) for one in changes)),
                evidence=scaling.rescale_evidence(changes),
            ),
            nothing=unknown("desired replicas", "desired replicas never changed", "a trial in which the load changes"),
        )


def _late_metric(history: History, life: AutoscalerLife, turns: int) -> str:
    """Why turns may follow the load's own, however late: nobody says how soon a metric shows it; else empty."""
    spikes, shown = load_spikes(history), metric_bound(timings_of(history), _types(life))
    loads = 2 * len(spikes) - (1 if spikes and spikes[-1].end_ns is not None else 2)
    return shown.unpromised[0].reason if shown.unpromised and turns <= loads else ""


def _rateless(history: History) -> str:
    """Which traffic has no rate of its own, so that nobody knows how often the load turned; empty for none."""
    names = [one.name for one in history.streams if one.plan is not None and not one.rate_profile]
    return f"{' and '.join(names)} has no rate (a replay, a closed loop), and may have turned as often" if names else ""


def _bound(life: AutoscalerLife, change: scaling.Rescale) -> bool:
    """Whether a change brings the number back between the limits, for which no metric is looked at."""
    view = life.at(change.at_ns)
    return not view.least <= change.before <= view.most


AT_REST = "a trial that begins when the autoscaler has followed whatever load there was before"


def _of_before(history: History, life: AutoscalerLife, own: list[scaling.Rescale]) -> int:
    """How many of the first changes are falls that may follow a load of before the record, which nobody knows."""
    for place, one in enumerate(own):
        behaviour = scaling.behaviour_at(history, life, one.at_ns)
        bound = fall_bound(behaviour, timings_of(history), _types(life), peak=one.before, bottom=one.after)
        late = not bound.unpromised and seconds(one.at_ns - history.began_ns) > bound.total_s
        if one.up or late or not life.listed:
            return place
    return len(own)


def _types(life: AutoscalerLife) -> tuple[str, ...]:
    """The types of its metrics, at whatever time it had them."""
    return tuple(dict.fromkeys(one.type for _, view in life.states for one in view.metrics)) or MEASURED


def _owed(
    history: History, scaler: AutoscalerLife | Obligation, changes: list[scaling.Rescale], most: int
) -> Iterator[Obligation]:
    """That an autoscaler is there, that each change is its own, and that they do not turn too often."""
    own = changes
    if isinstance(scaler, Obligation):
        yield scaler
    else:
        own = [one for one in changes if scaling.confirmed(history, scaler, one)]
        # Of some of the changes there are never more reversals than of all.
        few = bool(own) and _turns(changes) <= most
        for one in changes:
            if one not in own and not few:
                text = f"{one.words}, and {scaling.not_asked(history, one)}"
                yield unknown(one.words, text, "a trial in which nobody else scales")
    if (turns := _turns(own)) > most:
        numbers = ", ".join(str(number) for number in (own[0].before, *(one.after for one in own)))
        text = f"desired replicas went {numbers}"
        more, settle = (
            (f"; {scaler.reason}", "") if isinstance(scaler, Obligation) else _excuse(history, scaler, own, most)
        )
        yield judged("desired replicas", f"{text}{more}", settle)
    elif own:
        yield Obligation("desired replicas", measured=plural(turns, "reversal"), bound=f"at most {most}")


def _excuse(history: History, life: AutoscalerLife, own: list[scaling.Rescale], most: int) -> tuple[str, str]:
    """Why so many turns need be no flapping, in words, and what would settle it; empty if they are."""
    if late := _late_metric(history, life, _turns(own)):
        return f", as often as the load turned: {late}", "cluster.timings in gameday.toml with metric_delay_s"
    if rateless := _rateless(history):
        return f": {rateless}", "a load whose rate is planned"
    if _turns([one for one in own if not _bound(life, one)]) <= most:
        return ", some of it only to keep to its limits", scaling.UNEDITED
    if _turns(own[_of_before(history, life, own) :]) <= most:
        return ", at first perhaps after a load of before the record", AT_REST
    return "", ""


def _followed(history: History, life: AutoscalerLife, changes: list[scaling.Rescale]) -> Iterator[scaling.Rescale]:
    """The first change that follows each rise of the load that lasts for its bound, and each fall of it that does."""
    spikes, timings = load_spikes(history), timings_of(history)
    types = MEASURED if timings.metric_delay_s is None else _types(life)
    nexts = [*(one.begin_ns for one in spikes[1:]), history.ended_ns]
    for spike, next_ns in zip(spikes, nexts, strict=False):
        end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
        behaviour = scaling.behaviour_at(history, life, spike.begin_ns)
        peak, least = max((one.after for one in changes), default=1), life.at(end_ns).least
        spans = (
            (spike.begin_ns, end_ns, rise_bound(behaviour, timings, types), True),
            (end_ns, next_ns, fall_bound(behaviour, timings, types, peak=peak, bottom=least), False),
        )
        for begin_ns, until_ns, bound, up in spans:
            inside = [one for one in changes if begin_ns < one.at_ns <= until_ns and one.up is up]
            if inside and seconds(until_ns - begin_ns) >= bound.total_s:
                yield inside[0]


def _turns(changes: list[scaling.Rescale]) -> int:
    return sum(before.up != after.up for before, after in pairwise(changes))
