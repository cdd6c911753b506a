"""Reading requests.jsonl into a table, a row a request."""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl
from pydantic_core import from_json

from chaos.history.model import REQUEST_SCHEMA
from chaos.history.reading.jsonl import damaged, whole_lines

__all__ = ["OUTCOMES", "read_requests"]

OUTCOMES = ("ok", "late", "failed", "refused", "truncated", "unanswered", "unsent")
"""Every fate that a request may have, as docs/run-folder.md explains them."""

REQUIRED = ("id", "stream", "intended_ns", "end_ns", "outcome")


def read_requests(path: Path) -> tuple[pl.DataFrame, str]:
    """Read the file, and give a remark, empty if there is none.

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
    return "a field is not of its type"
