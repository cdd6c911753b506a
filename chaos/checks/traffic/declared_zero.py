"""Requests that were refused while there was no replica, where the owner declared that they would be."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from chaos.checks.autoscaling.cold_start import HUNG
from chaos.checks.autoscaling.quiet_times import may_be_zero, zero_doubt
from chaos.checks.traffic.accounting import Arrivals
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import BAD, GOOD, meant_within
from chaos.slo import Slo

__all__ = ["turned_away", "without_declared"]


def without_declared(history: History, arrivals: Arrivals, slo: Slo) -> tuple[Arrivals, tuple[str, ...]]:
    """The arrivals without those, and in words how many that were; the same where nothing of the kind was declared.

    They count again from when a replica is Ready. If none ever is, that is a doubt: the cold start never ended. So is a
    zero that somebody else set, or that came while users asked.
    """
    away, spans = turned_away(history, slo), list(_declared(history))
    count = arrivals.requests.filter(away).height
    if not count:
        return arrivals, ()
    forever = [meant_within(begin_ns, history.ended_ns + 1) for begin_ns, ready_ns in spans if ready_ns is None]
    never = not arrivals.requests.filter(away, pl.any_horizontal(pl.lit(value=False), *forever)).is_empty()
    doubts = ["requests were refused at zero replicas, and none was Ready again"] if never else []
    others = [
        why
        for begin_ns, ready_ns in spans
        if not arrivals.requests.filter(away, meant_within(begin_ns, ready_ns or history.ended_ns + 1)).is_empty()
        and (why := zero_doubt(history, begin_ns))
    ]
    doubts += [f"requests were refused at zero replicas, but {why}" for why in others[:1]]
    kept = replace(
        arrivals,
        doubts=(*arrivals.doubts, *doubts),
        requests=arrivals.requests.filter(~away),
        sure=arrivals.sure.filter(~away),
    )
    return kept, (f"{plural(count, 'request')} refused at zero replicas, as declared",)


def turned_away(history: History, slo: Slo) -> pl.Expr:
    """Which requests were refused at zero replicas, as declared; of an SLO after retries, to their last attempt."""
    outcome, end_ns = pl.col("outcome"), pl.lit(history.began_ns)
    if slo.after_retries:
        outcome = pl.coalesce("last_outcome", "outcome")
        end_ns = pl.col("last_end_ns").fill_null(history.began_ns)
    refused = BAD & ~pl.col("outcome").is_in(HUNG) & ~outcome.is_in((*GOOD, *HUNG))
    spans = ((a, history.ended_ns + 1 if b is None else b) for a, b in _declared(history))
    inside = (meant_within(begin_ns, ready_ns) & (end_ns <= ready_ns) for begin_ns, ready_ns in spans)
    return pl.any_horizontal(pl.lit(value=False), *inside) & refused


def _declared(history: History) -> Iterator[tuple[int, int | None]]:
    """The spans at zero replicas, where the owner declared that requests are refused then."""
    if (history.facts.raw.get("autoscaling") or {}).get("at_zero") == "refused":
        yield from _asleep(history)


def _asleep(history: History) -> Iterator[tuple[int, int | None]]:
    """The spans from when no replica was desired, as what scales the workload may want, to when one was Ready again."""
    ready = ready_replicas(history)
    for begin_ns, end_ns in desired_replicas(history).spans_below(1):
        if not may_be_zero(history, begin_ns):
            continue
        points = (at_ns for at_ns, count in ready.points if count and end_ns is not None and at_ns >= end_ns)
        yield begin_ns, next(points, None)
