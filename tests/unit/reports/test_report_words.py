"""Numbers in words never flatter, and scales and thinning never hide the worst."""

import math
from itertools import pairwise

import pytest

from reports import formatting as words
from reports.build.step_series import slot_of, worst_spans, worst_steps
from reports.model.parts import StateSpan
from reports.page.panels.panel import spread
from reports.page.svg import Log, Tick, axis_of, nice_steps, time_ticks

NS = 1_000_000_000


@pytest.mark.parametrize(
    ("value", "text"),
    [(None, "–"), (1.0, "100 %"), (0.999999, "99.999 %"), (0.5, "50 %"), (0.98712, "98.712 %"), (0.0, "0 %")],  # noqa: RUF001  # a dash is what is meant
)
def test_a_share_is_never_rounded_up(value: float | None, text: str) -> None:
    """Only all of it reads 100 %."""
    assert words.share(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "–"),  # noqa: RUF001  # a dash is what is meant
        (math.inf, "not answered"),
        (0.0, "0 ms"),
        (0.0004, "0.4 ms"),
        (0.1234, "123 ms"),
        (1.2345, "1.23 s"),
        (12.345, "12.3 s"),
        (200.4, "3 min 20 s"),
        (3600.0, "1 h 00 min"),
    ],
)
def test_a_duration_has_three_figures(value: float | None, text: str) -> None:
    """Seconds are shown in the unit that suits them."""
    assert words.duration(value) == text


def test_worst_steps_keep_every_dip() -> None:
    """A dip of a moment is still the value of its slot, and the value after it comes back."""
    points = ((0, 4), (25, 1), (26, 4))
    assert worst_steps(points, 0, 10) == ((0, 4), (20, 1), (30, 4))


def test_worst_spans_keep_the_worst_state_of_each_slot() -> None:
    """A pod that was not ready for a moment is not ready in that slot; the lane begins and ends where it did."""
    spans = (StateSpan("ready", 3, 25), StateSpan("not ready", 25, 26), StateSpan("ready", 26, 57))
    thinned = worst_spans(spans, 0, 10)
    assert thinned == (StateSpan("ready", 3, 20), StateSpan("not ready", 20, 30), StateSpan("ready", 30, 57))


def test_few_changes_are_drawn_one_by_one() -> None:
    """Thinning begins only beyond what a chart can show."""
    assert slot_of(1500, 0, 3600 * NS) == 0
    assert slot_of(1501, 0, 3600 * NS) == 10 * NS


def test_labels_never_overlap() -> None:
    """Labels of one place are moved apart, in order, and stay inside the panel."""
    moved = spread([(Tick(98, "a"), ""), (Tick(99, "b"), ""), (Tick(100, "c"), "")], 100)
    places = [tick.at for tick, _ in moved]
    assert places == [72, 86, 100]


def test_levels_of_a_log_scale_are_round_and_apart() -> None:
    """Powers of ten come first; none is nearer to another, or to the row of the unanswered, than asked."""
    scale = Log(0.01, 100.0, 150.0, 22.0)
    levels = scale.levels(15.0)
    assert {0.1, 1.0, 10.0} <= set(levels)
    places = sorted(scale.y(value) for value in levels)
    assert all(b - a >= 15 for a, b in pairwise(places))
    assert scale.y(math.inf) < places[0]


def test_ticks_are_round_times_of_day() -> None:
    """A trial that begins at three seconds past has its ticks at full tens."""
    axis = axis_of(1_767_268_803 * NS, 1_767_268_863 * NS)
    assert time_ticks(axis) == [7000, 17000, 27000, 37000, 47000, 57000]


@pytest.mark.parametrize("top", [0.001, 1, 3, 4, 7, 19, 20, 21, 999, 278])
def test_nice_steps_reach_the_top(top: float) -> None:
    """The last step is not below the greatest value, and there are few."""
    steps = nice_steps(top, 4)
    assert steps[-1] >= top
    assert len(steps) <= 6
