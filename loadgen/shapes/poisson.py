"""Arrivals as chance has them: those of many users who know nothing of each other."""

from __future__ import annotations

import math
import random
from dataclasses import dataclass, field
from typing import Any

from chaos.errors import UsageError
from loadgen.shapes.arrival_times import UNIT, course_of
from loadgen.shapes.base import Point, Shape

__all__ = ["Poisson"]


@dataclass(frozen=True, slots=True)
class Poisson(Shape):
    """Arrivals of independent users: a Poisson process whose rate is the course of another shape.

    The gaps of a process of rate 1 are drawn from `seed`, and stretched by the course (time change). The same seed
    gives the same arrivals. Raises `UsageError` for a shape that has no course.
    """

    of: Shape
    seed: int
    _sums: list[int] = field(default_factory=list, init=False, repr=False, compare=False)
    _random: random.Random = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not self.of.course or isinstance(self.of, Poisson):
            raise UsageError(
                f"Poisson.of: {self.of.words} has no rate to draw from", "give a steady, ramp, step or spike"
            )
        object.__setattr__(self, "_random", random.Random(self.seed))  # noqa: S311  # arrivals, not a secret

    def offset_ns(self, index: int) -> int:
        """See `Shape.offset_ns`."""
        while len(self._sums) <= index:
            gap = round(-math.log(1.0 - self._random.random()) * UNIT)
            self._sums.append((self._sums[-1] if self._sums else 0) + gap)
        return course_of(self.of.course).moment_ns(self._sums[index])

    @property
    def course(self) -> tuple[Point, ...]:
        """See `Shape.course`: the rate that is meant, not the one that chance made of it."""
        return self.of.course

    @property
    def rate_min_rps(self) -> float:
        """See `Shape.rate_min_rps`: chance may leave any span empty."""
        return 0.0

    @property
    def words(self) -> str:
        """See `Shape.words`."""
        return f"{self.of.words}, Poisson arrivals"

    def plain(self) -> dict[str, Any]:
        """See `Shape.plain`."""
        return {"kind": "poisson", "of": self.of.plain(), "seed": self.seed}
