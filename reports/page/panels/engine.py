"""The panels of what the servers say of themselves, beside the users' latency."""

from collections.abc import Callable

from reports import formatting as words
from reports.model.engine import EngineSeries
from reports.model.report import Report
from reports.page.panels.panel import Panel, bucket_path, bucket_readout, bucket_table, holes, last_known, spread
from reports.page.svg import Linear, Tick, TimeAxis, bands, drawing, nice_steps, path, rules

__all__ = ["engine_panels"]

HEIGHT = 84.0

TITLES = {
    "running": "Requests running",
    "waiting": "Requests waiting",
    "cache_use": "KV cache in use",
    "tokens": "Tokens per second",
}

FOLDED = {"most": "p99", "median": "p90", "least": "p50"}
"""How the lines of many replicas are drawn."""


def engine_panels(report: Report, axis: TimeAxis) -> list[Panel]:
    """One panel a quantity that any server tells."""
    return [_panel(report, series, axis) for series in report.engines]


def _panel(report: Report, series: EngineSeries, axis: TimeAxis) -> Panel:
    buckets, folded = report.buckets, series.of > len(series.lines)
    shown = _shown(series.quantity)
    values = [value for line in series.lines for value in line.values if value is not None]
    steps = nice_steps(max([1.0, *values]), 3)
    scale = Linear(steps[-1], HEIGHT, 10.0)
    marks, ends = rules(axis, [scale.y(step) for step in steps]), []
    for k, line in enumerate(series.lines):
        css = FOLDED[line.name] if folded else f"e{k}"
        marks += path(f"line {css}", bucket_path(line.values, scale, buckets, axis))
        if (last := last_known(line.values)) is not None:
            ends.append((Tick(scale.y(last), line.name), f"t-{css}"))
    many = f"the most, the median and the least of {words.plural(series.of, 'replica')}" if folded else "by replica"
    top = "" if series.quantity == "tokens" else "; the highest reading of each bucket"
    return Panel(
        id=f"engine-{series.quantity.replace('_', '-')}",
        title=TITLES[series.quantity],
        note=f"as {series.engine or 'the server'} says, {many}{top}",
        height=HEIGHT,
        drawing=drawing(bands(report.faults, axis, HEIGHT), marks),
        levels=tuple(Tick(scale.y(step), shown(step)) for step in steps),
        ends=spread(ends, HEIGHT),
        holes=holes(series.missing, axis),
        readout=bucket_readout(buckets, lambda k: _words(series, k, shown)),
        table=bucket_table(buckets, (line.name for line in series.lines), lambda k: _row(series, k, shown)),
    )


def _shown(quantity: str) -> Callable[[float | None], str]:
    """How a value is written."""
    if quantity == "cache_use":
        return words.share
    unit = "/s" if quantity == "tokens" else ""
    return lambda value: words.NOTHING if value is None else f"{value:.4g}{unit}"


def _words(series: EngineSeries, k: int, shown: Callable[[float | None], str]) -> str:
    known = [f"{line.name} {shown(line.values[k])}" for line in series.lines if line.values[k] is not None]
    return ", ".join(known) or "not known"


def _row(series: EngineSeries, k: int, shown: Callable[[float | None], str]) -> tuple[str, ...] | None:
    row = [line.values[k] for line in series.lines]
    return tuple(map(shown, row)) if any(value is not None for value in row) else None
