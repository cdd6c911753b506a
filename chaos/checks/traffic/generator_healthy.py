"""On request: the load generator itself was healthy, so that what it measured is the service's doing."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.formatting import seconds_words
from chaos.checks.traffic.accounting import ArrivalCounts, Arrivals, account
from chaos.checks.traffic.generator_health import CPU_SHARE_MAX, GeneratorHealth, last_samples
from chaos.checks.traffic.windows import Window
from chaos.checks.verdict import Finding, Obligation
from chaos.errors import plural
from chaos.history import History
from chaos.slo import Slo

__all__ = ["GeneratorHealthy", "GeneratorHealthyDetail"]


@dataclass(frozen=True, slots=True)
class GeneratorHealthyDetail:
    """How the generator did, the arrivals that it accounts for, and its connections (None: not counted)."""

    generator: GeneratorHealth
    arrivals: ArrivalCounts
    connections_opened: int | None
    connections_reused: int | None


@dataclass(frozen=True, slots=True)
class GeneratorHealthy:
    """The generator kept up, sent every intended arrival at its time, and accounts for each.

    `slo` narrows the start lag to a share of its shortest objective. `fresh`: no connection was used twice, since kept
    ones pin traffic to the replicas that were there when they were opened. `within` asks only for a window of the
    trial; connections are counted over all of it. Never FAIL: a generator that fell behind says nothing about the
    service. `SloMet` keeps the same limits unasked; this check shows them by themselves.
    """

    Detail: ClassVar[type] = GeneratorHealthyDetail

    slo: Slo | None = None
    fresh: bool = False
    within: Window | None = None

    @property
    def name(self) -> str:
        return "generator-healthy" if self.within is None else f"generator-healthy-{self.within.name}"

    def __call__(self, history: History) -> Finding:
        where = "" if self.within is None else f", {self.within.words}"
        rule = f"The load generator keeps up, and accounts for every arrival that it intended{where}."
        span = None if self.within is None else self.within.span(history)
        if isinstance(span, str):
            absent = unknown("window", span, "a trial that has this window")
            return finding(self.name, rule, (), Summary("nothing", "the window"), nothing=absent)
        arrivals = account(history, objective_s=self.slo.shortest_s if self.slo else None, span=span)
        counts, health = arrivals.counts, arrivals.generator
        limits = [f"start lag p99 at most {health.lag_limit_s:g} s", f"at most {CPU_SHARE_MAX:.0%} of its core"]
        busy = "unknown" if health.cpu_share_max is None else f"{health.cpu_share_max:.0%}"
        lag = "unknown" if health.start_lag_p99_s is None else seconds_words(health.start_lag_p99_s)
        return finding(
            self.name,
            rule,
            self._owed(history, arrivals),
            Summary(
                measured=f"start lag p99 {lag}, core used {busy}, {counts.unsent} unsent, {counts.missing} missing"
                + (f" ({counts.lost} lost with their worker)" if counts.lost else ""),
                limit=", ".join([*limits, "every arrival sent once", *(["no connection kept"] if self.fresh else [])]),
                detail=GeneratorHealthyDetail(health, counts, *_connections(history)),
            ),
        )

    def _owed(self, history: History, arrivals: Arrivals) -> Iterator[Obligation]:
        """Each stream and worker; with fresh connections, that none was kept."""
        settle = "a lower rate, or a generator with a processor of its own"
        if arrivals.counts.lost:
            settle = "a trial whose load workers live to its end"
        if arrivals.requests.is_empty():
            yield unknown("traffic", "no request was made", settle)
        yield from (unknown("generator", doubt, settle) for doubt in arrivals.doubts)
        if not arrivals.doubts and not arrivals.requests.is_empty():
            yield from (Obligation(f"traffic {stream.name}") for stream in history.streams)
            yield from (Obligation(f"worker {last.worker}") for last in last_samples(history))
        if not self.fresh or not history.generator:
            return
        opened, reused = _connections(history)
        if opened is None or reused is None:
            yield unknown("connections", "the generator did not count its connections", settle)
        elif reused:
            text = f"{plural(reused, 'request')} went over kept connections, which pin traffic to old replicas"
            yield unknown("connections", text, settle)
        else:
            yield Obligation("connections", measured=f"{opened} opened", bound="none kept")


def _connections(history: History) -> tuple[int | None, int | None]:
    """Connections that were opened and used again, by all workers; None where one did not count them."""
    lasts = last_samples(history)
    opened = [last.opened for last in lasts if last.opened is not None]
    reused = [last.reused for last in lasts if last.reused is not None]
    whole = bool(lasts) and len(opened) == len(reused) == len(lasts)
    return (sum(opened), sum(reused)) if whole else (None, None)
