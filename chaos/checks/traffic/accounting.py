"""Whether every intended arrival is accounted for: doubts about the traffic, in all of the trial or a part of it."""

import functools
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import polars as pl

from chaos.checks.traffic.generator_health import (
    LAG_NS,
    START_LAG_MAX_S,
    GeneratorHealth,
    disorder,
    health_of,
    last_samples,
)
from chaos.clock import NS
from chaos.errors import plural
from chaos.history import History, Stream
from chaos.history.cache import once
from chaos.history.sli import GOOD, OF_ARRIVALS, SENT, hollow, meant_within
from loadgen.shapes import Steady, shape_from_plain
from loadgen.shapes.base import Shape
from loadgen.shapes.users import Users

__all__ = [
    "ArrivalCounts",
    "Arrivals",
    "account",
    "arrivals_before",
    "arrivals_within",
    "hollow_answers",
    "is_closed",
    "out_of_place",
]

TOLERANCE_NS = 1_000
"""Room for the rounding of an arrival's intended time."""


def shape_of(stream: Stream) -> Shape | None:
    """The shape of a stream; a record without a plan is of a steady one, if it had a rate all the time: else None."""
    if stream.plan is None:
        return Steady(stream.rate_rps) if 0 < stream.rate_rps < math.inf else None
    return _shape(json.dumps(stream.plan))


@functools.lru_cache(maxsize=32)
def _shape(plan: str) -> Shape:
    return shape_from_plain(json.loads(plan))


def is_closed(stream: Stream) -> bool:
    """Whether it is a closed loop: nothing was planned, and what came depended on the service."""
    return isinstance(shape_of(stream), Users)


def arrivals_before(stream: Stream, at_ns: int) -> int:
    """How many arrivals the plan has before a moment, had the stream not ended; none if nothing says so."""
    shape = shape_of(stream)
    return 0 if shape is None else shape.count(at_ns - stream.begin_ns)


def arrivals_within(stream: Stream, begin_ns: int, end_ns: int) -> int:
    """How many arrivals the plan has in a span, none after the stream's end."""
    last_ns = end_ns if stream.end_ns is None else min(end_ns, stream.end_ns)
    return max(0, arrivals_before(stream, last_ns) - arrivals_before(stream, begin_ns))


def out_of_place(stream: Stream, rows: pl.DataFrame) -> int:
    """How many of the stream's records are not where the plan puts the arrival of their number."""
    if rows.is_empty() or is_closed(stream):
        return 0
    shape, number = shape_of(stream), pl.col("id")
    if shape is None:  # nobody knows where they belong
        return rows.height
    if isinstance(shape, Steady):
        planned = (number * 1e9 / shape.rate_rps).round().cast(pl.Int64)
        return int(rows.select(((pl.col("intended_ns") - stream.begin_ns - planned).abs() > TOLERANCE_NS).sum()).item())
    first, last = rows.select(number.min()).item(), rows.select(number.max()).item()
    numbers = range(max(0, first), max(0, last) + 1)
    plan = pl.DataFrame({"id": numbers, "planned": [shape.offset_ns(k) for k in numbers]})
    beside = rows.select("id", "intended_ns").join(plan, on="id", how="left")
    apart = (pl.col("intended_ns") - stream.begin_ns - pl.col("planned")).abs()
    return int(beside.select((apart.is_null() | (apart > TOLERANCE_NS)).sum()).item())


FATES = (
    *("ok", "late", "disconnected", "truncated", "wrong", "foreign"),
    *("failed", "shed", "unanswered", "refused", "unsent"),
)
"""Best first: of two records of one arrival the better is believed when the question is whether a FAIL is sure."""

EARLY_NS = round(START_LAG_MAX_S * NS)
"""Clocks may disagree by so much; what lies further before its cause is no measurement."""

