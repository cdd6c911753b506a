"""The panel of the nodes: a lane each, its bar for Ready, a line below it for a cordon and one for other taints."""

from __future__ import annotations

from collections.abc import Mapping

from reports.model.cluster import NodeLane, NodeSpan
from reports.model.report import Report
from reports.page.panels.panel import Panel, Readout, Table, holes
from reports.page.panels.step_lines import thinned
from reports.page.svg.marks import bands, drawing, less, rects
from reports.page.svg.scales import Tick, TimeAxis
from reports.text import formatting as words

__all__ = ["node_panels"]

LANE = 22.0
BARS = {"ready": (10.0, 4.0), "not ready": (10.0, 4.0), "unknown": (4.0, 7.0)}
"""Height and top of the bar for each word of Ready."""
CORDON_TOP, TAINT_TOP, THIN = 15.0, 18.5, 2.5
CSS = {"ready": "s-ready", "not ready": "s-not-ready", "unknown": "s-unknown"}
KEY = (("s-ready", "Ready"), ("s-not-ready", "not Ready"), ("s-unknown", "Ready unknown"))
MARKS = (("s-cordoned", "cordoned"), ("s-tainted", "tainted"))

PLAIN = "Ready"
Box = tuple[float, float, float, float]


def node_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """The panel, or none where no node was watched."""
    shown = report.nodes.shown
    if not shown:
        return []
    height = len(shown) * LANE
    boxes: dict[str, list[Box]] = {}
    for k, lane in enumerate(shown):
        for span in lane.spans:
            _draw(report, span, k * LANE, axis, boxes)
    hidden = report.nodes.total - len(shown)
    panel = Panel(
        id="nodes",
        title="Nodes",
        note=words.plural(report.nodes.total, "node")
        + thinned("worst state", report.nodes.slot_ns)
        + (f"; showing {len(shown)}, those that changed first" if hidden else ""),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), "".join(rects(css, boxes[css]) for css in boxes)),
        levels=tuple(Tick((k + 0.5) * LANE, lane.name) for k, lane in enumerate(shown)),
        ends=tuple((Tick((k + 0.5) * LANE, _held(lane)), "t-desired") for k, lane in enumerate(shown)),
        holes=holes(report.nodes.missing, axis),
        readout=_readout(report, axis),
        table=_table(report),
        key=tuple((css, name) for css, name in (*KEY, *MARKS) if css in boxes),
        lanes=True,
    )
    return [panel]


def _held(lane: NodeLane) -> str:
    return words.plural(lane.replicas, "pod") if lane.replicas else ""


def _draw(report: Report, span: NodeSpan, top: float, axis: TimeAxis, boxes: dict[str, list[Box]]) -> None:
    for begin_ns, end_ns, _ in less((span.begin_ns, span.end_ns, 0.0), report.nodes.missing):
        left, (bar, down) = axis.x(begin_ns), BARS[span.ready]
        width = axis.x(end_ns) - left
        boxes.setdefault(CSS[span.ready], []).append((left, top + down, width, bar))
        if span.cordoned:
            boxes.setdefault("s-cordoned", []).append((left, top + CORDON_TOP, width, THIN))
        if span.taints:
            boxes.setdefault("s-tainted", []).append((left, top + TAINT_TOP, width, THIN))


def _words(span: NodeSpan) -> str:
    ready = {"ready": PLAIN, "not ready": "not Ready", "unknown": "Ready unknown"}[span.ready]
    return ", ".join([ready, *(["cordoned"] if span.cordoned else []), *(f"taint {taint}" for taint in span.taints)])


def _readout(report: Report, axis: TimeAxis) -> Readout:
    """How many nodes were plainly Ready, and what the others were, by name; told anew at each change."""
    begins: dict[int, list[tuple[str, NodeSpan]]] = {}
    ends: dict[int, list[str]] = {}
    for lane in report.nodes.shown:
        for span in lane.spans:
            begins.setdefault(axis.x(span.begin_ns), []).append((lane.name, span))
            ends.setdefault(axis.x(span.end_ns), []).append(lane.name)
    now: dict[str, NodeSpan] = {}
    told: list[tuple[int, str]] = []
    for moment in sorted(edge for edge in {0, *begins, *ends} if edge < axis.span_ms):
        for name in ends.get(moment, ()):
            now.pop(name, None)
        now.update(begins.get(moment, ()))
        told.append((moment, _told(now)))
    return tuple(told)


def _told(now: Mapping[str, NodeSpan]) -> str:
    said = {name: _words(span) for name, span in sorted(now.items())}
    plain = sum(text == PLAIN for text in said.values())
    parts = [f"{plain} {PLAIN}"] if plain else []
    parts += [f"{name} {text}" for name, text in said.items() if text != PLAIN]
    return "; ".join(parts) or "no node is known"


def _table(report: Report) -> Table:
    rows = tuple(
        (lane.name, _words(span), words.stamp(span.begin_ns), words.stamp(span.end_ns))
        for lane in report.nodes.shown
        for span in lane.spans
    )
    return Table(("node", "state", "from (UTC)", "until (UTC)"), rows)
