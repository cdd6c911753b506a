"""Indicators and objectives over a table of requests."""

import math
from collections.abc import Sequence
from fractions import Fraction

import polars as pl
import pytest
from histories import at, request
from hypothesis import given
from hypothesis import strategies as st

from chaos.history import REQUEST_SCHEMA
from chaos.slo import Slo, error_budget, nearest_rank, read_slo

LATENCY = Slo(latency_p99_s=1.0)


def table(latencies_s: Sequence[float | None]) -> pl.DataFrame:
    """Requests answered after so many seconds; None: never."""
    rows = [request(number, "s", at(number), latency_s=latency or 0) for number, latency in enumerate(latencies_s)]
    for row, latency_s in zip(rows, latencies_s, strict=True):
        if latency_s is None:
            row |= {"outcome": "unanswered"}
    return pl.DataFrame(rows, schema=REQUEST_SCHEMA)


def test_an_slo_without_objective_is_refused() -> None:
    """An SLO that promises nothing is a mistake."""
    with pytest.raises(ValueError, match="at least one objective"):
        Slo()


@pytest.mark.parametrize("share", [0.0, 1.1, -0.5])
def test_availability_is_a_share(share: float) -> None:
    """An objective outside of (0, 1] is a mistake."""
    with pytest.raises(ValueError, match="not a share"):
        Slo(availability=share)


def test_no_requests_read_as_nothing() -> None:
    """Without requests there is no availability and no percentile, rather than a perfect one."""
    reading = read_slo(table([]), Slo(availability=0.99, latency_p99_s=1.0))
    assert reading.availability is None
    assert reading.latency is not None
    assert reading.latency.p99_s is None


def test_unsent_requests_are_not_valid() -> None:
    """What the generator never sent counts neither for nor against the service."""
    requests = table([0.1] * 4).with_columns(pl.Series("outcome", ["ok", "late", "failed", "unsent"]))
    reading = read_slo(requests, Slo(availability=0.9))
    assert (reading.valid, reading.good, reading.bad) == (3, 2, 1)
    assert reading.availability == pytest.approx(2 / 3)


@given(st.lists(st.one_of(st.none(), st.floats(0.001, 5)), min_size=1, max_size=300))
def test_p99_is_the_nearest_rank_with_failures_as_infinite(latencies_s: list[float | None]) -> None:
    """The percentile equals the one counted by hand over the sorted list, the unanswered last."""
    reading = read_slo(table(latencies_s), LATENCY).latency
    assert reading is not None
    by_hand = sorted(math.inf if latency is None else latency for latency in latencies_s)
    rank = math.ceil(Fraction(99, 100) * len(by_hand))
    assert reading.p99_s == pytest.approx(by_hand[rank - 1], abs=1e-8)
    assert reading.count == len(latencies_s)


@given(st.integers(1, 10_000_000))
def test_nearest_rank_needs_no_floating_point(count: int) -> None:
    """The rank is exact for any count."""
    assert nearest_rank(count) == math.ceil(Fraction(99, 100) * count)


@given(st.integers(1, 2000), st.integers(0, 30))
def test_as_many_may_be_slower_as_the_percentile_says(count: int, over: int) -> None:
    """No more are over the objective than are allowed, exactly where the percentile keeps it."""
    slow = min(over, count)
    reading = read_slo(table([0.1] * (count - slow) + [3.0] * slow), LATENCY).latency
    assert reading is not None
    assert reading.p99_s is not None
    assert (reading.over <= reading.allowed) == (reading.p99_s <= 1.0)


@pytest.mark.parametrize(
    ("objective", "valid", "budget"),
    [(0.99, 100, 1), (0.99, 99, 0), (0.999, 1000, 1), (0.9, 10, 1), (1.0, 1000, 0), (0.95, 20, 1), (0.99, 0, 0)],
)
def test_the_error_budget_is_what_the_decimal_says(objective: float, valid: int, budget: int) -> None:
    """Binary fractions take no request away: 0.99 of 100 leaves one."""
    assert error_budget(objective, valid) == budget


@given(st.integers(1, 999), st.integers(0, 5_000_000))
def test_the_error_budget_is_exact(thousandths: int, valid: int) -> None:
    """The budget equals the one of exact fractions."""
    assert error_budget(thousandths / 1000, valid) == math.floor((1 - Fraction(thousandths, 1000)) * valid)