IMPOSSIBLE = (
    (pl.col("sent_ns") < pl.col("intended_ns") - EARLY_NS)
    | (pl.col("end_ns") < pl.max_horizontal("intended_ns", "sent_ns") - EARLY_NS)
    | (pl.min_horizontal("first_byte_ns", "first_token_ns") < pl.max_horizontal("intended_ns", "sent_ns") - EARLY_NS)
    | (pl.max_horizontal("first_byte_ns", "first_token_ns") > pl.col("end_ns") + EARLY_NS)
    | (pl.col("token_gaps_ns").list.min() < 0)
    | (pl.col("outcome").is_in(GOOD) & pl.col("sent_ns").is_null())
).fill_null(value=False)
"""Records whose times contradict each other."""


@dataclass(frozen=True, slots=True)
class ArrivalCounts:
    """How many arrivals there were.

    Attributes:
        expected: how many were intended; None if nothing says so.
        lost: of the missing, how many were owed by workers that were lost.
        duplicated: records beyond the first of an arrival.
        doubtful: how many are not beyond doubt, the missing ones included.
    """

    expected: int | None
    recorded: int
    missing: int
    lost: int
    duplicated: int
    unsent: int
    doubtful: int


@dataclass(frozen=True, slots=True)
class Arrivals:
    """The account of all arrivals.

    Attributes:
        doubts: in words; while there is any, no PASS.
        requests: all records, each arrival once.
        sure: those of them that are beyond doubt.
    """

    counts: ArrivalCounts
    generator: GeneratorHealth
    doubts: tuple[str, ...]
    requests: pl.DataFrame
    sure: pl.DataFrame


def account(history: History, *, objective_s: float | None = None, span: tuple[int, int] | None = None) -> Arrivals:
    """Account for every arrival, or for those intended in `span`, the end not included.

    `objective_s` is the shortest latency that is to be judged, if any is.
    """
    table = history.requests.filter(OF_ARRIVALS)
    if span:
        table = table.filter(meant_within(*span))
    once = _best_of_each(table)
    lost = dict(_lost(history, once, span))
    expected, missing, doubts = _expected(history, once, span, lost=sum(lost.values()))
    doubts = [*_losses(history, lost), *doubts]
    samples = history.generator
    if span:
        samples = tuple(sample for sample in samples if span[0] < sample.at_ns <= span[1] + NS)
    generator = health_of(once, samples, objective_s=objective_s)
    unsent = once.filter(pl.col("outcome") == "unsent").height
    if impossible := once.filter(IMPOSSIBLE).height:
        doubts.append(f"{plural(impossible, 'record')} with times that cannot be: sent or ended before it was intended")
    if duplicates := table.height - once.height:
        doubts.append(f"{duplicates} arrivals have more than one record")
    if unsent:
        doubts.append(f"{unsent} arrivals were never sent, or not passed on to the service")
    doubts.extend(generator.doubts)
    if objective_s is not None:
        doubts.extend(
            f"traffic {stream.name} is a closed loop: a slow answer holds the next request back, which flatters latency"
            for stream in history.streams
            if is_closed(stream)
        )
    if not table.is_empty():
        doubts.extend(disorder(history))
    # What started late may be slow by the generator's own doing, even if so few did that it kept up.
    late = (generator.lag_limit_s * 1e9 < LAG_NS).fill_null(value=False)
    sure = once.filter(SENT & ~IMPOSSIBLE & ~late)
    counts = ArrivalCounts(
        expected,
        once.height,
        missing,
        min(missing, sum(lost.values())),
        duplicates,
        unsent,
        doubtful=once.height - sure.height + missing,
    )
    return Arrivals(counts, generator, tuple(doubts), once, sure)


@once
def hollow_answers(history: History) -> pl.DataFrame:
    """Full answers of which nobody says that they are whole (`hollow`), by what was usual before anything was done."""
    moments = [fault.begin_ns for fault in history.faults]
    moments += [phase.end_ns for phase in history.phases if phase.name == "baseline" and phase.end_ns is not None]
    return hollow(history.requests, min(moments, default=history.began_ns))


def _best_of_each(table: pl.DataFrame) -> pl.DataFrame:
    keys = ["stream", "id"]
    if table.group_by("stream").agg(pl.col("id").n_unique()).select(pl.col("id").sum()).item() == table.height:
        return table
    rank = pl.col("outcome").replace_strict(FATES, list(range(len(FATES))), return_dtype=pl.Int64)
    return table.sort(rank, maintain_order=True).unique(keys, keep="first", maintain_order=True)


