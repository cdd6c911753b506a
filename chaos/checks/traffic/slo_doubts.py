"""What leaves open whether an SLO is met, though every arrival is accounted for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from chaos.checks.base import unknown
from chaos.checks.traffic.accounting import Arrivals, hollow_answers
from chaos.checks.verdict import Obligation
from chaos.errors import plural
from chaos.history import History
from chaos.history.sli import GOOD, TOKEN_TIMES, untimed
from chaos.slo import Slo, SloReading, error_budget, judged_requests

__all__ = ["timed", "under_way", "whole"]


def timed(history: History, arrivals: Arrivals, slo: Slo) -> Arrivals:
    """The arrivals as far as times of tokens go: of answers in one piece, and of a closed loop, nobody knows them."""
    blank = untimed(history.requests).join(arrivals.requests, on=["stream", "id"], how="semi")
    if blank.is_empty() or TOKEN_TIMES.isdisjoint(dict(slo.times)):
        return arrivals
    sure = arrivals.sure.join(blank, on=["stream", "id"], how="anti")
    counts = replace(arrivals.counts, doubtful=arrivals.counts.doubtful + arrivals.sure.height - sure.height)
    text = f"{plural(blank.height, 'full answer')} of streams in which no token was ever seen have no times of tokens"
    return replace(arrivals, sure=sure, counts=counts, doubts=(*arrivals.doubts, text))


def whole(history: History, arrivals: Arrivals) -> Iterator[Obligation]:
    """That every full answer is known to be whole; listed only where one is not."""
    bare = hollow_answers(history).join(arrivals.requests, on=["stream", "id"], how="semi")
    if not bare.is_empty():
        text = f"{plural(bare.height, 'full answer')} without a finish reason or tokens, as others of the stream have"
        yield unknown("answers", f"{text}: a gateway may have ended what was cut behind it", REASON)


REASON = "a gateway that passes a cut stream on as one, or a server that gives each answer its finish reason"


def under_way(history: History, reading: SloReading, span: tuple[int, int]) -> Iterator[Obligation]:
    """That a window is met with the requests, too, that a fault of its own took and that were meant before it.

    A request counts where it was meant to begin. Of long answers many are under way as a fault begins, and those that
    came to grief are in no window of the fault's; listed only where that decides.
    """
    begins = [one.begin_ns for one in history.faults if one.landed_ns is not None]
    begins = [at_ns for at_ns in begins if span[0] <= at_ns < span[1]]
    before = (pl.col("intended_ns") < span[0]) & (pl.col("end_ns") >= min(begins, default=history.ended_ns + 1))
    met = judged_requests(history.requests, reading.slo).filter(before)
    lost = met.filter(~pl.col("outcome").is_in(GOOD)).height
    slo, valid = reading.slo, reading.valid
    shares = [(one.over, one.count, 0.99) for one in reading.times.values()]
    shares += [] if slo.availability is None else [(reading.bad, valid, slo.availability)]
    if slo.goodput is not None and reading.meeting is not None:
        shares.append((valid - reading.meeting, valid, slo.goodput))
    kept = all(missed <= error_budget(share, count) for missed, count, share in shares)
    if kept and any(missed + lost > error_budget(share, count + met.height) for missed, count, share in shares):
        text = f"{lost} of {plural(met.height, 'request')} that were under way as the fault began came to grief"
        yield unknown("the window", f"{text}, and were meant before the window: with them it is missed", WHOLE)


WHOLE = "SloMet over all traffic of the trial, which has them"
