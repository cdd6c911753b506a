"""Between which rates a number of replicas ceases to keep the SLO: what the steps of a search say together."""

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.checks.formatting import finite
from chaos.checks.traffic.capacity_steps import Interval, RateStep, p99_ranks, share_interval
from chaos.checks.verdict import Answer
from chaos.errors import plural
from chaos.slo import nearest_rank

__all__ = ["AtRate", "CapacityEstimate", "EstimateDetail", "capacity_estimate"]


@dataclass(frozen=True, slots=True)
class TimeDetail:
    """The 99th percentile of a time with its confidence interval; None: never answered, or open for few requests."""

    p99_s: float | None
    low_s: float | None
    high_s: float | None


@dataclass(frozen=True, slots=True)
class RateDetail:
    """All steps at one rate: how often the SLO held, and what users got in those that are known."""

    rate_rps: float
    held: int
    broke: int
    unknown: int
    requests: int
    bad: int
    availability: float | None
    availability_low: float | None
    availability_high: float | None
    answered_rps: tuple[float | None, ...]
    goodput_rps: tuple[float | None, ...]
    times: Mapping[str, TimeDetail]


@dataclass(frozen=True, slots=True)
class EstimateDetail:
    """The limit of a number of replicas: between the highest rate that held each time and the lowest that never did."""

    replicas: int
    held_rps: float | None
    broke_rps: float | None
    words: str
    rates: tuple[RateDetail, ...]


@dataclass(frozen=True, slots=True)
class AtRate:
    """All steps at one rate, together."""

    rate_rps: float
    steps: tuple[RateStep, ...]

    @property
    def held(self) -> int:
        return sum(one.answer is Answer.PASS for one in self.steps)

    @property
    def broke(self) -> int:
        return sum(one.answer is Answer.FAIL for one in self.steps)

    @property
    def unknown(self) -> int:
        return len(self.steps) - self.held - self.broke

    @property
    def known(self) -> tuple[RateStep, ...]:
        """The steps that say something about the service."""
        return tuple(one for one in self.steps if one.known)

    @property
    def availability(self) -> tuple[float | None, Interval]:
        """The share of requests answered in full in all known steps, with its confidence interval."""
        valid, bad = sum(one.valid for one in self.known), sum(one.bad for one in self.known)
        return (1 - bad / valid if valid else None), share_interval(valid - bad, valid)

    def p99_s(self, name: str) -> tuple[float | None, Interval]:
        """The 99th percentile of one of the SLO's times in all known steps, with its confidence interval."""
        times = sorted(value for one in self.known for its, values in one.times_s if its == name for value in values)
        if not times:
            return None, Interval(None, None)
        low, high = p99_ranks(len(times))
        bar = Interval(None if low is None else times[low - 1], None if high is None else times[high - 1])
        return times[nearest_rank(len(times)) - 1], bar

    @property
    def detail(self) -> RateDetail:
        share, within = self.availability
        names = dict.fromkeys(name for one in self.known for name, _ in one.times_s)
        times = {name: self.p99_s(name) for name in names}
        return RateDetail(
            rate_rps=self.rate_rps,
            held=self.held,
            broke=self.broke,
            unknown=self.unknown,
            requests=sum(one.valid for one in self.known),
            bad=sum(one.bad for one in self.known),
            availability=share,
            availability_low=within.low,
            availability_high=within.high,
            answered_rps=tuple(one.answered_rps for one in self.known),
            goodput_rps=tuple(one.goodput_rps for one in self.known),
            times={
                name: TimeDetail(finite(value), finite(its.low), finite(its.high))
                for name, (value, its) in times.items()
            },
        )


@dataclass(frozen=True, slots=True)
class CapacityEstimate:
    """The limit of a number of replicas, as an interval of rates, lowest rate first.

    `held`: the highest rate at which, as at every lower one that was tried, the SLO held each time. `broke`: the lowest
    rate at which, as at every higher one, it held no time. Rates between them held sometimes. Either is None if there
    is no such rate. `unknown`: rates of which nobody can tell, the generator being behind for instance; they are no
    limit of the service.
    """

    replicas: int
    rates: tuple[AtRate, ...]
    held: AtRate | None
    broke: AtRate | None
    unknown: tuple[AtRate, ...]

    @property
    def wavering(self) -> tuple[AtRate, ...]:
        """The rates at which it held sometimes, or which lie among such."""
        ends = (self.held, self.broke)
        low, high = (end.rate_rps if end else None for end in ends)
        return tuple(
            one
            for one in self.rates
            if one.known and (low is None or one.rate_rps > low) and (high is None or one.rate_rps < high)
        )

    @property
    def width(self) -> float | None:
        """How many times the rate that held the next one that did not each time is; None while an end is open."""
        if self.held is None or self.broke is None:
            return None
        return min(one.rate_rps for one in (*self.wavering, self.broke)) / self.held.rate_rps

    @property
    def words(self) -> str:
        who = plural(self.replicas, "replica")
        tail = "".join(f", {one.held} of {len(one.known)} times {one.rate_rps:g}/s" for one in self.wavering)
        tail += f", unknown at {', '.join(f'{one.rate_rps:g}/s' for one in self.unknown)}" if self.unknown else ""
        if self.held and self.broke:
            return f"{who}: held {self.held.rate_rps:g}/s, not {self.broke.rate_rps:g}/s{tail}"
        if self.held:
            return f"{who}: held {self.held.rate_rps:g}/s, no limit found{tail}"
        if self.broke:
            return f"{who}: not even {self.broke.rate_rps:g}/s{tail}"
        return f"{who}: no limit known{tail}"

    @property
    def detail(self) -> EstimateDetail:
        return EstimateDetail(
            self.replicas,
            self.held.rate_rps if self.held else None,
            self.broke.rate_rps if self.broke else None,
            self.words,
            tuple(one.detail for one in self.rates),
        )


def capacity_estimate(replicas: int, steps: Iterable[RateStep]) -> CapacityEstimate:
    """What the steps on so many replicas say; steps on other numbers are left out."""
    mine = [one for one in steps if one.replicas == replicas]
    rates = tuple(
        AtRate(rate, tuple(one for one in mine if one.rate_rps == rate)) for rate in sorted({s.rate_rps for s in mine})
    )
    lowest_broke = min((one.rate_rps for one in rates if one.broke), default=math.inf)
    highest_held = max((one.rate_rps for one in rates if one.held), default=-math.inf)
    held = [one for one in rates if one.held and one.rate_rps < lowest_broke]
    broke = [one for one in rates if one.broke and one.rate_rps > highest_held]
    return CapacityEstimate(
        replicas,
        rates,
        held[-1] if held else None,
        broke[0] if broke else None,
        tuple(one for one in rates if not one.known),
    )
