"""Always: users stayed inside the SLO, over all traffic of the trial or over that of a window."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.formatting import finite, seconds_words, share_words
from chaos.checks.traffic.accounting import ArrivalCounts, Arrivals, account, is_closed
from chaos.checks.traffic.answers_right import leaked, leaks
from chaos.checks.traffic.declared_zero import without_declared
from chaos.checks.traffic.generator_health import GeneratorHealth
from chaos.checks.traffic.later_turns import later_turns
from chaos.checks.traffic.slo_doubts import timed, under_way, whole
from chaos.checks.traffic.windows import Window, flowing_s
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History
from chaos.history.sli import BAD, GOOD, INDICATORS, TOKEN_TIMES, TokenReading, meant_within, read_tokens, response_s
from chaos.slo import REQUESTS_FOR_P99, Slo, SloReading, enough_requests, error_budget, nearest_rank, read_slo

__all__ = ["PercentileDetail", "SloMet", "SloMetDetail"]

EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class PercentileDetail:
    """One of the SLO's times: its 99th percentile (None: never answered), and how many requests were over it."""

    p99_s: float | None
    objective_s: float
    over: int
    allowed: int


@dataclass(frozen=True, slots=True)
class SloMetDetail:
    """What the requests came to; `times` by their name in `INDICATORS`, the span only for a window.

    `goodput_rps`: requests a second that kept every time. `shed`: requests that were turned away, of `asked`.
    `attempts`: how often clients asked for those that were sent, further attempts counted.
    """

    valid: int
    good: int
    bad: int
    availability: float | None
    error_budget: int | None
    goodput: float | None
    meeting_all_limits: int | None
    outcomes: Mapping[str, int]
    times: Mapping[str, PercentileDetail]
    arrivals: ArrivalCounts
    generator: GeneratorHealth
    tokens: TokenReading | None
    begin_ns: int | None
    end_ns: int | None
    goodput_rps: float | None = None
    shed: int = 0
    asked: int = 0
    attempts: int = 0
    attempts_per_request: float | None = None

    @classmethod
    def of(cls, reading: SloReading, arrivals: Arrivals, flowed_s: float, span: tuple[int, int] | None) -> SloMetDetail:
        attempts, each = attempts_of(arrivals)
        return cls(
            valid=reading.valid,
            good=reading.good,
            bad=reading.bad,
            availability=reading.availability,
            error_budget=reading.budget,
            goodput=reading.goodput,
            goodput_rps=round(reading.meeting / flowed_s, 3) if reading.meeting is not None and flowed_s else None,
            meeting_all_limits=reading.meeting,
            shed=reading.shed,
            asked=reading.asked,
            attempts=attempts,
            attempts_per_request=each,
            outcomes=dict(reading.outcomes),
            times={
                name: PercentileDetail(finite(one.p99_s), one.objective_s, one.over, one.allowed)
                for name, one in reading.times.items()
            },
            arrivals=arrivals.counts,
            generator=arrivals.generator,
            tokens=read_tokens(arrivals.requests),
            begin_ns=span[0] if span else None,
            end_ns=span[1] if span else None,
        )


