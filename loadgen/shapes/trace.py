"""Replay of recorded traffic: arrival times, and how large each request was. `trace_files` reads them."""

from __future__ import annotations

import bisect
import itertools
from dataclasses import dataclass
from typing import Any

from chaos.clock import NS
from chaos.errors import UsageError
from loadgen.shapes.base import NEVER_NS, Point, Shape, Size

__all__ = ["ARRIVALS_MAX", "SIZE_MAX", "Replay"]

ARRIVALS_MAX = 200_000
"""A trace travels to the generator, and into the journal, in one line."""

BLOCKS_MAX = 2_000_000
"""The names of blocks of all arrivals together, for the same reason."""

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
            if any(value is not None and not 0 <= value <= SIZE_MAX for value in size[:2]):
                raise UsageError(f"Replay: arrival {number} has a size out of 0..{SIZE_MAX}")
        if (blocks := sum(len(size.blocks) for size in self.sizes)) > BLOCKS_MAX:
            raise UsageError(f"Replay: {blocks} blocks of text are over {BLOCKS_MAX}", "cut the trace")

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
        sizes = [[*size[:2], *([list(size.blocks)] if size.blocks else [])] for size in self.sizes]
        return {"kind": "replay", "offsets_ns": list(self.offsets_ns), "sizes": sizes}

    @classmethod
    def from_plain(cls, data: dict[str, Any]) -> Replay:
        """The trace that `plain` described. Raises `UsageError` if it is none."""
        try:
            sizes = (
                Size(size[0], size[1], *(tuple(map(int, blocks)) for blocks in size[2:])) for size in data["sizes"]
            )
            return cls(tuple(map(int, data["offsets_ns"])), tuple(sizes))
        except (IndexError, KeyError, TypeError, ValueError):
            raise UsageError("shape: replay without offsets_ns and sizes") from None
