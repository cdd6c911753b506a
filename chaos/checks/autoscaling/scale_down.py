"""How replicas went down again after each load spike."""

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.recommendations import Reach
from chaos.checks.autoscaling.shown_metrics import asked
from chaos.checks.base import after_s, timings_of
from chaos.checks.verdict import Evidence
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import load_spikes
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.sli import BAD, meant_within
from chaos.semantics import Bound
from chaos.semantics.hpa.bounds import MEASURED, fall_bound
from chaos.semantics.hpa.stabilization import down_steps

__all__ = ["Descent", "DescentDetail", "descents"]


@dataclass(frozen=True, slots=True)
class DescentDetail:
    """The way down from one load spike; seconds count from `calm_ns`, when its last request was answered.

    `bottom` is what was desired before the spike, or the autoscaler's minimum where that is more: it falls no further.
    `kept` is where the fall ended above that, because its metrics ask for so many; None where it did not.
    Which answers were under way on a pod as it was taken is known only where they name their replica.
    """

    calm_ns: int
    peak: int
    bottom: int
    back_s: float | None
    bound_s: float
    pods_taken: int
    answers_under_way: int
    answers_lost: int
    kept: int | None = None

    @property
    def words(self) -> str:
        if self.back_s is None:
            return f"desired {self.peak}, not back at {self.bottom}"
        taken = f"{plural(self.pods_taken, 'pod')} taken with {plural(self.answers_under_way, 'answer')} under way"
        end = f"back at {self.bottom}" if self.kept is None else f"down to {self.kept}"
        return f"desired {self.peak} {end} {self.back_s:.1f} s after the last answer of the spike, {taken}"


@dataclass(frozen=True, slots=True)
class Descent:
    """The way down from one load spike, up to the next one.

    Attributes:
        back_ns: when desired replicas were back at the bottom, or where the metrics keep them; None if never.
        until_ns: when the next spike came, or the record ended.
        holding: which metric still holds the replicas up at the end, in words.
        spare_s: for how long, up to the end, its own status asked for fewer than were desired.
        edited: its owner edited the autoscaler, and by its new spec it need not have been back.
    """

    detail: DescentDetail
    bound: Bound
    back_ns: int | None
    until_ns: int
    holding: str
    spare_s: float
    edited: bool
    evidence: tuple[Evidence, ...]


def descents(history: History, life: AutoscalerLife) -> Iterator[Descent]:
    """The way down from each load spike that ended, up to the next one."""
    spikes, desired = load_spikes(history), desired_replicas(history)
    nexts = [*(one.begin_ns for one in spikes[1:]), scaling.watched_until_ns(history)]
    for spike, until_ns in zip(spikes, nexts, strict=False):
        if spike.end_ns is None or spike.low_ns is None:
            continue
        meant = meant_within(spike.begin_ns, spike.low_ns)
        last_ns: int | None = history.requests.filter(meant).select(pl.col("end_ns").max()).item()
        bottom = max(desired.value_at(spike.begin_ns) or 0, life.at(until_ns).least)
        peak = desired.max(spike.begin_ns, until_ns) or 0
        falls = tuple(one for one in scaling.rescales(history) if spike.end_ns < one.at_ns <= until_ns and not one.up)
        calm_ns = max(spike.low_ns, last_ns or 0)
        back_ns, kept = next((max(one.at_ns, calm_ns) for one in falls if one.after <= bottom), None), None
        if back_ns is None and (desired.max(spike.end_ns, until_ns) or peak) <= bottom:
            back_ns = calm_ns  # they were back before the load was
        if back_ns is None and falls and _keeps(history, life, falls[-1].after, until_ns):
            back_ns, kept = falls[-1].at_ns, falls[-1].after
        behaviour = scaling.behaviour_at(history, life, spike.end_ns)
        types = [one.type for one in life.at(until_ns).metrics]
        bound = fall_bound(behaviour, timings_of(history), types or MEASURED, peak=peak, bottom=bottom)
        edited = _edited(history, life, (calm_ns, until_ns if back_ns is None else back_ns), (peak, bottom))
        taken = tuple(_taken(history, spike.end_ns, until_ns))
        detail = DescentDetail(
            calm_ns=calm_ns,
            peak=peak,
            bottom=bottom,
            kept=kept,
            back_s=after_s(back_ns, calm_ns),
            bound_s=bound.total_s,
            pods_taken=len(taken),
            answers_under_way=sum(under_way for _, under_way, _ in taken),
            answers_lost=sum(lost for _, _, lost in taken),
        )
        calm = Evidence(calm_ns, "the last request of the spike was answered")
        evidence = (calm, *scaling.rescale_evidence(falls), *(moment for moment, _, _ in taken))
        holding, able = _holding(history, life, until_ns), down_steps(behaviour.down, peak, bottom) is not None
        spare_s = _spare_s(history, life, calm_ns, until_ns) if able else 0.0
        yield Descent(detail, bound, back_ns, until_ns, holding, spare_s, edited, evidence)