@dataclass(frozen=True, slots=True)
class SloMet:
    """Every objective of the SLO holds over all requests that were intended, or intended in the window `within`.

    Requests that are refused at zero replicas do not count where the owner declared that (`at_zero = "refused"`).
    FAIL only if it would stand even if every doubtful arrival (never sent, without a record, started late by the
    generator) had been answered well. Otherwise any doubt about the traffic makes it UNKNOWN, as do too few requests
    for an objective, a window that the record does not have, one that is met only without the requests under way as a
    fault of it began, answers without the finish reason or the tokens that others of their stream have, and times of
    tokens where none was seen in any answer of a stream.
    """

    Detail: ClassVar[type] = SloMetDetail

    slo: Slo
    within: Window | None = None

    @property
    def name(self) -> str:
        return "slo-met" if self.within is None else f"slo-met-{self.within.name}"

    def __call__(self, history: History) -> Finding:
        where = "over all traffic of the trial" if self.within is None else self.within.words
        rule, limit = f"Users stay inside the SLO {where}.", ", ".join(_limits(self.slo))
        span = None if self.within is None else self.within.span(history)
        if isinstance(span, str):
            absent = unknown("window", span, "a trial that has this window")
            return finding(self.name, rule, (), Summary("nothing", limit), nothing=absent)
        every = account(history, objective_s=self.slo.shortest_s, span=span)
        arrivals, declared = without_declared(history, every, self.slo)
        meant = history.requests.filter(meant_within(*span)) if span else history.requests
        reading, flowed_s = read_slo(arrivals.requests, self.slo), flowing_s(history, span)
        owed = _owed(reading, arrivals, timed(history, arrivals, self.slo))
        return finding(
            self.name,
            rule,
            [
                *owed,
                *whole(history, arrivals),
                *(under_way(history, reading, span) if span else ()),
                *later_turns(history, self.slo, span, behind=arrivals.generator.behind),
                *leaked(leaks(meant)),
            ],
            Summary(
                measured=", ".join((*_measures(reading, arrivals, flowed_s), *declared, *_closed_loops(history))),
                limit=limit,
                margin=_margin(reading),
                detail=SloMetDetail.of(reading, arrivals, flowed_s, span),
                evidence=_examples(arrivals.requests, reading),
            ),
        )


def attempts_of(arrivals: Arrivals) -> tuple[int, float | None]:
    """How often clients asked in all, and how often for each request that was sent; None if none was."""
    sent = arrivals.requests.filter(pl.col("sent_ns").is_not_null())
    attempts = int(sent["attempts"].fill_null(1).sum())
    return attempts, round(attempts / sent.height, 3) if sent.height else None


def _owed(reading: SloReading, arrivals: Arrivals, timed: Arrivals) -> Iterator[Obligation]:
    """That traffic flowed and is accounted for, and each objective; those of tokens over what is `timed`."""
    if not reading.asked:
        yield unknown("traffic", "no request was made", "let traffic flow")
    settle = "a trial whose generator keeps up and accounts for every arrival" if reading.asked else "let traffic flow"
    yield from (unknown("traffic", doubt, settle) for doubt in arrivals.doubts)
    if reading.unmetered:
        text = f"{plural(reading.unmetered, 'full answer')} without usage: nobody counted their tokens"
        yield unknown("tokens", text, "a server that sends usage, and a profile that asks for it")
    for doubt in timed.doubts[len(arrivals.doubts) :]:
        yield unknown("tokens", doubt, "a profile whose answers are streamed, or an SLO without times of tokens")
    if reading.asked:
        yield from _objectives(reading, arrivals, timed)


def _objectives(reading: SloReading, arrivals: Arrivals, timed: Arrivals) -> Iterator[Obligation]:
    """Each objective, over all requests (`reading`) and over those beyond doubt."""
    slo = reading.slo
    sure, known = read_slo(arrivals.sure, slo), read_slo(timed.sure, slo)
    # While the generator itself was behind, an answer that came late proves nothing; one that never came does.
    behind = arrivals.generator.behind
    if slo.availability is not None:
        words = f"availability: {plural(sure.bad, 'bad request')}"
        may = error_budget(slo.availability, sure.valid + arrivals.counts.doubtful)
        missed = reading.bad > error_budget(slo.availability, reading.valid)
        enough = (reading.valid, enough_requests(slo.availability))
        yield _objective(words, sure.bad, may, enough, arrivals, missed=missed)
    if slo.shed_max is not None:
        may = error_budget(1 - slo.shed_max, sure.asked + arrivals.counts.doubtful)
        missed = reading.shed > error_budget(1 - slo.shed_max, reading.asked)
        enough = (reading.asked, enough_requests(1 - slo.shed_max))
        yield _objective(f"shed: {plural(sure.shed, 'request')}", sure.shed, may, enough, arrivals, missed=missed)
    if slo.goodput is not None and known.meeting is not None and reading.meeting is not None:
        short = known.bad if behind else known.valid - known.meeting
        words = f"goodput: {plural(short, 'request')} missed a limit"
        may = error_budget(slo.goodput, known.valid + timed.counts.doubtful)
        missed = reading.valid - reading.meeting > error_budget(slo.goodput, reading.valid)
        enough = (reading.valid, enough_requests(slo.goodput))
        yield _objective(words, short, may, enough, timed, missed=missed)
    for name, every in reading.times.items():
        of, which = (known, timed) if name in TOKEN_TIMES else (sure, arrivals)
        over = of.bad if behind else of.times[name].over
        count = max(of.times[name].count + which.counts.doubtful, REQUESTS_FOR_P99)
        words = f"{INDICATORS[name][0]}: {plural(over, 'request')} over {every.objective_s:g} s"
        enough, missed = (every.count, REQUESTS_FOR_P99), every.over > every.allowed
        yield _objective(words, over, count - nearest_rank(count), enough, which, missed=missed)


