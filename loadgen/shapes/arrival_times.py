"""A rate that changes over time, turned round: at which moment so many arrivals have been intended.

The rate is a line of points; the number of arrivals up to a moment is the area under it. Where the rate is constant the
arithmetic is exact; on a slope it is that of a double, whose error over a day is far below a nanosecond.
"""

from __future__ import annotations

import bisect
import functools
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from chaos.clock import NS
from loadgen.shapes.base import Point

__all__ = ["UNIT", "Course", "course_of", "exact", "rounded"]

UNIT = 2**32
"""Counts are whole numbers of this fraction of an arrival, so that sums of them are exact."""


@dataclass(frozen=True, slots=True)
class _Piece:
    """The course between two points; `base` arrivals come before it. The last piece has no length."""

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


class Course:
    """The pieces between the points. The last rate, which must be above 0, goes on for ever."""

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
def course_of(points: tuple[Point, ...]) -> Course:
    """The course through these points; made once, for it is asked for each arrival."""
    return Course(points)


def exact(rate_rps: float) -> Fraction:
    """The rate as the decimal number that its text shows."""
    return Fraction(str(rate_rps))


def rounded(above: int, below: int) -> int:
    """The whole number nearest to above / below, a half to the even neighbour, as Python's `round` has it."""
    whole, rest = divmod(above, below)
    twice = 2 * rest
    return whole + (twice > below or (twice == below and whole % 2))
