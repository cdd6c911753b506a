"""The panels of the system: pods as lanes, and ready beside desired replicas."""

from collections import Counter
from collections.abc import Iterator, Sequence

from chaos.checks.recovery.recovered import LossDetail
from reports import formatting as words
from reports.model.parts import PodLane
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
from reports.page.svg import Linear, Segment, Tick, TimeAxis, bands, drawing, less, path, rects, rules, segments

__all__ = ["lanes_panel", "replicas_panel"]

LANE = 20.0
"""Pixels a lane."""
BAR = {"pending": 2.0, "starting": 6.0, "ready": 12.0, "not ready": 12.0, "terminating": 4.0}
"""Pixels of each state's bar: height as well as colour shows a state."""
BOUNDS_NAMED = 4
"""Most bounds that are labelled; the brackets are drawn for all."""
MARKS_KEY = (("struck-key", "struck by a fault"), ("ended-key", "a container ended"))
CROWDED = 82.0
"""Percent of the axis beyond which a word no longer fits to the right of its mark."""


def css_of(state: str) -> str:
    """The class that draws a state."""
    return "s-" + state.replace(" ", "-")


def lanes_panel(report: Report, axis: TimeAxis) -> Panel:
    """Every pod of the trial as a lane, node by node, on each in order of birth."""
    shown = report.lanes.shown
    height = max(len(shown), 1) * LANE
    boxes: dict[str, list[tuple[float, float, float, float]]] = {state: [] for state in BAR}
    for k, lane in enumerate(shown):
        for span in lane.spans:
            bar = BAR[span.state]
            for begin_ns, end_ns, _ in less((span.begin_ns, span.end_ns, 0.0), report.lanes.missing):
                left = axis.x(begin_ns)
                boxes[span.state].append((left, k * LANE + (LANE - bar) / 2, axis.x(end_ns) - left, bar))
    marks = "".join(rects(css_of(state), boxes[state]) for state in BAR)
    hidden = report.lanes.total - len(shown)
    borders = [k * LANE for k in range(1, len(shown)) if shown[k].node != shown[k - 1].node]
    note = f"{words.plural(report.lanes.total, 'pod')} by node, in order of birth"
    return Panel(
        id="pods",
        title="Pods",
        note=note
        + thinned("worst state", report.lanes.slot_ns)
        + (f"; showing {len(shown)}, those that a fault struck first" if hidden else ""),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), rules(axis, borders), marks),
        levels=tuple(Tick((k + 0.5) * LANE, _lane_label(lane)) for k, lane in enumerate(shown)),
        ends=tuple(
            (Tick((k + 0.5) * LANE, f"{words.count(lane.answered)} answered"), "t-desired")
            for k, lane in enumerate(shown)
            if lane.answered is not None
        ),
        spots=(
            *(_spot(lane, (k + 0.5) * LANE, axis) for k, lane in enumerate(shown) if lane.struck_ns is not None),
            *_last_words(report, shown, axis),
        ),
        holes=holes(report.lanes.missing, axis),
        readout=_states_readout(shown, axis),
        table=_lanes_table(shown),
        key=(
            *((css_of(state), state) for state in BAR),
            *MARKS_KEY[: 2 if report.last_words else 1],
        ),
        empty="" if shown else "No pod is on record.",
        lanes=True,
    )


def _lane_label(lane: PodLane) -> str:
    return f"{lane.node} · {lane.label}" if lane.node else lane.label


def _spot(lane: PodLane, top: float, axis: TimeAxis) -> Spot:
    """The mark of a struck pod, with the fault's name where the lane has ended and there is room."""
    struck_ns = lane.struck_ns or 0
    percent = axis.percent(struck_ns)
    named = lane.gone_ns is not None and percent < CROWDED and axis.percent(lane.gone_ns) - percent < 2
    hint = f"{lane.name} struck by {lane.struck_by} at {words.stamp(struck_ns)} UTC"
    return Spot(percent, axis.x(struck_ns), top, f"✕ {lane.struck_by}" if named else "✕", "struck", "right", hint)


def _last_words(report: Report, shown: Sequence[PodLane], axis: TimeAxis) -> Iterator[Spot]:
    """The mark of each container that ended, with what its log says in the hint."""
    tops = {lane.uid: (k + 0.5) * LANE for k, lane in enumerate(shown)}
    for one in report.last_words:
        if one.uid in tops:
            said = "".join(f"; its log says {name}" for name, _ in one.causes)
            hint = f"{one.pod}: container {one.container} ended at {words.stamp(one.at_ns)} UTC, {one.how}{said}"
            top = tops[one.uid] + LANE / 4
            yield Spot(axis.percent(one.at_ns), axis.x(one.at_ns), top, "■", "ended", "middle", hint)


