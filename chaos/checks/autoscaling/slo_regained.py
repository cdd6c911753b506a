"""From when on users were inside the SLO again while a spike lasted, and how many answers a second there were."""

from __future__ import annotations

import polars as pl

from chaos.clock import NS
from chaos.history import History
from chaos.history.sli import GOOD, INDICATORS
from chaos.slo import Slo

__all__ = ["TAIL_NS", "answered_rps", "regained_ns"]

TAIL_NS = 10 * NS
"""Users are well again only if they stay so for at least this long, up to the end of the spike."""

REQUESTS_MIN = 20
"""And if so many requests say so."""


def regained_ns(history: History, slo: Slo, begin_ns: int, end_ns: int) -> int | None:
    """The intended time of the first good request of the spike from which on all of it, to its end, is inside the SLO.

    Begins that leave less than ten seconds, or fewer than twenty requests, do not count. None: users were not well
    again before the spike ended.
    """
    span = pl.col("intended_ns").is_between(begin_ns, end_ns, closed="left")
    table = history.requests.filter(span & (pl.col("outcome") != "unsent")).sort("intended_ns", descending=True)
    # A time that is undefined for a request (one token only) is not over; one that failed has infinite times.
    over = {name: INDICATORS[name][1].fill_null(0) > limit_s for name, limit_s in slo.times}
    bad = ~pl.col("outcome").is_in(GOOD)
    unwell = pl.any_horizontal(bad, *over.values())
    counted = table.select(
        "intended_ns",
        pl.int_range(1, pl.len() + 1).alias("count"),
        *(flag.cum_sum().alias(name) for name, flag in {"bad": bad, "unwell": unwell, **over}.items()),
        well=~unwell,
    )
    count = pl.col("count")
    spare = count - (99 * count / 100).ceil()
    kept = [pl.col(name) <= spare for name in over]
    kept += [pl.col("bad") <= _spare(slo.availability, count), pl.col("unwell") <= _spare(slo.goodput, count)]
    enough = (count >= REQUESTS_MIN) & (pl.col("intended_ns") <= end_ns - TAIL_NS)
    found: int | None = (
        counted.filter(pl.all_horizontal(kept), enough, pl.col("well")).select(pl.col("intended_ns").min()).item()
    )
    return found


def _spare(objective: float | None, count: pl.Expr) -> pl.Expr:
    """How many of so many requests may miss an objective; all, if there is none."""
    return ((1 - (objective or 0.0)) * count).round(6).floor()


def answered_rps(history: History, begin_ns: int, end_ns: int) -> float | None:
    """How many answers a second ended in a span, None for an empty one."""
    if end_ns <= begin_ns:
        return None
    ended = pl.col("end_ns").is_between(begin_ns, end_ns, closed="left") & pl.col("outcome").is_in(GOOD)
    return round(history.requests.filter(ended).height * NS / (end_ns - begin_ns), 2)
