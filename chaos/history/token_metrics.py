"""What a language model gave its users: tokens and their timing, over a table of request records.

Percentiles here are over answers in full, as serving benchmarks have them; they flatter a service that fails what is
slow. So they are shown beside the counts of what failed, and never judged: an SLO counts failures as infinite.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import polars as pl

from chaos.history.sli import GOOD, response_s, token_time_s, unmetered

__all__ = ["STALL_S", "TokenReading", "read_tokens"]

STALL_S = 5.0
"""A stream that is silent for longer, once it has begun, has stalled: longer than any reader waits for a word."""

NS = 1e9


@dataclass(frozen=True, slots=True)
class TokenReading:
    """Tokens and their timing. Definitions are those of docs/load.md; None where nothing is to be measured.

    `tokens_in` and `tokens_out` are counted by the server (`usage`), over full answers; `unmetered` of these have no
    such count. `tokens_out_per_s` is over the time from the first intended start to the last end. `chunks_out` are
    events with text, which may hold several tokens. `truncated` streams ended before their end mark; `stalled` ones
    were silent for over `STALL_S` after their first token, whether or not they went on.
    """

    answered: int
    tokens_in: int
    tokens_out: int
    tokens_out_per_s: float | None
    chunks_out: int
    unmetered: int
    truncated: int
    stalled: int
    first_token_p50_s: float | None
    first_token_p99_s: float | None
    gap_p50_s: float | None
    gap_p99_s: float | None
    token_time_p50_s: float | None
    token_time_p99_s: float | None


def read_tokens(requests: pl.DataFrame) -> TokenReading | None:
    """Read them off a table of request records; None if no answer held any token."""
    if requests.filter(pl.col("first_token_ns").is_not_null() | pl.col("tokens_out").is_not_null()).is_empty():
        return None
    full = requests.filter(pl.col("outcome").is_in(GOOD))
    gaps = full.select(pl.col("token_gaps_ns").explode(empty_as_null=False, keep_nulls=False)).to_series().sort()
    firsts = full.filter(pl.col("first_token_ns").is_not_null()).select(response_s("first_token_ns")).to_series().sort()
    times = full.select(token_time_s().alias("s"))["s"].drop_nulls().sort()
    span_ns = int(requests.select(pl.col("end_ns").max() - pl.col("intended_ns").min()).item() or 0)
    tokens_out = int(full["tokens_out"].sum())
    return TokenReading(
        answered=full.height,
        tokens_in=int(full["tokens_in"].sum()),
        tokens_out=tokens_out,
        tokens_out_per_s=tokens_out / span_ns * NS if span_ns > 0 else None,
        chunks_out=int(full["first_token_ns"].is_not_null().sum()) + len(gaps),
        unmetered=full.filter(unmetered()).height,
        truncated=requests.filter(pl.col("outcome") == "truncated").height,
        stalled=requests.filter(_stalled()).height,
        first_token_p50_s=_rank(firsts, 0.5),
        first_token_p99_s=_rank(firsts, 0.99),
        gap_p50_s=_rank(gaps, 0.5, NS),
        gap_p99_s=_rank(gaps, 0.99, NS),
        token_time_p50_s=_rank(times, 0.5),
        token_time_p99_s=_rank(times, 0.99),
    )


def _stalled() -> pl.Expr:
    gaps = pl.col("token_gaps_ns")
    last_token_ns = pl.col("first_token_ns") + gaps.list.sum().fill_null(0)
    unfinished_ns = pl.when(~pl.col("outcome").is_in(GOOD)).then(pl.col("end_ns") - last_token_ns)
    return pl.max_horizontal(gaps.list.max(), unfinished_ns).fill_null(0) > STALL_S * NS


def _rank(ordered: pl.Series, share: float, unit: float = 1.0) -> float | None:
    """The percentile by nearest rank, in seconds."""
    return None if ordered.is_empty() else float(ordered[max(0, math.ceil(share * len(ordered)) - 1)]) / unit
