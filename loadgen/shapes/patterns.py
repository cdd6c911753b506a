"""Shapes with a rate: steady, ramp, step, spike, and Poisson arrivals; in whole nanoseconds, with no drift."""

import math
import random
from collections.abc import Iterator
from dataclasses import dataclass, field, fields
from typing import Any

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes.base import UNIT, Point, Shape, arrival_times, exact, rounded

__all__ = ["RATE_MAX_RPS", "Poisson", "Ramp", "Spike", "Steady", "Step"]

RATE_MAX_RPS = 1_000_000
"""Far above what one generator can send."""

SECONDS_MAX = 7 * 24 * 3600
"""A generator runs for a week at most."""


@dataclass(frozen=True, slots=True)
class Steady(Shape):
    """The same rate all the time: arrival k at `round(k * 1e9 / rate_rps)` ns after the begin.

    The rate is taken as the decimal number that its text shows, and the rounding is that of Python's `round` on the
    exact value (a half goes to the even neighbour). Raises `UsageError` for a rate that is not in (0, 1e6].
    """

    rate_rps: float

    def __post_init__(self) -> None:
        _require_rate(self, "rate_rps")

    def offset_ns(self, index: int) -> int:
        rate = exact(self.rate_rps)
        return rounded(index * NS * rate.denominator, rate.numerator)

    def arrivals_ns(self, begin_ns: int, until_ns: int, start_index: int = 0) -> Iterator[tuple[int, int]]:
        """See `Shape.arrivals_ns`; the same arithmetic, without a call for each arrival."""
        rate = exact(self.rate_rps)
        step, below = NS * rate.denominator, rate.numerator
        index, above = start_index, start_index * step
        while True:
            whole, rest = divmod(above, below)
            twice = 2 * rest
            intended_ns = begin_ns + whole + (twice > below or (twice == below and whole % 2))
            if intended_ns >= until_ns:
                return
            yield index, intended_ns
            index += 1
            above += step

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        return (Point(0, self.rate_rps),)

    @property
    def words(self) -> str:
        return f"steady {self.rate_rps:g}/s"

    def plain(self) -> dict[str, Any]:
        return {"kind": "steady", **_values(self)}


class _RateShape(Shape):
    """A shape whose arrival k is intended when k arrivals lie under its rate profile; the first at the begin."""

    __slots__ = ()

    def offset_ns(self, index: int) -> int:
        return arrival_times(self.rate_profile).moment_ns(index * UNIT)

    def plain(self) -> dict[str, Any]:
        return {"kind": type(self).__name__.lower(), **_values(self)}


@dataclass(frozen=True, slots=True)
class Ramp(_RateShape):
    """From `from_rps` (which may be 0) to `to_rps` in a straight line over `over_s` seconds; then it stays there.

    Raises `UsageError` for a rate out of (0, 1e6], or a span out of (0, a week].
    """

    from_rps: float
    to_rps: float
    over_s: float

    def __post_init__(self) -> None:
        if self.from_rps != 0:
            _require_rate(self, "from_rps")
        _require_rate(self, "to_rps")
        _require_span(self, "over_s")

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        return Point(0, self.from_rps), Point(round(self.over_s * NS), self.to_rps)

    @property
    def words(self) -> str:
        return f"ramp from {self.from_rps:g}/s to {self.to_rps:g}/s over {self.over_s:g} s"


@dataclass(frozen=True, slots=True)
class Step(_RateShape):
    """`rate_rps` at first, `to_rps` from `at_s` seconds after the begin on: up or down at once.

    Raises `UsageError` for a rate out of (0, 1e6], or a moment out of (0, a week].
    """

    rate_rps: float
    to_rps: float
    at_s: float

    def __post_init__(self) -> None:
        _require_rate(self, "rate_rps")
        _require_rate(self, "to_rps")
        _require_span(self, "at_s")

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        at_ns = round(self.at_s * NS)
        return Point(0, self.rate_rps), Point(at_ns, self.rate_rps), Point(at_ns, self.to_rps)

    @property
    def words(self) -> str:
        return f"step from {self.rate_rps:g}/s to {self.to_rps:g}/s after {self.at_s:g} s"


