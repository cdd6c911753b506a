"""The panels of the instruments: tokens, the load generator, and what the record covers."""

from collections import Counter
from collections.abc import Sequence

from chaos.clock import NS
from reports import formatting as words
from reports.model.parts import Missing, TokenSeries
from reports.model.report import Coverage, Report
from reports.page.panels.panel import (
    Hole,
    Panel,
    Table,
    bucket_path,
    bucket_readout,
    bucket_table,
    holes,
    last_known,
    spread,
)
from reports.page.panels.traffic import limit_ends, limit_lines
from reports.page.svg import (
    Linear,
    Log,
    Tick,
    TimeAxis,
    bands,
    drawing,
    nice_steps,
    path,
    rects,
    rules,
)

__all__ = ["coverage_panel", "cpu_panel", "lag_panel", "tokens_panel"]

NO_SAMPLE = "The load generator reported nothing."
ROW = 16.0
NOT_WATCHED = ("requests", "generator")


def tokens_panel(report: Report, tokens: TokenSeries, axis: TimeAxis) -> Panel:
    """Time to the first token, and the gap between tokens, at the median and the 99th percentile."""
    height, buckets = 110.0, report.latency.buckets
    lines = (
        ("first token p99", "p99", tokens.first_p99_s),
        ("first token p50", "p50", tokens.first_p50_s),
        ("gap p99", "gap p99", tokens.gap_p99_s),
        ("gap p50", "gap p50", tokens.gap_p50_s),
    )
    finite = [value for _, _, column in lines for value in column if value is not None and 0 < value < float("inf")]
    finite += [limit.p99_s for limit in report.limits if limit.measure == "first token"]
    low, high = min(finite, default=0.01), max(finite, default=1.0)
    scale = Log(low / 1.2, max(high * 1.2, low * 2), height, 18.0)
    marks, ends = rules(axis, [scale.y(value) for value in scale.levels()]), []
    for name, css, column in lines:
        marks += path(f"line {css}", bucket_path(column, scale, buckets, axis))
        if (last := last_known(column)) is not None:
            ends.append((Tick(scale.y(last), name), f"t-{css.replace(' ', ' t-')}"))
    marks += limit_lines(report, "first token", scale, axis)
    ends += limit_ends(report, "first token", scale)
    return Panel(
        id="tokens",
        title="Tokens",
        note=f"{words.count(tokens.n)} streams, {words.count(tokens.gaps)} gaps; no first token counts as ∞",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=(
            Tick(9.0, "∞"),
            *(Tick(scale.y(v), words.brief(v)) for v in scale.levels()),
        ),
        ends=spread(ends, height),
        holes=holes(report.traffic.missing, axis),
        readout=bucket_readout(
            buckets, lambda k: ", ".join(f"{name} {words.duration(column[k])}" for name, _, column in lines)
        ),
        table=bucket_table(
            buckets,
            (name for name, _, _ in lines),
            lambda k: (
                tuple(words.duration(column[k]) for _, _, column in lines)
                if any(column[k] is not None for _, _, column in lines)
                else None
            ),
        ),
    )


def lag_panel(report: Report, axis: TimeAxis) -> Panel:
    """How late the generator started its requests: the worst of each bucket."""
    height, generator, buckets = 64.0, report.generator, report.buckets
    steps = nice_steps(max(generator.worst_lag_s or 0.0, 0.005), 2)
    scale = Linear(steps[-1], height, 10.0)
    marks = (
        rules(axis, [scale.y(step) for step in steps])
        + path("fill generator", bucket_path(generator.lag_max_s, scale, buckets, axis, floor=height))
        + path("line generator p99", bucket_path(generator.lag_p99_s, scale, buckets, axis))
        + path("line generator", bucket_path(generator.lag_max_s, scale, buckets, axis))
    )
    return Panel(
        id="lag",
        title="Generator lag",
        note=f"delay after intended start, worst of each bucket; overall {words.duration(generator.worst_lag_s)}",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=tuple(Tick(scale.y(step), words.brief(step)) for step in steps),
        holes=holes(generator.missing, axis),
        readout=bucket_readout(
            buckets,
            lambda k: f"max {words.duration(generator.lag_max_s[k])}, p99 {words.duration(generator.lag_p99_s[k])}",
        ),
        table=bucket_table(
            buckets, ("lag max", "lag p99", "in flight", "CPU of one core"), lambda k: _generator_row(report, k)
        ),
        empty=NO_SAMPLE if last_known(generator.lag_max_s) is None else "",
    )


