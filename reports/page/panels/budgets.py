"""The panel of a disruption budget: how many were healthy, had to be, might go; and who asked for an eviction."""

from __future__ import annotations

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from reports.model.cluster import BudgetCourse, EvictionMark
from reports.model.parts import StepLine
from reports.model.report import Report
from reports.page.panels.panel import Panel, Spot, Table, holes
from reports.page.panels.step_lines import counts_scale, ends, readout, steps_path, table, thinned
from reports.page.svg.marks import bands, drawing, path, rects, rules, segments
from reports.page.svg.scales import Tick, TimeAxis
from reports.text import formatting as words

__all__ = ["BUDGETS_DRAWN", "budget_panels"]

BUDGETS_DRAWN = 4
"""Most disruption budgets that are drawn; those with evictions come first."""
ROW = 18.0
"""Height of the row of evictions above the counts."""
MARKS_NAMED = 60
"""Most evictions that carry a sign of their own; their lines are drawn for all."""
SIGN = {"accepted": "✓", "refused": "✕", "failed": "!", "not known": "?"}
CSS = {"healthy": "t-ready", "must stay": "t-desired", "may go": "t-allowed"}


def budget_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """One panel a disruption budget; none where there is neither a budget nor an eviction."""
    shown = report.budgets[:BUDGETS_DRAWN]
    hidden = len(report.budgets) - len(shown)
    return [_panel(report, course, k, axis, hidden) for k, course in enumerate(shown)]


def _panel(report: Report, course: BudgetCourse, number: int, axis: TimeAxis, hidden: int) -> Panel:
    named = bool(course.name)
    height = 96.0 if named else ROW + 4
    lines = {"healthy": course.healthy, "must stay": course.desired, "may go": course.allowed} if named else {}
    pieces = {name: segments(one, axis) for name, one in lines.items()}
    scale, steps = counts_scale(pieces, height, ROW + 8)
    marks = rects("evictions-row", [(0, 0, axis.span_ms, ROW)])
    if named:
        marks += rules(axis, [scale.y(step) for step in steps])
        marks += path("fill allowed", steps_path(pieces["may go"], scale, floor=height))
        marks += path("line allowed", steps_path(pieces["may go"], scale))
        marks += path("line desired", steps_path(pieces["must stay"], scale))
        marks += path("line ready", steps_path(pieces["healthy"], scale))
    marks += "".join(path(f"ev e-{answer.replace(' ', '-')}", _ticks(course, answer, axis, height)) for answer in SIGN)
    return Panel(
        id=f"budget-{number}",
        title=f"Disruption budget {course.name}" if named else "Evictions",
        note=_note(course, hidden if number == 0 else 0),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=(Tick(ROW / 2, "evictions"), *(Tick(scale.y(step), f"{step:g}") for step in steps if named)),
        ends=ends(pieces, scale, height, CSS),
        spots=tuple(_spot(mark, axis) for mark in course.evictions[:MARKS_NAMED]),
        holes=holes(course.allowed.missing, axis, top=ROW, height=height - ROW) if named else (),
        readout=readout(
            pieces, axis, more=_counter(course, axis), also=[axis.x(mark.at_ns) for mark in course.evictions]
        ),
        table=_table(course, lines),
        key=tuple((f"ev-key e-{answer.replace(' ', '-')}", answer) for answer in SIGN if _counts(course)[answer]),
        empty="" if any(pieces.values()) or course.evictions else "Its controller was never seen to count.",
    )


def _counts(course: BudgetCourse) -> Counter[str]:
    return Counter(mark.answer for mark in course.evictions)


def _note(course: BudgetCourse, hidden: int) -> str:
    wishes = " → ".join(wish.text for wish in course.wishes) if course.name else "no disruption budget bound these pods"
    counted = _counts(course)
    told = ", ".join(f"{counted[answer]} {answer}" for answer in SIGN if counted[answer]) or "none asked for"
    rest = f"; {words.plural(hidden, 'more disruption budget')} not drawn" if hidden else ""
    return f"{wishes}; evictions: {told}{thinned('lowest', course.allowed.slot_ns)}{rest}"


def _ticks(course: BudgetCourse, answer: str, axis: TimeAxis, height: float) -> str:
    moments = dict.fromkeys(axis.x(mark.at_ns) for mark in course.evictions if mark.answer == answer)
    return "".join(f"M{x} {ROW:g}V{height:g}" for x in moments)


def _spot(mark: EvictionMark, axis: TimeAxis) -> Spot:
    why = f": {mark.words}" if mark.words else ""
    whose = f" for {mark.fault}" if mark.fault else ""
    hint = f"eviction of {mark.pod}{whose} {mark.answer} at {words.stamp(mark.at_ns)} UTC{why}"
    css = f"eviction e-{mark.answer.replace(' ', '-')}"
    return Spot(axis.percent(mark.at_ns), axis.x(mark.at_ns), ROW / 2, SIGN[mark.answer], css, "middle", hint)


def _counter(course: BudgetCourse, axis: TimeAxis) -> Callable[[int], str]:
    """Words for how many evictions had been answered how, up to a moment."""
    moments: Sequence[int] = [axis.x(mark.at_ns) for mark in course.evictions]

    def more(moment: int) -> str:
        counted = Counter(mark.answer for mark in course.evictions[: bisect_right(moments, moment)])
        told = ", ".join(f"{counted[answer]} {answer}" for answer in SIGN if counted[answer])
        lead = "; " if course.name else ""
        return f"{lead}evictions so far: {told}" if told else ""

    return more


def _table(course: BudgetCourse, lines: Mapping[str, StepLine]) -> Table:
    rows: list[tuple[str, ...]] = [
        (words.stamp(mark.at_ns), "eviction", f"{mark.pod}: {mark.answer}", mark.words or "", mark.fault)
        for mark in course.evictions
    ]
    rows += [(words.stamp(wish.at_ns), "wish", wish.text, "", "") for wish in course.wishes]
    rows += [(*row, "", "") for row in table(lines).rows]
    return Table(("from (UTC)", "what", "value", "why", "fault"), tuple(sorted(rows)))
