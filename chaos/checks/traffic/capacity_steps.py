"""The steps of a search for the highest rate: steady traffic on a number of replicas, and whether the SLO held."""

from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import polars as pl

from chaos.checks.autoscaling.scale_up import answered_rps
from chaos.checks.base import blind_spots
from chaos.checks.chance import wilson
from chaos.checks.traffic.generator_healthy import GeneratorHealthy
from chaos.checks.traffic.slo_met import SloMet, SloMetDetail
from chaos.checks.traffic.windows import InStream
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.history import History, Stream
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import INDICATORS, meant_within, response_s
from chaos.slo import Slo, SloReading, error_budget, judged_requests, nearest_rank, read_slo

__all__ = ["CONFIDENCE", "Interval", "RateStep", "p99_ranks", "rate_steps", "share_interval"]

CONFIDENCE = 0.95

BACKLOG_MAX = 0.1
"""A queue that grows by more of a stretch's length is one of a service that does not keep up with the rate."""

_TAIL = (1 - CONFIDENCE) / 2
_Z = NormalDist().inv_cdf(1 - _TAIL)


@dataclass(frozen=True, slots=True)
class Interval:
    """From `low` to `high`; None where so few requests leave that side open."""

    low: float | None
    high: float | None


def share_interval(count: int, total: int) -> Interval:
    """The share of which `count` of `total` is a sample, by Wilson's score interval."""
    if not total:
        return Interval(None, None)
    low, high = wilson(count, total, _Z)
    return Interval(0.0 if count == 0 else low, 1.0 if count == total else high)


def p99_ranks(count: int) -> tuple[int | None, int | None]:
    """Between which of `count` values in order (from 1) the 99th percentile of what they are a sample of lies.

    By order statistics: how many values lie above it is binomial, with a hundredth each. Fewer than 368 values have no
    upper end, as all of them may lie below it.
    """
    at_most = tuple(_at_most(count))
    # That more lie above it than the last of these says is too unlikely; so is, of the first, that so few do.
    low = count - len(at_most) + 1
    few = sum(chance <= _TAIL for chance in at_most)
    return (low if low >= 1 else None), (count - few + 1 if few else None)


def _at_most(count: int) -> Iterator[float]:
    """The chance that at most 0, 1, 2, … of so many values lie above the 99th percentile, until it is near to 1."""
    chance, total = 0.99**count, 0.0
    for above in range(count + 1):
        total += chance
        yield total
        if 1 - total <= _TAIL:
            return
        chance *= (count - above) / (above + 1) * 0.01 / 0.99


@dataclass(frozen=True, slots=True)
class RateStep:
    """One stretch of steady traffic, and what users got.

    `answer`: PASS, the SLO held; FAIL, it did not; UNKNOWN, nobody can tell, for `reason`. `valid` and `bad` count
    requests, `times_s` are their times in order for each objective, infinite for those that were not answered.
    `goodput_rps`: requests a second that kept every time of the SLO.
    `answered_rps`: full answers that ended within the stretch, a second. Far fewer than were asked for mean that a
    queue grew, and that a longer stretch would have held less.
    """

    replicas: int
    rate_rps: float
    end_ns: int
    answer: Answer
    reason: str = ""
    valid: int = 0
    bad: int = 0
    answered_rps: float | None = None
    times_s: tuple[tuple[str, tuple[float, ...]], ...] = ()
    goodput_rps: float | None = None

    @property
    def known(self) -> bool:
        return self.answer is not Answer.UNKNOWN

    def p99_s(self, name: str) -> float | None:
        """The 99th percentile of one of the SLO's times; None without a request."""
        values = dict(self.times_s).get(name, ())
        return values[nearest_rank(len(values)) - 1] if values else None


def rate_steps(history: History, slo: Slo, *, brief: bool = False) -> tuple[RateStep, ...]:
    """Read every step off the history, in order: each stream that began after the baseline was over.

    `brief` steps have fewer requests than a verdict on an SLO needs: what they come to is an estimate (`_in_brief`).
    """
    baselines = [phase.end_ns for phase in history.phases if phase.name == "baseline" and phase.end_ns is not None]
    after_ns = max(baselines, default=history.ended_ns)
    return tuple(_step(history, slo, one, brief=brief) for one in history.streams if one.begin_ns >= after_ns)


