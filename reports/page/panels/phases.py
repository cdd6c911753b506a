"""The strip above the panels: phases, and faults by name."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from chaos.clock import NS
from reports import formatting as words
from reports.model.parts import FaultBand
from reports.model.report import Report
from reports.page.svg import TimeAxis

__all__ = ["strip_of"]

ROW_PX, PHASES_PX, TICKS_PX = 18, 20, 20
ROWS_MOST = 4
CHARACTER_PERCENT = 0.75
"""About how much of the axis one character takes; only a first guess, which the page corrects when it is drawn."""


@dataclass(frozen=True, slots=True)
class Named:
    """A phase or a fault, placed. `name` is the label that fits, `full` the longest, `short` the one for a crowd."""

    id: str
    name: str
    begin: int
    end: int
    left: float
    width: float
    top: int
    hint: str
    link: str
    missed: bool = False
    full: str = ""
    short: str = ""


@dataclass(frozen=True, slots=True)
class Strip:
    """All that is named above the panels, and how high it is in pixels."""

    phases: tuple[Named, ...]
    faults: tuple[Named, ...]
    height: int


def strip_of(report: Report, axis: TimeAxis) -> Strip:
    """Place phases in one row, and faults in as many as overlapping ones need."""
    phases = tuple(
        _named(axis, phase.name, phase.name, phase.begin_ns, phase.end_ns, 0, "cut short" if phase.cut_short else "")
        for phase in report.phases
    )
    rows = _rows(report.faults)
    faults = tuple(_fault(report.faults, rows, k, axis) for k in range(len(rows)))
    height = PHASES_PX + (max(rows, default=-1) + 1) * ROW_PX + TICKS_PX + 2
    return Strip(phases, faults, height)


def _fault(faults: Sequence[FaultBand], rows: Sequence[int], k: int, axis: TimeAxis) -> Named:
    """A fault with the longest label that ends before the next one begins: its id and result, its number, or none."""
    fault, left = faults[k], axis.percent(faults[k].begin_ns)
    after = (axis.percent(faults[n].begin_ns) for n in range(k + 1, len(rows)) if rows[n] == rows[k])
    room = (next(after, 100.0) - left) / CHARACTER_PERCENT - 2
    short = fault.id.rsplit("-", 1)[-1]
    whole = f"{fault.id}: {fault.result}" if fault.result else fault.id
    label = next((text for text in (whole, fault.id, short) if len(text) <= room), "")
    placed = _named(axis, fault.id, label, fault.begin_ns, fault.end_ns, PHASES_PX + rows[k] * ROW_PX, _hint(fault))
    return replace(placed, full=whole, short=short, missed=bool(fault.missed))


def _named(axis: TimeAxis, id_: str, name: str, begin_ns: int, end_ns: int, top: int, hint: str) -> Named:  # noqa: PLR0917  # one row of a table, called twice
    begin, end = axis.x(begin_ns), axis.x(end_ns)
    span = f"{(begin_ns - axis.zero_ns) / NS:.3f}..{(end_ns - axis.zero_ns) / NS:.3f}"
    width = round(100 * (end - begin) / axis.span_ms, 3)
    return Named(id_, name, begin, end, axis.percent(begin_ns), width, top, hint, span)


def _rows(faults: Sequence[FaultBand]) -> list[int]:
    """The first row that is free at each fault's begin; with all taken, the last."""
    free_ns = [0] * ROWS_MOST
    rows = []
    for fault in faults:
        row = next((row for row in range(ROWS_MOST) if free_ns[row] <= fault.begin_ns), ROWS_MOST - 1)
        free_ns[row] = fault.end_ns
        rows.append(row)
    return rows


def _hint(fault: FaultBand) -> str:
    landed = f"missed: {fault.missed}" if fault.missed else f"landed {words.stamp(fault.landed_ns)}"
    healed = f"healed {words.stamp(fault.healed_ns)}" if fault.healed_ns else "no end on record"
    result = f"{fault.result} {words.stamp(fault.result_ns)}, " if fault.result else ""
    result_words = f"; {fault.result_words}" if fault.result_words else ""
    return (
        f"{fault.id}: {fault.words}; began {words.stamp(fault.begin_ns)}, {landed}, {result}{healed} UTC{result_words}"
    )