def _generator_row(report: Report, k: int) -> tuple[str, ...] | None:
    generator = report.generator
    if generator.cpu_share[k] is None:
        return None
    lags = words.duration(generator.lag_max_s[k]), words.duration(generator.lag_p99_s[k])
    return (*lags, words.count(generator.in_flight[k]), words.share(generator.cpu_share[k]))


def cpu_panel(report: Report, axis: TimeAxis) -> Panel:
    """How much of one core the generator used: the busiest second of each bucket."""
    height, cpu, buckets = 48.0, report.generator.cpu_share, report.buckets
    scale = Linear(max(1.0, report.generator.worst_cpu_share or 0.0), height, 8.0)
    marks = (
        rules(axis, [scale.y(0), scale.y(0.5), scale.y(1)])
        + path("fill generator", bucket_path(cpu, scale, buckets, axis, floor=height))
        + path("line generator", bucket_path(cpu, scale, buckets, axis))
    )
    return Panel(
        id="cpu",
        title="Generator CPU",
        note="share of one core, the busiest second of each bucket",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), marks),
        levels=tuple(Tick(scale.y(value), f"{value:.0%}") for value in (0.0, 0.5, 1.0)),
        holes=holes(report.generator.missing, axis),
        readout=bucket_readout(buckets, lambda k: words.share(cpu[k])),
        table=bucket_table(buckets, ("CPU of one core",), lambda k: None if cpu[k] is None else (words.share(cpu[k]),)),
        empty=NO_SAMPLE if last_known(cpu) is None else "",
    )


def coverage_panel(report: Report, axis: TimeAxis) -> Panel:
    """What each source recorded: a bar where it did, hatching where something is missing."""
    rows = _joined(report.coverage)
    height = len(rows) * ROW
    bars, gaps = [], list[Hole]()
    for k, (_, source) in enumerate(rows):
        for begin_ns, end_ns in _covered(source):
            left = axis.x(begin_ns)
            bars.append((left, k * ROW + 5, axis.x(end_ns) - left, ROW - 10))
        gaps += holes(source.missing, axis, top=k * ROW + 2, height=ROW - 4)
    return Panel(
        id="coverage",
        title="What the record covers",
        note="hatched: changes may be missing from the record",
        height=height,
        drawing=drawing(bands(report.faults, axis, height), rects("covered", bars)),
        levels=tuple(Tick((k + 0.5) * ROW, label) for k, (label, _) in enumerate(rows)),
        holes=tuple(gaps),
        table=_coverage_table(report),
        lanes=True,
    )


def _joined(sources: Sequence[Coverage]) -> list[tuple[str, Coverage]]:
    """Watched kinds without a gap share a row, if more than one has the same span to the second."""
    alike = Counter(_key(source) for source in sources)
    rows: list[tuple[str, Coverage]] = []
    joined: set[tuple[int, int]] = set()
    for source in sources:
        key = _key(source)
        if key is None or alike[key] == 1:
            rows.append((source.source, source))
        elif key not in joined:
            joined.add(key)
            rows.append((f"{alike[key]} watched kinds", source))
    return rows


def _key(source: Coverage) -> tuple[int, int] | None:
    if source.missing or source.begin_ns is None or source.end_ns is None or source.source in NOT_WATCHED:
        return None
    return round(source.begin_ns / NS), round(source.end_ns / NS)


def _covered(source: Coverage) -> list[tuple[int, int]]:
    """Spans in which the source recorded."""
    if source.begin_ns is None or source.end_ns is None:
        return []
    edges = [source.begin_ns]
    for hole in source.missing:
        edges += [hole.begin_ns, hole.end_ns]
    edges.append(source.end_ns)
    return [(a, b) for a, b in zip(edges[::2], edges[1::2], strict=True) if b > a]


def _coverage_table(report: Report) -> Table:
    def row(source: Coverage, hole: Missing | None) -> tuple[str, ...]:
        gap = (words.stamp(hole.begin_ns), words.stamp(hole.end_ns), hole.reason) if hole else ("", "", "")
        return (source.source, words.stamp(source.begin_ns), words.stamp(source.end_ns), *gap)

    rows = tuple(row(source, hole) for source in report.coverage for hole in (source.missing or (None,)))
    return Table(("source", "from (UTC)", "until (UTC)", "gap from", "gap until", "reason"), rows)