@dataclass(frozen=True, slots=True)
class Spike(_RateShape):
    """`rate_rps`, and from `at_s` on `peak_rps` for `for_s` seconds; then `rate_rps` again.

    `ramp_s`: how long the way up takes, and the way down after the peak; 0: at once.
    Raises `UsageError` for a rate out of (0, 1e6], or a span out of (0, a week].
    """

    rate_rps: float
    peak_rps: float
    at_s: float
    for_s: float
    ramp_s: float = 0.0

    def __post_init__(self) -> None:
        _require_rate(self, "rate_rps")
        _require_rate(self, "peak_rps")
        _require_span(self, "at_s")
        _require_span(self, "for_s")
        if self.ramp_s != 0:
            _require_span(self, "ramp_s")

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        moments_s = (self.at_s, self.at_s + self.ramp_s, self.at_s + self.ramp_s + self.for_s)
        rise_ns, top_ns, fall_ns = (round(moment_s * NS) for moment_s in moments_s)
        down_ns = round((moments_s[-1] + self.ramp_s) * NS)
        low, high = self.rate_rps, self.peak_rps
        return Point(0, low), Point(rise_ns, low), Point(top_ns, high), Point(fall_ns, high), Point(down_ns, low)

    @property
    def words(self) -> str:
        slope = f", {self.ramp_s:g} s each way" if self.ramp_s else ""
        return (
            f"spike from {self.rate_rps:g}/s to {self.peak_rps:g}/s for {self.for_s:g} s after {self.at_s:g} s{slope}"
        )


@dataclass(frozen=True, slots=True)
class Poisson(Shape):
    """Arrivals of independent users: a Poisson process whose rate is that of another shape.

    The gaps of a process of rate 1 are drawn from `seed`, and stretched by the rate profile (time change). The same
    seed gives the same arrivals. Raises `UsageError` for a shape without a rate profile.
    """

    of: Shape
    seed: int
    _sums: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    _random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.of.rate_profile or isinstance(self.of, Poisson):
            raise UsageError(
                f"Poisson.of: {self.of.words} has no rate to draw from", "give a steady, ramp, step or spike"
            )
        object.__setattr__(self, "_random", random.Random(self.seed))  # noqa: S311  # arrivals, not a secret

    def offset_ns(self, index: int) -> int:
        while len(self._sums) <= index:
            gap = round(-math.log(1.0 - self._random.random()) * UNIT)
            self._sums.append((self._sums[-1] if self._sums else 0) + gap)
        return arrival_times(self.of.rate_profile).moment_ns(self._sums[index])

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        """See `Shape.rate_profile`: the intended rate, not the one that was drawn."""
        return self.of.rate_profile

    @property
    def rate_min_rps(self) -> float:
        """See `Shape.rate_min_rps`: chance may leave any span empty."""
        return 0.0

    @property
    def words(self) -> str:
        return f"{self.of.words}, Poisson arrivals"

    def plain(self) -> dict[str, Any]:
        return {"kind": "poisson", "of": self.of.plain(), "seed": self.seed}


def _require_rate(shape: Shape, name: str) -> None:
    rate_rps = getattr(shape, name)
    if not (math.isfinite(rate_rps) and 0 < rate_rps <= RATE_MAX_RPS):
        raise UsageError(
            f"{type(shape).__name__}.{name}: {rate_rps} is not a rate",
            f"give arrivals per second in (0, {RATE_MAX_RPS}]",
        )


def _require_span(shape: Shape, name: str) -> None:
    span_s = getattr(shape, name)
    if not (math.isfinite(span_s) and 0 < span_s <= SECONDS_MAX):
        raise UsageError(
            f"{type(shape).__name__}.{name}: {span_s} is not a span", f"give seconds in (0, {SECONDS_MAX}]"
        )


def _values(shape: Any) -> dict[str, Any]:
    return {item.name: getattr(shape, item.name) for item in fields(shape)}
