"""What is measured of one request, as columns over a table of request records.

All times count from the intended start, to the moment that the client saw. A request that was not answered in full has
no time that flatters: it is infinite. Definitions and their sources are in docs/load.md.
"""

from __future__ import annotations

import math

import polars as pl

__all__ = ["GOOD", "INDICATORS", "longest_gap_s", "response_s", "token_time_s", "unmetered"]

GOOD = ("ok", "late")
"""Outcomes that were answered in full. Being late is judged by the latency objective, not by availability."""

NS = 1e9

_ANSWERED = pl.col("outcome").is_in(GOOD)


def response_s(end: str = "end_ns") -> pl.Expr:
    """Seconds from the intended start to `end` for a request that was answered in full, infinite for any other."""
    answered = _ANSWERED & pl.col(end).is_not_null()
    return pl.when(answered).then((pl.col(end) - pl.col("intended_ns")) / NS).otherwise(math.inf)


def token_time_s() -> pl.Expr:
    """Seconds per output token after the first; null where that is undefined.

    Undefined are answers of at most one token, and those whose server did not say how many there were.
    """
    more = pl.col("tokens_out") - 1
    spent_s = (pl.col("end_ns") - pl.col("first_token_ns")) / NS
    timed = pl.when(more >= 1).then(pl.coalesce(spent_s / more, pl.lit(math.inf)))
    return pl.when(_ANSWERED).then(timed).otherwise(math.inf)


def longest_gap_s() -> pl.Expr:
    """Seconds of the longest silence between two tokens; 0 for a single token, infinite if none was seen."""
    longest = pl.col("token_gaps_ns").list.max().fill_null(0) / NS
    return pl.when(_ANSWERED & pl.col("token_gaps_ns").is_not_null()).then(longest).otherwise(math.inf)


def unmetered() -> pl.Expr:
    """Whether a full answer lacks the count of its tokens (`usage`)."""
    return _ANSWERED & pl.col("tokens_out").is_null()


INDICATORS = {
    "latency": ("p99", response_s()),
    "first_token": ("first token p99", response_s("first_token_ns")),
    "token_time": ("time per token p99", token_time_s()),
    "token_gap": ("longest token gap p99", longest_gap_s()),
}
"""The times that an SLO may have an objective for: by name, with words for people and the column."""
