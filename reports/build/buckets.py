"""How time is cut into buckets, and what of each bucket traffic covered."""

from __future__ import annotations

from collections.abc import Sequence

from chaos.clock import NS
from chaos.history import History
from chaos.slo import REQUESTS_FOR_P99
from reports.model.parts import Buckets

__all__ = ["cut", "traffic_s", "widths"]

NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
DRAWN = 360
"""Most buckets of a chart: more would be thinner than a line."""
LEAST_DRAWN = 12
"""Fewest latency buckets that still show a course over time."""


def cut(history: History, width_ns: int) -> Buckets:
    """Cut the whole history into buckets of one width; at least one."""
    span_ns = max(history.ended_ns - history.began_ns, 1)
    return Buckets(begin_ns=history.began_ns, width_ns=width_ns, count=-(-span_ns // width_ns))


def widths(history: History) -> tuple[int, int]:
    """Widths for counts and for percentiles, in ns.

    The latter is wide enough for `REQUESTS_FOR_P99` requests, if the trial is long enough for that.
    """
    span_s = max(history.ended_ns - history.began_ns, 1) / NS
    narrow_s = next((width for width in NICE_S if span_s / width <= DRAWN), NICE_S[-1])
    flowing_s = sum(traffic_s(history, cut(history, narrow_s * NS)))
    rate_rps = history.requests.height / flowing_s if flowing_s else 0.0
    wide_s = narrow_s
    for width_s in NICE_S:
        if width_s >= narrow_s and span_s / width_s >= LEAST_DRAWN:
            wide_s = width_s
            if width_s * rate_rps >= REQUESTS_FOR_P99:
                break
    return narrow_s * NS, wide_s * NS


def traffic_s(history: History, buckets: Buckets) -> list[float]:
    """Seconds of each bucket in which at least one stream of traffic flowed."""
    covered = [0.0] * buckets.count
    for begin_ns, end_ns in _flowing(history):
        first = max((begin_ns - buckets.begin_ns) // buckets.width_ns, 0)
        last = min((end_ns - 1 - buckets.begin_ns) // buckets.width_ns, buckets.count - 1)
        for k in range(first, last + 1):
            left_ns = buckets.begin_ns + k * buckets.width_ns
            covered[k] += (min(end_ns, left_ns + buckets.width_ns) - max(begin_ns, left_ns)) / NS
    return covered


def _flowing(history: History) -> Sequence[tuple[int, int]]:
    """The spans of all streams, joined where they overlap; a stream without an end flows until the record ends."""
    spans = sorted((stream.begin_ns, stream.end_ns or history.ended_ns) for stream in history.streams)
    joined: list[tuple[int, int]] = []
    for begin_ns, end_ns in spans:
        if end_ns <= begin_ns:
            continue
        if joined and begin_ns <= joined[-1][1]:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end_ns))
        else:
            joined.append((begin_ns, end_ns))
    return joined
