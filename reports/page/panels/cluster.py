"""The panels of what the cluster did besides its pods: disruption budgets, nodes, autoscalers."""

from bisect import bisect_right
from collections import Counter
from collections.abc import Callable, Mapping, Sequence

from reports import formatting as words
from reports.model.parts import AutoscalerSeries, BudgetSeries, EvictionMark, NodeLane, NodeSpan, StepLine
from reports.model.report import Report
from reports.page.panels.panel import (
    Panel,
    Readout,
    Spot,
    Table,
    counts_scale,
    ends,
    holes,
    readout,
    steps_path,
    table,
    thinned,
)
from reports.page.svg import Linear, Tick, TimeAxis, bands, drawing, less, nice_steps, path, rects, rules, segments

__all__ = ["autoscaler_panels", "budget_panels", "node_panels"]

BUDGETS_DRAWN = 4
"""Most disruption budgets that are drawn; those with evictions come first."""
EVICTIONS_ROW = 18.0
"""Height of the row of evictions above the counts."""
MARKS_NAMED = 60
"""Most evictions that carry a sign of their own; their lines are drawn for all."""
EVICTION_SIGN = {"accepted": "✓", "refused": "✕", "failed": "!", "not known": "?"}
BUDGET_CSS = {"healthy": "t-ready", "must stay": "t-desired", "may go": "t-allowed"}


def budget_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """One panel a disruption budget; none where there is neither a budget nor an eviction."""
    shown = report.budgets[:BUDGETS_DRAWN]
    hidden = len(report.budgets) - len(shown)
    return [_budget_panel(report, budget, k, axis, hidden) for k, budget in enumerate(shown)]


def _budget_panel(report: Report, budget: BudgetSeries, number: int, axis: TimeAxis, hidden: int) -> Panel:
    named = bool(budget.name)
    height = 96.0 if named else EVICTIONS_ROW + 4
    lines = {"healthy": budget.healthy, "must stay": budget.desired, "may go": budget.allowed} if named else {}
    pieces = {name: segments(one, axis) for name, one in lines.items()}
    scale, steps = counts_scale(pieces, height, EVICTIONS_ROW + 8)
    marks = rects("evictions-row", [(0, 0, axis.span_ms, EVICTIONS_ROW)])
    if named:
        marks += rules(axis, [scale.y(step) for step in steps])
        marks += path("fill allowed", steps_path(pieces["may go"], scale, floor=height))
        marks += path("line allowed", steps_path(pieces["may go"], scale))
        marks += path("line desired", steps_path(pieces["must stay"], scale))
        marks += path("line ready", steps_path(pieces["healthy"], scale))
    for answer in EVICTION_SIGN:
        marks += path(f"ev {_eviction_css(answer)}", _eviction_ticks(budget, answer, axis, height))
    counts = Counter(mark.answer for mark in budget.evictions)
    return Panel(
        id=f"budget-{number}",
        title=f"Disruption budget {budget.name}" if named else "Evictions",
        note=_budget_note(budget, counts, hidden if number == 0 else 0),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=(Tick(EVICTIONS_ROW / 2, "evictions"), *(Tick(scale.y(step), f"{step:g}") for step in steps if named)),
        ends=ends(pieces, scale, height, BUDGET_CSS),
        spots=tuple(_eviction_spot(mark, axis) for mark in budget.evictions[:MARKS_NAMED]),
        holes=holes(budget.allowed.missing, axis, top=EVICTIONS_ROW, height=height - EVICTIONS_ROW) if named else (),
        readout=readout(
            pieces, axis, more=_evictions_so_far(budget, axis), also=[axis.x(mark.at_ns) for mark in budget.evictions]
        ),
        table=_budget_table(budget, lines),
        key=tuple((f"ev-key {_eviction_css(answer)}", answer) for answer in EVICTION_SIGN if counts[answer]),
        empty="" if any(pieces.values()) or budget.evictions else "No count by its controller is on record.",
    )


def _eviction_css(answer: str) -> str:
    return f"e-{answer.replace(' ', '-')}"


def _count_words(counted: Counter[str]) -> str:
    return ", ".join(f"{counted[answer]} {answer}" for answer in EVICTION_SIGN if counted[answer])


def _budget_note(budget: BudgetSeries, counts: Counter[str], hidden: int) -> str:
    bounds = (
        " → ".join(bound.text for bound in budget.bounds) if budget.name else "no disruption budget bound these pods"
    )
    answers = _count_words(counts) or "none requested"
    rest = f"; {words.plural(hidden, 'more disruption budget')} not drawn" if hidden else ""
    return f"{bounds}; evictions: {answers}{thinned('lowest', budget.allowed.slot_ns)}{rest}"


def _eviction_ticks(budget: BudgetSeries, answer: str, axis: TimeAxis, height: float) -> str:
    moments = dict.fromkeys(axis.x(mark.at_ns) for mark in budget.evictions if mark.answer == answer)
    return "".join(f"M{x} {EVICTIONS_ROW:g}V{height:g}" for x in moments)


