"""Where a replica was Ready and among the endpoints, and yet gave no token: silences, each with how it ended."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import polars as pl

from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import endpoint_spans
from chaos.history.sli import GOOD

__all__ = ["Ended", "Silence", "serving_spans", "silences", "traffic_span"]

Ended = Literal["not Ready", "left the endpoints", "deleted", "gave tokens again", "not over when the traffic ended"]


@dataclass(frozen=True, slots=True)
class Silence:
    """A span in which a replica that serves by its probes and by its endpoint gave no token."""

    life: PodLife
    begin_ns: int
    end_ns: int
    ended: Ended


def traffic_span(history: History) -> tuple[int, int]:
    """From the first arrival of any stream to the end of the last; empty at the record's begin if there is none."""
    begins = [stream.begin_ns for stream in history.streams]
    ends = [history.ended_ns if stream.end_ns is None else stream.end_ns for stream in history.streams]
    return min(begins, default=history.began_ns), min(history.ended_ns, max(ends, default=history.began_ns))


def serving_spans(history: History, life: PodLife) -> Iterator[tuple[int, int, Ended]]:
    """Where it was both Ready and among the ready endpoints while traffic flowed, and what ended first."""
    from_ns, until_ns = traffic_span(history)
    for ready_ns, unready_ns in life.ready_spans:
        for added_ns, removed_ns in endpoint_spans(history).get(life.uid, ()):
            ends: list[tuple[int, Ended]] = [(until_ns, "not over when the traffic ended")]
            if removed_ns is not None:
                ends.append((removed_ns, "left the endpoints"))
            if unready_ns is not None:
                ends.append((unready_ns, "deleted" if unready_ns == life.lost_ns else "not Ready"))
            begin_ns = max(ready_ns, added_ns, from_ns)
            end_ns, ended = min(ends, key=lambda end: end[0])
            if end_ns > begin_ns:
                yield begin_ns, end_ns, ended


def silences(history: History, life: PodLife) -> Iterator[Silence]:
    """Every stretch without a token from it, in order; it may be very short.

    Tokens are those of answers that name it: the first of each, and the end of each full answer.
    """
    mine = history.requests.filter(pl.col("replica") == life.name)
    firsts = mine["first_token_ns"].drop_nulls().to_list()
    lasts = mine.filter(pl.col("outcome").is_in(GOOD))["end_ns"].to_list()
    tokens = sorted({*firsts, *lasts})
    for begin_ns, end_ns, ended in serving_spans(history, life):
        inside = [at_ns for at_ns in tokens if begin_ns < at_ns < end_ns]
        for a, b in pairwise([begin_ns, *inside]):
            yield Silence(life, a, b, "gave tokens again")
        yield Silence(life, inside[-1] if inside else begin_ns, end_ns, ended)
