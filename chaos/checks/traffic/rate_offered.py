"""On request: the load that the scenario means was really offered, before and after each change of it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.checks.formatting import plural
from chaos.checks.traffic.expected_arrivals import arrivals_within, out_of_place
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.offered_load import load_steps

__all__ = ["RateOffered"]

SHARE_MIN = 0.99
"""Below this share of what was planned, another load was offered than the one that is spoken of."""


@dataclass(frozen=True, slots=True)
class _Stretch:
    """A span between two changes of load: arrivals planned, and those of them that were sent within it."""

    begin_ns: int
    end_ns: int
    planned: int
    sent: int

    @property
    def kept(self) -> bool:
        """Whether enough were sent; one may have slipped over the seam."""
        return self.sent >= min(self.planned - 1, SHARE_MIN * self.planned)


@dataclass(frozen=True, slots=True)
class RateOffered:
    """Between any two changes of load, the generator sent at least 99 % of what the plan has there, and there.

    `peak_rps`: the load has to reach this rate for `peak_s` seconds at least, or the trial is not about it. Never FAIL:
    a load that was not offered says nothing about the system.
    """

    peak_rps: float | None = None
    peak_s: float = 0.0

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "rate-offered"

    def __call__(self, history: History) -> Finding:
        """Judge what was sent."""
        stretches = tuple(_stretches(history))
        planned, sent = sum(one.planned for one in stretches), sum(one.sent for one in stretches)
        reasons = tuple(self._reasons(history, stretches))
        peak = "" if self.peak_rps is None else f", {self.peak_rps:g}/s for {self.peak_s:g} s"
        return Finding(
            check=self.name,
            answer=Answer.UNKNOWN if reasons else Answer.PASS,
            rule="The load that the scenario means is really offered, before and after each change.",
            limit=f"{SHARE_MIN:.0%} of the planned arrivals sent in each stretch{peak}",
            measured=f"{sent} of {plural(planned, 'arrival')} sent in time",
            reason="; ".join(reasons),
            settle="a generator that keeps up, and a trial that lasts" if reasons else "",
            detail={"planned": planned, "sent": sent, "stretches": len(stretches)},
            evidence=tuple(_evidence(stretches)),
        )

    def _reasons(self, history: History, stretches: tuple[_Stretch, ...]) -> Iterator[str]:
        if not sum(one.planned for one in stretches):
            yield "no load was planned"
        for stream in history.streams:
            if stream.end_ns is None:
                yield f"traffic {stream.name} has no recorded end"
            elif out_of_place(stream, history.requests.filter(pl.col("stream") == stream.name)):
                yield f"records of traffic {stream.name} do not stand where its plan has them"
        for one in stretches:
            if not one.kept:
                span = f"{(one.begin_ns - history.began_ns) / NS:.1f} s to {(one.end_ns - history.began_ns) / NS:.1f} s"
                yield f"from {span} {one.sent} of {plural(one.planned, 'planned arrival')} were sent"
        if self.peak_rps is not None and (reached_s := _seconds_at(history, self.peak_rps)) < max(self.peak_s, 1e-3):
            yield f"{self.peak_rps:g}/s were planned for {reached_s:.1f} s only"


def _stretches(history: History) -> Iterator[_Stretch]:
    """The spans between the moments at which any stream begins, changes or ends."""
    steps = load_steps(history)
    moments = {moment for step in steps for moment in (step.begin_ns, step.end_ns)}
    for stream in history.streams:
        moments |= {stream.begin_ns, history.ended_ns if stream.end_ns is None else stream.end_ns}
    known = [stream.name for stream in history.streams]
    sent = history.requests.filter(pl.col("stream").is_in(known) & pl.col("sent_ns").is_not_null())
    for begin_ns, end_ns in itertools.pairwise(sorted(moments)):
        planned = sum(arrivals_within(stream, begin_ns, end_ns) for stream in history.streams)
        of_here = pl.col("intended_ns").is_between(begin_ns, end_ns, closed="left")
        in_time = (pl.col("sent_ns") < end_ns) | (pl.col("sent_ns") - pl.col("intended_ns") < NS // 20)
        if planned:
            yield _Stretch(begin_ns, end_ns, planned, sent.filter(of_here & in_time).height)


def _seconds_at(history: History, rate_rps: float) -> float:
    """How long the planned load was at least so high."""
    total_ns, since_ns = 0, None
    for step in load_steps(history):
        if since_ns is None and step.to_rps >= rate_rps:
            since_ns = step.end_ns
        elif since_ns is not None and step.to_rps < rate_rps:
            total_ns, since_ns = total_ns + step.begin_ns - since_ns, None
    return (total_ns + (history.ended_ns - since_ns if since_ns is not None else 0)) / NS


def _evidence(stretches: tuple[_Stretch, ...]) -> Iterator[Evidence]:
    for one in stretches:
        span_s = (one.end_ns - one.begin_ns) / NS
        yield Evidence(one.begin_ns, f"{one.planned} arrivals planned over {span_s:.1f} s, {one.sent} sent")
