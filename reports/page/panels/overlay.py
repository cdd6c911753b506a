"""An earlier run behind a later one: its lines moved so that the first faults of both begin together."""

from __future__ import annotations

from dataclasses import replace

from reports.model.cluster import Overlay
from reports.model.parts import Missing, StepLine
from reports.model.report import Report
from reports.page.svg.marks import Segment
from reports.page.svg.scales import TimeAxis

__all__ = ["laid_over", "p99_segments"]


def laid_over(before: Report, after: Report) -> Report:
    """The later report with the ready replicas and the p99 of the earlier one behind its own."""
    shift_ns = _anchor_ns(after) - _anchor_ns(before)
    buckets = before.latency.buckets
    spans = (
        (buckets.begin_ns + k * buckets.width_ns + shift_ns, value)
        for k, value in enumerate(before.latency.p99_s)
        if value is not None
    )
    p99 = tuple((at_ns, at_ns + buckets.width_ns, value) for at_ns, value in spans)
    return replace(after, overlay=Overlay(before.headline.run, shift_ns, _moved(before.ready, shift_ns), p99))


def _anchor_ns(report: Report) -> int:
    return min((fault.begin_ns for fault in report.faults), default=report.headline.began_ns)


def _moved(line: StepLine, shift_ns: int) -> StepLine:
    return StepLine(
        points=tuple((at_ns + shift_ns, value) for at_ns, value in line.points),
        begin_ns=line.begin_ns + shift_ns,
        end_ns=line.end_ns + shift_ns,
        missing=tuple(Missing(one.begin_ns + shift_ns, one.end_ns + shift_ns, one.reason) for one in line.missing),
        slot_ns=line.slot_ns,
    )


def p99_segments(overlay: Overlay, axis: TimeAxis) -> list[Segment]:
    """The earlier p99 as far as it lies on the axis of the later run."""
    placed = ((axis.x(begin_ns), axis.x(end_ns), value) for begin_ns, end_ns, value in overlay.p99)
    return [(begin, end, value) for begin, end, value in placed if end > begin]
