"""The panels of the users: rate, latency percentiles, heat map, failures by class."""

import math

from chaos.clock import NS
from reports import formatting as words
from reports.build.traffic import OUTCOMES
from reports.model.parts import Buckets
from reports.model.report import Overlay, Report
from reports.page.panels.panel import Panel, Table, bucket_path, bucket_readout, bucket_table, holes, last_known, spread
from reports.page.svg import (
    MS,
    Linear,
    Log,
    Segment,
    Tick,
    TimeAxis,
    bands,
    drawing,
    nice_steps,
    path,
    rects,
    rules,
    segments_path,
)

__all__ = ["failures_panel", "heat_panel", "latency_panel", "limit_ends", "limit_lines", "rate_panel"]

NO_REQUESTS = "No request is on record."
UNANSWERED_PX = 18.0
"""Height of the row above a latency scale in which unanswered requests lie."""
ROW = 24.0
"""Pixels a class of failure."""
NAMES = {"unsent": "unsent (generator)", "disconnected": "left (as meant)", "wrong": "wrong answer"}
"""Outcomes whose own name says too little."""
LEVELS = 6
"""Shades of the heat map."""


def _width_words(buckets: Buckets) -> str:
    return words.brief(buckets.width_ns / NS)


def rate_panel(report: Report, axis: TimeAxis) -> Panel:
    """Requests offered, and of those the answered, per second, by intended start."""
    height, traffic = 96.0, report.traffic
    steps = nice_steps(max((rate for rate in traffic.offered_rps if rate is not None), default=1.0), 3)
    scale = Linear(steps[-1], height, 10.0)
    marks = (
        rules(axis, [scale.y(step) for step in steps])
        + path("fill answered", bucket_path(traffic.answered_rps, scale, report.buckets, axis, floor=height))
        + path("line offered", bucket_path(traffic.offered_rps, scale, report.buckets, axis))
        + path("line answered", bucket_path(traffic.answered_rps, scale, report.buckets, axis))
    )
    lasts = (("offered", last_known(traffic.offered_rps)), ("answered", last_known(traffic.answered_rps)))
    ends = [(Tick(scale.y(rate), name), f"t-{name}") for name, rate in lasts if rate is not None]
    return Panel(
        id="rate",
        title="Requests per second",
        note=f"by intended start, {_width_words(report.buckets)} buckets",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=tuple(Tick(scale.y(step), f"{step:g}/s") for step in steps),
        ends=spread(ends, height),
        holes=holes(traffic.missing, axis),
        readout=bucket_readout(report.buckets, lambda k: _rate_words(report, k)),
        table=bucket_table(
            report.buckets, ("offered", "answered", "offered/s", "answered/s"), lambda k: _rate_row(report, k)
        ),
        empty="" if report.key.requests else NO_REQUESTS,
    )


def _rate_words(report: Report, k: int) -> str:
    offered, answered = report.traffic.offered_rps[k], report.traffic.answered_rps[k]
    return "no data" if offered is None else f"offered {words.rate(offered)}, answered {words.rate(answered)}"


def _rate_row(report: Report, k: int) -> tuple[str, ...] | None:
    traffic = report.traffic
    if traffic.offered[k] is None:
        return None
    counts = words.count(traffic.offered[k]), words.count(traffic.answered[k])
    return (*counts, words.rate(traffic.offered_rps[k]), words.rate(traffic.answered_rps[k]))


def _latency_scale(report: Report, height: float) -> Log:
    edges = report.heat.edges_s or (0.01, 10.0)
    limits = [limit.p99_s for limit in report.limits if limit.measure == "latency"]
    former = [value for _, _, value in report.overlay.p99 if math.isfinite(value)] if report.overlay else []
    return Log(edges[0], max(edges[-1], edges[0] * 2, *limits, *former), height, UNANSWERED_PX + 4)


def limit_lines(report: Report, measure: str, scale: Log, axis: TimeAxis) -> str:
    """The objective for the 99th percentile, as a line across the panel."""
    places = dict.fromkeys(scale.y(limit.p99_s) for limit in report.limits if limit.measure == measure)
    return path("limit", "".join(f"M0 {place:g}h{axis.span_ms}" for place in places))


def limit_ends(report: Report, measure: str, scale: Log) -> list[tuple[Tick, str]]:
    """The objective's value beside its line."""
    limits = [limit for limit in report.limits if limit.measure == measure]
    return [(Tick(scale.y(one.p99_s), f"p99 ≤ {words.brief(one.p99_s)}"), "t-limit") for one in limits]


