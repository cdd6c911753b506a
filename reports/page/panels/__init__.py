"""All panels of a page, in the order in which a reader asks: the system, the users, then the instruments."""

from dataclasses import replace

from reports.model.report import Report
from reports.page.panels.cluster import autoscaler_panels, budget_panels, node_panels
from reports.page.panels.engine import engine_panels
from reports.page.panels.generator import coverage_panel, cpu_panel, lag_panel, tokens_panel
from reports.page.panels.panel import Panel
from reports.page.panels.replicas import lanes_panel, replicas_panel
from reports.page.panels.traffic import failures_panel, heat_panel, latency_panel, rate_panel
from reports.page.svg import TimeAxis, bands, drawing

__all__ = ["panels"]

EMPTY_PX = 28.0


def panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """The panels for which there is something to say; one with nothing to draw says why."""
    drawn = [
        lanes_panel(report, axis),
        *node_panels(report, axis),
        replicas_panel(report, axis),
        *budget_panels(report, axis),
        *autoscaler_panels(report, axis),
        rate_panel(report, axis),
        failures_panel(report, axis),
        latency_panel(report, axis),
        heat_panel(report, axis),
        *engine_panels(report, axis),
        *([tokens_panel(report, report.tokens, axis)] if report.tokens else []),
        lag_panel(report, axis),
        cpu_panel(report, axis),
        coverage_panel(report, axis),
    ]
    return [_emptied(panel, report, axis) if panel.empty else panel for panel in drawn]


def _emptied(panel: Panel, report: Report, axis: TimeAxis) -> Panel:
    """A panel with nothing to draw keeps its faults and its gaps, and says why."""
    return replace(
        panel,
        height=EMPTY_PX,
        drawing=drawing(bands(report.faults, axis, EMPTY_PX)),
        levels=(),
        key=(),
        ends=(),
        note="",
    )
