"""The panels of an autoscaler: replicas desired and counted between their bounds, and the metric beside its target."""

from __future__ import annotations

from reports.model.cluster import AutoscalerCourse
from reports.model.report import Report
from reports.page.panels.panel import Panel, holes
from reports.page.panels.step_lines import counts_scale, ends, readout, steps_path, table, thinned
from reports.page.svg.marks import bands, drawing, path, rules, segments
from reports.page.svg.scales import Linear, Tick, TimeAxis, nice_steps

__all__ = ["autoscaler_panels"]

HEIGHT = 100.0
PAD = 12.0


def autoscaler_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """Two panels an autoscaler, one where it has no metric in percent; none without an autoscaler."""
    panels = []
    for k, course in enumerate(report.autoscalers):
        panels.append(_replicas(report, course, k, axis))
        if course.metric:
            panels.append(_metric(report, course, k, axis))
    return panels


def _replicas(report: Report, course: AutoscalerCourse, number: int, axis: TimeAxis) -> Panel:
    lines = {"desired": course.desired, "actual": course.actual, "min": course.least, "max": course.most}
    pieces = {name: segments(line, axis) for name, line in lines.items()}
    scale, steps = counts_scale(pieces, HEIGHT, PAD)
    marks = (
        rules(axis, [scale.y(step) for step in steps])
        + path("line limit", steps_path(pieces["min"], scale))
        + path("line limit", steps_path(pieces["max"], scale))
        + path("line ready", steps_path(pieces["actual"], scale))
        + path("line desired", steps_path(pieces["desired"], scale))
    )
    css = {"desired": "t-desired", "actual": "t-ready", "min": "t-limit", "max": "t-limit"}
    return Panel(
        id=f"autoscaler-{number}",
        title=f"Autoscaler {course.name}",
        note="replicas that it desired and counted, between its bounds" + thinned("lowest", course.desired.slot_ns),
        height=HEIGHT,
        drawing=drawing(bands(report.faults, axis, HEIGHT), marks),
        levels=tuple(Tick(scale.y(step), f"{step:g}") for step in steps),
        ends=ends(pieces, scale, HEIGHT, css),
        holes=holes(course.desired.missing, axis),
        readout=readout(pieces, axis),
        table=table(lines, head="replicas"),
        empty="" if pieces["desired"] or pieces["actual"] else "The autoscaler was never seen to look.",
    )


def _metric(report: Report, course: AutoscalerCourse, number: int, axis: TimeAxis) -> Panel:
    lines = {"measured": course.measured, "target": course.target}
    pieces = {name: segments(line, axis) for name, line in lines.items()}
    steps = nice_steps(max((value for line in pieces.values() for _, _, value in line), default=100.0), 3)
    scale = Linear(steps[-1] or 100.0, HEIGHT, PAD)
    marks = (
        rules(axis, [scale.y(step) for step in steps])
        + path("line limit", steps_path(pieces["target"], scale))
        + path("fill answered", steps_path(pieces["measured"], scale, floor=HEIGHT))
        + path("line answered", steps_path(pieces["measured"], scale))
    )
    return Panel(
        id=f"metric-{number}",
        title=f"Autoscaler {course.name}: {course.metric}",
        note="percent of the request, averaged over the pods, as the autoscaler last read it",
        height=HEIGHT,
        drawing=drawing(bands(report.faults, axis, HEIGHT), marks),
        levels=tuple(Tick(scale.y(step), f"{step:g} %") for step in steps),
        ends=ends(pieces, scale, HEIGHT, {"measured": "t-answered", "target": "t-limit"}, " %"),
        holes=holes(course.measured.missing, axis),
        readout=readout(pieces, axis, unit=" %"),
        table=table(lines, unit=" %", head="percent of the request"),
        empty="" if pieces["measured"] else "The autoscaler had no measurement.",
    )