def latency_panel(report: Report, axis: TimeAxis) -> Panel:
    """Percentiles of response time by bucket, failures as infinite; where few requests lie behind them, dotted."""
    height, latency = 150.0, report.latency
    scale = _latency_scale(report, height)
    marks = rules(axis, [scale.y(value) for value in scale.levels()])
    marks += rects("unanswered-row", [(0, 0, axis.span_ms, UNANSWERED_PX)])
    ends = []
    for name, column in (("p50", latency.p50_s), ("p90", latency.p90_s), ("p99", latency.p99_s)):
        thin = [value if latency.thin[k] and name == "p99" else None for k, value in enumerate(column)]
        full = [None if thin[k] is not None else value for k, value in enumerate(column)]
        marks += path(f"line {name} thin", bucket_path(thin, scale, latency.buckets, axis))
        marks += path(f"line {name}", bucket_path(full, scale, latency.buckets, axis))
        if (last := last_known(column)) is not None:
            ends.append((Tick(scale.y(last), name), f"t-{name}"))
    marks += limit_lines(report, "latency", scale, axis)
    former = _former_p99(report.overlay, axis) if report.overlay else []
    marks += path("line former", segments_path((a, b, scale.y(value)) for a, b, value in former))
    thinned = "; dotted below 100 requests" if any(latency.thin) else ""
    levels = [Tick(scale.y(value), words.brief(value)) for value in scale.levels()]
    return Panel(
        id="latency",
        title="Response time",
        note=f"percentiles of {_width_words(latency.buckets)} buckets; unanswered count as ∞{thinned}"
        + (f"; grey: p99 in {report.overlay.run}" if report.overlay else ""),
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=(Tick(UNANSWERED_PX / 2, "not answered"), *levels),
        ends=spread([*ends[::-1], *limit_ends(report, "latency", scale)], height),
        holes=holes(report.traffic.missing, axis),
        readout=bucket_readout(latency.buckets, lambda k: _latency_words(report, k)),
        table=bucket_table(
            latency.buckets,
            ("n", "p50", "p90", "p99", "note"),
            lambda k: _latency_row(report, k),
            "Nearest rank over the raw records of each bucket; response time counts from the intended start.",
        ),
        empty="" if report.key.requests else NO_REQUESTS,
    )


def _former_p99(overlay: Overlay, axis: TimeAxis) -> list[Segment]:
    """The earlier p99 as far as it lies on the axis of the later run."""
    placed = ((axis.x(begin_ns), axis.x(end_ns), value) for begin_ns, end_ns, value in overlay.p99)
    return [(begin, end, value) for begin, end, value in placed if end > begin]


def _latency_words(report: Report, k: int) -> str:
    latency = report.latency
    if latency.n[k] is None:
        return "no data"
    named = (("p50", latency.p50_s), ("p90", latency.p90_s), ("p99", latency.p99_s))
    text = ", ".join(f"{name} {words.duration(column[k])}" for name, column in named)
    return f"{text}, {words.plural(latency.n[k] or 0, 'request')}"


def _latency_row(report: Report, k: int) -> tuple[str, ...] | None:
    latency = report.latency
    if latency.n[k] is None:
        return None
    values = (words.duration(column[k]) for column in (latency.p50_s, latency.p90_s, latency.p99_s))
    return (words.count(latency.n[k]), *values, "few requests" if latency.thin[k] else "")


def heat_panel(report: Report, axis: TimeAxis) -> Panel:
    """How many requests took how long, by bucket; the unanswered in a row of their own."""
    heat, width_ms, bins = report.heat, report.buckets.width_ns // MS, max(len(report.heat.edges_s) - 1, 1)
    height = UNANSWERED_PX + 4 + max(bins * 6.0, 96.0)
    scale = _latency_scale(report, height)
    tops = [scale.y(edge) for edge in heat.edges_s]
    boxes: list[list[tuple[float, float, float, float]]] = [[] for _ in range(LEVELS)]
    most = max(heat.n, default=1)
    for k, slot, n in zip(heat.bucket, heat.bin, heat.n, strict=True):
        left, right = k * width_ms, min((k + 1) * width_ms, axis.span_ms)
        box = (left, tops[slot + 1], right - left, tops[slot] - tops[slot + 1])
        boxes[_level(n, most)].append(box)
    marks = rects("unanswered-row", [(0, 0, axis.span_ms, UNANSWERED_PX)])
    marks += "".join(rects(f"heat h{level}", boxes[level]) for level in range(LEVELS))
    lost = [(k, n) for k, n in enumerate(heat.unanswered) if n]
    marks += rects("lost", [(k * width_ms, 2, width_ms, UNANSWERED_PX - 4) for k, _ in lost])
    levels = [Tick(scale.y(value), words.brief(value)) for value in scale.levels()]
    return Panel(
        id="heat",
        title="Response time, all requests",
        note=f"the stronger the colour, the more requests; at most {words.count(most)} in one cell",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=(Tick(UNANSWERED_PX / 2, "not answered"), *levels),
        holes=holes(report.traffic.missing, axis),
        readout=bucket_readout(report.buckets, lambda k: _heat_words(report, k)),
        table=_heat_table(report) if report.key.requests else Table((), ()),
        empty="" if report.key.requests else NO_REQUESTS,
    )


