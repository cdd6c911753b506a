"""SVG marks as strings of numbers: pure functions, with no text in them but class names and fault ids.

The drawing plane of a panel is as wide as the trial in milliseconds and as high as the panel in pixels; the page
stretches it across, so strokes do not scale and round dots are strokes of no length.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from markupsafe import Markup, escape

from reports.model.parts import FaultBand, Missing, StepLine
from reports.page.svg.scales import TimeAxis

__all__ = ["Segment", "bands", "columns_path", "drawing", "less", "path", "rects", "rules", "segments", "segments_path"]

RESULTS = ("finished", "blocked", "stopped", "failed")
Segment = tuple[int, int, float]
"""From, until (ms), and the value or the place that holds between."""


def drawing(*parts: str) -> Markup:
    """Parts joined into one piece of markup."""
    return Markup("").join(Markup(part) for part in parts)  # noqa: S704  # every part is made here, of numbers and escaped ids


def path(css: str, d: str) -> str:
    """One path; nothing if there is nothing to draw."""
    return f'<path class="{css}" d="{d}"/>' if d else ""


def number(value: float) -> str:
    """Digits without a needless fraction."""
    return f"{value:.1f}".removesuffix(".0")


def rects(css: str, boxes: Iterable[tuple[float, float, float, float]]) -> str:
    """Boxes (left, top, width, height) of one class as a single path."""
    return path(css, "".join(f"M{number(x)} {number(y)}h{number(w)}v{number(h)}h-{number(w)}z" for x, y, w, h in boxes))


def rules(axis: TimeAxis, places: Iterable[float]) -> str:
    """Level lines across the whole panel."""
    return path("lvl", "".join(f"M0 {number(y)}h{axis.span_ms}" for y in places))


def bands(faults: Sequence[FaultBand], axis: TimeAxis, height: float) -> str:
    """Each fault from its begin to its end, with a line where it landed and one where its result was known.

    Lines lie over all boxes, so that no later fault covers an earlier one's.
    """
    boxes = "".join(_box(fault, axis, height) for fault in faults)
    return f'<g class="bands">{boxes}{"".join(_lines(fault, axis, height) for fault in faults)}</g>'


def _box(fault: FaultBand, axis: TimeAxis, height: float) -> str:
    begin, end = axis.x(fault.begin_ns), axis.x(fault.end_ns)
    css = "band" if fault.landed_ns is not None else "band missed"
    place = f'x="{begin}" y="0" width="{max(end - begin, 1)}" height="{number(height)}"'
    names = f'data-fault="{escape(fault.id)}" data-result="{escape(fault.result)}"'
    return f'<rect class="{css}" {names} {place}/>'


def _lines(fault: FaultBand, axis: TimeAxis, height: float) -> str:
    landed = "" if fault.landed_ns is None else path("landed", f"M{axis.x(fault.landed_ns)} 0V{number(height)}")
    css = f"result r-{fault.result}" if fault.result in RESULTS else "result"
    result = "" if fault.result_ns is None else path(css, f"M{axis.x(fault.result_ns)} 0V{number(height)}")
    return landed + result


def segments(line: StepLine, axis: TimeAxis) -> list[Segment]:
    """The spans over which a step line holds a known value, in order, cut where the record is missing."""
    ends = [at for at, _ in line.points[1:]] + [line.end_ns]
    spans = [
        (max(at, line.begin_ns), min(end, line.end_ns), float(value))
        for (at, value), end in zip(line.points, ends, strict=False)
    ]
    cut = [piece for span in spans for piece in less(span, line.missing)]
    return [(axis.x(a), axis.x(b), value) for a, b, value in cut if b > a]


def less(span: Segment, missing: Sequence[Missing]) -> list[Segment]:
    """The pieces of a span (ns) of which the record says something."""
    pieces = [span]
    for hole in missing:
        pieces = [
            part
            for a, b, value in pieces
            for part in ((a, min(b, hole.begin_ns), value), (max(a, hole.end_ns), b, value))
            if part[1] > part[0]
        ]
    return pieces


def segments_path(pieces: Iterable[Segment], *, floor: float | None = None) -> str:
    """A step line through pieces whose value is already a place; closed down to `floor` if one is given."""
    d, reached = [], None
    for a, b, y in pieces:
        if floor is not None:
            d.append(f"M{a} {number(floor)}V{number(y)}H{b}V{number(floor)}z")
        else:
            d.append(f"V{number(y)}H{b}" if reached == a else f"M{a} {number(y)}H{b}")
        reached = b
    return "".join(d)


def columns_path(places: Sequence[float | None], width_ms: int, span_ms: int, *, floor: float | None = None) -> str:
    """A step line over buckets of one width; None leaves the line open there."""
    pieces = ((k * width_ms, min((k + 1) * width_ms, span_ms), y) for k, y in enumerate(places) if y is not None)
    return segments_path(pieces, floor=floor)