def _eviction_spot(mark: EvictionMark, axis: TimeAxis) -> Spot:
    why = f": {mark.words}" if mark.words else ""
    whose = f" for {mark.fault}" if mark.fault else ""
    hint = f"eviction of {mark.pod}{whose} {mark.answer} at {words.stamp(mark.at_ns)} UTC{why}"
    css = f"eviction {_eviction_css(mark.answer)}"
    return Spot(
        axis.percent(mark.at_ns), axis.x(mark.at_ns), EVICTIONS_ROW / 2, EVICTION_SIGN[mark.answer], css, "middle", hint
    )


def _evictions_so_far(budget: BudgetSeries, axis: TimeAxis) -> Callable[[int], str]:
    """How many evictions had been accepted and refused up to a moment, as text."""
    moments: Sequence[int] = [axis.x(mark.at_ns) for mark in budget.evictions]

    def more(moment: int) -> str:
        answers = _count_words(Counter(mark.answer for mark in budget.evictions[: bisect_right(moments, moment)]))
        return f"{'; ' if budget.name else ''}evictions so far: {answers}" if answers else ""

    return more


def _budget_table(budget: BudgetSeries, lines: Mapping[str, StepLine]) -> Table:
    rows: list[tuple[str, ...]] = [
        (words.stamp(mark.at_ns), "eviction", f"{mark.pod}: {mark.answer}", mark.words or "", mark.fault)
        for mark in budget.evictions
    ]
    rows += [(words.stamp(bound.at_ns), "bound", bound.text, "", "") for bound in budget.bounds]
    rows += [(*row, "", "") for row in table(lines).rows]
    return Table(("from (UTC)", "what", "value", "why", "fault"), tuple(sorted(rows)))


NODE_LANE = 22.0
NODE_BARS = {"ready": (10.0, 4.0), "not ready": (10.0, 4.0), "unknown": (4.0, 7.0)}
"""Height and top of the bar for each word of Ready."""
CORDON_TOP, TAINT_TOP, THIN = 15.0, 18.5, 2.5
NODE_CSS = {"ready": "s-ready", "not ready": "s-not-ready", "unknown": "s-unknown"}
NODE_KEY = (("s-ready", "Ready"), ("s-not-ready", "not Ready"), ("s-unknown", "Ready unknown"))
NODE_MARKS = (("s-cordoned", "cordoned"), ("s-tainted", "tainted"))

READY = "Ready"
Box = tuple[float, float, float, float]


def node_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """One panel of all nodes; none where no node was watched."""
    shown = report.nodes.shown
    if not shown:
        return []
    height = len(shown) * NODE_LANE
    boxes: dict[str, list[Box]] = {}
    for k, lane in enumerate(shown):
        for span in lane.spans:
            _draw_node(report, span, k * NODE_LANE, axis, boxes)
    hidden = report.nodes.total - len(shown)
    panel = Panel(
        id="nodes",
        title="Nodes",
        note=words.plural(report.nodes.total, "node")
        + thinned("worst state", report.nodes.slot_ns)
        + (f"; showing {len(shown)}: those that changed come first" if hidden else ""),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), "".join(rects(css, boxes[css]) for css in boxes)),
        levels=tuple(Tick((k + 0.5) * NODE_LANE, lane.name) for k, lane in enumerate(shown)),
        ends=tuple((Tick((k + 0.5) * NODE_LANE, _pods_on(lane)), "t-desired") for k, lane in enumerate(shown)),
        holes=holes(report.nodes.missing, axis),
        readout=_nodes_readout(report, axis),
        table=_nodes_table(report),
        key=tuple((css, name) for css, name in (*NODE_KEY, *NODE_MARKS) if css in boxes),
        lanes=True,
    )
    return [panel]


def _pods_on(lane: NodeLane) -> str:
    return words.plural(lane.replicas, "pod") if lane.replicas else ""


def _draw_node(report: Report, span: NodeSpan, top: float, axis: TimeAxis, boxes: dict[str, list[Box]]) -> None:
    for begin_ns, end_ns, _ in less((span.begin_ns, span.end_ns, 0.0), report.nodes.missing):
        left, (bar, down) = axis.x(begin_ns), NODE_BARS[span.ready]
        width = axis.x(end_ns) - left
        boxes.setdefault(NODE_CSS[span.ready], []).append((left, top + down, width, bar))
        if span.cordoned:
            boxes.setdefault("s-cordoned", []).append((left, top + CORDON_TOP, width, THIN))
        if span.taints:
            boxes.setdefault("s-tainted", []).append((left, top + TAINT_TOP, width, THIN))


def _node_words(span: NodeSpan) -> str:
    ready = {"ready": READY, "not ready": "not Ready", "unknown": "Ready unknown"}[span.ready]
    return ", ".join([ready, *(["cordoned"] if span.cordoned else []), *(f"taint {taint}" for taint in span.taints)])


