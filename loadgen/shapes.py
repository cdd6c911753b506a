"""When traffic arrives: pure functions of time, in whole nanoseconds, with no drift.

A shape says how far after its begin the arrival number k is intended. Everything else (the arrivals of a span, how
many are due by a moment) follows from that one function. Nothing here depends on what the service does, so a slow
answer never delays the next arrival.
"""

from __future__ import annotations

import bisect
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from chaos.clock import NS
from chaos.errors import UsageError

__all__ = ["RATE_MAX_RPS", "Shape", "Steady", "shape_from_plain"]

RATE_MAX_RPS = 1_000_000
"""Above this no two arrivals could be told apart in a record; far above what one generator can send."""


class Shape(ABC):
    """The offered rate over time. A new shape (ramp, step) gives `offset_ns`, which must never decrease."""

    __slots__ = ()

    @abstractmethod
    def offset_ns(self, index: int) -> int:
        """How many nanoseconds after its begin arrival number `index` (from 0) is intended."""

    @property
    @abstractmethod
    def rate_max_rps(self) -> float:
        """The highest rate that the shape reaches, in arrivals per second."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The shape for people, e.g. `steady 20/s`."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """The shape as plain JSON data; `shape_from_plain` turns it back."""

    def arrivals_ns(self, begin_ns: int, until_ns: int, start_index: int = 0) -> Iterator[tuple[int, int]]:
        """Each arrival (k, intended_ns) with k >= `start_index` that is intended before `until_ns`, in order."""
        index = start_index
        while (intended_ns := begin_ns + self.offset_ns(index)) < until_ns:
            yield index, intended_ns
            index += 1

    def count(self, span_ns: int) -> int:
        """How many arrivals are intended within the first `span_ns` nanoseconds, the end not included."""
        if span_ns <= 0:
            return 0
        above = 1
        while self.offset_ns(above) < span_ns:
            above *= 2
        return bisect.bisect_left(range(above), span_ns, key=self.offset_ns)


@dataclass(frozen=True, slots=True)
class Steady(Shape):
    """The same rate all the time: arrival k at `round(k * 1e9 / rate_rps)` ns after the begin.

    The rate is taken as the decimal number that its text shows, and the rounding is that of Python's `round` on the
    exact value (a half goes to the even neighbour). Raises `UsageError` for a rate that is not in (0, 1e6].
    """

    rate_rps: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.rate_rps) and 0 < self.rate_rps <= RATE_MAX_RPS):
            raise UsageError(
                f"Steady.rate_rps: {self.rate_rps} is not a rate", f"give arrivals per second in (0, {RATE_MAX_RPS}]"
            )

    def offset_ns(self, index: int) -> int:
        """See `Shape.offset_ns`."""
        rate = _exact(self.rate_rps)
        whole, rest = divmod(index * NS * rate.denominator, rate.numerator)
        twice = 2 * rest
        return whole + (twice > rate.numerator or (twice == rate.numerator and whole % 2))

    def arrivals_ns(self, begin_ns: int, until_ns: int, start_index: int = 0) -> Iterator[tuple[int, int]]:
        """See `Shape.arrivals_ns`; the same arithmetic, without a call for each arrival."""
        rate = _exact(self.rate_rps)
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
    def rate_max_rps(self) -> float:
        """The rate itself."""
        return self.rate_rps

    @property
    def words(self) -> str:
        """See `Shape.words`."""
        return f"steady {self.rate_rps:g}/s"

    def plain(self) -> dict[str, Any]:
        """See `Shape.plain`."""
        return {"kind": "steady", "rate_rps": self.rate_rps}


def _exact(rate_rps: float) -> Fraction:
    return Fraction(str(rate_rps))


def shape_from_plain(data: Mapping[str, Any]) -> Shape:
    """The shape that `Shape.plain` described. Raises `UsageError` for an unknown kind or a bad field."""
    match dict(data):
        case {"kind": "steady", "rate_rps": int() | float() as rate_rps, **others} if not others:
            return Steady(rate_rps)
        case {"kind": str() as kind}:
            raise UsageError(f"shape: {kind} with fields {sorted(set(data) - {'kind'})} is not known", "kinds: steady")
    raise UsageError(f"shape: {data!r} is not a shape", 'give {"kind": "steady", "rate_rps": 20}')
