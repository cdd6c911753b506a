"""Files of recorded traffic: our own CSV, Azure's LLM inference traces, Mooncake's; each by its first line.

Azure (github.com/Azure/AzurePublicDataset, AzureLLMInferenceDataset2023 and 2024): CSV with the columns TIMESTAMP,
ContextTokens and GeneratedTokens; the stamps of 2024 have a time zone, those of 2023 seven digits of a second.
Mooncake (github.com/kvcache-ai/Mooncake): a JSON object a line, with timestamp (ms), input_length, output_length and
hash_ids, one for each block of 512 tokens: requests whose first ids are the same begin with the same text.
"""

from __future__ import annotations

import csv
import json
import math
import operator
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple, TextIO

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes.base import Size
from loadgen.shapes.trace import ARRIVALS_MAX, BLOCKS_MAX, SIZE_MAX, Replay

__all__ = ["read_lengths", "read_trace"]

OWN, AZURE = ("at_s", "size_in", "size_out"), ("TIMESTAMP", "ContextTokens", "GeneratedTokens")
LINE_MAX = 4 * 1024 * 1024
"""Characters of a line: memory is bounded, whatever a file holds."""


class _Arrival(NamedTuple):
    at_s: float
    size: Size


def read_trace(
    path: Path, *, speed: float = 1.0, from_s: float = 0.0, for_s: float = math.inf, size_max: int | None = None
) -> Replay:
    """Read a trace: our own CSV (`at_s` from the begin, if wanted `size_in` and `size_out`), Azure's or Mooncake's.

    Sizes are bytes of the body for profile `http` (which has no `size_out`), else tokens. `from_s` and `for_s` cut a
    span out of a long trace, by its own time; `speed` above 1 lets time run faster; sizes over `size_max` are cut to
    it, for a model with a short context. Azure's and Mooncake's arrivals are sorted. Raises `UsageError`, naming the
    line, for a line that is no arrival.
    """
    if not speed > 0:
        raise UsageError(f"speed: {speed} is not above 0")
    if not (from_s >= 0 and for_s > 0) or (size_max is not None and size_max < 1):
        raise UsageError(f"{path}: from_s {from_s:g}, for_s {for_s:g} or size_max {size_max} is out of range")
    with _opened(path) as file:
        arrivals, is_own = _arrivals(path, file)
        # The first line of an unsorted trace need not be its first arrival.
        found = list(_within(path, arrivals, from_s or -math.inf, from_s + for_s))
    if not found:
        raise UsageError(f"{path}: no arrival from {from_s:g} s on for {for_s:g} s", "give another from_s or for_s")
    begin_s = from_s
    if not is_own:
        found.sort(key=lambda one: one.at_s)
        begin_s = min(from_s, found[0].at_s)
    offsets = tuple(round((one.at_s - begin_s) / speed * NS) for one in found)
    sizes = tuple(_cut(one.size, size_max) for one in found)
    return Replay(offsets, sizes if any(size != Size(None, None) for size in sizes) else ())


