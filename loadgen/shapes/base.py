"""What every shape of traffic has: when arrival number k is intended, and what follows from that."""

from __future__ import annotations

import bisect
from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import Any, NamedTuple

__all__ = ["NEVER_NS", "Point", "Shape", "Size"]

NEVER_NS = 2**62
"""The offset of an arrival that a finite shape does not have: over a century after the begin."""


class Point(NamedTuple):
    """The intended rate at a moment after the begin; two points at one moment are a jump."""

    offset_ns: int
    rate_rps: float


class Size(NamedTuple):
    """How large one request is and how large its answer is to be, in the profile's own units; None: as usual."""

    size_in: int | None
    size_out: int | None


class Shape(ABC):
    """The offered rate over time. A shape gives `offset_ns`, which must never decrease."""

    __slots__ = ()

    @abstractmethod
    def offset_ns(self, index: int) -> int:
        """Nanoseconds from its begin to the intended arrival number `index` (from 0); `NEVER_NS` past the last."""

    @property
    @abstractmethod
    def course(self) -> tuple[Point, ...]:
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

    @property
    def rate_min_rps(self) -> float:
        """The lowest rate that the shape has, in arrivals per second; 0 if it has no course."""
        return min((point.rate_rps for point in self.course), default=0.0)

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
