"""What every shape of traffic has: when arrival number k is intended, and what follows from that."""

import bisect
import functools
import itertools
import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from fractions import Fraction
from typing import Any, NamedTuple, Self

from chaos.clock import NS
from chaos.errors import UsageError

__all__ = [
    "BLOCK_WORDS",
    "NEVER_NS",
    "UNIT",
    "ArrivalTimes",
    "Point",
    "Shape",
    "Size",
    "arrival_times",
    "exact",
    "rounded",
]

NEVER_NS = 2**62
"""The offset of an arrival that a finite shape does not have: over a century after the begin."""


class Point(NamedTuple):
    """The intended rate at a moment after the begin; two points at one moment are a jump."""

    offset_ns: int
    rate_rps: float


BLOCK_WORDS = 512
"""How much text one block of a trace stands for, in tokens, as Mooncake's traces have it."""


class Size(NamedTuple):
    """How large one request is and how large its answer is to be, in the profile's own units; None: as usual.

    `blocks` name the text that it begins with, block by block: requests that begin with the same ones share a prefix.
    """

    size_in: int | None
    size_out: int | None
    blocks: tuple[int, ...] = ()


class Shape(ABC):
    """The offered rate over time. A shape gives `offset_ns`, which must never decrease."""

    __slots__ = ()

    @abstractmethod
    def offset_ns(self, index: int) -> int:
        """Nanoseconds from its begin to the intended arrival number `index` (from 0); `NEVER_NS` past the last."""

    @property
    @abstractmethod
    def rate_profile(self) -> tuple[Point, ...]:
        """The intended rate over time: points joined by straight lines, the last one for ever; empty if it has none."""

    @property
    @abstractmethod
    def words(self) -> str:
        """The shape for people, e.g. `steady 20/s`."""

    @abstractmethod
    def plain(self) -> dict[str, Any]:
        """The shape as plain JSON data; `shape_from_plain` turns it back."""

    def size(self, index: int) -> Size | None:  # noqa: ARG002  # most shapes say nothing about it
        """How large arrival number `index` is; None: as the profile has it."""
        return None

    def scaled(self, factor: float) -> Self:
        """The same with each of its rates so many times as high. Raises `UsageError` for a shape that has none."""
        rates: list[str] = [one.name for one in fields(self) if one.name.endswith("_rps")] if is_dataclass(self) else []
        if not rates:
            raise UsageError(f"{self.words} has no rates that a load could stand for", "give it as it is")
        scaled = {name: round(factor * getattr(self, name), 6) for name in rates}
        return replace(self, **scaled)  # type: ignore[type-var]  # a dataclass, as it has such fields

    @property
    def rate_min_rps(self) -> float:
        """The lowest rate that the shape has, in arrivals per second; 0 if it has no rate profile."""
        return min((point.rate_rps for point in self.rate_profile), default=0.0)

    def arrivals_ns(self, begin_ns: int, until_ns: int, start_index: int = 0) -> Iterator[tuple[int, int]]:
        """Each arrival (k, intended_ns) with k >= `start_index` that is intended before `until_ns`, in order."""
        index = start_index
        while (offset_ns := self.offset_ns(index)) < NEVER_NS and begin_ns + offset_ns < until_ns:
            yield index, begin_ns + offset_ns
            index += 1

    def count(self, span_ns: int) -> int:
        """How many arrivals are intended within the first `span_ns` nanoseconds, the end not included."""
        if span_ns <= 0:
            return 0
        above = 1
        while self.offset_ns(above) < span_ns:
            above *= 2
        return bisect.bisect_left(range(above), span_ns, key=self.offset_ns)


UNIT = 2**32
"""Counts are whole numbers of this fraction of an arrival, so that sums of them are exact."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The rate profile between two points; `base` arrivals come before it. The last piece has no length."""

    begin_ns: int
    length_ns: int | None
    from_rps: Fraction
    to_rps: Fraction
    base: Fraction

    @property
    def arrivals(self) -> Fraction:
        """How many arrivals it holds."""
        assert self.length_ns is not None
        return (self.from_rps + self.to_rps) / 2 * self.length_ns / NS

    def moment_ns(self, units: int) -> int:
        """When so many arrivals have been intended."""
        above = units * self.base.denominator - self.base.numerator * UNIT
        below = UNIT * self.base.denominator
        if self.from_rps == self.to_rps:
            return self.begin_ns + rounded(above * NS * self.from_rps.denominator, below * self.from_rps.numerator)
        assert self.length_ns is not None
        arrivals, from_rps = above / below, float(self.from_rps)
        slope = float(self.to_rps - self.from_rps) / self.length_ns * NS
        root = math.sqrt(max(0.0, from_rps * from_rps + 2 * slope * arrivals))
        offset_ns = round(2 * arrivals / (from_rps + root) * NS) if arrivals else 0
        return self.begin_ns + min(offset_ns, self.length_ns)


class ArrivalTimes:
    """At which moment so many arrivals have been intended: the area under the rate profile, turned round.

    Where the rate is constant the arithmetic is exact; on a slope it is that of a double, whose error over a day is far
    below a nanosecond. The last rate, which must be above 0, goes on for ever.
    """

    def __init__(self, points: Sequence[Point]) -> None:
        self._pieces: list[_Piece] = []
        base = Fraction(0)
        for here, there in itertools.pairwise(points):
            if there.offset_ns > here.offset_ns:
                length_ns = there.offset_ns - here.offset_ns
                piece = _Piece(here.offset_ns, length_ns, exact(here.rate_rps), exact(there.rate_rps), base)
                self._pieces.append(piece)
                base += piece.arrivals
        last = exact(points[-1].rate_rps)
        self._pieces.append(_Piece(points[-1].offset_ns, None, last, last, base))
        self._begins = [math.ceil(piece.base * UNIT) for piece in self._pieces]

    def moment_ns(self, units: int) -> int:
        """The moment after the begin at which `units / UNIT` arrivals have been intended, in nanoseconds."""
        return self._pieces[bisect.bisect_right(self._begins, units) - 1].moment_ns(units)


@functools.lru_cache(maxsize=64)
def arrival_times(points: tuple[Point, ...]) -> ArrivalTimes:
    """The arrival times under a rate profile; made once, since every arrival needs them."""
    return ArrivalTimes(points)


def exact(rate_rps: float) -> Fraction:
    """The rate as the decimal number that its text shows."""
    return Fraction(str(rate_rps))


def rounded(above: int, below: int) -> int:
    """The whole number nearest to above / below, a half to the even neighbour, as Python's `round` has it."""
    whole, rest = divmod(above, below)
    twice = 2 * rest
    return whole + (twice > below or (twice == below and whole % 2))