def read_lengths(path: Path, name: str) -> tuple[int, ...]:
    """The lengths (`size_in` or `size_out`) of a trace, at most 10,000 of them, evenly chosen; none of zero.

    Raises `UsageError` as `read_trace` does, and where the trace has none.
    """
    with _opened(path) as file:
        arrivals, _ = _arrivals(path, file)
        lengths = [value for one in arrivals if (value := getattr(one.size, name))]
    if not lengths:
        raise UsageError(f"{path}: has no {name}")
    return tuple(lengths[:: -(-len(lengths) // 10_000)])


def _opened(path: Path) -> TextIO:
    if path.exists() and not path.is_file():
        raise UsageError(f"{path}: is no file", "name a trace file")  # what has no end would be read without one
    try:
        return path.open(encoding="utf-8-sig", errors="replace", newline="")
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}", "name a trace file") from None


def _arrivals(path: Path, file: TextIO) -> tuple[Iterator[_Arrival], bool]:
    """Its arrivals, and whether it is of our own format."""
    first = file.readline(LINE_MAX)
    file.seek(0)
    if first.lstrip().startswith("{"):
        return _mooncake(path, _lines(path, file)), False
    rows = csv.DictReader(_lines(path, file))
    try:
        rows.fieldnames = names = [name.strip() for name in rows.fieldnames or ()]
    except csv.Error as error:
        raise _no_arrival(path, 1, error) from None
    if set(AZURE) <= set(names):
        return _table(path, rows, AZURE), False
    if "at_s" in names:
        return _table(path, rows, OWN), True
    raise UsageError(
        f"{path}: no column at_s in its first line, nor {', '.join(AZURE)}, and no JSON objects",
        "write at_s,size_in,size_out",
    )


def _table(path: Path, rows: csv.DictReader[str], columns: tuple[str, str, str]) -> Iterator[_Arrival]:
    origin_s: float | None = None
    try:
        for row in rows:
            try:
                at_s = _moment_s(row[columns[0]])
                if columns == AZURE:
                    origin_s = at_s if origin_s is None else origin_s
                    at_s -= origin_s
                yield _arrival(at_s, row.get(columns[1]), row.get(columns[2]))
            except (TypeError, ValueError, OverflowError) as error:
                raise _no_arrival(path, rows.line_num, error) from None
    except csv.Error as error:  # the reader has not counted the line yet
        raise _no_arrival(path, rows.line_num + 1, error) from None


def _lines(path: Path, file: TextIO) -> Iterator[str]:
    """Its lines. Raises `UsageError` for one without an end in sight."""
    number = 0
    while line := file.readline(LINE_MAX + 1):
        number += 1
        if len(line) > LINE_MAX:
            raise _no_arrival(path, number, ValueError(f"it is longer than {LINE_MAX} characters"))
        yield line


def _mooncake(path: Path, lines: Iterator[str]) -> Iterator[_Arrival]:
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        try:
            data: dict[str, Any] = json.loads(line)
            blocks = map(operator.index, data.get("hash_ids") or ())
            one = _arrival(float(data["timestamp"]) / 1000, data["input_length"], data["output_length"])
            yield one._replace(size=one.size._replace(blocks=tuple(blocks)))
        except (TypeError, ValueError, KeyError, AttributeError, OverflowError, RecursionError) as error:
            raise _no_arrival(path, number, error) from None


def _no_arrival(path: Path, line: int, error: Exception) -> UsageError:
    why = f"no {error}" if isinstance(error, KeyError) else str(error)
    return UsageError(f"{path}, line {line}: not an arrival: {' '.join(why.split())[:120]}")


def _arrival(at_s: float, size_in: object, size_out: object) -> _Arrival:
    if not math.isfinite(at_s):
        raise ValueError(f"its time is {at_s}")
    return _Arrival(at_s, Size(_number(size_in), _number(size_out)))


def _moment_s(text: str) -> float:
    """Seconds, or a stamp such as `2023-11-16 18:15:46.6805900` or `2024-05-10 00:00:00.009930+00:00`."""
    try:
        return float(text)
    except ValueError:
        at = datetime.fromisoformat(text.strip())
    return (at if at.tzinfo else at.replace(tzinfo=UTC)).timestamp()


def _number(value: object) -> int | None:
    """A size; empty: none. Raises `ValueError` for one that is none."""
    if value is None or value == "":
        return None
    number = float(value) if isinstance(value, str | int | float) and not isinstance(value, bool) else math.nan
    if not (0 <= number <= SIZE_MAX and number == int(number)):
        raise ValueError(f"{value!r} is no size from 0 to {SIZE_MAX}")
    return int(number)


def _within(path: Path, arrivals: Iterator[_Arrival], begin_s: float, end_s: float) -> Iterator[_Arrival]:
    blocks = 0
    for count, one in enumerate((one for one in arrivals if begin_s <= one.at_s < end_s), start=1):
        blocks += len(one.size.blocks)
        if count > ARRIVALS_MAX or blocks > BLOCKS_MAX:
            most = f"{ARRIVALS_MAX} arrivals" if count > ARRIVALS_MAX else f"{BLOCKS_MAX} blocks of text"
            raise UsageError(f"{path}: over {most}", "cut a span out of it: from_s, for_s")
        yield one


def _cut(size: Size, most: int | None) -> Size:
    if most is None:
        return size
    size_in, size_out = (None if value is None else min(value, most) for value in (size.size_in, size.size_out))
    return Size(size_in, size_out, size.blocks)