def _edited(history: History, life: AutoscalerLife, span: tuple[int, int], numbers: tuple[int, int]) -> bool:
    """Whether its owner edited it in a span after whose end it has time left, by its new spec, for this fall."""
    if (at_ns := scaling.edited_ns(life, *span)) is None:
        return False
    behaviour = scaling.behaviour_at(history, life, span[1])
    types = [one.type for one in life.at(span[1]).metrics]
    bound = fall_bound(behaviour, timings_of(history), types or MEASURED, peak=numbers[0], bottom=numbers[1])
    return bool(bound.unpromised) or seconds(span[1] - at_ns) < bound.total_s


def _taken(history: History, begin_ns: int, until_ns: int) -> Iterator[tuple[Evidence, int, int]]:
    """Each pod of the system that was taken in a span: the moment, its answers under way, and how many were lost."""
    going = [life for life in pod_lives(history) if begin_ns < (life.terminating_ns or 0) <= until_ns]
    for life in sorted(going, key=lambda one: one.terminating_ns or 0):
        at_ns = life.terminating_ns or 0
        there = (pl.col("sent_ns") <= at_ns) & (pl.col("end_ns") >= at_ns) & (pl.col("replica") == life.name)
        rows = history.requests.filter(there)
        lost = rows.filter(BAD).height
        text = f"{life.name} was taken with {plural(rows.height, 'answer')} under way"
        yield Evidence(at_ns, f"{text}, {lost} of them lost" if lost else text), rows.height, lost


def _holding(history: History, life: AutoscalerLife, at_ns: int) -> str:
    """Which metric still holds the replicas up at a moment, in words; empty if none is known to.

    One that cannot be read lets nothing fall, whatever the others say.
    """
    shown, desired = asked(history, life, at_ns), desired_replicas(history).value_at(at_ns) or 0
    if shown is None:
        return ""
    unread = f"{shown.unread[0]} could not be read" if shown.unread else ""
    return unread or (shown.words if shown.most >= desired else "")


def _keeps(history: History, life: AutoscalerLife, number: int, at_ns: int) -> bool:
    """Whether the autoscaler's metrics ask for just so many at a moment, by its status and by what was recorded."""
    shown = asked(history, life, at_ns)
    if (
        shown is None
        or shown.unread
        or not shown.least == shown.most == number == desired_replicas(history).value_at(at_ns)
    ):
        return False
    sampled = [one.replicas for one in Reach(history, life).proposals(at_ns, at_ns, number)]
    return not any(one is not None and one < number for one in sampled)


def _spare_s(history: History, life: AutoscalerLife, begin_ns: int, until_ns: int) -> float:
    """For how long, up to a moment, the status asked for fewer replicas than were desired; at most since another."""
    since_ns: int | None = None
    for at_ns in (begin_ns, *(one for one, _ in life.states if begin_ns < one < until_ns), until_ns):
        shown, desired = asked(history, life, at_ns), desired_replicas(history).value_at(at_ns) or 0
        spare = shown is not None and not shown.unread and shown.most < desired and not life.at(at_ns).inactive
        since_ns = None if not spare else at_ns if since_ns is None else since_ns
    return 0.0 if since_ns is None else seconds(until_ns - since_ns)
