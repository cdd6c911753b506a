"""Confidence intervals of 95 % for a share and for a 99th percentile, from the requests alone.

Both take requests to be independent of each other. In a queue they are not: one slow answer delays the next, so the
truth may lie outside more often. Hence a rate is measured more than once, too, and each time is shown.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

__all__ = ["CONFIDENCE", "Interval", "p99_ranks", "share_interval"]

CONFIDENCE = 0.95

_TAIL = (1 - CONFIDENCE) / 2
_Z = NormalDist().inv_cdf(1 - _TAIL)


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; None where so few requests leave that side open."""

    low: float | None
    high: float | None


def share_interval(count: int, total: int) -> Interval:
    """The share of which `count` of `total` is a sample, by Wilson's score interval (E. B. Wilson, 1927)."""
    if not total:
        return Interval(None, None)
    share, spread = count / total, _Z * _Z / total
    middle = (share + spread / 2) / (1 + spread)
    half = _Z * math.sqrt(share * (1 - share) / total + spread / (4 * total)) / (1 + spread)
    return Interval(0.0 if count == 0 else middle - half, 1.0 if count == total else middle + half)


def p99_ranks(count: int) -> tuple[int | None, int | None]:
    """Between which of `count` values in order (from 1) the 99th percentile of what they are a sample of lies.

    By order statistics: how many values lie above it is binomial, with a hundredth each. Fewer than 368 values have no
    upper end, as all of them may lie below it.
    """
    at_most = tuple(_at_most(count))
    # That more lie above it than the last of these says is too unlikely; so is, of the first, that so few do.
    low = count - len(at_most) + 1
    few = sum(chance <= _TAIL for chance in at_most)
    return (low if low >= 1 else None), (count - few + 1 if few else None)


def _at_most(count: int) -> Iterator[float]:
    """The chance that at most 0, 1, 2, … of so many values lie above the 99th percentile, until it is near to 1."""
    chance, total = 0.99**count, 0.0
    for above in range(count + 1):
        total += chance
        yield total
        if 1 - total <= _TAIL:
            return
        chance *= (count - above) / (above + 1) * 0.01 / 0.99
