"""The search for a highest rate: which is tried next, and when it is over."""

from collections.abc import Callable

import pytest
from capacity_stories import steps_of
from hypothesis import given
from hypothesis import strategies as st

from chaos.checks.traffic.capacity_estimate import CapacityEstimate, capacity_estimate
from chaos.errors import UsageError
from chaos.trial.capacity.search import Search, next_rate

SEARCH = Search(from_rps=1, to_rps=100, start_rps=8)


def after(*told: tuple[float, str]) -> float | None:
    """What is tried after these steps."""
    return next_rate(SEARCH, capacity_estimate(3, steps_of(3, told)))


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        ([], 8),
        ([(8, "+")], 16),
        ([(8, "-")], 4),
        ([(64, "+")], 100),
        ([(1.5, "-")], 1),
        # at the ends of the range the rate is tried again, and that is all
        ([(100, "+")], 100),
        ([(100, "++")], None),
        ([(1, "-")], 1),
        ([(1, "--")], None),
        # in the middle, by equal factors
        ([(8, "+"), (16, "-")], 11.3),
        ([(8, "+"), (11.3, "+"), (16, "-")], 13.4),
        # near enough: both ends once more
        ([(11.3, "+"), (13.4, "-")], 11.3),
        ([(11.3, "++"), (13.4, "-")], 13.4),
        ([(11.3, "++"), (13.4, "--")], None),
        # one that held only once is no rate that held: further down, from the next one that did
        ([(8, "+"), (11.3, "+-"), (13.4, "-")], 9.51),
        # one that did not hold only once: a higher one that never does
        ([(11.3, "++"), (13.4, "-+")], 16.1),
        ([(11.3, "++"), (13.4, "-+"), (16.1, "-")], 16.1),
        ([(11.3, "++"), (13.4, "-+"), (16.1, "--")], None),
    ],
)
def test_the_next_rate(told: list[tuple[float, str]], wanted: float | None) -> None:
    """Out to the first rate that differs, in to the resolution, and each end twice."""
    assert after(*told) == wanted


def test_a_rate_that_nobody_can_tell_of_is_tried_once_more_and_never_passed() -> None:
    """It is an upper end of the search, but the search goes on below it, and never above."""
    assert after((8, "+"), (16, "?")) == 16
    assert after((8, "+"), (16, "??")) == 11.3
    assert after((8, "+"), (11.3, "+"), (13.4, "+"), (16, "??")) == 13.4
    assert after((13.4, "++"), (16, "??")) is None
    assert after((8, "??")) == 4
    assert after((1, "??")) is None


def test_the_steps_are_bounded() -> None:
    """However the answers fall."""
    short = Search(from_rps=1, to_rps=100, start_rps=8, steps_max=2)
    assert next_rate(short, capacity_estimate(3, steps_of(3, [(8, "+"), (16, "-")]))) is None


def played(search: Search, answer: Callable[[float], str]) -> tuple[CapacityEstimate, list[float]]:
    """A whole search against a service that answers so."""
    tried: list[tuple[float, str]] = []
    limit = capacity_estimate(3, ())
    while (rate := next_rate(search, limit)) is not None:
        tried.append((rate, answer(rate)))
        limit = capacity_estimate(3, steps_of(3, tried))
    return limit, [rate for rate, _ in tried]


@given(st.floats(0.5, 200), st.floats(1, 100))
def test_a_sharp_limit_is_found_to_the_resolution(limit_rps: float, start_rps: float) -> None:
    """Wherever it lies and wherever the search begins, it lies between the rate that held and the one that did not."""
    search = Search(from_rps=1, to_rps=100, start_rps=start_rps, steps_max=30)
    found, tried = played(search, lambda rate: "+" if rate <= limit_rps else "-")
    assert len(tried) <= 20
    assert all(1 <= rate <= 100 for rate in tried)
    if limit_rps < 1:
        assert (found.held, found.broke and found.broke.rate_rps) == (None, 1)
    elif limit_rps >= 100:
        assert (found.broke, found.held and found.held.rate_rps) == (None, 100)
    else:
        assert found.held is not None
        assert found.broke is not None
        assert found.held.rate_rps <= limit_rps <= found.broke.rate_rps
        assert found.broke.rate_rps / found.held.rate_rps <= 1.2 * 1.01
        assert (found.held.held, found.broke.broke) == (2, 2)


@given(st.data())
def test_every_search_ends(data: st.DataObject) -> None:
    """Even against a service that answers by chance, within its steps, and in its range."""
    found, tried = played(SEARCH, lambda _: data.draw(st.sampled_from("+-?")))
    assert len(tried) <= SEARCH.steps_max
    assert all(SEARCH.from_rps <= rate <= SEARCH.to_rps for rate in tried)
    if found.held and found.broke:
        assert found.held.rate_rps < found.broke.rate_rps


def test_what_cannot_be_searched_is_refused() -> None:
    """An empty range, a resolution finer than rates are said, no repeat at all."""
    for wrong in (
        {"from_rps": 9, "to_rps": 8},
        {"from_rps": 0},
        {"resolution": 1.0},
        {"resolution": 3.0},
        {"repeats": 0},
    ):
        with pytest.raises(UsageError):
            Search(**{"from_rps": 1, "to_rps": 100, "start_rps": 8, **wrong})  # type: ignore[arg-type]