def _step(history: History, slo: Slo, stream: Stream, *, brief: bool) -> RateStep:
    window, end_ns = InStream(stream.name), history.ended_ns if stream.end_ns is None else stream.end_ns
    meant = meant_within(stream.begin_ns, end_ns)
    table = judged_requests(history.requests.filter(meant), slo)
    finding = SloMet(slo, within=window)(history)
    users, answer, why = finding.detail, finding.answer, finding.reason
    if brief:
        answer, why = _in_brief(
            read_slo(history.requests.filter(meant), slo), _backlog_s(table), (end_ns - stream.begin_ns) / NS
        )
    # Late requests arrive in a crowd: what the service makes of that is no measure of it, a FAIL least of all.
    doubts = [*_doubts(history, stream, end_ns), GeneratorHealthy(slo, within=window)(history).reason]
    reason = "; ".join(doubt for doubt in doubts if doubt)
    return RateStep(
        replicas=desired_replicas(history).value_at(stream.begin_ns) or 0,
        rate_rps=stream.rate_rps,
        end_ns=end_ns,
        answer=Answer.UNKNOWN if reason else answer,
        reason=reason or why,
        valid=users.valid if isinstance(users, SloMetDetail) else 0,
        bad=users.bad if isinstance(users, SloMetDetail) else 0,
        answered_rps=answered_rps(history, stream.begin_ns, end_ns),
        times_s=tuple(
            (name, tuple(table.select(INDICATORS[name][1].alias("s"))["s"].drop_nulls().sort().to_list()))
            for name, _ in slo.times
        ),
        goodput_rps=users.goodput_rps if isinstance(users, SloMetDetail) else None,
    )


def _in_brief(reading: SloReading, backlog_s: float, lasted_s: float) -> tuple[Answer, str]:
    """Whether the SLO held in a stretch of few requests, and why not.

    One request of each objective may be bad however few there are, unless all have to be good: the hundredth of a dozen
    is none. A queue may hide within the objective in so short a time, so answers may not come ever later.
    """
    if reading.slo.shed_max is not None:
        may = max(reading.slo.shed_max > 0, error_budget(1 - reading.slo.shed_max, reading.asked))
        if reading.shed > may:
            return Answer.FAIL, f"{reading.shed} of {reading.asked} requests were shed"
    if not reading.valid:
        return Answer.UNKNOWN, "no request was made"
    for objective, bad in ((reading.slo.availability, reading.bad), (reading.slo.goodput, _missed(reading))):
        if objective is not None and bad > max(objective < 1, error_budget(objective, reading.valid)):
            return Answer.FAIL, f"{bad} of {reading.valid} requests were bad"
    for name, times in reading.percentiles.items():
        if times.over > max(1, times.allowed):
            return Answer.FAIL, f"{name}: {times.over} of {times.count} took over {times.objective_s:g} s"
    if backlog_s > BACKLOG_MAX * lasted_s:
        return Answer.FAIL, f"answers came {backlog_s:.1f} s later at the end of {lasted_s:.0f} s: a queue grows"
    return Answer.PASS, ""


def _missed(reading: SloReading) -> int:
    """How many requests did not keep every time."""
    return 0 if reading.meeting is None else reading.valid - reading.meeting


def _backlog_s(table: pl.DataFrame) -> float:
    """How much later answers came to the last third of the requests than to the first, by their medians."""
    values = table.sort("intended_ns").select(response_s().alias("s"))["s"]
    third = max(1, len(values) // 3)
    first, last = values.head(third).median(), values.tail(third).median()
    return float(last) - float(first) if isinstance(first, float) and isinstance(last, float) else 0.0


def _doubts(history: History, stream: Stream, end_ns: int) -> Iterator[str]:
    """Why the step is not one of a known number of replicas."""
    yield from blind_spots(history, ("Pod", history.facts.workload_kind), stream.begin_ns, end_ns)
    ready = ready_replicas(history).values_in(stream.begin_ns, end_ns)
    wanted = desired_replicas(history).values_in(stream.begin_ns, end_ns)
    if len(set(wanted)) > 1:
        yield f"desired replicas changed in the step: {', '.join(map(str, wanted))}"
    elif wanted and set(ready) != set(wanted):
        yield f"{min(ready, default=0)} to {max(ready, default=0)} of {wanted[0]} replicas were Ready in the step"
    if any(other.name != stream.name and _overlap(other, stream.begin_ns, end_ns) for other in history.streams):
        yield "other traffic flowed in the step"
    if history.facts.dry_run:
        yield "a dry run (--gameday-dry-run) changes no number of replicas"


def _overlap(stream: Stream, begin_ns: int, end_ns: int) -> bool:
    return stream.begin_ns < end_ns and (stream.end_ns is None or stream.end_ns > begin_ns)
