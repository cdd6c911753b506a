"""What the claims about the autoscaler share: which one it is, what it changed, and what leaves every claim open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from chaos.checks.rollout_judge import GAPLESS, Said
from chaos.checks.sight import blind_spots, judged_until_ns
from chaos.clock import NS
from chaos.history import History
from chaos.history.autoscalers import KIND, AutoscalerLife, autoscalers
from chaos.history.memo import once
from chaos.history.observations import desired_replicas
from chaos.semantics import Timings
from chaos.semantics.scaling import Behaviour
from chaos.verdict import Answer, Evidence

__all__ = [
    "Rescale",
    "behaviour_at",
    "confirmed",
    "one_autoscaler",
    "rescale_evidence",
    "rescales",
    "stood_still",
    "timings_of",
    "unwatched",
    "watched_until_ns",
]


NEAR_NS = 5 * NS
"""The autoscaler changes the workload first and its own status right after; news of the two may lie so far apart."""


@dataclass(frozen=True, slots=True)
class Rescale:
    """One change of the workload's desired replicas, as received over the watch."""

    at_ns: int
    before: int
    after: int

    @property
    def up(self) -> bool:
        """Whether more were asked for."""
        return self.after > self.before

    @property
    def words(self) -> str:
        """The change for people."""
        return f"desired replicas {self.before} to {self.after}"


@once
def rescales(history: History) -> tuple[Rescale, ...]:
    """Every change of the workload's desired replicas after it was first seen, in order."""
    points = [point for point in desired_replicas(history).points if point[1] > 0]
    return tuple(Rescale(at_ns, before, after) for (_, before), (at_ns, after) in pairwise(points))


def one_autoscaler(history: History) -> AutoscalerLife | Said:
    """The autoscaler of the workload; or, if it has none or several, what that leaves open."""
    found = [life for life in autoscalers(history) if life.gone_ns is None or life.gone_ns > life.first_ns]
    if len(found) == 1:
        return found[0]
    workload = history.facts.workload_name
    if not found:
        return Said(Answer.UNKNOWN, f"no autoscaler scales {workload}", "a system with a HorizontalPodAutoscaler")
    names = " and ".join(life.name for life in found)
    text = f"{len(found)} autoscalers scale {workload} ({names}): which of them decided cannot be told"
    return Said(Answer.UNKNOWN, text, "one autoscaler for one workload")


def unwatched(history: History, begin_ns: int, until_ns: int | None = None) -> Iterator[Said]:
    """Where the watch did not see the autoscaler, the workload or its pods."""
    until_ns = watched_until_ns(history) if until_ns is None else until_ns
    for text in blind_spots(history, (KIND, history.facts.workload_kind, "Pod"), begin_ns, until_ns):
        yield Said(Answer.UNKNOWN, text, GAPLESS, blind=True)


def watched_until_ns(history: History) -> int:
    """The end of the time that is judged: of the last phase, fault or stream of traffic."""
    ends = [stream.end_ns for stream in history.streams if stream.end_ns is not None]
    return max((judged_until_ns(history), *ends)) if history.phases or not ends else max(ends)


def stood_still(life: AutoscalerLife, begin_ns: int, until_ns: int) -> str:
    """Why the autoscaler could not compute in a span, in its own words; empty if it could."""
    states = [view for at_ns, view in life.states if begin_ns <= at_ns <= until_ns]
    found = [view.inactive for view in (life.at(begin_ns), *states) if view.inactive]
    return found[-1] if found else ""


def behaviour_at(life: AutoscalerLife, at_ns: int) -> Behaviour:
    """Its windows and rates at a moment."""
    return Behaviour.of(life.at(at_ns).spec)


def confirmed(life: AutoscalerLife, change: Rescale) -> bool:
    """Whether the autoscaler itself says that it made a change: its status asks for that number at about that time."""
    states = [(at_ns, view) for at_ns, view in life.states if abs(at_ns - change.at_ns) <= NEAR_NS]
    return any(view.desired == change.after for _, view in states)


def timings_of(history: History) -> Timings:
    """How the cluster is timed."""
    return Timings.of(history.facts.raw.get("timings") or {})


def rescale_evidence(changes: tuple[Rescale, ...]) -> Iterator[Evidence]:
    """Each change as a moment that a finding rests on."""
    for change in changes:
        yield Evidence(change.at_ns, change.words)