def _expected(
    history: History, once: pl.DataFrame, span: tuple[int, int] | None, *, lost: int
) -> tuple[int | None, int, list[str]]:
    """How many arrivals were intended, how many of them have no record, and what is doubtful about that.

    Why the `lost` ones have none is said elsewhere.
    """
    doubts: list[str] = []
    known = {stream.name for stream in history.streams}
    if strays := once.filter(~pl.col("stream").is_in(known)).height:
        doubts.append(f"{strays} records belong to no stream of this trial")
    rows = {stream.name: once.filter(pl.col("stream") == stream.name) for stream in history.streams}
    counts = [_stream_count(stream, rows[stream.name], span, doubts) for stream in history.streams]
    known_counts = [count for count in counts if count is not None]
    # The generator's last word is of the whole trial: it says nothing about a part.
    due = None if span else _due(history)
    expected = sum(known_counts) if len(known_counts) == len(counts) and (counts or not span) else due
    if due is not None and expected is not None and due != expected:
        doubts.append(f"the generator counted {due} arrivals, the streams {expected}")
        expected = max(due, expected)
    if expected is None:
        doubts.append("nothing says how many arrivals were intended")
        return None, 0, doubts
    missing = expected - once.height
    if missing > lost:
        doubts.append(f"{missing - lost} of {expected} intended arrivals have no record")
    elif missing < 0:
        doubts.append(f"{-missing} records more than the {expected} intended arrivals")
    return expected, max(0, missing), doubts


def _lost(history: History, once: pl.DataFrame, span: tuple[int, int] | None) -> Iterator[tuple[int, int]]:
    """Each worker that was lost, and how many arrivals that were its own have no record.

    Arrival k of a stream is of the worker whose number k leaves when divided by their count.
    """
    for worker in history.load_workers:
        if worker.lost_ns is None:
            continue
        owed = 0
        for stream in history.streams:
            if is_closed(stream) or stream.end_ns is None:
                continue
            begin_ns, end_ns = span or (stream.begin_ns, stream.end_ns)
            last = arrivals_within(stream, stream.begin_ns, end_ns)
            first = arrivals_within(stream, stream.begin_ns, begin_ns)
            own = (pl.col("stream") == stream.name) & (pl.col("id") % worker.workers == worker.number)
            within = pl.col("id").is_between(first, last, closed="left")
            owed += len(range(first + (worker.number - first) % worker.workers, last, worker.workers))
            owed -= once.filter(own & within).height
        yield worker.number, max(0, owed)


def _losses(history: History, lost: Mapping[int, int]) -> Iterator[str]:
    for worker in history.load_workers:
        if worker.number in lost:
            count = plural(lost[worker.number], "arrival")
            yield f"worker {worker.number} of the generator was lost, and {count} of its own with it: {worker.lost}"


def _due(history: History) -> int | None:
    """How many arrivals all workers of the generator say were due; None unless each has had its last word."""
    lasts = last_samples(history)
    if any(worker.lost_ns is not None for worker in history.load_workers):
        return None  # a lost one counted to its own end, or not at all
    return sum(last.due for last in lasts) if lasts and all(last.final for last in lasts) else None


def _stream_count(stream: Stream, rows: pl.DataFrame, span: tuple[int, int] | None, doubts: list[str]) -> int | None:
    """How many arrivals the stream intends, None if it has neither a plan that holds nor an end."""
    if stream.end_ns is None:
        doubts.append(f"traffic {stream.name} has no recorded end")
        return None
    if misplaced := out_of_place(stream, rows):
        if stream.plan is not None:
            doubts.append(f"{misplaced} records of traffic {stream.name} are not where its plan puts them")
        return None
    if is_closed(stream):
        return rows.height
    begin_ns, end_ns = span or (stream.begin_ns, stream.end_ns or 0)
    count = arrivals_within(stream, begin_ns, end_ns)
    if span is None and (odd := rows.filter((pl.col("id") < 0) | (pl.col("id") >= count)).height):
        doubts.append(f"{odd} records of traffic {stream.name} lie outside of its time")
    return count
