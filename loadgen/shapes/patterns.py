"""When traffic arrives: pure functions of time, in whole nanoseconds, with no drift.

A shape says how far after its begin the arrival number k is intended. Everything else (the arrivals of a span, how
many are due by a moment) follows from that one function. Nothing here depends on what the service does, so a slow
answer never delays the next arrival.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields
from typing import Any

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes.arrival_times import UNIT, course_of, exact, rounded
from loadgen.shapes.base import Point, Shape
from loadgen.shapes.poisson import Poisson
from loadgen.shapes.trace import Replay
from loadgen.shapes.users import Users

__all__ = ["RATE_MAX_RPS", "Poisson", "Ramp", "Replay", "Shape", "Spike", "Steady", "Step", "Users", "shape_from_plain"]

RATE_MAX_RPS = 1_000_000
"""Above this no two arrivals could be told apart in a record; far above what one generator can send."""

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
        """See `Shape.offset_ns`."""
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
    def course(self) -> tuple[Point, ...]:
        """See `Shape.course`."""
        return (Point(0, self.rate_rps),)

    @property
    def words(self) -> str:
        """See `Shape.words`."""
        return f"steady {self.rate_rps:g}/s"

    def plain(self) -> dict[str, Any]:
        """See `Shape.plain`."""
        return {"kind": "steady", **_values(self)}


class _Coursed(Shape):
    """A shape whose arrival k is intended when k arrivals lie under its course; the first at the begin."""

    __slots__ = ()

    def offset_ns(self, index: int) -> int:
        """See `Shape.offset_ns`."""
        return course_of(self.course).moment_ns(index * UNIT)

    def plain(self) -> dict[str, Any]:
        """See `Shape.plain`."""
        return {"kind": type(self).__name__.lower(), **_values(self)}


@dataclass(frozen=True, slots=True)
class Ramp(_Coursed):
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
    def course(self) -> tuple[Point, ...]:
        """See `Shape.course`."""
        return Point(0, self.from_rps), Point(round(self.over_s * NS), self.to_rps)

    @property
    def words(self) -> str:
        """See `Shape.words`."""
        return f"ramp from {self.from_rps:g}/s to {self.to_rps:g}/s over {self.over_s:g} s"


@dataclass(frozen=True, slots=True)
class Step(_Coursed):
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
    def course(self) -> tuple[Point, ...]:
        """See `Shape.course`."""
        at_ns = round(self.at_s * NS)
        return Point(0, self.rate_rps), Point(at_ns, self.rate_rps), Point(at_ns, self.to_rps)

    @property
    def words(self) -> str:
        """See `Shape.words`."""
        return f"step from {self.rate_rps:g}/s to {self.to_rps:g}/s after {self.at_s:g} s"


@dataclass(frozen=True, slots=True)
class Spike(_Coursed):
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
    def course(self) -> tuple[Point, ...]:
        """See `Shape.course`."""
        moments_s = (self.at_s, self.at_s + self.ramp_s, self.at_s + self.ramp_s + self.for_s)
        rise_ns, top_ns, fall_ns = (round(moment_s * NS) for moment_s in moments_s)
        down_ns = round((moments_s[-1] + self.ramp_s) * NS)
        low, high = self.rate_rps, self.peak_rps
        return Point(0, low), Point(rise_ns, low), Point(top_ns, high), Point(fall_ns, high), Point(down_ns, low)

    @property
    def words(self) -> str:
        """See `Shape.words`."""
        slope = f", {self.ramp_s:g} s each way" if self.ramp_s else ""
        return (
            f"spike from {self.rate_rps:g}/s to {self.peak_rps:g}/s for {self.for_s:g} s after {self.at_s:g} s{slope}"
        )


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


KINDS: Mapping[str, type[Any]] = {"steady": Steady, "ramp": Ramp, "step": Step, "spike": Spike}


def shape_from_plain(data: Mapping[str, Any]) -> Shape:
    """The shape that `Shape.plain` described. Raises `UsageError` for an unknown kind or a bad field."""
    match dict(data):
        case {"kind": "replay", **rest}:
            return Replay.from_plain(rest)
        case {"kind": "users", "locustfile": str(file), "users": int(users), "spawn_rate": rate, **others} if (
            not others
        ):
            return Users(file, users, rate)
        case {"kind": "poisson", "of": dict(of), "seed": int(seed), **others} if not others:
            return Poisson(shape_from_plain(of), seed)
        case {"kind": str(kind), **numbers} if kind in KINDS:
            if set(numbers) == {item.name for item in fields(KINDS[kind])} and all(map(_is_number, numbers.values())):
                shape: Shape = KINDS[kind](**numbers)
                return shape
            raise UsageError(f"shape: {kind} has other fields than {sorted(numbers)}, or one is no number")
        case {"kind": str(kind)}:
            raise UsageError(f"shape: {kind} with fields {sorted(set(data) - {'kind'})} is not known")
    raise UsageError(f"shape: {data!r} is not a shape", 'give {"kind": "steady", "rate_rps": 20}')


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)
