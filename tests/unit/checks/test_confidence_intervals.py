"""Confidence intervals: a share by Wilson's interval, a 99th percentile by order statistics."""

from __future__ import annotations

import math
import random

import pytest

from chaos.checks.traffic.capacity_steps import p99_ranks, share_interval


def test_a_share_has_wilsons_interval() -> None:
    """The worked example of a tenth of a hundred: 0.055 to 0.174 (Brown, Cai and DasGupta, 2001)."""
    interval = share_interval(10, 100)
    assert interval.low is not None
    assert interval.high is not None
    assert (round(interval.low, 3), round(interval.high, 3)) == (0.055, 0.174)


def test_nothing_bad_among_a_hundred_proves_no_perfection() -> None:
    """All of a hundred leave the share between 0.963 and 1; no request leaves it open."""
    interval = share_interval(100, 100)
    assert interval.high == 1.0
    assert interval.low == pytest.approx(0.963, abs=0.0005)
    assert share_interval(0, 0).low is None
    assert share_interval(0, 100).low == 0.0


@pytest.mark.parametrize(
    ("count", "low", "high"), [(0, None, None), (1, 1, None), (100, 97, None), (367, 359, None), (368, 360, 368)]
)
def test_few_requests_leave_the_upper_end_open(count: int, low: int | None, high: int | None) -> None:
    """With fewer than 368 values all may lie below the percentile, so that nothing bounds it from above."""
    assert p99_ranks(count) == (low, high)


@pytest.mark.parametrize("count", [100, 400, 1000, 5000])
def test_each_end_leaves_out_no_more_than_its_share(count: int) -> None:
    """By the binomial itself: no tighter rank would do, and the rank given does."""

    def at_most(above: int) -> float:
        return sum(math.comb(count, k) * 0.01**k * 0.99 ** (count - k) for k in range(above + 1))

    low, high = p99_ranks(count)
    assert low is not None
    assert 1 - at_most(count - low) <= 0.025 < 1 - at_most(count - low - 1)
    if high is not None:
        assert at_most(count - high) <= 0.025 < at_most(count - high + 1)


def test_the_interval_holds_the_truth_as_often_as_it_says() -> None:
    """Of a thousand samples of a known distribution at least 94 % have its percentile inside."""
    rng, inside = random.Random(1), 0  # noqa: S311  # no secret
    low, high = p99_ranks(500)
    assert low is not None
    assert high is not None
    for _ in range(1000):
        values = sorted(rng.random() for _ in range(500))
        inside += values[low - 1] <= 0.99 <= values[high - 1]
    assert inside >= 940
