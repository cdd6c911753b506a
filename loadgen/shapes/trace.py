"""Replay of recorded traffic: arrival times, and how large each request was, from a CSV file."""

from __future__ import annotations

import bisect
import csv
import itertools
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes.base import NEVER_NS, Point, Shape, Size

__all__ = ["ARRIVALS_MAX", "SIZE_MAX", "Replay", "read_trace"]

ARRIVALS_MAX = 200_000
"""A trace travels to the generator, and into the journal, in one line."""

SIZE_MAX = 1_000_000
"""Bytes or tokens of one request: larger ones are no load, but a test of limits."""


@dataclass(frozen=True, slots=True)
class Replay(Shape):
    """Arrivals exactly where a trace has them, in ns after the begin; none after its last.

    `sizes` are those of the arrivals in the same order, or empty. Raises `UsageError` for moments that go back, or a
    size out of [0, 1e6].
    """

    offsets_ns: tuple[int, ...]
    sizes: tuple[Size, ...] = ()

    def __post_init__(self) -> None:
        if not 0 < len(self.offsets_ns) <= ARRIVALS_MAX:
            raise UsageError(f"Replay: {len(self.offsets_ns)} arrivals are not in 1..{ARRIVALS_MAX}", "cut the trace")
        if self.offsets_ns[0] < 0 or any(there < here for here, there in itertools.pairwise(self.offsets_ns)):
            raise UsageError("Replay: its moments go back, or begin before 0", "sort the trace by arrival time")
        if self.sizes and len(self.sizes) != len(self.offsets_ns):
            raise UsageError(f"Replay: {len(self.sizes)} sizes for {len(self.offsets_ns)} arrivals")
        for number, size in enumerate(self.sizes):
            if any(value is not None and not 0 <= value <= SIZE_MAX for value in size):
                raise UsageError(f"Replay: arrival {number} has a size out of 0..{SIZE_MAX}")

    def offset_ns(self, index: int) -> int:
        return self.offsets_ns[index] if index < len(self.offsets_ns) else NEVER_NS

    def count(self, span_ns: int) -> int:
        return bisect.bisect_left(self.offsets_ns, span_ns)

    def size(self, index: int) -> Size | None:
        return self.sizes[index] if self.sizes else None

    @property
    def rate_profile(self) -> tuple[Point, ...]:
        """See `Shape.rate_profile`: a trace has moments, but no rate."""
        return ()

    @property
    def words(self) -> str:
        return f"replay of {len(self.offsets_ns)} arrivals over {self.offsets_ns[-1] / NS:.1f} s"

    def plain(self) -> dict[str, Any]:
        return {"kind": "replay", "offsets_ns": list(self.offsets_ns), "sizes": [list(size) for size in self.sizes]}

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Replay:
        """The trace that `plain` described. Raises `UsageError` if it is none."""
        try:
            return cls(tuple(map(int, data["offsets_ns"])), tuple(Size(*size) for size in data["sizes"]))
        except (KeyError, TypeError, ValueError):
            raise UsageError("shape: replay without offsets_ns and sizes") from None


def read_trace(path: Path, *, speed: float = 1.0) -> Replay:
    """Read a CSV file: column `at_s` (seconds from the begin), if wanted `size_in` and `size_out`, a line an arrival.

    `size_in` and `size_out` are bytes of the body for profile `http` (which has no `size_out`), and tokens for
    `openai-chat`. `speed` above 1 lets time run faster. Raises `UsageError`, naming the line, for anything else.
    """
    if not speed > 0:
        raise UsageError(f"speed: {speed} is not above 0")
    offsets, sizes = [], []
    with path.open(newline="") as file:
        rows = csv.DictReader(file)
        names = set(rows.fieldnames or ())
        if "at_s" not in names:
            raise UsageError(f"{path}: no column at_s in its first line", "write at_s,size_in,size_out")
        for row in rows:
            try:
                offsets.append(round(float(row["at_s"]) / speed * NS))
                sizes.append(Size(_number(row.get("size_in")), _number(row.get("size_out"))))
            except (TypeError, ValueError, OverflowError):
                raise UsageError(f"{path}, line {rows.line_num}: not an arrival: {row}") from None
    return Replay(tuple(offsets), tuple(sizes) if names & {"size_in", "size_out"} else ())


def _number(text: str | None) -> int | None:
    return int(text) if text else None