def _states_readout(shown: Sequence[PodLane], axis: TimeAxis) -> Readout:
    """How many pods were in which state, at each change."""
    changes: dict[int, Counter[str]] = {}
    for lane in shown:
        for span in lane.spans:
            changes.setdefault(axis.x(span.begin_ns), Counter())[span.state] += 1
            changes.setdefault(axis.x(span.end_ns), Counter())[span.state] -= 1
    now: Counter[str] = Counter()
    changed = []
    for at in sorted(changes):
        now.update(changes[at])
        if at < axis.span_ms:
            changed.append(
                (at, ", ".join(f"{now[state]} {state}" for state in reversed(BAR) if now[state]) or "no pod")
            )
    return tuple(changed)


def _lanes_table(shown: Sequence[PodLane]) -> Table:
    rows = tuple(
        (
            lane.name,
            lane.node,
            span.state,
            words.stamp(span.begin_ns),
            words.stamp(span.end_ns),
            _struck(lane),
            words.count(lane.answered),
        )
        for lane in shown
        for span in lane.spans
    )
    return Table(("pod", "node", "state", "from (UTC)", "until (UTC)", "struck", "requests answered"), rows)


def _struck(lane: PodLane) -> str:
    return f"{lane.struck_by} at {words.stamp(lane.struck_ns)}" if lane.struck_ns else ""


def replicas_panel(report: Report, axis: TimeAxis) -> Panel:
    """Ready replicas beside desired ones; what is short is filled."""
    height, pad = 112.0, 18.0
    lines = {"ready": report.ready, "desired": report.desired}
    pieces = {name: segments(line, axis) for name, line in lines.items()}
    ready, desired = pieces["ready"], pieces["desired"]
    former = segments(report.overlay.ready, axis) if report.overlay else []
    scale, steps = counts_scale(pieces, height, pad)
    marks = (
        rules(axis, [scale.y(step) for step in steps])
        + _shortfall(ready, desired, scale)
        + path("line former", steps_path(former, scale))
        + path("line desired", steps_path(desired, scale))
        + path("line ready", steps_path(ready, scale))
        + path("bound", "".join(_bracket(loss, axis) for loss in report.losses))
    )
    return Panel(
        id="replicas",
        title="Replicas",
        note="ready beside desired; the fill is what was short"
        + thinned("lowest", report.ready.slot_ns)
        + (f"; grey: ready in {report.overlay.run}" if report.overlay else ""),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=tuple(Tick(scale.y(step), f"{step:g}") for step in steps),
        ends=ends(pieces, scale, height, {"ready": "t-ready", "desired": "t-desired"}),
        spots=tuple(_bound_spot(loss, axis) for loss in report.losses) if len(report.losses) <= BOUNDS_NAMED else (),
        holes=holes(report.ready.missing, axis) + holes(report.desired.missing, axis, height=pad - 2),
        readout=readout(pieces, axis),
        table=table(lines, head="replicas"),
        empty="" if ready or desired else "No replica count is on record.",
    )


def _bracket(loss: LossDetail, axis: TimeAxis) -> str:
    """From the loss of a replica until it must be back, with an end if that lies on the axis."""
    begin, due = axis.x(loss.lost_ns), axis.x(loss.due_ns)
    return f"M{begin} 8H{due}" + (f"M{due} 4V12" if due < axis.span_ms else "")


def _bound_spot(loss: LossDetail, axis: TimeAxis) -> Spot:
    percent, text = axis.percent(loss.due_ns), f"bound {loss.bound_s:g} s"
    hint = f"{loss.victim} is due back by {words.stamp(loss.due_ns)} UTC"
    return Spot(percent, axis.x(loss.due_ns), 8.0, text, "note", "left" if percent > CROWDED else "right", hint)


def _shortfall(ready: Sequence[Segment], desired: Sequence[Segment], scale: Linear) -> str:
    boxes = []
    for a, b, value in ready:
        for c, d, wanted in desired:
            left, right = max(a, c), min(b, d)
            if right > left and wanted > value:
                boxes.append((left, scale.y(wanted), right - left, scale.y(value) - scale.y(wanted)))
    return rects("short", boxes)
