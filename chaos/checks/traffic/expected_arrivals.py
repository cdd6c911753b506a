"""The arrivals that a stream was to have, by its plan alone."""

from __future__ import annotations

import functools
import json

import polars as pl

from chaos.history import Stream
from loadgen.shapes import Steady, shape_from_plain
from loadgen.shapes.base import Shape
from loadgen.shapes.users import Users

__all__ = ["TOLERANCE_NS", "arrivals_before", "arrivals_within", "is_closed", "out_of_place", "shape_of"]

TOLERANCE_NS = 1_000
"""Room for the rounding of an arrival's intended time."""


def shape_of(stream: Stream) -> Shape:
    """The shape of a stream; a record without a plan is of a steady one."""
    return Steady(stream.rate_rps) if stream.plan is None else _shape(json.dumps(stream.plan))


@functools.lru_cache(maxsize=32)
def _shape(plan: str) -> Shape:
    return shape_from_plain(json.loads(plan))


def is_closed(stream: Stream) -> bool:
    """Whether it is a closed loop: nothing was planned, and what came depended on the service."""
    return isinstance(shape_of(stream), Users)


def arrivals_before(stream: Stream, at_ns: int) -> int:
    """How many arrivals the plan has before a moment, had the stream not ended."""
    return shape_of(stream).count(at_ns - stream.begin_ns)


def arrivals_within(stream: Stream, begin_ns: int, end_ns: int) -> int:
    """How many arrivals the plan has in a span, none after the stream's end."""
    last_ns = end_ns if stream.end_ns is None else min(end_ns, stream.end_ns)
    return max(0, arrivals_before(stream, last_ns) - arrivals_before(stream, begin_ns))


def out_of_place(stream: Stream, rows: pl.DataFrame) -> int:
    """How many of the stream's records do not stand where the plan has the arrival of their number."""
    if rows.is_empty() or is_closed(stream):
        return 0
    shape, number = shape_of(stream), pl.col("id")
    if isinstance(shape, Steady):
        planned = (number * 1e9 / shape.rate_rps).round().cast(pl.Int64)
        return int(rows.select(((pl.col("intended_ns") - stream.begin_ns - planned).abs() > TOLERANCE_NS).sum()).item())
    first, last = rows.select(number.min()).item(), rows.select(number.max()).item()
    numbers = range(max(0, first), max(0, last) + 1)
    plan = pl.DataFrame({"id": numbers, "planned": [shape.offset_ns(k) for k in numbers]})
    beside = rows.select("id", "intended_ns").join(plan, on="id", how="left")
    apart = (pl.col("intended_ns") - stream.begin_ns - pl.col("planned")).abs()
    return int(beside.select((apart.is_null() | (apart > TOLERANCE_NS)).sum()).item())
