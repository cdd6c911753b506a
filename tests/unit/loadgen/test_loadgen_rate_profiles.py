"""Shapes whose rate changes: where their arrivals lie, how many there are, and what chance makes of them."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes import Ramp, Spike, Steady, Step, shape_from_plain
from loadgen.shapes.base import Point, Shape
from loadgen.shapes.patterns import Poisson

rates = st.one_of(st.sampled_from([0.1, 1, 3, 33.3, 5000]), st.floats(min_value=0.01, max_value=10_000))
spans_s = st.floats(min_value=0.001, max_value=1000)
shapes: st.SearchStrategy[Shape] = st.one_of(
    st.builds(Steady, rates),
    st.builds(Ramp, st.one_of(st.just(0), rates), rates, spans_s),
    st.builds(Step, rates, rates, spans_s),
    st.builds(Spike, rates, rates, spans_s, spans_s, st.one_of(st.just(0.0), spans_s)),
)


def seconds_of(shape: Shape, count: int) -> list[float]:
    """The moments of the first arrivals."""
    return [round(shape.offset_ns(index) / NS, 6) for index in range(count)]


@pytest.mark.parametrize(
    ("shape", "moments_s"),
    [
        (Step(2, 4, at_s=1.0), [0, 0.5, 1, 1.25, 1.5]),
        (Step(4, 1, at_s=0.5), [0, 0.25, 0.5, 1.5, 2.5]),
        (Step(1, 10, at_s=0.25), [0, 0.325, 0.425]),
        (Spike(1, 10, at_s=2, for_s=0.5), [0, 1, *(2 + k / 10 for k in range(5)), 2.5, 3.5]),
        (Ramp(0, 2, over_s=2), [0, round(math.sqrt(2), 6), 2, 2.5, 3]),
        (
            Ramp(3, 1, over_s=2),
            [0, round(3 - math.sqrt(7), 6), round(3 - math.sqrt(5), 6), round(3 - math.sqrt(3), 6), 2, 3],
        ),
    ],
    ids=lambda value: value.words if isinstance(value, Shape) else "",
)
def test_arrivals_lie_where_the_area_under_the_rate_says(shape: Shape, moments_s: list[float]) -> None:
    """Arrival k is intended when k arrivals lie under the rate: worked out by hand."""
    assert seconds_of(shape, len(moments_s)) == moments_s


@given(shapes, st.integers(min_value=0, max_value=100_000))
def test_moments_never_go_back(shape: Shape, index: int) -> None:
    """However the rate changes, a later arrival is never before an earlier one."""
    moments = [shape.offset_ns(index + k) for k in range(20)]
    assert moments == sorted(moments)


@given(shapes, st.floats(min_value=0.01, max_value=20))
def test_as_many_arrive_as_the_area_under_the_rate(shape: Shape, span_s: float) -> None:
    """Over any span from the begin the count is that of the area, within one arrival."""
    points = [*shape.rate_profile, Point(10**18, shape.rate_profile[-1].rate_rps)]
    span_s = min(span_s, 20_000 / max(point.rate_rps for point in points))
    area, span_ns = 0.0, round(span_s * NS)
    for here, there in pairwise(points):
        end_ns = min(there.offset_ns, span_ns)
        if end_ns > here.offset_ns:
            share = (end_ns - here.offset_ns) / (there.offset_ns - here.offset_ns)
            last_rps = here.rate_rps + share * (there.rate_rps - here.rate_rps)
            area += (here.rate_rps + last_rps) / 2 * (end_ns - here.offset_ns) / NS
    assert shape.count(span_ns) == len(list(shape.arrivals_ns(0, span_ns)))
    assert abs(shape.count(span_ns) - area) <= 1.001


@given(shapes, st.integers(min_value=0, max_value=2**32))
def test_chance_is_replayed_by_its_seed(shape: Shape, seed: int) -> None:
    """The same seed gives the same arrivals, in whatever order they are asked for; they never go back."""
    forward, other = Poisson(shape, seed), Poisson(shape, seed)
    last = other.offset_ns(99)
    moments = [forward.offset_ns(index) for index in range(100)]
    assert moments[-1] == last
    assert moments == sorted(moments)
    assert shape_from_plain(forward.plain()) == forward


def test_another_seed_gives_other_arrivals() -> None:
    """Two seeds do not agree on a single moment among the first ten."""
    first, second = Poisson(Steady(10), 1), Poisson(Steady(10), 2)
    assert not {first.offset_ns(k) for k in range(10)} & {second.offset_ns(k) for k in range(10)}


@pytest.mark.parametrize("seed", range(5))
def test_gaps_of_a_poisson_process_are_exponential(seed: int) -> None:
    """Their mean is 1 / rate, their spread as large as the mean, and 1/e of them are longer than the mean."""
    shape, count = Poisson(Steady(50), seed), 20_000
    moments = [0, *(shape.offset_ns(index) for index in range(count))]
    gaps_s = [(there - here) / NS for here, there in pairwise(moments)]
    mean_s = sum(gaps_s) / count
    spread_s = math.sqrt(sum((gap - mean_s) ** 2 for gap in gaps_s) / count)
    assert mean_s == pytest.approx(1 / 50, rel=0.04)  # over 5 standard errors
    assert spread_s == pytest.approx(1 / 50, rel=0.06)
    assert sum(gap > 1 / 50 for gap in gaps_s) / count == pytest.approx(1 / math.e, abs=0.02)


def test_chance_follows_the_rate_profile() -> None:
    """Of a fivefold spike five times as many arrive in a second of the peak, but for chance."""
    shape = Poisson(Spike(100, 500, at_s=10, for_s=10), 7)
    base, with_peak = shape.count(10 * NS), shape.count(20 * NS)
    assert base == pytest.approx(1000, abs=5 * math.sqrt(1000))
    assert with_peak - base == pytest.approx(5000, abs=5 * math.sqrt(5000))


@given(shapes)
def test_every_shape_survives_plain_data(shape: Shape) -> None:
    """What the plan says is what the generator does, and what the judge expects."""
    assert shape_from_plain(shape.plain()) == shape


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        (lambda: Ramp(-1, 2, 3), "Ramp.from_rps"),
        (lambda: Ramp(0, 0, 3), "Ramp.to_rps"),
        (lambda: Ramp(1, 2, 0), "Ramp.over_s"),
        (lambda: Step(1, float("nan"), 3), "Step.to_rps"),
        (lambda: Step(1, 2, float("inf")), "Step.at_s"),
        (lambda: Spike(0, 2, 3, 4), "Spike.rate_rps"),
        (lambda: Spike(1, 2, 3, -4), "Spike.for_s"),
        (lambda: Spike(1, 2, 3, 4, -1), "Spike.ramp_s"),
        (lambda: Poisson(Poisson(Steady(1), 1), 1), "Poisson.of"),
    ],
)
def test_a_shape_that_is_none_names_its_field(wrong: type[Shape], field: str) -> None:
    """Rates and spans that cannot be are refused."""
    with pytest.raises(UsageError, match=field):
        wrong()


@pytest.mark.parametrize(
    "data",
    [
        {"kind": "ramp", "from_rps": 1, "to_rps": 2},
        {"kind": "step", "rate_rps": 1, "to_rps": True, "at_s": 1},
        {"kind": "poisson", "of": {"kind": "steady", "rate_rps": 1}},
        {"kind": "poisson", "of": {"kind": "steady", "rate_rps": 1}, "seed": 1.5},
    ],
)
def test_plain_data_that_is_no_shape_is_refused(data: dict[str, object]) -> None:
    """Missing fields, and values that are no numbers, are errors."""
    with pytest.raises(UsageError, match="shape"):
        shape_from_plain(data)
