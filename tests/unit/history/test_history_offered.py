"""The offered load over time: the streams of a trial added up, and the moments at which it changed."""

from __future__ import annotations

from dataclasses import replace

from histories import Story, at

from chaos.history import History, LoadPoint, Stream
from chaos.history.facts.offered_load import load_steps, offered


def stream(name: str, begin_s: float, end_s: float | None, *points: tuple[float, float]) -> Stream:
    """A stream with a rate profile, its moments in seconds of the trial."""
    profile = tuple(LoadPoint(at(at_s), rate_rps) for at_s, rate_rps in points)
    return Stream(name, name, 1.0, at(begin_s), None if end_s is None else at(end_s), "http", "here", "", profile)


def history(*streams: Stream) -> History:
    """A trial of two minutes with these streams."""
    return replace(Story().history(), streams=streams)


def steps(*streams: Stream) -> list[tuple[float, float, float, float]]:
    """The changes of load: begin and end in seconds, rate before and after."""
    zero = at(0)
    return [
        ((step.begin_ns - zero) / 1e9, (step.end_ns - zero) / 1e9, step.from_rps, step.to_rps)
        for step in load_steps(history(*streams))
    ]


SPIKE = ((10.0, 2.0), (20.0, 2.0), (20.0, 10.0), (50.0, 10.0), (50.0, 2.0))


def test_a_spike_has_four_changes() -> None:
    """Begin, up, down, end."""
    assert steps(stream("spike-1", 10, 90, *SPIKE)) == [
        (10, 10, 0, 2),
        (20, 20, 2, 10),
        (50, 50, 10, 2),
        (90, 90, 2, 0),
    ]


def test_what_lies_behind_the_end_never_happened() -> None:
    """A block that was left in mid-spike offered nothing afterwards."""
    assert steps(stream("spike-1", 10, 30, *SPIKE)) == [(10, 10, 0, 2), (20, 20, 2, 10), (30, 30, 10, 0)]


def test_a_slope_is_one_change_that_takes_time() -> None:
    """A ramp begins and ends; cut short, it ends at the rate that it had reached."""
    ramp = ((0.0, 0.0), (40.0, 20.0))
    assert steps(stream("ramp-1", 0, 60, *ramp)) == [(0, 40, 0, 20), (60, 60, 20, 0)]
    assert steps(stream("ramp-1", 0, 30, *ramp)) == [(0, 30, 0, 15), (30, 30, 15, 0)]


def test_streams_add_up() -> None:
    """A second stream over the first is a spike as well."""
    base, peak = stream("steady-1", 0, 60, (0, 4)), stream("steady-2", 20, 40, (20, 16))
    assert steps(base, peak) == [(0, 0, 0, 4), (20, 20, 4, 20), (40, 40, 20, 4), (60, 60, 4, 0)]
    assert offered(history(base, peak))[2] == LoadPoint(at(20), 4)


def test_a_stream_that_takes_over_changes_nothing() -> None:
    """One ends where another of the same rate begins: the load stays."""
    assert steps(stream("a", 0, 30, (0, 0.1)), stream("b", 30, 60, (30, 0.1))) == [(0, 0, 0, 0.1), (60, 60, 0.1, 0)]


def test_a_stream_without_end_flows_to_the_end_of_the_record() -> None:
    """A run that died while traffic flowed offered it until then."""
    assert steps(stream("steady-1", 0, None, (0, 4)))[-1] == (120, 120, 4, 0)


def test_a_trace_has_no_rate() -> None:
    """It adds nothing, and alone it has no load over time."""
    assert offered(history(stream("replay-1", 0, 60))) == ()
