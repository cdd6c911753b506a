"""What the claims about the autoscaler share: which one it is, what it changed, and what leaves every claim open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from chaos.checks.rollouts.common import GAPLESS, Said
from chaos.checks.verdict import Answer, Evidence
from chaos.checks.watch_coverage import blind_spots, judged_until_ns
from chaos.clock import NS
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.autoscaler import KIND, AutoscalerLife, autoscalers
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics import Timings
from chaos.semantics.hpa.stabilization import Behaviour

__all__ = [
    "Blind",
    "Rescale",
    "behaviour_at",
    "confirmed",
    "one_autoscaler",
    "rescale_evidence",
    "rescales",
    "stood_still",
    "timings_of",
    "unwatched",
    "watched_since_ns",
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


@dataclass(frozen=True, slots=True)
class Blind:
    """A time in which the autoscaler had no metrics: why, in its own words, and when it ended, None if it did not."""

    why: str
    until_ns: int | None


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
    for text in blind_spots(history, _kinds(history), begin_ns, until_ns):
        yield Said(Answer.UNKNOWN, text, GAPLESS, blind=True)


def _kinds(history: History) -> tuple[str, ...]:
    return (KIND, history.facts.workload_kind, "Pod")


def watched_since_ns(history: History, life: AutoscalerLife) -> int:
    """From when an autoscaler is judged: since it was seen; one that is older than the record, since all was listed.

    The first lists of a record come in any order. What is not listed when the first phase begins was not watched.
    """
    if not life.listed:
        return life.first_ns
    watched = [history.covered_ns[kind][0] for kind in _kinds(history) if kind in history.covered_ns]
    latest_ns = min((phase.begin_ns for phase in history.phases), default=life.first_ns)
    return max(life.first_ns, min(max(watched, default=latest_ns), latest_ns))


def watched_until_ns(history: History) -> int:
    """The end of the time that is judged: of the last phase, fault or stream of traffic."""
    ends = [stream.end_ns for stream in history.streams if stream.end_ns is not None]
    return max((judged_until_ns(history), *ends)) if history.phases or not ends else max(ends)


def stood_still(life: AutoscalerLife, begin_ns: int, until_ns: int) -> Blind | None:
    """The last time in a span in which the autoscaler could not compute; None if it always could."""
    states = [(begin_ns, life.at(begin_ns)), *(one for one in life.states if begin_ns < one[0] <= until_ns)]
    found: Blind | None = None
    for (_, view), (next_ns, after) in pairwise([*states, (until_ns, states[-1][1])]):
        if view.inactive:
            found = Blind(view.inactive, None if after.inactive else next_ns)
    return found


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
