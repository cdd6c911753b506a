"""What the record covers and where it has gaps, and the health of the load generator."""

from collections.abc import Iterable, Sequence
from itertools import pairwise

from chaos.clock import NS
from chaos.history import GeneratorSample, History
from reports.model.parts import Buckets, GeneratorSeries, Missing
from reports.model.report import Coverage

__all__ = ["coverage", "generator_series", "missing_of"]

SILENT_NS = int(2.5 * NS)
"""The generator writes a sample a second; a gap is longer than two missing ones."""


def missing_of(history: History, *kinds: str) -> tuple[Missing, ...]:
    """Where states of these kinds may have been lost: gaps, and before and after the kind was covered."""
    holes = [Missing(gap.since_ns, gap.until_ns, gap.reason) for gap in history.gaps if gap.kind in kinds]
    for kind in kinds:
        begin_ns, end_ns = history.covered_ns.get(kind, (history.ended_ns, history.ended_ns))
        if begin_ns - history.began_ns > NS:
            holes.append(Missing(history.began_ns, begin_ns, f"{kind} was not yet watched"))
        if history.ended_ns - end_ns > NS:
            holes.append(Missing(end_ns, history.ended_ns, f"{kind} was no longer watched"))
    return tuple(sorted(holes, key=lambda hole: hole.begin_ns))


def coverage(history: History, silent: tuple[Missing, ...], generator: GeneratorSeries) -> tuple[Coverage, ...]:
    """One row a source: each watched kind, the requests, the generator's own samples."""
    kinds = sorted({"Pod", history.facts.workload_kind, *history.covered_ns})
    rows = [_watched(history, kind) for kind in kinds]
    begins = [stream.begin_ns for stream in history.streams]
    ends = [stream.end_ns or history.ended_ns for stream in history.streams]
    rows.append(Coverage("requests", min(begins, default=None), max(ends, default=None), silent))
    samples = history.generator
    first, last = (samples[0].at_ns, samples[-1].at_ns) if samples else (None, None)
    return (*rows, Coverage("generator", first, last, generator.missing))


def _watched(history: History, kind: str) -> Coverage:
    begin_ns, end_ns = history.covered_ns.get(kind, (None, None))
    gaps = tuple(Missing(gap.since_ns, gap.until_ns, gap.reason) for gap in history.gaps if gap.kind == kind)
    return Coverage(kind, begin_ns, end_ns, gaps)


def generator_series(history: History, buckets: Buckets) -> GeneratorSeries:
    """The worst of the generator's samples in each bucket; a bucket without any is unknown."""
    groups: list[list[GeneratorSample]] = [[] for _ in range(buckets.count)]
    for sample in history.generator:
        k = (sample.at_ns - 1 - buckets.begin_ns) // buckets.width_ns
        groups[min(max(k, 0), buckets.count - 1)].append(sample)
    lags = [sample.lag_max_ns for sample in history.generator if sample.lag_max_ns is not None]
    busy = [sample.cpu_share for sample in history.generator]
    return GeneratorSeries(
        lag_p99_s=tuple(_worst_s(sample.lag_p99_ns for sample in group) for group in groups),
        lag_max_s=tuple(_worst_s(sample.lag_max_ns for sample in group) for group in groups),
        cpu_share=tuple(round(max(sample.cpu_share for sample in group), 4) if group else None for group in groups),
        in_flight=tuple(max(sample.in_flight for sample in group) if group else None for group in groups),
        worst_lag_s=round(max(lags) / NS, 6) if lags else None,
        worst_cpu_share=round(max(busy), 4) if busy else None,
        missing=_generator_gaps(history),
    )


def _worst_s(values: Iterable[int | None]) -> float | None:
    return max((round(value / NS, 6) for value in values if value is not None), default=None)


def _generator_gaps(history: History) -> tuple[Missing, ...]:
    """Spans of traffic in which the generator wrote no line."""
    if not history.streams:
        return ()
    begin_ns = min(stream.begin_ns for stream in history.streams)
    end_ns = max(stream.end_ns or history.ended_ns for stream in history.streams)
    times: Sequence[int] = [begin_ns, *(s.at_ns for s in history.generator if begin_ns < s.at_ns < end_ns), end_ns]
    spans = pairwise(times)
    # A sample covers the second before it; the last span ends with the traffic, without a sample.
    gaps = ((a, b if b == end_ns else b - NS) for a, b in spans if b - a > SILENT_NS)
    return tuple(Missing(a, b, "the load generator reported nothing") for a, b in gaps)
