"""The rate that traffic was offered at, over time, and the surge that a trial made of it."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from chaos.clock import NS
from chaos.history.memo import once
from chaos.history.model import History, Stream

__all__ = ["Surge", "offered_rate", "surges"]

BIN_NS = 5 * NS
"""The rate of a stream that is not steady is its arrivals in each five seconds."""

RISE = 1.5
"""A rate that grows by less than half is no surge."""


@dataclass(frozen=True, slots=True)
class Surge:
    """A span in which the rate was higher than before by half or more. `end_ns` is None if it lasted to the end."""

    begin_ns: int
    end_ns: int | None
    before_rps: float
    peak_rps: float

    @property
    def words(self) -> str:
        """The surge for people, e.g. `1/s to 5/s`."""
        return f"{self.before_rps:g}/s to {self.peak_rps:g}/s"


@once
def offered_rate(history: History) -> tuple[tuple[int, float], ...]:
    """The rate of all streams together, from each moment at which it changed to the next."""
    changes: dict[int, float] = {}
    for stream in history.streams:
        for at_ns, by_rps in _changes(history, stream):
            changes[at_ns] = changes.get(at_ns, 0.0) + by_rps
    rate, points = 0.0, []
    for at_ns, by_rps in sorted(changes.items()):
        rate += by_rps
        points.append((at_ns, round(max(0.0, rate), 6)))
    return tuple(points)


@once
def surges(history: History) -> tuple[Surge, ...]:
    """The surges of the trial, in order: each from a rise by half or more to the fall below the middle of it."""
    points = offered_rate(history)
    found: list[Surge] = []
    calm_rps = points[0][1] if points else 0.0
    begin_ns, peak_rps = 0, 0.0
    for at_ns, rate in points[1:]:
        if not begin_ns and calm_rps and rate >= calm_rps * RISE:
            begin_ns, peak_rps = at_ns, rate
        elif begin_ns and rate <= (calm_rps + peak_rps) / 2:
            found.append(Surge(begin_ns, at_ns, calm_rps, peak_rps))
            begin_ns, calm_rps = 0, rate
        elif begin_ns:
            peak_rps = max(peak_rps, rate)
        else:
            calm_rps = rate
    if begin_ns:
        found.append(Surge(begin_ns, None, calm_rps, peak_rps))
    return tuple(found)


def _changes(history: History, stream: Stream) -> list[tuple[int, float]]:
    """When a stream's rate changed, and by how much."""
    end_ns = history.ended_ns if stream.end_ns is None else stream.end_ns
    if stream.shape.startswith("steady"):
        return [(stream.begin_ns, stream.rate_rps), (end_ns, -stream.rate_rps)]
    rows = history.requests.filter(history.requests["stream"] == stream.name)["intended_ns"]
    edges = [*range(stream.begin_ns, end_ns, BIN_NS), end_ns]
    places = rows.sort().search_sorted(edges)
    rates = [
        (low_ns, (last - first) * NS / (high_ns - low_ns))
        for (low_ns, high_ns), (first, last) in zip(pairwise(edges), pairwise(places), strict=True)
        if high_ns > low_ns
    ]
    steps = pairwise([(stream.begin_ns, 0.0), *rates, (end_ns, 0.0)])
    return [(at_ns, rate - before) for (_, before), (at_ns, rate) in steps if rate != before]
