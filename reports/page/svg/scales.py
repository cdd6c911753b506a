"""From data to the drawing plane. Across: milliseconds since the trial began. Down: pixels of the panel's height."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chaos.clock import NS

__all__ = ["MS", "Linear", "Log", "Tick", "TimeAxis", "axis_of", "nice_steps", "time_ticks"]

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


def time_ticks(axis: TimeAxis, *, most: int = 10) -> list[int]:
    """Milliseconds of round times of day, at most about `most` of them."""
    span_s = axis.span_ms / 1000
    step_ms = int(1000 * next((step for step in TICK_STEPS_S if span_s / step <= most), TICK_STEPS_S[-1]))
    offset_ms = (axis.zero_ns // MS) % (86_400_000)
    first = -(-offset_ms // step_ms) * step_ms - offset_ms
    return list(range(first, axis.span_ms + 1, step_ms))


def axis_of(began_ns: int, ended_ns: int) -> TimeAxis:
    """The axis of a whole trial, at least a second long."""
    return TimeAxis(began_ns, max(-(-(ended_ns - began_ns) // MS), NS // MS))
