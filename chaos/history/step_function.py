"""A number that changes at moments and holds in between: replicas ready, replicas desired, endpoints."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import pairwise

__all__ = ["Steps"]


@dataclass(frozen=True, slots=True)
class Steps:
    """A step function over time, known from its first point up to `end_ns`.

    Each point (`at_ns`, value) holds until the next. No points: nothing is known.
    """

    points: tuple[tuple[int, int], ...]
    end_ns: int

    @classmethod
    def of(cls, points: Iterable[tuple[int, int]], end_ns: int) -> Steps:
        """Make steps from points in order of time; of several at one moment the last holds, repeats are left out."""
        kept: list[tuple[int, int]] = []
        for at_ns, value in points:
            if kept and kept[-1][0] == at_ns:
                kept.pop()
            if not kept or kept[-1][1] != value:
                kept.append((at_ns, value))
        return cls(tuple(kept), end_ns)

    def __bool__(self) -> bool:
        return bool(self.points)

    @property
    def begin_ns(self) -> int:
        """From when on the value is known; `end_ns` if never."""
        return self.points[0][0] if self.points else self.end_ns

    def value_at(self, at_ns: int) -> int | None:
        """The value at a moment, None where it is not known."""
        if at_ns > self.end_ns:
            return None
        place = self._place(at_ns)
        return self.points[place - 1][1] if place else None

    def values_in(self, begin_ns: int, end_ns: int) -> tuple[int, ...]:
        """Every value that held at some time from `begin_ns` to `end_ns`, in order."""
        return tuple(value for _, value in self._cut(begin_ns, end_ns))

    def min(self, begin_ns: int, end_ns: int) -> int | None:
        """The least value in a span, None where nothing is known of it."""
        return min(self.values_in(begin_ns, end_ns), default=None)

    def max(self, begin_ns: int, end_ns: int) -> int | None:
        """The greatest value in a span, None where nothing is known of it."""
        return max(self.values_in(begin_ns, end_ns), default=None)

    def spans_below(self, limit: int) -> tuple[tuple[int, int | None], ...]:
        """The spans (begin, end) in which the value was below `limit`; end is None if it still was when all ends."""
        spans: list[tuple[int, int | None]] = []
        begin_ns: int | None = None
        for at_ns, value in self.points:
            if value < limit and begin_ns is None:
                begin_ns = at_ns
            elif value >= limit and begin_ns is not None:
                spans.append((begin_ns, at_ns))
                begin_ns = None
        if begin_ns is not None:
            spans.append((begin_ns, None))
        return tuple(spans)

    def rises(self, begin_ns: int, end_ns: int) -> tuple[int, ...]:
        """The moments in a span, both ends included, at which the value grew."""
        steps = self.points[max(0, self._place(begin_ns - 1) - 1) : self._place(end_ns)]
        return tuple(at for (_, before), (at, after) in pairwise(steps) if after > before)

    def minus(self, other: Steps) -> Steps:
        """The difference to other steps, over the time in which both are known."""
        end_ns = min(self.end_ns, other.end_ns)
        return Steps.of(self._differences(other, end_ns), end_ns)

    def _differences(self, other: Steps, end_ns: int) -> Iterator[tuple[int, int]]:
        left: int | None = None
        right: int | None = None
        marks = merge(
            ((at, value, True) for at, value in self.points), ((at, value, False) for at, value in other.points)
        )
        for at_ns, value, mine in marks:
            if mine:
                left = value
            else:
                right = value
            if left is not None and right is not None and at_ns <= end_ns:
                yield at_ns, left - right

    def _place(self, at_ns: int) -> int:
        """How many points there are up to a moment."""
        return bisect_right(self.points, at_ns, key=lambda point: point[0])

    def _cut(self, begin_ns: int, end_ns: int) -> Iterator[tuple[int, int]]:
        held = self.value_at(begin_ns)
        if held is not None and begin_ns <= end_ns:
            yield begin_ns, held
        yield from self.points[self._place(begin_ns) : self._place(min(end_ns, self.end_ns))]
