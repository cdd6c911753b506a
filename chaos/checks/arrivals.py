"""Whether every intended arrival is accounted for, and whether the load generator kept up: doubts about the traffic."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.history import GeneratorSample, History, Stream
from chaos.slo import nearest_rank

__all__ = ["CPU_SHARE_MAX", "START_LAG_MAX_S", "Arrivals", "account", "arrivals_before", "is_steady"]

START_LAG_MAX_S = 0.05
"""A generator whose p99 start is later than this does not offer what was intended."""

LAG_SHARE_MAX = 0.1
"""Nor does one whose p99 start lag is more than this share of the latency that it is to judge."""

CPU_SHARE_MAX = 0.9
"""Above this share of its core in any second, the generator itself may be what was slow."""

TOLERANCE_NS = 1_000
"""Room for the rounding of an arrival's intended time."""

FATES = ("ok", "late", "truncated", "failed", "unanswered", "refused", "unsent")
"""Best first: of two records of one arrival the better is believed when the question is whether a FAIL is sure."""


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The account. `expected` is None if nothing says how many were intended.

    `behind`: the generator lagged or had no processor left, so that slowness may be its own. `doubts` in words; while
    there is any, no PASS. `sure` holds the records that are beyond doubt, `doubtful` how many arrivals are not.
    """

    expected: int | None
    recorded: int
    missing: int
    duplicates: int
    unsent: int
    start_lag_p99_s: float | None
    cpu_share_max: float | None
    behind: bool
    doubts: tuple[str, ...]
    sure: pl.DataFrame
    doubtful: int


def account(history: History, *, objective_s: float | None = None) -> Arrivals:
    """Account for every arrival. `objective_s` is the shortest latency that is to be judged, if any is."""
    table = history.requests
    once = _best_of_each(table)
    expected, missing, doubts = _expected(history, once)
    lag_limit_s = START_LAG_MAX_S if objective_s is None else min(START_LAG_MAX_S, LAG_SHARE_MAX * objective_s)
    lag_ns = pl.col("sent_ns") - pl.col("intended_ns")
    lag_p99_s = _p99_s(once.select(lag_ns.drop_nulls().alias("lag"))["lag"])
    busy = _busy(history.generator)
    lagging = lag_p99_s is not None and lag_p99_s > lag_limit_s
    behind = lagging or bool(busy and busy > CPU_SHARE_MAX)
    unsent = once.filter(pl.col("outcome") == "unsent").height
    duplicates = table.height - once.height
    if duplicates:
        doubts.append(f"{duplicates} arrivals have more than one record")
    if unsent:
        doubts.append(f"{unsent} arrivals were never sent by the generator")
    if lagging:
        doubts.append(f"the generator started late: p99 {lag_p99_s:.3f} s, limit {lag_limit_s:.3f} s")
    if busy is not None and busy > CPU_SHARE_MAX:
        doubts.append(f"the generator used {busy:.0%} of its core, limit {CPU_SHARE_MAX:.0%}")
    if not table.is_empty():
        doubts.extend(_disorder(history))
    sure = once.filter(pl.col("outcome") != "unsent")
    if behind:
        sure = sure.filter(lag_ns.is_null() | (lag_ns <= lag_limit_s * 1e9))
    doubtful = once.height - sure.height + missing
    return Arrivals(
        expected, once.height, missing, duplicates, unsent, lag_p99_s, busy, behind, tuple(doubts), sure, doubtful
    )


def arrivals_before(stream: Stream, at_ns: int) -> int:
    """How many arrivals a steady stream intends before a moment: all k with begin + round(k / rate) before it."""
    count = max(0, int((at_ns - stream.begin_ns) * stream.rate_rps / 1e9) - 2)
    while stream.begin_ns + round(count * 1e9 / stream.rate_rps) < at_ns:
        count += 1
    return count


def is_steady(stream: Stream, rows: pl.DataFrame) -> bool:
    """Whether the stream's records stand where a steady stream has its arrivals; without a record it does."""
    planned = stream.begin_ns + (pl.col("id") * 1e9 / stream.rate_rps).round().cast(pl.Int64)
    return bool(rows.select(((pl.col("intended_ns") - planned).abs() <= TOLERANCE_NS).all()).item())


def _best_of_each(table: pl.DataFrame) -> pl.DataFrame:
    keys = ["stream", "id"]
    if not table.select(pl.struct(keys).is_duplicated().any()).item():
        return table
    rank = pl.col("outcome").replace_strict(FATES, list(range(len(FATES))), return_dtype=pl.Int64)
    return table.sort(rank, maintain_order=True).unique(keys, keep="first", maintain_order=True)


def _expected(history: History, once: pl.DataFrame) -> tuple[int | None, int, list[str]]:
    """How many arrivals were intended, how many of them have no record, and what is doubtful about that."""
    doubts: list[str] = []
    known = {stream.name for stream in history.streams}
    if strays := once.filter(~pl.col("stream").is_in(known)).height:
        doubts.append(f"{strays} records belong to no stream of this trial")
    counts = [_stream_count(stream, once.filter(pl.col("stream") == stream.name), doubts) for stream in history.streams]
    due = next((sample.due for sample in reversed(history.generator) if sample.final), None)
    told = [count for count in counts if count is not None]
    expected = sum(told) if len(told) == len(counts) else due
    if due is not None and expected is not None and due != expected:
        doubts.append(f"the generator counted {due} arrivals, the streams {expected}")
        expected = max(due, expected)
    if expected is None:
        doubts.append("nothing says how many arrivals were intended")
        return None, 0, doubts
    missing = expected - once.height
    if missing > 0:
        doubts.append(f"{missing} of {expected} intended arrivals have no record")
    elif missing < 0:
        doubts.append(f"{-missing} records more than the {expected} intended arrivals")
    return expected, max(0, missing), doubts


def _stream_count(stream: Stream, rows: pl.DataFrame, doubts: list[str]) -> int | None:
    """How many arrivals the stream intends, None if it is not steady or has no end."""
    if stream.end_ns is None:
        doubts.append(f"traffic {stream.name} has no recorded end")
        return None
    if not is_steady(stream, rows):
        return None
    count = arrivals_before(stream, stream.end_ns)
    if odd := rows.filter((pl.col("id") < 0) | (pl.col("id") >= count)).height:
        doubts.append(f"{odd} records of traffic {stream.name} lie outside of its time")
    return count


def _p99_s(lags: pl.Series) -> float | None:
    return None if lags.is_empty() else float(lags.sort()[nearest_rank(len(lags)) - 1]) / 1e9


def _busy(samples: tuple[GeneratorSample, ...]) -> float | None:
    """The greatest share of its core that the generator used in any second since the first arrival."""
    return max((sample.cpu_share for sample in samples if sample.due), default=None)


def _disorder(history: History) -> Iterator[str]:
    if not history.generator:
        yield "the generator left no account of itself"
    elif history.finished and not history.generator[-1].final:
        yield "the generator did not end in order"
