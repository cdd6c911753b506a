"""Always: the system was well before anything was done to it."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.autoscaling.quiet_times import may_be_zero
from chaos.checks.base import Summary, finding, judged, unknown
from chaos.checks.formatting import share_words
from chaos.checks.traffic.accounting import arrivals_within, out_of_place
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.clock import NS
from chaos.errors import plural
from chaos.history import History, Phase, Stream
from chaos.history.coverage import covered
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import GOOD, OF_ARRIVALS, VALID, meant_within
from chaos.slo import Slo, error_budget, judged_requests, read_slo

__all__ = ["SteadyBefore", "SteadyBeforeDetail"]

AVAILABILITY = 0.99
SETTLE = "mend the system, or give it longer to settle before the baseline"


@dataclass(frozen=True, slots=True)
class SteadyBeforeDetail:
    """The baseline in numbers, None where nothing was seen.

    Attributes:
        ready_min: the fewest replicas that were Ready, of `desired_max` at most.
        requests_valid: requests that count.
        requests_good: those of them that were answered in full.
        under_way: further ones that had no record yet as it was judged, in a trial that still ran.
    """

    ready_min: int | None
    desired_max: int | None
    requests_valid: int
    requests_good: int
    under_way: int = 0


@dataclass(frozen=True, slots=True)
class SteadyBefore:
    """All through the baseline every desired replica was Ready, and users were answered, in time if `slo` says when.

    Its availability takes as many requests as can show it, and is never taken for less than 0.99. A latency objective
    of the SLO is judged on few requests here, so it is a share: at most one in a hundred may take longer, or one in
    all. Never FAIL: a system that was unwell before any fault says nothing about what the fault does to it.
    """

    name: ClassVar[str] = "steady-state"
    Detail: ClassVar[type] = SteadyBeforeDetail

    slo: Slo | None = None

    def __call__(self, history: History) -> Finding:
        baseline = next((phase for phase in history.phases if phase.name == "baseline"), None)
        owed: list[Obligation] = []
        measured, detail = "nothing", None
        if baseline is not None and baseline.end_ns is not None:
            # Or the first fault began earlier.
            end_ns = min((baseline.end_ns, *(fault.begin_ns for fault in history.faults)))
            good, valid, under_way = _requests(history, baseline, end_ns, self.slo)
            lowest = ready_replicas(history).min(baseline.begin_ns, end_ns)
            desired = desired_replicas(history).max(baseline.begin_ns, end_ns)
            detail = SteadyBeforeDetail(lowest, desired, valid, good, under_way)
            availability = share_words(good / valid) if valid else "unknown"
            measured = f"ready {lowest} of {desired}, availability {availability}"
            owed = [
                *(
                    unknown("the watch", f"the watch of {kind}s did not cover the whole baseline", SETTLE)
                    for kind in ("Pod", history.facts.workload_kind)
                    if not covered(history, kind, baseline.begin_ns, end_ns)
                ),
                _replicas(history, baseline.begin_ns, end_ns, detail),
            ]
            # At zero, where that is allowed, nobody is owed an answer as long as nobody asks.
            if valid or not _asleep(history, end_ns, detail):
                owed += [_answers(detail, self.slo, _rate_rps(history, baseline.begin_ns))]
                owed += _latency(history, baseline, end_ns, self.slo)
                owed += _shed(history, baseline, end_ns, self.slo)
        why = "no baseline was recorded" if baseline is None else "the baseline never ended"
        return finding(
            self.name,
            "Before any fault every desired replica is Ready and users are answered.",
            owed,
            Summary(
                measured,
                f"all ready, availability at least {_least(self.slo)}{_latency_limit(self.slo)}",
                detail=detail,
            ),
            nothing=unknown("the baseline", why, SETTLE),
        )


def _asleep(history: History, at_ns: int, detail: SteadyBeforeDetail) -> bool:
    """Whether no replica was desired all through the baseline, and what scales the workload may want none."""
    return detail.desired_max == 0 and may_be_zero(history, at_ns)


def _asked(history: History, baseline: Phase, end_ns: int, slo: Slo | None) -> pl.DataFrame:
    """The requests of the baseline as the SLO judges them."""
    table = history.requests.filter(meant_within(baseline.begin_ns, end_ns))
    return table.filter(VALID) if slo is None else judged_requests(table, slo)


def _shed(history: History, baseline: Phase, end_ns: int, slo: Slo | None) -> Iterator[Obligation]:
    """That no larger share of the baseline's requests was turned away than the SLO allows, or one of few."""
    if slo is None or slo.shed_max is None:
        return
    reading = read_slo(history.requests.filter(meant_within(baseline.begin_ns, end_ns)), slo)
    words = f"{reading.shed} of {plural(reading.asked, 'request')} shed"
    kept = reading.shed <= max(slo.shed_max > 0, error_budget(1 - slo.shed_max, reading.asked))
    yield Obligation("shed", measured=words) if kept else unknown("shed", words, SETTLE)


