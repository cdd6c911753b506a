"""SVG drawing: scales from data to the drawing plane, and marks as strings of numbers.

The drawing plane of a panel is as wide as the trial in milliseconds and as high as the panel in pixels; the page
stretches it across, so strokes do not scale and round dots are strokes of no length.
"""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from markupsafe import Markup, escape

from chaos.clock import NS
from reports.model.parts import FaultBand, Missing, StepLine

__all__ = [
    "MS",
    "Linear",
    "Log",
    "Segment",
    "Tick",
    "TimeAxis",
    "axis_of",
    "bands",
    "columns_path",
    "drawing",
    "less",
    "nice_steps",
    "path",
    "rects",
    "rules",
    "segments",
    "segments_path",
    "time_ticks",
]

MS = 1_000_000
TICK_STEPS_S = (0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 21600, 86400)


@dataclass(frozen=True, slots=True)
class Tick:
    """A value with its place (down in pixels, or across in milliseconds) and its label."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class TimeAxis:
    """The one time axis of all panels, in whole milliseconds from `zero_ns`."""

    zero_ns: int
    span_ms: int

    def x(self, at_ns: int) -> int:
        """Milliseconds since the axis began, kept inside it."""
        return min(max(round((at_ns - self.zero_ns) / MS), 0), self.span_ms)

    def percent(self, at_ns: int) -> float:
        """The same as a percentage of the axis."""
        return round(100 * self.x(at_ns) / self.span_ms, 3)


@dataclass(frozen=True, slots=True)
class Linear:
    """Zero at the bottom, `top` at the head of `height` pixels, below `pad` pixels left free."""

    top: float
    height: float
    pad: float = 0.0

    def y(self, value: float) -> float:
        """Pixels from the head of the panel."""
        return round(self.height - (self.height - self.pad) * min(value / self.top, 1.0), 1)


@dataclass(frozen=True, slots=True)
class Log:
    """`low` at the bottom, `high` at the head of `height` pixels, below `pad` pixels kept for the unanswered."""

    low: float
    high: float
    height: float
    pad: float = 0.0

    def y(self, value: float) -> float:
        """Pixels from the head of the panel; infinity lies in the middle of the part kept for the unanswered."""
        if math.isinf(value):
            return round(self.pad / 2, 1)
        part = math.log10(min(max(value, self.low), self.high) / self.low) / math.log10(self.high / self.low)
        return round(self.height - (self.height - self.pad) * part, 1)

    def levels(self, gap: float = 15.0) -> list[float]:
        """Round values to label, powers of ten before 2 and 5 of each; none nearer to another than `gap` pixels."""
        low, high = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        chosen: list[float] = []
        for factor in (1, 2, 5):
            for value in (factor * 10.0**k for k in range(low, high + 1)):
                inside = self.low * 0.999 <= value <= self.high * 1.001 and self.y(value) >= self.pad + gap / 2
                if inside and all(abs(self.y(value) - self.y(other)) >= gap for other in chosen):
                    chosen.append(value)
        return sorted(chosen)


def nice_steps(top: float, most: int) -> list[float]:
    """Round values from 0 to at least `top`, at most `most` of them above zero; the last is where the scale ends."""
    raw = max(top, 1e-9) / most
    scale = 10.0 ** math.floor(math.log10(raw))
    step = next(scale * factor for factor in (1, 2, 2.5, 5, 10) if scale * factor >= raw * 0.9999)
    return [step * k for k in range(math.ceil(top / step - 1e-9) + 1)]


def time_ticks(axis: TimeAxis) -> list[int]:
    """Milliseconds of round times of day, at most about ten of them."""
    span_s = axis.span_ms / 1000
    step_ms = int(1000 * next((step for step in TICK_STEPS_S if span_s / step <= 10), TICK_STEPS_S[-1]))
    offset_ms = (axis.zero_ns // MS) % (86_400_000)
    first = -(-offset_ms // step_ms) * step_ms - offset_ms
    return list(range(first, axis.span_ms + 1, step_ms))


def axis_of(began_ns: int, ended_ns: int) -> TimeAxis:
    """The axis of a whole trial, at least a second long."""
    return TimeAxis(began_ns, max(-(-(ended_ns - began_ns) // MS), NS // MS))


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
