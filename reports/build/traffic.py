"""Request records as series over time buckets; percentiles come from raw records, never from averages."""

from collections.abc import Iterable, Sequence
from typing import Any

import polars as pl

from chaos.clock import NS
from chaos.history import History
from chaos.history.sli import GOOD, NOT_JUDGED, VALID, response_s
from chaos.slo import REQUESTS_FOR_P99
from reports.model.parts import Buckets, HeatMap, LatencySeries, Missing, TrafficSeries

__all__ = ["cut", "heat_map", "latency_series", "percentile", "records", "rounded", "traffic_series", "widths"]

NICE_S = (1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600)
DRAWN = 360
"""Most buckets of a chart: more would be thinner than a line."""
LEAST_DRAWN = 12
"""Fewest latency buckets that still show a change over time."""


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


OUTCOMES = (
    *("foreign", "wrong", "refused", "failed", "shed"),
    *("unanswered", "truncated", "late", "disconnected", "unsent"),
)
"""Every outcome but `ok`, in the order in which they are drawn."""
BINS_PER_DECADE = 8
LEAST_EXPECTED = 3
"""Arrivals that a bucket should have held for its emptiness to count as missing data."""


def records(history: History) -> pl.DataFrame:
    """The requests with `latency_s` (infinite unless answered), `valid` and `answered`."""
    return history.requests.select(
        "intended_ns",
        "end_ns",
        "first_token_ns",
        "token_gaps_ns",
        pl.col("outcome").cast(pl.Categorical).alias("outcome"),
        pl.col("outcome").is_in(GOOD).alias("answered"),
        VALID.alias("valid"),
        response_s().alias("latency_s"),
        response_s("first_token_ns").alias("first_s"),
    )


def percentile(percent: int, column: str = "latency_s") -> pl.Expr:
    """Nearest rank: the least recorded value that `percent` of 100 records do not exceed; None without a record."""
    rank = (pl.col(column).len().cast(pl.Int64) * percent + 99) // 100
    return pl.col(column).sort().get(rank - 1, null_on_oob=True)


def rounded(value: float | None) -> float | None:
    """Seconds to the microsecond; finer is noise and costs bytes."""
    return None if value is None else round(value, 6)


