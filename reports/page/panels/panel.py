"""One panel of the timeline: a drawing, the labels around it, its read-out, and the table behind it."""

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from reports import formatting as words
from reports.model.parts import Buckets, Missing, StepLine
from reports.page.svg import MS, Linear, Log, Segment, Tick, TimeAxis, columns_path, nice_steps, segments_path

__all__ = [
    "Hole",
    "Panel",
    "Readout",
    "Spot",
    "Table",
    "bucket_path",
    "bucket_readout",
    "bucket_table",
    "counts_scale",
    "ends",
    "holes",
    "last_known",
    "readout",
    "spread",
    "steps_path",
    "table",
    "thinned",
]

LABEL_PX = 14.0
"""The height of a label beside the end of a line."""

Readout = tuple[tuple[int, str], ...]
"""What holds from a moment (ms) on, in words, in order of time."""


@dataclass(frozen=True, slots=True)
class Spot:
    """A word or sign at one moment of the drawing; `side` is where its text goes."""

    percent: float
    ms: int
    top: float
    text: str
    css: str
    side: str = "right"
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Hole:
    """A span without data, and why; over the whole panel unless it says which part of it."""

    begin_ms: int
    end_ms: int
    left: float
    width: float
    reason: str
    top: float = 0.0
    height: float | None = None


@dataclass(frozen=True, slots=True)
class Table:
    """Head and rows, as text."""

    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    note: str = ""


@dataclass(frozen=True, slots=True)
class Panel:
    """All that the page needs to show one panel. `empty` says why there is no drawing; `key` names the marks."""

    id: str
    title: str
    note: str
    height: float
    drawing: Markup
    levels: tuple[Tick, ...] = ()
    ends: tuple[tuple[Tick, str], ...] = ()
    spots: tuple[Spot, ...] = ()
    holes: tuple[Hole, ...] = ()
    readout: Readout = ()
    table: Table = Table((), ())
    key: tuple[tuple[str, str], ...] = ()
    empty: str = ""
    lanes: bool = False


def holes(
    missing: Iterable[Missing], axis: TimeAxis, *, top: float = 0.0, height: float | None = None
) -> tuple[Hole, ...]:
    """Spans without data, placed on the axis."""
    placed = ((axis.x(hole.begin_ns), axis.x(hole.end_ns), hole) for hole in missing)
    return tuple(
        Hole(a, b, axis.percent(hole.begin_ns), round(100 * (b - a) / axis.span_ms, 3), hole.reason, top, height)
        for a, b, hole in placed
        if b > a
    )


def spread(labels: Sequence[tuple[Tick, str]], height: float) -> tuple[tuple[Tick, str], ...]:
    """Move labels apart until none overlaps, keeping their order, inside the panel as far as it holds them."""
    placed = sorted(labels, key=lambda label: label[0].at)
    places = [tick.at for tick, _ in placed]
    for k in range(1, len(places)):
        places[k] = max(places[k], places[k - 1] + LABEL_PX)
    if places and places[-1] > height:
        places[-1] = height
        for k in range(len(places) - 2, -1, -1):
            places[k] = min(places[k], places[k + 1] - LABEL_PX)
    return tuple((Tick(round(at, 1), tick.label), css) for at, (tick, css) in zip(places, placed, strict=True))


def bucket_table(
    buckets: Buckets, head: Iterable[str], row: Callable[[int], tuple[str, ...] | None], note: str = ""
) -> Table:
    """One row a bucket: begin in UTC and since the trial began, then what `row` returns; none where that is None."""
    rows = []
    for k in range(buckets.count):
        cells = row(k)
        if cells is not None:
            at_ns = buckets.begin_ns + k * buckets.width_ns
            rows.append((words.clock(at_ns), words.elapsed(at_ns, buckets.begin_ns, digits=0), *cells))
    return Table(("from (UTC)", "T+", *head), tuple(rows), note)


def bucket_readout(buckets: Buckets, text_of: Callable[[int], str]) -> Readout:
    """The text of each bucket, where it differs from that of the bucket before."""
    texts: list[tuple[int, str]] = []
    for k in range(buckets.count):
        text = text_of(k)
        if not texts or texts[-1][1] != text:
            texts.append((k * buckets.width_ns // MS, text))
    return tuple(texts)


def bucket_path(
    column: Sequence[float | None], scale: Linear | Log, buckets: Buckets, axis: TimeAxis, *, floor: float | None = None
) -> str:
    """A column of one value a bucket as a step line, open where it is None; filled down to `floor` if one is given."""
    places = [None if value is None else scale.y(value) for value in column]
    return columns_path(places, buckets.width_ns // MS, axis.span_ms, floor=floor)


def last_known(column: Sequence[float | None]) -> float | None:
    """The last value that is not None."""
    return next((value for value in reversed(column) if value is not None), None)


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
    texts: list[tuple[int, str]] = []
    for moment in sorted({0, *edges, *also}):
        text = ", ".join(f"{name} {at(line, moment)}" for name, line in pieces.items())
        texts.append((moment, text + (more(moment) if more else "")))
    return tuple(texts)


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
