"""The load that was meant to be offered over time, all streams together: its changes, and the spikes among them."""

import bisect
import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.clock import seconds
from chaos.history.cache import once
from chaos.history.model import History, LoadPoint, Stream

__all__ = ["RISE", "LoadSpike", "LoadStep", "flowed_s", "load_spikes", "load_steps", "offered"]

SAME = 1e-9
"""Sums of the same rates may differ by this share."""


@dataclass(frozen=True, slots=True)
class LoadStep:
    """A change of the offered rate: at once (`begin_ns` is `end_ns`), or in a straight line between the two."""

    begin_ns: int
    end_ns: int
    from_rps: float
    to_rps: float


def offered(history: History) -> tuple[LoadPoint, ...]:
    """The total rate as points joined by straight lines, from 0 before the first stream to 0 after the last.

    A trace has no rate and adds nothing. A stream without an end flows until the record ends.
    """
    flows = [(stream.rate_profile, _end_ns(stream, history)) for stream in history.streams if stream.rate_profile]
    moments = {point.at_ns for path, end_ns in flows for point in path if point.at_ns < end_ns}
    points = []
    for at_ns in sorted(moments | {end_ns for _, end_ns in flows}):
        rates = [_rates(path, end_ns, at_ns) for path, end_ns in flows]
        before, after = (LoadPoint(at_ns, sum(side)) for side in zip(*rates, strict=True))
        points += [before] if _same(before.rate_rps, after.rate_rps) else [before, after]
    return tuple(points)


def load_steps(history: History) -> tuple[LoadStep, ...]:
    """Each change of the total rate, in order; the first is the begin of traffic, the last its end."""
    return tuple(
        LoadStep(here.at_ns, there.at_ns, here.rate_rps, there.rate_rps)
        for here, there in itertools.pairwise(offered(history))
        if not _same(here.rate_rps, there.rate_rps)
    )


def flowed_s(history: History, begin_ns: int, end_ns: int) -> float:
    """For how much of a span some stream flowed: between two streams nobody is asked, and nobody owes an answer."""
    total_ns, since_ns = 0, begin_ns
    for stream in sorted(history.streams, key=lambda one: one.begin_ns):
        until_ns = min(end_ns, _end_ns(stream, history))
        total_ns += max(0, until_ns - max(stream.begin_ns, since_ns))
        since_ns = max(since_ns, until_ns)
    return seconds(total_ns)


def _end_ns(stream: Stream, history: History) -> int:
    return history.ended_ns if stream.end_ns is None else stream.end_ns


def _rates(path: tuple[LoadPoint, ...], end_ns: int, at_ns: int) -> tuple[float, float]:
    """The rate of one stream just before and just after a moment."""
    if at_ns > end_ns:
        return 0.0, 0.0
    first = bisect.bisect_left(path, at_ns, key=lambda point: point.at_ns)
    behind = bisect.bisect_right(path, at_ns, key=lambda point: point.at_ns)
    if first == 0:
        before, after = 0.0, path[behind - 1].rate_rps if behind else 0.0
    elif first < behind:
        before, after = path[first].rate_rps, path[behind - 1].rate_rps
    else:
        before = after = _between(path[first - 1], path[min(first, len(path) - 1)], at_ns)
    return before, 0.0 if at_ns == end_ns else after


def _between(here: LoadPoint, there: LoadPoint, at_ns: int) -> float:
    if there.at_ns <= here.at_ns:
        return here.rate_rps
    share = (at_ns - here.at_ns) / (there.at_ns - here.at_ns)
    return here.rate_rps + share * (there.rate_rps - here.rate_rps)


def _same(one_rps: float, other_rps: float) -> bool:
    return math.isclose(one_rps, other_rps, rel_tol=SAME, abs_tol=SAME)


RISE = 1.5
"""A load that grows by less than half is no spike."""

HIGH = 0.9
"""From this share of its peak on a spike is as high as it gets."""


@dataclass(frozen=True, slots=True)
class LoadSpike:
    """A span in which half as much again as before, or more, was offered.

    From the begin of the rise to the begin of the fall that takes it under the middle; None: it lasted to the end.
    `high_ns` is when nine tenths of its peak were first offered: a step's begin, and late in a slow rise. `low_ns` is
    when that fall was over, or back at what was offered before: the end of the spike again, and later in a slow fall.
    """

    begin_ns: int
    end_ns: int | None
    before_rps: float
    peak_rps: float
    high_ns: int
    low_ns: int | None

    @property
    def words(self) -> str:
        """The spike for people, e.g. `1/s to 5/s`."""
        return f"{self.before_rps:g}/s to {self.peak_rps:g}/s"


@once
def load_spikes(history: History) -> tuple[LoadSpike, ...]:
    """The spikes of the trial, in order. The begin and the end of all traffic are none."""
    found: list[LoadSpike] = []
    steps = load_steps(history)
    calm_rps = 0.0
    begin_ns: int | None = None
    rising_ns: int | None = None
    peak_rps = 0.0
    for place, step in enumerate(steps):
        if begin_ns is None:
            if step.to_rps < step.from_rps or step.from_rps == 0.0:
                calm_rps, rising_ns = step.to_rps, None
                continue
            rising_ns = step.begin_ns if rising_ns is None else rising_ns
            if step.to_rps >= calm_rps * RISE:
                begin_ns, peak_rps = rising_ns, step.to_rps
        elif step.to_rps <= (calm_rps + peak_rps) / 2:
            found.append(_spike(steps, (begin_ns, place), calm_rps, peak_rps))
            begin_ns, rising_ns, calm_rps = None, None, step.to_rps
        else:
            peak_rps = max(peak_rps, step.to_rps)
    if begin_ns is not None:
        found.append(_spike(steps, (begin_ns, None), calm_rps, peak_rps))
    return tuple(found)


def _spike(steps: Sequence[LoadStep], span: tuple[int, int | None], calm_rps: float, peak_rps: float) -> LoadSpike:
    """A spike from a moment to the step of the fall that ends it, by its place; None: there is none."""
    begin_ns, fall = span
    high_rps = HIGH * peak_rps
    step = next(one for one in steps if one.begin_ns >= begin_ns and one.to_rps >= high_rps)
    ends = (None, None) if fall is None else (steps[fall].begin_ns, _low_ns(steps[fall:], calm_rps))
    return LoadSpike(begin_ns, ends[0], calm_rps, peak_rps, _reached_ns(step, high_rps), ends[1])


def _low_ns(fall: Sequence[LoadStep], calm_rps: float) -> int:
    """When a fall, which may go on in slopes of several steps, is over or has come to this rate."""
    low_ns = fall[0].begin_ns
    for step in fall:
        if step.begin_ns > low_ns or step.to_rps >= step.from_rps:
            break
        if step.to_rps <= calm_rps:
            return _reached_ns(step, calm_rps)
        low_ns = step.end_ns
    return low_ns


def _reached_ns(step: LoadStep, rate_rps: float) -> int:
    """When a change came to a rate; its begin, if it was there before."""
    share = max(0.0, (rate_rps - step.from_rps) / (step.to_rps - step.from_rps))
    return step.begin_ns + round(share * (step.end_ns - step.begin_ns))