def by_bucket(table: pl.DataFrame, buckets: Buckets, *aggregates: pl.Expr) -> dict[str, list[Any]]:
    """Aggregate by bucket of intended start, as columns as long as there are buckets; None where no record is."""
    every = pl.DataFrame({"bucket": range(buckets.count)}, schema={"bucket": pl.Int64})
    placed = table.with_columns(((pl.col("intended_ns") - buckets.begin_ns) // buckets.width_ns).alias("bucket"))
    grouped = placed.group_by("bucket").agg(*aggregates)
    return every.join(grouped, on="bucket", how="left", maintain_order="left").drop("bucket").to_dict(as_series=False)


def traffic_series(history: History, table: pl.DataFrame, buckets: Buckets) -> TrafficSeries:
    """Offered and answered requests, and every other outcome, by bucket."""
    seen = set(table["outcome"].unique().to_list())
    names = [name for name in OUTCOMES if name in seen] + sorted(seen - set(OUTCOMES) - {"ok"})
    columns = by_bucket(
        table,
        buckets,
        pl.len().alias("offered"),
        pl.col("answered").sum().alias("answered"),
        *((pl.col("outcome") == name).sum().alias(f"outcome {name}") for name in names),
    )
    flowing_s = traffic_s(history, buckets)
    silent = _without_records(history, columns["offered"], flowing_s, buckets)
    known = [
        n is not None or (s > 0 and k not in silent)
        for k, (n, s) in enumerate(zip(columns["offered"], flowing_s, strict=True))
    ]

    def counts(name: str) -> tuple[int | None, ...]:
        return tuple((n or 0) if known[k] else None for k, n in enumerate(columns[name]))

    offered, answered = counts("offered"), counts("answered")
    return TrafficSeries(
        offered=offered,
        answered=answered,
        offered_rps=_per_second(offered, flowing_s, buckets),
        answered_rps=_per_second(answered, flowing_s, buckets),
        outcomes={name: counts(f"outcome {name}") for name in names},
        totals={name: table.filter(pl.col("outcome") == name).height for name in ("ok", *names)},
        missing=_missing(silent, buckets, history.ended_ns),
    )


def _per_second(values: Sequence[int | None], flowing_s: Sequence[float], buckets: Buckets) -> tuple[float | None, ...]:
    """Counts over the seconds of traffic; None where a bucket holds too little traffic for a rate to mean anything."""
    least_s = buckets.width_ns / NS / 2
    return tuple(
        None if value is None or passed_s < least_s else round(value / passed_s, 3)
        for value, passed_s in zip(values, flowing_s, strict=True)
    )


def _without_records(
    history: History, offered: Sequence[int | None], flowing_s: Sequence[float], buckets: Buckets
) -> set[int]:
    """Buckets without a record for which the streams planned several requests."""
    silent = set()
    for k, (n, passed_s) in enumerate(zip(offered, flowing_s, strict=True)):
        left_ns = buckets.begin_ns + k * buckets.width_ns
        rate_rps = sum(
            stream.rate_rps
            for stream in history.streams
            if stream.begin_ns < left_ns + buckets.width_ns and (stream.end_ns or history.ended_ns) > left_ns
        )
        if not n and rate_rps * passed_s >= LEAST_EXPECTED:
            silent.add(k)
    return silent


def _missing(silent: Iterable[int], buckets: Buckets, ended_ns: int) -> tuple[Missing, ...]:
    runs: list[list[int]] = []
    for k in sorted(silent):
        if runs and runs[-1][1] == k - 1:
            runs[-1][1] = k
        else:
            runs.append([k, k])
    zero, width = buckets.begin_ns, buckets.width_ns
    return tuple(
        Missing(zero + a * width, min(zero + (b + 1) * width, ended_ns), "requests were due, but none is on record")
        for a, b in runs
    )


def latency_series(table: pl.DataFrame, buckets: Buckets) -> LatencySeries:
    """The 50th, 90th and 99th percentile of response time by bucket, and how many requests are behind each."""
    columns = by_bucket(
        table.filter(pl.col("valid")),
        buckets,
        pl.len().alias("n"),
        *(percentile(share).alias(name) for name, share in (("p50", 50), ("p90", 90), ("p99", 99))),
    )
    return LatencySeries(
        buckets=buckets,
        n=tuple(columns["n"]),
        p50_s=tuple(map(rounded, columns["p50"])),
        p90_s=tuple(map(rounded, columns["p90"])),
        p99_s=tuple(map(rounded, columns["p99"])),
        thin=tuple(n is not None and n < REQUESTS_FOR_P99 for n in columns["n"]),
    )


def heat_map(table: pl.DataFrame, buckets: Buckets, traffic: TrafficSeries) -> HeatMap:
    """Answered requests by bucket and log bin of latency; the unanswered by bucket."""
    answered = table.filter(pl.col("answered") & pl.col("latency_s").is_finite())
    slot = (pl.col("latency_s").clip(lower_bound=1e-4).log10() * BINS_PER_DECADE).floor().cast(pl.Int64)
    cells = (
        answered.select(
            ((pl.col("intended_ns") - buckets.begin_ns) // buckets.width_ns).alias("bucket"), slot.alias("bin")
        )
        .filter(pl.col("bucket").is_between(0, buckets.count - 1))
        .group_by("bucket", "bin")
        .agg(pl.len().alias("n"))
        .sort("bucket", "bin")
    )
    low, high = (int(cells["bin"].min()), int(cells["bin"].max())) if cells.height else (0, -1)  # type: ignore[arg-type]  # polars types min() as any literal
    return HeatMap(
        edges_s=tuple(rounded(10 ** (slot / BINS_PER_DECADE)) or 0.0 for slot in range(low, high + 2))
        if cells.height
        else (),
        bucket=tuple(cells["bucket"].to_list()),
        bin=tuple((cells["bin"] - low).to_list()),
        n=tuple(cells["n"].to_list()),
        unanswered=_unanswered(traffic),
    )


def _unanswered(traffic: TrafficSeries) -> tuple[int | None, ...]:
    none = (0,) * len(traffic.offered)
    others = zip(*(traffic.outcomes.get(name, none) for name in NOT_JUDGED), strict=True)
    return tuple(
        None if offered is None else offered - (answered or 0) - sum(count or 0 for count in lost)
        for offered, answered, lost in zip(traffic.offered, traffic.answered, others, strict=True)
    )