def _objective(
    words: str, over: int, may: int, enough: tuple[int, int], arrivals: Arrivals, *, missed: bool
) -> Obligation:
    """One objective, which `over` requests miss beyond doubt where `may` are allowed to.

    `enough`: how many requests there were, and how many it takes to say that it is met. `missed`: it is not, with those
    that are in doubt.
    """
    subject, count, doubtful = words.partition(":")[0], enough[0], arrivals.counts.doubtful
    measured, bound = f"{over} of {plural(count, 'request')}", f"{may} allowed"
    if over > may:
        mended = f" even if all {doubtful} doubtful arrivals had been well" if doubtful else ""
        return Obligation(subject, Answer.FAIL, f"{words}, {bound}{mended}", measured=measured, bound=bound)
    if count < enough[1]:
        reason = f"{subject} over {plural(count, 'request')} decides nothing: it needs at least {enough[1]}"
        return unknown(subject, reason, "more requests: a longer trial or a higher rate")
    if arrivals.doubts:  # which are listed by themselves
        return Obligation(subject, Answer.UNKNOWN, measured=measured, bound=bound)
    if missed:
        text = f"{subject} is missed only with {plural(doubtful, 'request')} that the generator started late"
        return unknown(subject, text, "a generator that starts every request in time")
    return Obligation(subject, measured=measured, bound=bound)


def _limits(slo: Slo) -> Iterator[str]:
    if slo.availability is not None:
        yield f"objective {slo.availability:g}"
    for name, value in slo.times:
        yield f"{INDICATORS[name][0]} at most {value:g} s"
    if slo.goodput is not None:
        yield f"goodput at least {slo.goodput:g}"
    if slo.shed_max is not None:
        yield f"at most {slo.shed_max:g} shed"
    if slo.after_retries:
        yield "as it was after clients had tried again"


def _measures(reading: SloReading, arrivals: Arrivals, flowed_s: float) -> Iterator[str]:
    if reading.availability is None:
        yield "no valid request"
        return
    yield f"availability {share_words(reading.availability)} of {plural(reading.valid, 'request')}"
    for name, one in reading.percentiles.items():
        yield f"{name} {seconds_words(one.p99_s)}"
    if reading.slo.goodput is not None and reading.goodput is not None:
        yield f"goodput {share_words(reading.goodput)}"
    if reading.meeting is not None and flowed_s:
        yield f"{reading.meeting / flowed_s:.4g}/s within every limit"
    if reading.shed:
        yield f"{reading.shed} of {reading.asked} shed"
    attempts, each = attempts_of(arrivals)
    if each is not None and attempts > arrivals.requests.height:
        yield f"{each:g} attempts a request"


def _closed_loops(history: History) -> Iterator[str]:
    """The label of traffic that waited for answers: whoever reads the figures has to know."""
    return (f"{stream.name} is a {stream.shape}" for stream in history.streams if is_closed(stream))


def _margin(reading: SloReading) -> str:
    if reading.budget is None:
        return f"{plural(reading.bad, 'bad request')}" if reading.valid else ""
    return f"error budget {plural(reading.budget, 'bad request')}, spent {reading.bad}"


def _examples(table: pl.DataFrame, reading: SloReading) -> tuple[Evidence, ...]:
    """The first bad requests, or else the slowest of those over the objective."""
    bad = table.filter(BAD).sort("end_ns").head(EXAMPLES)
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