def _nodes_readout(report: Report, axis: TimeAxis) -> Readout:
    """How many nodes were Ready and nothing else, and the state of each other node, at each change."""
    begins: dict[int, list[tuple[str, NodeSpan]]] = {}
    ends: dict[int, list[str]] = {}
    for lane in report.nodes.shown:
        for span in lane.spans:
            begins.setdefault(axis.x(span.begin_ns), []).append((lane.name, span))
            ends.setdefault(axis.x(span.end_ns), []).append(lane.name)
    now: dict[str, NodeSpan] = {}
    texts: list[tuple[int, str]] = []
    for moment in sorted(edge for edge in {0, *begins, *ends} if edge < axis.span_ms):
        for name in ends.get(moment, ()):
            now.pop(name, None)
        now.update(begins.get(moment, ()))
        texts.append((moment, _nodes_words(now)))
    return tuple(texts)


def _nodes_words(now: Mapping[str, NodeSpan]) -> str:
    states = {name: _node_words(span) for name, span in sorted(now.items())}
    plain = sum(text == READY for text in states.values())
    parts = [f"{plain} {READY}"] if plain else []
    parts += [f"{name} {text}" for name, text in states.items() if text != READY]
    return "; ".join(parts) or "no node on record"


def _nodes_table(report: Report) -> Table:
    rows = tuple(
        (lane.name, _node_words(span), words.stamp(span.begin_ns), words.stamp(span.end_ns))
        for lane in report.nodes.shown
        for span in lane.spans
    )
    return Table(("node", "state", "from (UTC)", "until (UTC)"), rows)


AUTOSCALER_PX = 100.0
AUTOSCALER_PAD = 12.0


def autoscaler_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """Two panels an autoscaler, one where it has no metric that can be read; none without an autoscaler."""
    panels = []
    for k, scaler in enumerate(report.autoscalers):
        panels.append(_autoscaler_replicas(report, scaler, k, axis))
        if scaler.metric:
            panels.append(_autoscaler_metric(report, scaler, k, axis))
    return panels


def _autoscaler_replicas(report: Report, scaler: AutoscalerSeries, number: int, axis: TimeAxis) -> Panel:
    lines = {"desired": scaler.desired, "actual": scaler.actual, "min": scaler.least, "max": scaler.most}
    pieces = {name: segments(line, axis) for name, line in lines.items()}
    scale, steps = counts_scale(pieces, AUTOSCALER_PX, AUTOSCALER_PAD)
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
        title=f"Autoscaler {scaler.name}",
        note="replicas that it desired and counted, with its minimum and maximum"
        + thinned("lowest", scaler.desired.slot_ns),
        height=AUTOSCALER_PX,
        drawing=drawing(bands(report.faults, axis, AUTOSCALER_PX), marks),
        levels=tuple(Tick(scale.y(step), f"{step:g}") for step in steps),
        ends=ends(pieces, scale, AUTOSCALER_PX, css),
        holes=holes(scaler.desired.missing, axis),
        readout=readout(pieces, axis),
        table=table(lines, head="replicas"),
        empty="" if pieces["desired"] or pieces["actual"] else "The autoscaler reported nothing.",
    )


def _autoscaler_metric(report: Report, scaler: AutoscalerSeries, number: int, axis: TimeAxis) -> Panel:
    lines = {"measured": scaler.measured, "target": scaler.target}
    pieces = {name: segments(line, axis) for name, line in lines.items()}
    steps = nice_steps(max((value for line in pieces.values() for _, _, value in line), default=100.0), 3)
    scale = Linear(steps[-1] or 100.0, AUTOSCALER_PX, AUTOSCALER_PAD)
    marks = (
        rules(axis, [scale.y(step) for step in steps])
        + path("line limit", steps_path(pieces["target"], scale))
        + path("fill answered", steps_path(pieces["measured"], scale, floor=AUTOSCALER_PX))
        + path("line answered", steps_path(pieces["measured"], scale))
    )
    return Panel(
        id=f"metric-{number}",
        title=f"Autoscaler {scaler.name}: {scaler.metric}",
        note=f"percent of {scaler.measure}, as the autoscaler last reported it",
        height=AUTOSCALER_PX,
        drawing=drawing(bands(report.faults, axis, AUTOSCALER_PX), marks),
        levels=tuple(Tick(scale.y(step), f"{step:g} %") for step in steps),
        ends=ends(pieces, scale, AUTOSCALER_PX, {"measured": "t-answered", "target": "t-limit"}, " %"),
        holes=holes(scaler.measured.missing, axis),
        readout=readout(pieces, axis, unit=" %"),
        table=table(lines, unit=" %", head=f"percent of {scaler.measure}"),
        empty="" if pieces["measured"] else "The autoscaler reported no measurement.",
    )
