"""Always: users stayed inside the SLO, over all traffic of the trial or over that of a window."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from chaos.checks.formatting import finite, plural, seconds_words, share_words
from chaos.checks.traffic.accounting import Arrivals, account
from chaos.checks.traffic.expected_arrivals import is_closed
from chaos.checks.traffic.windows import Window
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import History
from chaos.history.sli import GOOD, INDICATORS, response_s
from chaos.history.token_metrics import read_tokens
from chaos.slo import REQUESTS_FOR_P99, PercentileReading, Slo, SloReading, error_budget, nearest_rank, read_slo

__all__ = ["SloMet"]

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class SloMet:
    """Every objective of the SLO holds over all requests that were intended, or intended in the window `within`.

    FAIL only if it would stand even if every doubtful arrival (never sent, without a record, started late by the
    generator) had been answered well. Otherwise any doubt about the traffic makes it UNKNOWN, as do too few requests
    for a percentile, or a window that the record does not have.
    """

    slo: Slo
    within: Window | None = None

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "slo-met" if self.within is None else f"slo-met-{self.within.name}"

    def __call__(self, history: History) -> Finding:
        """Judge the requests of the trial, or of the window."""
        span = None if self.within is None else self.within.span(history)
        if isinstance(span, str):
            return self._finding(Answer.UNKNOWN, measured="nothing", reason=span, settle="a trial that has this window")
        arrivals = account(history, objective_s=self.slo.shortest_s, span=span)
        reading = read_slo(arrivals.requests, self.slo)
        answer, reason, settle = _decide(reading, arrivals)
        return self._finding(
            answer,
            measured=", ".join((*_measures(reading), *_closed_loops(history))),
            margin=_margin(reading),
            reason=reason,
            settle=settle,
            detail=_values(reading, arrivals) | ({} if span is None else {"begin_ns": span[0], "end_ns": span[1]}),
            evidence=_examples(arrivals.requests, reading),
        )

    def _finding(self, answer: Answer, **more: Any) -> Finding:
        where = "over all traffic of the trial" if self.within is None else self.within.words
        rule, limit = f"Users stay inside the SLO {where}.", ", ".join(_limits(self.slo))
        return Finding(check=self.name, answer=answer, rule=rule, limit=limit, **more)


def _decide(reading: SloReading, arrivals: Arrivals) -> tuple[Answer, str, str]:
    """The answer, its reason, and what would settle it."""
    if not reading.valid:
        reason = "; ".join(("no request was made", *arrivals.doubts))
        return Answer.UNKNOWN, reason, "let traffic flow"
    if failures := tuple(_failures(reading.slo, arrivals)):
        return Answer.FAIL, "; ".join(failures), ""
    if reading.unmetered:
        reason = f"{plural(reading.unmetered, 'full answer')} without usage: nobody counted their tokens"
        return Answer.UNKNOWN, reason, "a server that sends usage, and a profile that asks for it"
    few = [text for name, one in reading.percentiles.items() for text in _too_few(name, one)]
    if arrivals.doubts:
        settle = "a trial whose generator keeps up and accounts for every arrival"
        return Answer.UNKNOWN, "; ".join((*arrivals.doubts, *few)), settle
    if few:
        return Answer.UNKNOWN, "; ".join(few), "more requests: a longer trial or a higher rate"
    return Answer.PASS, "", ""


def _failures(slo: Slo, arrivals: Arrivals) -> Iterator[str]:
    """The objectives that are missed beyond doubt."""
    sure = read_slo(arrivals.sure, slo)
    doubtful = f" even if all {arrivals.doubtful} doubtful arrivals had been well" if arrivals.doubtful else ""
    if slo.availability is not None:
        spent, may = sure.bad, error_budget(slo.availability, sure.valid + arrivals.doubtful)
        if spent > may:
            yield f"availability: {plural(spent, 'bad request')}, {may} allowed{doubtful}"
    if slo.goodput is not None and sure.meeting is not None:
        short = sure.bad if arrivals.sound.behind else sure.valid - sure.meeting
        may = error_budget(slo.goodput, sure.valid + arrivals.doubtful)
        if short > may:
            yield f"goodput: {plural(short, 'request')} missed a limit, {may} allowed{doubtful}"
    for name, reading in sure.percentiles.items():
        # While the generator itself was behind, an answer that came late proves nothing; one that never came does.
        over = sure.bad if arrivals.sound.behind else reading.over
        count = max(reading.count + arrivals.doubtful, REQUESTS_FOR_P99)
        may = count - nearest_rank(count)
        if over > may:
            yield f"{name}: {plural(over, 'request')} over {reading.objective_s:g} s, {may} allowed{doubtful}"


def _too_few(name: str, reading: PercentileReading) -> Iterator[str]:
    if reading.count < REQUESTS_FOR_P99:
        yield f"{name} over {plural(reading.count, 'request')} decides nothing: it needs at least {REQUESTS_FOR_P99}"


def _limits(slo: Slo) -> Iterator[str]:
    if slo.availability is not None:
        yield f"objective {slo.availability:g}"
    for name, value in slo.times:
        yield f"{INDICATORS[name][0]} at most {value:g} s"
    if slo.goodput is not None:
        yield f"goodput at least {slo.goodput:g}"


def _measures(reading: SloReading) -> Iterator[str]:
    if reading.availability is None:
        yield "no valid request"
        return
    yield f"availability {share_words(reading.availability)} of {plural(reading.valid, 'request')}"
    for name, one in reading.percentiles.items():
        yield f"{name} {seconds_words(one.p99_s)}"
    if reading.slo.goodput is not None and reading.goodput is not None:
        yield f"goodput {share_words(reading.goodput)}"


def _closed_loops(history: History) -> Iterator[str]:
    """The label of traffic that waited for answers: whoever reads the figures has to know."""
    return (f"{stream.name} is a {stream.shape}" for stream in history.streams if is_closed(stream))


def _margin(reading: SloReading) -> str:
    if reading.budget is None:
        return f"{plural(reading.bad, 'bad request')}" if reading.valid else ""
    return f"error budget {plural(reading.budget, 'bad request')}, spent {reading.bad}"


def _values(reading: SloReading, arrivals: Arrivals) -> dict[str, object]:
    values: dict[str, object] = {
        "valid": reading.valid,
        "good": reading.good,
        "bad": reading.bad,
        "availability": reading.availability,
        "error_budget": reading.budget,
        "outcomes": dict(reading.outcomes),
        "arrivals_expected": arrivals.expected,
        "arrivals_recorded": arrivals.recorded,
        "arrivals_missing": arrivals.missing,
        "arrivals_lost": arrivals.lost,
        "arrivals_duplicated": arrivals.duplicates,
        "arrivals_unsent": arrivals.unsent,
        "arrivals_doubtful": arrivals.doubtful,
        "start_lag_p99_s": arrivals.sound.start_lag_p99_s,
        "generator_cpu_share_max": arrivals.sound.cpu_share_max,
    }
    for name, one in reading.times.items():
        values |= {f"{name}_p99_s": finite(one.p99_s), f"{name}_objective_s": one.objective_s}
        values |= {f"{name}_over": one.over, f"{name}_allowed": one.allowed}
    if reading.meeting is not None:
        values |= {"goodput": reading.goodput, "meeting_all_limits": reading.meeting}
    if tokens := read_tokens(arrivals.requests):
        values["tokens"] = dataclasses.asdict(tokens)
    return values


def _examples(table: pl.DataFrame, reading: SloReading) -> tuple[Evidence, ...]:
    """The first bad requests, or else the slowest of those over the objective."""
    bad = table.filter(~pl.col("outcome").is_in((*GOOD, "unsent"))).sort("end_ns").head(EXAMPLES)
    slow = table.clear()
    if reading.latency is not None and bad.is_empty():
        slow = table.filter(pl.col("outcome").is_in(GOOD) & (response_s() > reading.latency.objective_s))
        slow = slow.sort(response_s(), descending=True).head(EXAMPLES)
    return tuple(
        Evidence(
            row["end_ns"],
            f"{row['stream']} request {row['id']}: {row['outcome']} after "
            f"{seconds_words((row['end_ns'] - row['intended_ns']) / 1e9)}"
            + (f", {row['error']}" if row["error"] else "")
            + (f", by {row['replica']}" if row["replica"] else ""),
        )
        for row in pl.concat((bad, slow)).iter_rows(named=True)
    )