def _requests(history: History, baseline: Phase, end_ns: int, slo: Slo | None) -> tuple[int, int, int]:
    """Good and valid requests of the baseline, and how many may still be answered.

    What was still under way as the first fault began may have met it, and is left out if it came to grief; but not if
    it had already taken longer than any good request when the baseline ended, because then it was stuck before. Such a
    request has no record yet while the trial runs, and is waited for; without one at the end it counts as bad. Any that
    is under way is waited for as long as there are too few to show the objective.
    """
    intended = pl.col("intended_ns")
    table = _asked(history, baseline, end_ns, slo)
    good = table.filter(pl.col("outcome").is_in(GOOD))
    longest_ns = good.select((pl.col("end_ns") - intended).max()).item() or 0
    bad = table.filter(~pl.col("outcome").is_in(GOOD))
    bad = bad.filter((pl.col("end_ns") <= _struck_ns(history, end_ns)) | (end_ns - intended > longest_ns))
    answered = good.height + bad.height
    too_few = slo is not None and not history.finished and answered < slo.shown_by
    before_ns = end_ns if too_few else end_ns - longest_ns - NS
    stuck = sum(_unrecorded(history, stream, baseline, before_ns) for stream in history.streams)
    return (good.height, answered + stuck, 0) if history.finished else (good.height, answered, stuck)


def _struck_ns(history: History, end_ns: int) -> int:
    """Until when no fault can have had a part in what became of a request: one begins, or the baseline ends."""
    return min((fault.begin_ns for fault in history.faults), default=end_ns)


def _latency(history: History, baseline: Phase, end_ns: int, slo: Slo | None) -> Iterator[Obligation]:
    """That few requests of the baseline had taken longer than the objective before anything could have slowed them."""
    if slo is None or slo.latency_p99_s is None:
        return
    objective_ns = round(slo.latency_p99_s * NS)
    intended, ended = pl.col("intended_ns"), pl.min_horizontal("end_ns", pl.lit(_struck_ns(history, end_ns)))
    table = _asked(history, baseline, end_ns, slo)
    slow = table.filter(ended - intended > objective_ns).height
    slow += sum(_unrecorded(history, stream, baseline, end_ns - objective_ns - NS) for stream in history.streams)
    words = f"{slow} of {plural(table.height, 'request')} took longer than {slo.latency_p99_s:g} s"
    few = slow <= max(1, table.height // 100)
    yield Obligation("latency", measured=words) if few else unknown("latency", words, SETTLE)


def _latency_limit(slo: Slo | None) -> str:
    return "" if slo is None or slo.latency_p99_s is None else f", one in a hundred over {slo.latency_p99_s:g} s"


def _unrecorded(history: History, stream: Stream, baseline: Phase, before_ns: int) -> int:
    """How many of a stream's arrivals in the baseline, up to a moment, have no record."""
    rows = history.requests.filter((pl.col("stream") == stream.name) & OF_ARRIVALS)
    if out_of_place(stream, rows):
        return 0
    intended = arrivals_within(stream, baseline.begin_ns, before_ns)
    span = meant_within(baseline.begin_ns, before_ns)
    return max(0, intended - rows.filter(span).height)


def _replicas(history: History, begin_ns: int, end_ns: int, detail: SteadyBeforeDetail) -> Obligation:
    if _asleep(history, end_ns, detail):
        return Obligation("the replicas", measured="none is desired, as what scales them may want")
    if not detail.desired_max:
        return unknown("the replicas", "no replica was desired", SETTLE)
    ready, desired = ready_replicas(history), desired_replicas(history)
    below = tuple(
        Evidence(begin, f"ready fell below desired ({ready.value_at(begin)} of {desired.value_at(begin)})")
        for begin, end in ready.minus(desired).spans_below(0)
        if begin <= end_ns and (end is None or end > begin_ns)
    )
    reason = "not every desired replica was Ready all the time" if below else ""
    return judged(
        "the replicas",
        reason,
        SETTLE if below else "",
        measured=f"{detail.ready_min} ready",
        bound=f"{detail.desired_max} desired",
        evidence=below,
    )


def _least(slo: Slo | None) -> float:
    """The least share of good requests: what was promised, and no less than 0.99."""
    return AVAILABILITY if slo is None or slo.availability is None else max(AVAILABILITY, slo.availability)


def _rate_rps(history: History, at_ns: int) -> float:
    """The least rate of the streams that flowed at a moment."""
    flowed = (one for one in history.streams if one.begin_ns <= at_ns and (one.end_ns is None or one.end_ns > at_ns))
    return sum(one.rate_rps for one in flowed)


def _answers(detail: SteadyBeforeDetail, slo: Slo | None, rate_rps: float) -> Obligation:
    good, valid, least = detail.requests_good, detail.requests_valid, _least(slo)
    reason, settle = "", SETTLE
    if valid - good > error_budget(least, valid):
        reason = f"{valid - good} of {plural(valid, 'request')} were not answered in full"
    elif detail.under_way:
        reason = f"{plural(detail.under_way, 'request')} of the baseline had no answer yet"
        settle = "a baseline that is longer than an answer"
    elif not valid:
        reason = "no request was answered"
    elif slo is not None and valid < slo.shown_by:
        reason = f"{plural(valid, 'request')} show no availability: {slo.needs(rate_rps)}"
        settle = "a longer baseline, or a higher rate"
    measured, bound = f"{good} of {valid} answered", f"at least {least:g} of all"
    return judged("the requests", reason, settle if reason else "", measured=measured, bound=bound)
