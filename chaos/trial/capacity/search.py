"""What a measurement of capacity is to find out, and which rate to try next. Pure.

From `start_rps` up by `growth` until a rate does not hold (or down until one does), then in the middle between the two,
until they are no further apart than `resolution`; then both again, until each was tried `repeats` times. A rate that
nobody can tell of is tried once more, and is an upper end then: no higher one is tried, nothing being learnt there.
"""

import math
from dataclasses import dataclass

from chaos.checks import CapacityFound
from chaos.checks.traffic.capacity_estimate import AtRate, CapacityEstimate
from chaos.errors import UsageError
from chaos.slo import REQUESTS_FOR_P99, Slo

__all__ = ["Measurement", "Search", "next_rate"]

STEP_MAX_S = 120.0
"""A rate so low that its objectives would take longer is not searched for."""

COLD_GROWTH = 2.0

BRIEF_REQUESTS = 15
"""How many requests a brief step has at least: too few for a verdict, enough for an estimate."""

UNKNOWN_TRIES = 2

RESOLUTION_MIN = 1.02
"""Rates are rounded to three digits, so that closer ones could be the same."""


@dataclass(frozen=True, slots=True)
class Search:
    """How to search: rates in requests a second, `growth` and `resolution` as factors. Raises `UsageError`."""

    from_rps: float
    to_rps: float
    start_rps: float
    growth: float = 2.0
    resolution: float = 1.2
    repeats: int = 2
    steps_max: int = 12

    def __post_init__(self) -> None:
        if not 0 < self.from_rps <= self.to_rps:
            raise UsageError(f"from {self.from_rps:g}/s to {self.to_rps:g}/s is no range of rates", "from less than to")
        if self.resolution < RESOLUTION_MIN or self.growth < self.resolution:
            raise UsageError(
                f"a resolution of {self.resolution:g} is not between {RESOLUTION_MIN} and {self.growth:g}",
                "1.2 finds the limit to a fifth",
            )
        if self.repeats < 1 or self.steps_max < 1:
            raise UsageError("each rate is tried at least once", "give at least 1 repeat and 1 step")


@dataclass(frozen=True, slots=True)
class Measurement:
    """A measurement: on `replicas` of the system (most first), rates from `from_rps` to `to_rps`, under `slo`.

    A step lasts `step_s`, or longer where an objective needs more requests. `time_s` bounds the search as a whole;
    each number of replicas has its share of what is left. `need_rps`: what the fewest replicas must hold, if anything.
    With `brief` steps it is an estimate: of so few requests that a step is short. Raises `UsageError`.
    """

    slo: Slo
    replicas: tuple[int, ...]
    from_rps: float
    to_rps: float
    resolution: float
    repeats: int
    step_s: float
    time_s: float
    need_rps: float | None = None
    brief: bool = False

    def __post_init__(self) -> None:
        if min(self.step_s, self.time_s, self.from_rps) <= 0:
            raise UsageError("rates and times are above zero", "give positive numbers")
        if self.need_rps is not None and not self.from_rps <= self.need_rps <= self.to_rps:
            raise UsageError(
                f"the needed rate of {self.need_rps:g}/s is not between {self.from_rps:g}/s and {self.to_rps:g}/s",
                "widen the range of rates",
            )
        if self.duration_s(self.from_rps) > max(self.step_s, STEP_MAX_S):
            raise UsageError(
                f"at {self.from_rps:g}/s the objectives take {self.duration_s(self.from_rps):g} s a step",
                f"begin with a rate at which {self.requests_min} requests take less than {STEP_MAX_S:g} s",
            )
        self.search(None, self.replicas[0])

    @property
    def check(self) -> CapacityFound:
        """What is claimed at the end."""
        asked = (self.slo, self.replicas, self.from_rps, self.to_rps, self.resolution, self.need_rps)
        return CapacityFound(*asked, brief=self.brief)

    @property
    def requests_min(self) -> int:
        """How many requests a step has at least."""
        return BRIEF_REQUESTS if self.brief else self.slo.requests_min

    def duration_s(self, rate_rps: float) -> float:
        """How long a step at a rate lasts: long enough for every objective."""
        return max(self.step_s, math.ceil(self.requests_min / rate_rps + 1))

    def search(self, known: CapacityEstimate | None, replicas: int) -> Search:
        """How to search on so many replicas; what another number of them held says where to begin."""
        start_rps, growth = (BRIEF_REQUESTS if self.brief else REQUESTS_FOR_P99) / self.step_s, COLD_GROWTH
        if known is not None and known.held is not None:
            start_rps = known.held.rate_rps * replicas / known.replicas
            growth = self.resolution * self.resolution
        return Search(
            from_rps=self.from_rps,
            to_rps=self.to_rps,
            start_rps=rounded(min(max(start_rps, self.from_rps), self.to_rps)),
            growth=max(growth, self.resolution),
            resolution=self.resolution,
            repeats=self.repeats,
        )


def rounded(rate_rps: float) -> float:
    """A rate in three digits, as people can say it."""
    return float(f"{rate_rps:.3g}")


def next_rate(search: Search, limit: CapacityEstimate) -> float | None:
    """The rate to try next; None when the limit is known as well as was asked for, or the steps are used up."""
    if sum(len(one.steps) for one in limit.rates) >= search.steps_max:
        return None
    if not limit.rates:
        return rounded(min(max(search.start_rps, search.from_rps), search.to_rps))
    again = next((one for one in limit.rates if not one.known and len(one.steps) < UNKNOWN_TRIES), None)
    if again is not None:
        return again.rate_rps
    ceiling = next((one for one in limit.rates if one.broke or not one.known), None)
    top = _top(limit, ceiling)
    if ceiling is None or top is None:
        return _outward(search, top, ceiling)
    if ceiling.rate_rps / top.rate_rps > search.resolution:
        middle = rounded(math.sqrt(ceiling.rate_rps * top.rate_rps))
        if middle not in (top.rate_rps, ceiling.rate_rps):
            return middle
    return _confirming(search, limit, top, ceiling)


def _top(limit: CapacityEstimate, ceiling: AtRate | None) -> AtRate | None:
    """The highest rate that held each time, below the first that did not."""
    below = [one for one in limit.rates if one.held and (ceiling is None or one.rate_rps < ceiling.rate_rps)]
    return below[-1] if below else None


def _outward(search: Search, top: AtRate | None, ceiling: AtRate | None) -> float | None:
    """Up while all held, down while none did; at the end of the range again, until it was tried often enough."""
    if ceiling is None:
        assert top is not None, "some rate was tried, so one of the two is there"
        if top.rate_rps >= search.to_rps:
            return _again(search, top)
        return min(rounded(top.rate_rps * search.growth), search.to_rps)
    if ceiling.rate_rps <= search.from_rps:
        return _again(search, ceiling)
    return max(rounded(ceiling.rate_rps / search.growth), search.from_rps)


def _confirming(search: Search, limit: CapacityEstimate, top: AtRate, ceiling: AtRate) -> float | None:
    """Both ends again; and where the upper one held sometimes, a higher one that never does."""
    if (rate_rps := _again(search, top)) is not None:
        return rate_rps
    if not ceiling.known:
        return None
    if limit.broke is not None:
        return _again(search, limit.broke)
    highest = limit.rates[-1]
    if not highest.known or highest.rate_rps >= search.to_rps:
        return None
    return min(rounded(highest.rate_rps * search.resolution), search.to_rps)


def _again(search: Search, one: AtRate) -> float | None:
    """The same rate, unless it was tried often enough or says nothing."""
    return one.rate_rps if one.known and len(one.known) < search.repeats else None
