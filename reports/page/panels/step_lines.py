"""What panels of step lines share: their paths, the labels at their ends, their read-out and their table."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Mapping, Sequence

from reports.model.parts import StepLine
from reports.page.panels.panel import Readout, Table, spread
from reports.page.svg.marks import Segment, segments_path
from reports.page.svg.scales import Linear, Tick, TimeAxis, nice_steps
from reports.text import formatting as words

__all__ = ["counts_scale", "ends", "readout", "steps_path", "table", "thinned"]

NOT_KNOWN = "not known"
Pieces = Mapping[str, Sequence[Segment]]
"""Step lines by name, as the spans over which they hold a known value."""


def counts_scale(pieces: Pieces, height: float, pad: float) -> tuple[Linear, list[float]]:
    """A scale for whole numbers, and its levels."""
    most = max((value for line in pieces.values() for _, _, value in line), default=1.0)
    steps = [step for step in nice_steps(max(most, 1.0), 4) if step == int(step)]
    return Linear(max(steps[-1], 1.0), height, pad), steps


def steps_path(line: Sequence[Segment], scale: Linear, *, floor: float | None = None) -> str:
    """The path of one line; filled down to `floor` if one is given."""
    return segments_path(((a, b, scale.y(value)) for a, b, value in line), floor=floor)


def ends(
    pieces: Pieces, scale: Linear, height: float, css: Mapping[str, str], unit: str = ""
) -> tuple[tuple[Tick, str], ...]:
    """The name and the last value of each line, beside its end."""
    labels = [
        (Tick(scale.y(line[-1][2]), f"{name} {line[-1][2]:g}{unit}"), css[name])
        for name, line in pieces.items()
        if line and name in css
    ]
    return spread(labels, height)


def readout(
    pieces: Pieces,
    axis: TimeAxis,
    *,
    unit: str = "",
    more: Callable[[int], str] | None = None,
    also: Sequence[int] = (),
) -> Readout:
    """All values at each moment at which one changes; `more` adds words, which change at the moments `also`."""

    def at(line: Sequence[Segment], moment: int) -> str:
        k = bisect_right(line, moment, key=lambda piece: piece[0]) - 1
        return f"{line[k][2]:g}{unit}" if k >= 0 and moment < line[k][1] else NOT_KNOWN

    edges = (edge for line in pieces.values() for a, b, _ in line for edge in (a, b) if edge < axis.span_ms)
    told: list[tuple[int, str]] = []
    for moment in sorted({0, *edges, *also}):
        said = ", ".join(f"{name} {at(line, moment)}" for name, line in pieces.items())
        told.append((moment, said + (more(moment) if more else "")))
    return tuple(told)


def table(lines: Mapping[str, StepLine], *, unit: str = "", head: str = "value") -> Table:
    """Every change of every line, and the spans in which it is not known, in order of time."""
    rows = [
        (at, (words.stamp(at), name, f"{value}{unit}")) for name, line in lines.items() for at, value in line.points
    ]
    rows += [
        (hole.begin_ns, (words.stamp(hole.begin_ns), name, f"{NOT_KNOWN} until {words.stamp(hole.end_ns)}"))
        for name, line in lines.items()
        for hole in line.missing
    ]
    return Table(("from (UTC)", "what", head), tuple(row for _, row in sorted(rows, key=lambda row: row[0])))


def thinned(what: str, slot_ns: int) -> str:
    """What is shown where there were too many changes to draw."""
    return f"; the {what} in each {words.duration(slot_ns / 1e9)}" if slot_ns else ""
