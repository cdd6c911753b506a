"""On request: the load generator itself was sound, so that what it measured is the service's doing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaos.checks.formatting import plural, seconds_words
from chaos.checks.traffic.accounting import Arrivals, account
from chaos.checks.traffic.generator_health import CPU_SHARE_MAX, last_samples
from chaos.checks.traffic.windows import Window
from chaos.checks.verdict import Answer, Finding
from chaos.history import History
from chaos.slo import Slo

__all__ = ["GeneratorHealthy"]


@dataclass(frozen=True, slots=True)
class GeneratorHealthy:
    """The generator kept up, sent every intended arrival at its time, and accounts for each.

    `slo` narrows the start lag to a share of its shortest objective. `fresh`: no connection was used twice, since kept
    ones pin traffic to the replicas that were there when they were opened. `within` asks only for a window of the
    trial; connections are counted over all of it. Never FAIL: a generator that fell behind says nothing about the
    service. `SloMet` keeps the same limits unasked; this check shows them by themselves.
    """

    slo: Slo | None = None
    fresh: bool = False
    within: Window | None = None

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "generator-healthy" if self.within is None else f"generator-healthy-{self.within.name}"

    def __call__(self, history: History) -> Finding:
        """Judge the generator's account of itself."""
        span = None if self.within is None else self.within.span(history)
        if isinstance(span, str):
            settle = "a trial that has this window"
            return self._finding(Answer.UNKNOWN, limit="", measured="nothing", reason=span, settle=settle)
        arrivals = account(history, objective_s=self.slo.shortest_s if self.slo else None, span=span)
        reasons = tuple(self._reasons(history, arrivals))
        opened, reused = _connections(history)
        sound = arrivals.sound
        limits = [f"start lag p99 at most {sound.lag_limit_s:g} s", f"at most {CPU_SHARE_MAX:.0%} of its core"]
        busy = "unknown" if sound.cpu_share_max is None else f"{sound.cpu_share_max:.0%}"
        lag = "unknown" if sound.start_lag_p99_s is None else seconds_words(sound.start_lag_p99_s)
        return self._finding(
            Answer.UNKNOWN if reasons else Answer.PASS,
            limit=", ".join([*limits, "every arrival sent once", *(["no connection kept"] if self.fresh else [])]),
            measured=f"start lag p99 {lag}, core used {busy}, {arrivals.unsent} unsent, {arrivals.missing} missing"
            + (f" ({arrivals.lost} lost with their worker)" if arrivals.lost else ""),
            reason="; ".join(reasons),
            settle=_settle(arrivals) if reasons else "",
            detail={
                "start_lag_p99_s": sound.start_lag_p99_s,
                "cpu_share_max": sound.cpu_share_max,
                "arrivals_expected": arrivals.expected,
                "arrivals_recorded": arrivals.recorded,
                "arrivals_missing": arrivals.missing,
                "arrivals_lost": arrivals.lost,
                "arrivals_duplicated": arrivals.duplicates,
                "arrivals_unsent": arrivals.unsent,
                "connections_opened": opened,
                "connections_reused": reused,
            },
        )

    def _finding(self, answer: Answer, **more: Any) -> Finding:
        rule = "The load generator keeps up, and accounts for every arrival that it intended"
        where = "" if self.within is None else f", {self.within.words}"
        return Finding(check=self.name, answer=answer, rule=f"{rule}{where}.", **more)

    def _reasons(self, history: History, arrivals: Arrivals) -> Iterator[str]:
        if arrivals.requests.is_empty():
            yield "no request was made"
        yield from arrivals.doubts
        if not self.fresh or not history.generator:
            return
        opened, reused = _connections(history)
        if opened is None or reused is None:
            yield "the generator did not count its connections"
        elif reused:
            yield f"{plural(reused, 'request')} went over kept connections, which pin traffic to old replicas"


def _settle(arrivals: Arrivals) -> str:
    if arrivals.lost:
        return "a trial whose load workers live to its end"
    return "a lower rate, or a generator with a processor of its own"


def _connections(history: History) -> tuple[int | None, int | None]:
    """Connections that were opened and used again, by all workers; None where one did not count them."""
    lasts = last_samples(history)
    opened = [last.opened for last in lasts if last.opened is not None]
    reused = [last.reused for last in lasts if last.reused is not None]
    whole = bool(lasts) and len(opened) == len(reused) == len(lasts)
    return (sum(opened), sum(reused)) if whole else (None, None)
