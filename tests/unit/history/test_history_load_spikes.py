"""The load spikes: when half as much again as before was offered, or more."""

from __future__ import annotations

import pytest
from histories import Story, at

from chaos.history import LoadPoint, Stream
from chaos.history.facts.offered_load import load_spikes

Points = list[tuple[float, float]]


def stream(begin_s: float, end_s: float, points: Points) -> Stream:
    """A stream with a rate profile."""
    profile = tuple(LoadPoint(at(at_s), rate) for at_s, rate in points)
    return Stream(f"s{begin_s}", "s", 1.0, at(begin_s), at(end_s), "http", "here", "", profile)


@pytest.mark.parametrize(
    ("streams", "found"),
    [
        ([(0, 100, [(0, 2)])], []),
        # nested streams add up
        ([(0, 100, [(0, 1)]), (30, 60, [(30, 4)])], [(30, 60, 1, 5)]),
        # twice
        ([(0, 100, [(0, 1)]), (20, 30, [(20, 1)]), (50, 60, [(50, 2)])], [(20, 30, 1, 2), (50, 60, 1, 3)]),
        # a rise of less than half is none
        ([(0, 100, [(0, 4)]), (30, 60, [(30, 1)])], []),
        # a ramp counts from its begin, and a peak in two steps is one spike
        ([(0, 100, [(0, 2), (20, 2), (40, 8), (70, 8), (90, 2)])], [(20, 70, 2, 8)]),
        ([(0, 100, [(0, 2)]), (20, 80, [(20, 2)]), (40, 60, [(40, 4)])], [(20, 60, 2, 8)]),
        # one that lasts until traffic ends
        ([(0, 100, [(0, 1), (40, 1), (40, 5)])], [(40, 100, 1, 5)]),
    ],
)
def test_load_spikes(
    streams: list[tuple[float, float, Points]], found: list[tuple[float, float, float, float]]
) -> None:
    """From the begin of the rise to the begin of the fall below the middle; the begin of all traffic is none."""
    history = Story().has(streams=tuple(stream(*one) for one in streams)).history()
    assert [(one.begin_ns, one.end_ns, one.before_rps, one.peak_rps) for one in load_spikes(history)] == [
        (at(begin_s), at(end_s), before, peak) for begin_s, end_s, before, peak in found
    ]


@pytest.mark.parametrize(
    ("streams", "low_s"),
    [
        # at once
        ([(0, 100, [(0, 1)]), (30, 60, [(30, 4)])], 60),
        # a slope, and two of them, one after the other
        ([(0, 100, [(0, 2), (20, 2), (40, 8), (70, 8), (90, 2)])], 90),
        ([(0, 100, [(0, 2), (20, 2), (20, 8), (50, 8), (60, 4), (90, 2)])], 90),
        # a slope to less than before counts up to that
        ([(0, 100, [(0, 2), (20, 2), (20, 8), (50, 8), (90, 0)])], 80),
        # what lies behind a rest, or a rise, is another fall
        ([(0, 100, [(0, 2), (20, 2), (20, 8), (50, 8), (60, 3), (80, 3), (90, 2)])], 60),
        ([(0, 100, [(0, 2), (20, 2), (20, 8), (50, 8), (60, 3), (70, 4), (80, 2)])], 60),
        # a slope that the end of traffic cuts off, and a spike that lasts to it
        ([(0, 70, [(0, 2), (20, 2), (20, 8), (50, 8), (90, 2)])], 70),
        ([(0, 100, [(0, 1), (40, 1), (40, 5)])], 100),
    ],
)
def test_a_spike_is_over_when_its_fall_is(streams: list[tuple[float, float, Points]], low_s: float) -> None:
    """The load is low again at the end of a slope, and not at its begin."""
    (spike,) = load_spikes(Story().has(streams=tuple(stream(*one) for one in streams)).history())
    assert spike.low_ns == at(low_s)
