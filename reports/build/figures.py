"""Sums over spans of time: the whole trial, and before, during and after each fault; tokens; and the objectives."""

from collections.abc import Iterator

import polars as pl

from chaos.checks.traffic.slo_met import SloMetDetail
from chaos.checks.verdict import Verdict
from chaos.clock import NS
from chaos.history import Fault, History
from reports.build.traffic import by_bucket, percentile, rounded
from reports.model.parts import Buckets, TokenSeries
from reports.model.report import FaultWindow, Limit

__all__ = ["Total", "fault_windows", "judged_limits", "token_series", "total"]

Total = tuple[int, int, float | None, float | None, float | None]
"""Valid requests, answered ones, their share, and the 50th and 99th percentile of response time."""


def total(table: pl.DataFrame) -> Total:
    """Sum up the valid requests of a table."""
    row = (
        table.filter(pl.col("valid"))
        .select(
            pl.len().alias("n"),
            pl.col("answered").sum().alias("answered"),
            percentile(50).alias("p50"),
            percentile(99).alias("p99"),
        )
        .row(0, named=True)
    )
    share = row["answered"] / row["n"] if row["n"] else None
    return row["n"], row["answered"], share, rounded(row["p50"]), rounded(row["p99"])


def fault_windows(history: History, table: pl.DataFrame) -> tuple[FaultWindow, ...]:
    """Three rows for each fault that landed.

    Before: requests over by the time it began. During: those whose life overlaps the fault. After: those begun once it
    was healed. A window ends where a neighbouring fault begins, so that no fault is blamed for another.
    """
    landed = sorted(
        (fault for fault in history.faults if fault.landed_ns is not None), key=lambda fault: fault.begin_ns
    )
    return tuple(row for fault in landed for row in _windows(history, table, fault, landed))


def _windows(history: History, table: pl.DataFrame, fault: Fault, others: list[Fault]) -> Iterator[FaultWindow]:
    healed_ns = fault.healed_ns or history.ended_ns
    from_ns = max(
        (o.healed_ns or history.ended_ns for o in others if o.begin_ns < fault.begin_ns), default=history.began_ns
    )
    until_ns = min((o.begin_ns for o in others if o.begin_ns >= healed_ns), default=history.ended_ns)
    intended, end = pl.col("intended_ns"), pl.col("end_ns").fill_null(history.ended_ns)
    before, after = (intended >= from_ns) & (end < fault.begin_ns), (intended >= healed_ns) & (intended < until_ns)
    during = (intended < healed_ns) & (end >= fault.begin_ns)
    for name, chosen, begin_ns, end_ns in (
        ("before", before, min(from_ns, fault.begin_ns), fault.begin_ns),
        ("during", during, fault.begin_ns, healed_ns),
        ("after", after, healed_ns, until_ns),
    ):
        n, answered, share, p50_s, p99_s = total(table.filter(chosen))
        yield FaultWindow(fault.id, name, begin_ns, end_ns, n, share, p50_s, p99_s, n - answered)


def token_series(table: pl.DataFrame, buckets: Buckets) -> TokenSeries | None:
    """What streams of tokens took, or None where no request streamed any; without a first token it is infinite."""
    if table["first_token_ns"].null_count() == table.height:
        return None
    firsts = table.filter(pl.col("valid"))
    gaps = (
        table.select("intended_ns", "token_gaps_ns")
        .explode("token_gaps_ns")
        .drop_nulls("token_gaps_ns")
        .with_columns((pl.col("token_gaps_ns") / NS).alias("gap_s"))
    )
    percents = (("p50", 50), ("p99", 99))
    first = by_bucket(firsts, buckets, *(percentile(percent, "first_s").alias(name) for name, percent in percents))
    gap = by_bucket(gaps, buckets, *(percentile(percent, "gap_s").alias(name) for name, percent in percents))
    return TokenSeries(
        first_p50_s=tuple(map(rounded, first["p50"])),
        first_p99_s=tuple(map(rounded, first["p99"])),
        gap_p50_s=tuple(map(rounded, gap["p50"])),
        gap_p99_s=tuple(map(rounded, gap["p99"])),
        n=firsts.height,
        gaps=gaps.height,
    )


MEASURES = {"latency": "latency", "first_token": "first token"}
"""The times of an SLO that a chart draws, with the chart's words."""


def judged_limits(verdict: Verdict) -> tuple[Limit, ...]:
    """The objectives that all traffic was held to: each value of a percentile once, the answer that of the finding."""
    found = {
        (name, one.objective_s): Limit(MEASURES[name], one.objective_s, finding.answer.name)
        for finding in verdict.findings
        if isinstance(finding.detail, SloMetDetail) and finding.detail.begin_ns is None
        for name, one in finding.detail.times.items()
        if name in MEASURES
    }
    return tuple(found.values())
