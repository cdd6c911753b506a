"""Requests that were refused while there was no replica, where the owner declared that they would be."""

from collections.abc import Iterator
from dataclasses import replace

import polars as pl

from chaos.checks.autoscaling.cold_start import HUNG
from chaos.checks.autoscaling.quiet_times import may_be_zero
from chaos.checks.traffic.accounting import Arrivals
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import BAD, meant_within

__all__ = ["without_declared"]


def without_declared(history: History, arrivals: Arrivals) -> tuple[Arrivals, tuple[str, ...]]:
    """The arrivals without those, and in words how many that were; the same where nothing of the kind was declared.

    They count again from when a replica is Ready. If none ever is, that is a doubt: the cold start never ended.
    """
    if (history.facts.raw.get("autoscaling") or {}).get("at_zero") != "refused":
        return arrivals, ()
    turned_away, doubts = pl.lit(value=False), list[str]()
    bad = BAD & ~pl.col("outcome").is_in(HUNG)
    for begin_ns, ready_ns in _asleep(history):
        inside = meant_within(begin_ns, history.ended_ns + 1 if ready_ns is None else ready_ns) & bad
        turned_away |= inside
        if ready_ns is None and arrivals.requests.filter(inside).height:
            doubts.append("requests were refused at zero replicas, and none was Ready again")
    count = arrivals.requests.filter(turned_away).height
    if not count:
        return arrivals, ()
    kept = replace(
        arrivals,
        doubts=(*arrivals.doubts, *doubts),
        requests=arrivals.requests.filter(~turned_away),
        sure=arrivals.sure.filter(~turned_away),
    )
    return kept, (f"{plural(count, 'request')} refused at zero replicas, as declared",)


def _asleep(history: History) -> Iterator[tuple[int, int | None]]:
    """The spans from when no replica was desired, as what scales the workload may want, to when one was Ready again."""
    ready = ready_replicas(history)
    for begin_ns, end_ns in desired_replicas(history).spans_below(1):
        if not may_be_zero(history, begin_ns):
            continue
        points = (at_ns for at_ns, count in ready.points if count and end_ns is not None and at_ns >= end_ns)
        yield begin_ns, next(points, None)
