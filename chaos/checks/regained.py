"""From when on users were inside the SLO again while a surge lasted, and how many answers a second there were."""

from __future__ import annotations

import math

import polars as pl

from chaos.clock import NS
from chaos.history import History
from chaos.slo import GOOD, Slo, response_s

__all__ = ["TAIL_NS", "answered_rps", "regained_ns"]

TAIL_NS = 10 * NS
"""Users are well again only if they stay so for at least this long, up to the end of the surge."""

REQUESTS_MIN = 20
"""And if so many requests say so."""


def regained_ns(history: History, slo: Slo, begin_ns: int, end_ns: int) -> int | None:
    """The intended time of the first request of the surge from which on all of it, to its end, is inside the SLO.

    Begins that leave less than ten seconds, or fewer than twenty requests, do not count. None: users were not well
    again before the surge ended.
    """
    span = pl.col("intended_ns").is_between(begin_ns, end_ns, closed="left")
    table = history.requests.filter(span & (pl.col("outcome") != "unsent")).sort("intended_ns", descending=True)
    latency_s = slo.latency_p99_s if slo.latency_p99_s is not None else math.inf
    token_s = slo.first_token_p99_s if slo.first_token_p99_s is not None else math.inf
    counted = table.select(
        "intended_ns",
        pl.int_range(1, pl.len() + 1).alias("count"),
        (~pl.col("outcome").is_in(GOOD)).cum_sum().alias("bad"),
        (response_s() > latency_s).cum_sum().alias("slow"),
        (response_s("first_token_ns") > token_s).cum_sum().alias("late"),
    )
    count = pl.col("count")
    share = 0.0 if slo.availability is None else slo.availability
    spare = ((1 - share) * count).round(6).floor()
    over = count - (99 * count / 100).ceil()
    well = (pl.col("bad") <= spare) & (pl.col("slow") <= over) & (pl.col("late") <= over)
    enough = (count >= REQUESTS_MIN) & (pl.col("intended_ns") <= end_ns - TAIL_NS)
    found: int | None = counted.filter(well & enough).select(pl.col("intended_ns").min()).item()
    return found


def answered_rps(history: History, begin_ns: int, end_ns: int) -> float | None:
    """How many answers a second ended in a span, None for an empty one."""
    if end_ns <= begin_ns:
        return None
    ended = pl.col("end_ns").is_between(begin_ns, end_ns, closed="left") & pl.col("outcome").is_in(GOOD)
    return round(history.requests.filter(ended).height * NS / (end_ns - begin_ns), 2)