def _level(n: int, most: int) -> int:
    """The shade of a cell: by the root of its share of the fullest one, so that a few requests still show."""
    return min(int(LEVELS * math.sqrt(n / (most + 1))), LEVELS - 1)


def _heat_words(report: Report, k: int) -> str:
    answered, lost = report.traffic.answered[k], report.heat.unanswered[k]
    return "no data" if answered is None else f"{words.count(answered)} answered, {words.count(lost)} not"


def _heat_table(report: Report) -> Table:
    """Counts by latency bin and phase: the cells themselves are in the page's data."""
    heat, phases = report.heat, report.phases
    sums = [[0] * (len(phases) + 1) for _ in range(max(len(heat.edges_s) - 1, 0))]
    for k, slot, n in zip(heat.bucket, heat.bin, heat.n, strict=True):
        middle_ns = report.buckets.begin_ns + k * report.buckets.width_ns + report.buckets.width_ns // 2
        sums[slot][0] += n
        for p, phase in enumerate(phases, 1):
            sums[slot][p] += n if phase.begin_ns <= middle_ns < phase.end_ns else 0
    edges = [words.duration(edge) for edge in heat.edges_s]
    rows = [(f"{edges[k]} to {edges[k + 1]}", *map(words.count, row)) for k, row in enumerate(sums)]
    rows.append(("not answered", words.count(sum(n or 0 for n in heat.unanswered)), *[""] * len(phases)))
    return Table(("response time", "requests", *(phase.name for phase in phases)), tuple(rows))


def failures_panel(report: Report, axis: TimeAxis) -> Panel:
    """Every outcome but a timely answer, a row each, on one scale."""
    outcomes, width_ms = report.traffic.outcomes, report.buckets.width_ns // MS
    height = max(len(outcomes), 1) * ROW
    most = max((n for column in outcomes.values() for n in column if n), default=1)
    marks, levels, ends = "", [], []
    for row, (name, column) in enumerate(outcomes.items()):
        foot, scale = (row + 1) * ROW, Linear(most, ROW, 4.0)
        bars = [(k * width_ms, foot - ROW + scale.y(n), width_ms, ROW - scale.y(n)) for k, n in enumerate(column) if n]
        known = name if name in OUTCOMES else "other"
        marks += rules(axis, [foot]) + rects(f"o-{known}", bars)
        levels.append(Tick(foot - ROW / 2, NAMES.get(name, name)))
        ends.append((Tick(foot - ROW / 2, words.count(report.traffic.totals[name])), f"t-{known}"))
    return Panel(
        id="failures",
        title="Failed, late and unsent requests",
        note=f"by outcome and intended start; highest bar: {most}" if outcomes else "",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=tuple(levels),
        ends=tuple(ends),
        holes=holes(report.traffic.missing, axis),
        readout=bucket_readout(report.buckets, lambda k: _failure_words(report, k)),
        table=bucket_table(report.buckets, outcomes, lambda k: _failure_row(report, k)),
        empty="" if outcomes else "Every request on record was answered." if report.key.requests else NO_REQUESTS,
    )


def _failure_words(report: Report, k: int) -> str:
    if report.traffic.offered[k] is None:
        return "no data"
    return ", ".join(f"{column[k]} {name}" for name, column in report.traffic.outcomes.items() if column[k]) or "none"


def _failure_row(report: Report, k: int) -> tuple[str, ...] | None:
    values = tuple(column[k] for column in report.traffic.outcomes.values())
    return tuple(map(words.count, values)) if any(values) else None
