"""On request: the load that the scenario means was really offered, before and after each change of it."""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, judged, unknown
from chaos.checks.traffic.accounting import arrivals_within, out_of_place
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.clock import NS
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.offered_load import load_steps
from chaos.history.sli import OF_ARRIVALS, meant_within

__all__ = ["RateOffered", "RateOfferedDetail"]

SHARE_MIN = 0.99
"""Below this share of what was planned, another load was offered than the one that is spoken of."""

SETTLE = "a generator that keeps up, and a trial that lasts"


@dataclass(frozen=True, slots=True)
class RateOfferedDetail:
    """How many arrivals were planned and sent in time."""

    planned: int
    sent: int


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A span between two changes of load: arrivals planned, and those of them that were sent within it."""

    begin_ns: int
    end_ns: int
    planned: int
    sent: int

    def obligation(self, history: History) -> Obligation:
        """That enough were sent; one of several may have slipped over the seam."""
        span = " to ".join(f"{(at_ns - history.began_ns) / NS:.1f} s" for at_ns in (self.begin_ns, self.end_ns))
        lasted = f"{self.planned} arrivals planned over {(self.end_ns - self.begin_ns) / NS:.1f} s, {self.sent} sent"
        kept = self.sent >= max(1, min(self.planned - 1, SHARE_MIN * self.planned))
        reason = f"from {span} {self.sent} of {plural(self.planned, 'planned arrival')} were sent"
        return judged(
            span,
            "" if kept else reason,
            "" if kept else SETTLE,
            measured=f"{self.sent} sent",
            bound=f"{SHARE_MIN:.0%} of {self.planned}",
            evidence=(Evidence(self.begin_ns, lasted),),
        )


@dataclass(frozen=True, slots=True)
class RateOffered:
    """Between any two changes of load, the generator sent at least 99 % of what the plan has there, and there.

    `peak_rps`: the load has to reach this rate for `peak_s` seconds at least, or the trial is not about it. Never FAIL:
    a load that was not offered says nothing about the system.
    """

    name: ClassVar[str] = "rate-offered"
    Detail: ClassVar[type] = RateOfferedDetail

    peak_rps: float | None = None
    peak_s: float = 0.0

    def __call__(self, history: History) -> Finding:
        stretches = tuple(_stretches(history))
        planned, sent = sum(one.planned for one in stretches), sum(one.sent for one in stretches)
        peak = "" if self.peak_rps is None else f", {self.peak_rps:g}/s for {self.peak_s:g} s"
        owed = [*_streams(history), *(one.obligation(history) for one in stretches), *self._peak(history)]
        if not stretches:
            owed.append(unknown("load", "no load was planned", SETTLE))
        return finding(
            self.name,
            "The load that the scenario means is really offered, before and after each change.",
            owed,
            Summary(
                measured=f"{sent} of {plural(planned, 'arrival')} sent in time",
                limit=f"{SHARE_MIN:.0%} of the planned arrivals sent in each stretch{peak}",
                detail=RateOfferedDetail(planned, sent),
            ),
        )

    def _peak(self, history: History) -> Iterator[Obligation]:
        if self.peak_rps is None:
            return
        reached_s = _seconds_at(history, self.peak_rps)
        if reached_s < max(self.peak_s, 1e-3):
            yield unknown("peak", f"{self.peak_rps:g}/s were planned for {reached_s:.1f} s only", SETTLE)
        else:
            yield Obligation("peak", measured=f"{reached_s:.1f} s", bound=f"{self.peak_s:g} s")


def _streams(history: History) -> Iterator[Obligation]:
    """That each stream has an end, and its records are where its plan has them."""
    for stream in history.streams:
        if stream.end_ns is None:
            yield unknown(stream.name, f"traffic {stream.name} has no recorded end", SETTLE)
        elif out_of_place(stream, history.requests.filter((pl.col("stream") == stream.name) & OF_ARRIVALS)):
            text = f"records of traffic {stream.name} are not where its plan puts them"
            yield unknown(stream.name, text, SETTLE)


def _stretches(history: History) -> Iterator[_Stretch]:
    """The spans between the moments at which any stream begins, changes or ends."""
    steps = load_steps(history)
    moments = {moment for step in steps for moment in (step.begin_ns, step.end_ns)}
    for stream in history.streams:
        moments |= {stream.begin_ns, history.ended_ns if stream.end_ns is None else stream.end_ns}
    known = [stream.name for stream in history.streams]
    of_known = pl.col("stream").is_in(known) & OF_ARRIVALS
    sent = history.requests.filter(of_known & pl.col("sent_ns").is_not_null())
    for begin_ns, end_ns in itertools.pairwise(sorted(moments)):
        planned = sum(arrivals_within(stream, begin_ns, end_ns) for stream in history.streams)
        of_here = meant_within(begin_ns, end_ns)
        in_time = (pl.col("sent_ns") < end_ns) | (pl.col("sent_ns") - pl.col("intended_ns") < NS // 20)
        if planned:
            yield _Stretch(begin_ns, end_ns, planned, sent.filter(of_here & in_time).height)


def _seconds_at(history: History, rate_rps: float) -> float:
    total_ns, since_ns = 0, None
    for step in load_steps(history):
        if since_ns is None and step.to_rps >= rate_rps:
            since_ns = step.end_ns
        elif since_ns is not None and step.to_rps < rate_rps:
            total_ns, since_ns = total_ns + step.begin_ns - since_ns, None
    return (total_ns + (history.ended_ns - since_ns if since_ns is not None else 0)) / NS
