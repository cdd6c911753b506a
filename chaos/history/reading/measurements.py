"""Reading what was measured: requests.jsonl into a table, a row a request; and the other samples."""

import io
import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl
from pydantic_core import from_json

from chaos.history.metrics import MetricsSample, MetricValues, PodUsage
from chaos.history.model import REQUEST_SCHEMA, GeneratorSample
from chaos.history.reading.jsonl import damaged, read_lines, whole_lines
from chaos.objects.quantities import milli

__all__ = [
    "OUTCOMES",
    "duration_s",
    "read_generator",
    "read_metric_values",
    "read_metrics",
    "read_requests",
    "usage_of",
]

OUTCOMES = (
    *("ok", "late", "failed", "shed", "wrong", "foreign"),
    *("refused", "truncated", "unanswered", "disconnected", "unsent"),
)
"""Every fate that a request may have, as docs/run-folder.md explains them."""

OPTIONAL = {"last_outcome": OUTCOMES, "echo": ("right", "wrong", "foreign")}
"""What these fields may say, where they say anything."""

REQUIRED = ("id", "stream", "intended_ns", "end_ns", "outcome")

_PARTS = re.compile(r"([0-9.]+)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def read_requests(path: Path) -> tuple[pl.DataFrame, str]:
    """Read requests.jsonl, and give a remark, empty if there is none.

    Raises `UsageError`, with the line, for a whole line that is not as docs/run-folder.md says.
    """
    data, remark = whole_lines(path)
    if not data:
        return pl.DataFrame(schema=REQUEST_SCHEMA), remark
    table = _table(data)
    if table is None:
        raise _first_fault(path, data)
    return table, remark


def _table(data: bytes) -> pl.DataFrame | None:
    """The lines as a table, None if any of them is not as described."""
    try:
        table = pl.read_ndjson(io.BytesIO(data), schema=REQUEST_SCHEMA)
    except pl.exceptions.PolarsError:
        return None
    unusable = pl.any_horizontal(pl.col(REQUIRED).is_null()) | ~pl.col("outcome").is_in(OUTCOMES)
    unusable |= pl.any_horizontal(~pl.col(name).is_in(known).fill_null(value=True) for name, known in OPTIONAL.items())
    if table.height != data.count(b"\n") or table.select(unusable.any()).item():
        return None
    return table


def _first_fault(path: Path, data: bytes) -> Exception:
    """Find the first line that is to blame, by halving."""
    lines = data.splitlines(keepends=True)
    first, last = 0, len(lines)
    while last - first > 1:
        middle = (first + last) // 2
        if _table(b"".join(lines[first:middle])) is None:
            last = middle
        else:
            first = middle
    return damaged(path, first + 1, _complaint(lines[first]))


def _complaint(line: bytes) -> str:
    try:
        record = from_json(line)
    except ValueError as error:
        return f"no JSON: {error}"
    if not isinstance(record, dict):
        return "no JSON object"
    if missing := [name for name in REQUIRED if record.get(name) is None]:
        return f"field {missing[0]!r} is missing"
    if record["outcome"] not in OUTCOMES:
        return f"outcome {record['outcome']!r} is not one of {', '.join(OUTCOMES)}"
    for name, known in OPTIONAL.items():
        if record.get(name) is not None and record[name] not in known:
            return f"{name} {record[name]!r} is not one of {', '.join(known)}"
    return "a field is not of its type"


def read_generator(path: Path) -> tuple[tuple[GeneratorSample, ...], str]:
    """Read generator.jsonl. Returns and raises as `read_requests` does."""
    samples: list[GeneratorSample] = []

    def take(line: dict[str, Any]) -> None:
        samples.append(
            GeneratorSample(
                at_ns=line["at_ns"],
                due=line["due"],
                sent=line["sent"],
                done=line["done"],
                in_flight=line["in_flight"],
                lag_p50_ns=line.get("lag_p50_ns"),
                lag_p99_ns=line.get("lag_p99_ns"),
                lag_max_ns=line.get("lag_max_ns"),
                cpu_share=line["cpu_share"],
                final=bool(line.get("final", False)),
                opened=line.get("opened"),
                reused=line.get("reused"),
                worker=line.get("worker", 0),
            )
        )

    remark = read_lines(path, take)
    return tuple(samples), remark


def read_metrics(path: Path) -> tuple[tuple[MetricsSample, ...], str]:
    """Read metrics.jsonl, which only some runs have. Returns and raises as `read_requests` does."""
    samples: list[MetricsSample] = []

    def take(line: dict[str, Any]) -> None:
        at_ns, asked_ns = line["at_ns"], line["asked_ns"]
        if "error" in line:
            samples.append(MetricsSample(at_ns, asked_ns, {}, str(line["error"])))
        elif line.get("same"):
            if not samples:
                raise ValueError("the first line says that it is the same as the one before")
            samples.append(MetricsSample(at_ns, asked_ns, samples[-1].pods))
        else:
            samples.append(MetricsSample(at_ns, asked_ns, {one["name"]: usage_of(one) for one in line["pods"]}))

    if not path.exists():
        return (), ""
    remark = read_lines(path, take)
    return tuple(samples), remark


def read_metric_values(path: Path) -> tuple[tuple[MetricValues, ...], str]:
    """Read custom-metrics.jsonl, which only some runs have. Returns and raises as `read_requests` does."""
    found: list[MetricValues] = []

    def take(line: dict[str, Any]) -> None:
        values = line.get("values") or ()
        stamps = [datetime.fromisoformat(one["timestamp"]).timestamp() for one in values if one.get("timestamp")]
        found.append(
            MetricValues(
                at_ns=line["at_ns"],
                asked_ns=line["asked_ns"],
                metric=line["metric"],
                values=tuple((str(one.get("object", "")), milli(str(one["value"]))) for one in values),
                stamp_s=max(stamps, default=None),
                error=str(line.get("error", "")),
            )
        )

    if not path.exists():
        return (), ""
    remark = read_lines(path, take)
    return tuple(found), remark


def usage_of(raw: Mapping[str, Any]) -> PodUsage:
    """What one pod used. Raises `KeyError`, `TypeError` or `ValueError` for what says nothing of it."""
    return PodUsage(
        stamp_s=datetime.fromisoformat(raw["timestamp"]).timestamp(),
        window_s=duration_s(raw["window"]),
        containers={
            one["name"]: {name: milli(str(quantity)) for name, quantity in one["usage"].items()}
            for one in raw["containers"]
        },
    )


def duration_s(text: str) -> float:
    """A duration as Kubernetes writes it, e.g. `10.032s` or `1m0.5s`. Raises `ValueError` for what is none."""
    parts = _PARTS.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
