"""The page of a measurement of capacity: which rates were tried on how many replicas, and which held the SLO."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from chaos.checks.traffic.capacity_estimate import AtRate, CapacityEstimate
from chaos.checks.traffic.capacity_found import CapacityFoundDetail
from chaos.checks.traffic.capacity_steps import Interval
from chaos.checks.verdict import Verdict
from chaos.history import History
from chaos.history.sli import INDICATORS
from chaos.slo import Slo
from reports import formatting as words
from reports.page.report import environment, trusted

__all__ = ["capacity_page", "cells", "headings", "result_words"]

WIDTH, GUTTER, ROW = 1000, 110, 34
"""The drawing in its own units: the whole, the room for names at the left, the height of a row."""


@dataclass(frozen=True, slots=True)
class _Dot:
    """A rate that was tried: its place, and its result."""

    x: float
    css: str
    text: str


@dataclass(frozen=True, slots=True)
class _Row:
    """One number of replicas: its dots, and the span in which its limit lies."""

    y: float
    name: str
    dots: tuple[_Dot, ...]
    span: tuple[float, float] | None


def result_words(one: AtRate) -> str:
    """The result of the steps at one rate, in a few words."""
    if not one.known:
        return "unknown"
    return "held" if not one.broke else "held sometimes" if one.held else "did not hold"


def headings(slo: Slo) -> tuple[str, ...]:
    """What the cells are."""
    return ("held", "answered", "goodput", "availability", *(INDICATORS[name][0] for name, _ in slo.times))


def cells(one: AtRate, slo: Slo) -> tuple[str, ...]:
    """How often it held, answers and good ones a second, availability and percentiles with confidence intervals."""
    rates = [step.answered_rps for step in one.known if step.answered_rps is not None]
    good = [step.goodput_rps for step in one.known if step.goodput_rps is not None]
    share, bar = one.availability
    times = [one.p99_s(name) for name, _ in slo.times]
    return (
        f"{one.held} of {len(one.known)}" + (f", {one.unknown} unknown" if one.unknown else ""),
        words.rate(sum(rates) / len(rates) if rates else None),
        words.rate(sum(good) / len(good) if good else None),
        f"{words.share(share)} ({words.share(bar.low)} to {words.share(bar.high)})" if one.known else words.share(None),
        *(f"{words.duration(value)} ({_bar(its)})" if one.known else words.duration(None) for value, its in times),
    )


def _bar(bar: Interval) -> str:
    """A confidence interval; `open` for an end that so few requests leave open."""
    low, high = (None if end is None else words.duration(end) for end in (bar.low, bar.high))
    return f"{low or 'open'} to {high or 'open'}"


def capacity_page(history: History, verdict: Verdict, slo: Slo, limits: Sequence[CapacityEstimate]) -> str:
    """The page as text: one file, no script."""
    facts, rows = history.facts, _rows(limits)
    finding = next((one for one in verdict.findings if isinstance(one.detail, CapacityFoundDetail)), None)
    return (
        environment()
        .get_template("capacity.html.j2")
        .render(
            answer=verdict.answer.name,
            facts=facts,
            run=str(facts.raw.get("run", "")),
            date=words.date(history.began_ns),
            clock=words.clock(history.began_ns),
            slo=_slo(slo),
            finding=finding,
            others=[one for one in verdict.findings if one is not finding and one.answer.name != "PASS"],
            limits=limits,
            headings=headings(slo),
            cells=lambda one: cells(one, slo),
            result_words=result_words,
            rows=rows,
            ticks=_ticks(limits),
            width=WIDTH,
            gutter=GUTTER,
            height=ROW * len(rows) + 30,
            css=trusted("report.css"),
        )
    )


def _slo(slo: Slo) -> str:
    parts = [f"availability {slo.availability:g}"] if slo.availability is not None else []
    return ", ".join([*parts, *(f"{INDICATORS[name][0]} at most {value:g} s" for name, value in slo.times)])


def _range(limits: Sequence[CapacityEstimate]) -> tuple[float, float]:
    rates = [one.rate_rps for limit in limits for one in limit.rates]
    return (min(rates) / 1.2, max(rates) * 1.2) if rates else (1.0, 10.0)


def _x(rate_rps: float, limits: Sequence[CapacityEstimate]) -> float:
    """The place of a rate: each doubling is as wide as the next."""
    low, high = _range(limits)
    return round(GUTTER + (WIDTH - GUTTER) * math.log(rate_rps / low) / math.log(high / low), 1)


def _rows(limits: Sequence[CapacityEstimate]) -> list[_Row]:
    rows = []
    for number, limit in enumerate(limits):
        dots = tuple(
            _Dot(_x(one.rate_rps, limits), result_words(one).split()[-1], f"{one.rate_rps:g}/s {result_words(one)}")
            for one in limit.rates
        )
        ends = (limit.held, limit.broke)
        span = (_x(ends[0].rate_rps, limits), _x(ends[1].rate_rps, limits)) if ends[0] and ends[1] else None
        rows.append(_Row(ROW * (number + 0.5), words.plural(limit.replicas, "replica"), dots, span))
    return rows


def _ticks(limits: Sequence[CapacityEstimate]) -> list[tuple[float, str]]:
    low, high = _range(limits)
    nice = [scale * 10**power for power in range(-2, 6) for scale in (1, 2, 5)]
    return [(_x(rate, limits), f"{rate:g}/s") for rate in nice if low <= rate <= high]
