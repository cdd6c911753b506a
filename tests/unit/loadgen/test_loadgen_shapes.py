"""Shapes: exact times, exact counts, no drift."""

from __future__ import annotations

import itertools
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes import RATE_MAX_RPS, Steady, shape_from_plain

rates = st.one_of(
    st.sampled_from([20, 1, 3, 7, 0.1, 0.3, 33.3, 1 / 3, 999.9999, 1e-5, 3.14159, RATE_MAX_RPS]),
    st.floats(min_value=1e-6, max_value=RATE_MAX_RPS),
    st.integers(min_value=1, max_value=RATE_MAX_RPS),
)
begins = st.integers(min_value=0, max_value=2 * 10**18)


@given(rates, st.integers(min_value=0, max_value=10**9))
def test_every_arrival_is_where_its_number_says(rate_rps: float, index: int) -> None:
    """Arrival k is at round(k / rate) of the exact quotient, however large k is: nothing adds up, nothing drifts."""
    assert Steady(rate_rps).offset_ns(index) == round(Fraction(index * NS) / Fraction(str(rate_rps)))


@given(rates, begins, st.integers(min_value=0, max_value=10**6))
def test_arrivals_can_be_taken_up_at_any_number(rate_rps: float, begin_ns: int, start: int) -> None:
    """Going on from number k gives the same moments as counting from 0."""
    shape = Steady(rate_rps)
    until_ns = begin_ns + shape.offset_ns(start + 5)
    taken = list(shape.arrivals_ns(begin_ns, until_ns, start))
    assert taken == [(k, begin_ns + shape.offset_ns(k)) for k in range(start, start + 5)]


@given(rates, begins, st.data())
def test_the_arrivals_of_two_adjoining_spans_are_those_of_both(
    rate_rps: float, begin_ns: int, data: st.DataObject
) -> None:
    """[a, b) and [b, c) together hold what [a, c) holds: none is lost or doubled at the seam."""
    shape = Steady(rate_rps)
    ends = st.integers(min_value=0, max_value=round(200 * NS / rate_rps))
    middle_ns, end_ns = sorted(begin_ns + data.draw(ends) for _ in range(2))
    first = list(shape.arrivals_ns(begin_ns, middle_ns))
    second = list(shape.arrivals_ns(begin_ns, end_ns, len(first)))
    assert first + second == list(shape.arrivals_ns(begin_ns, end_ns))
    assert all(at_ns >= middle_ns for _, at_ns in second)


@given(rates, st.data())
def test_the_count_is_the_number_of_arrivals(rate_rps: float, data: st.DataObject) -> None:
    """`count` agrees with the arrivals themselves, and is within one of rate times span."""
    shape = Steady(rate_rps)
    span_ns = data.draw(st.integers(min_value=0, max_value=round(300 * NS / rate_rps)))
    count = shape.count(span_ns)
    assert count == len(list(shape.arrivals_ns(0, span_ns)))
    assert abs(count - span_ns * rate_rps / NS) <= 1.001


@given(rates)
def test_arrivals_never_go_back(rate_rps: float) -> None:
    """Moments never decrease."""
    moments = [at_ns for _, at_ns in itertools.islice(Steady(rate_rps).arrivals_ns(0, 10**30), 100)]
    assert moments == sorted(moments)


def test_a_day_of_a_third_per_second_has_its_exact_count() -> None:
    """An awkward rate over a long time is off by nothing."""
    assert Steady(33.3).count(24 * 3600 * NS) == 2_877_120
    assert Steady(33.3).offset_ns(2_877_120) == 24 * 3600 * NS


@pytest.mark.parametrize("rate_rps", [0, -1, float("nan"), float("inf"), RATE_MAX_RPS + 1])
def test_a_rate_that_is_none_is_refused(rate_rps: float) -> None:
    """The message names the field."""
    with pytest.raises(UsageError, match=r"Steady\.rate_rps"):
        Steady(rate_rps)


@given(rates)
def test_a_shape_survives_plain_data(rate_rps: float) -> None:
    """What the plan says is what the generator does."""
    shape = Steady(rate_rps)
    assert shape_from_plain(shape.plain()) == shape
    assert shape.words.startswith("steady ")


@pytest.mark.parametrize(
    "data",
    [
        {},
        {"kind": "zigzag"},
        {"kind": "steady"},
        {"kind": "steady", "rate_rps": "20"},
        {"kind": "steady", "rate_rps": 1, "x": 2},
    ],
)
def test_what_is_no_shape_is_refused(data: dict[str, object]) -> None:
    """Unknown kinds, missing and surplus fields are errors."""
    with pytest.raises(UsageError, match="shape"):
        shape_from_plain(data)
