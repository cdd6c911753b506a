"""The end of a replica in words: what it cut, how that came about, and what would have sufficed."""

from __future__ import annotations

import math
from collections.abc import Iterator

import polars as pl

from chaos.checks.formatting import plural, seconds_words
from chaos.checks.termination.in_flight import Held, Unnamed
from chaos.checks.verdict import Evidence
from chaos.clock import seconds
from chaos.semantics import Timings, grace_needed, pre_stop_needed_s

__all__ = ["failure", "moments", "refusals"]

EXAMPLES = 5

AT_THE_END_S = 2.0
"""A server that cuts its answers so shortly before SIGKILL has used up its grace."""


def failure(one: Held, longest: float | None, timings: Timings) -> str:
    """What a replica lost, how it came about, and what would have sufficed."""
    said = []
    if one.cut.height:
        said.append(f"{_cut(one)} ({_arithmetic(one, longest, timings)})")
    if one.errors.height:
        statuses = ", ".join(str(status) for status in sorted(set(one.errors["status"])))
        said.append(f"answered {plural(one.errors.height, 'request')} with status {statuses} after its deletion")
    return f"{one.name} " + ", and ".join(said)


def refusals(strays: Unnamed, ends: tuple[Held, ...], timings: Timings) -> Iterator[str]:
    """Requests that can only have been lost by the replicas that ended, since nothing else lost any."""
    graceful = {one.name for one in ends if one.graceful}
    if strays.meanwhile.is_empty() or strays.otherwise or not graceful.issuperset(strays.names):
        return
    outcomes = ", ".join(sorted(set(strays.meanwhile["outcome"])))
    yield (
        f"{plural(strays.meanwhile.height, 'request')} ({outcomes}) found nobody while {', '.join(strays.names)} ended"
        " and another replica had long been Ready: a server has to go on taking connections until every node knows"
        f" (a preStop sleep of {pre_stop_needed_s(timings)} s suffices)"
    )


def moments(one: Held) -> Iterator[Evidence]:
    """Each end, and the first requests that it cost."""
    ending = one.ending
    grace = "by force" if ending.forced else f"with a grace of {one.termination.grace_s:g} s"
    held_words = f"{plural(one.under_way, 'request')} under way, {one.accepted} accepted afterwards, {one.lost} lost"
    yield Evidence(ending.asked_ns, f"{one.name} was deleted {grace}: {held_words}")
    for row in one.cut.sort("end_ns").head(EXAMPLES).iter_rows(named=True):
        lasted_s = seconds(row["end_ns"] - row["sent_ns"])
        yield Evidence(row["end_ns"], f"{row['stream']} request {row['id']} was cut after {seconds_words(lasted_s)}")
    if ending.stopped_ns is not None:
        codes = ", ".join(str(exited.code) for exited in ending.exits)
        took_s = seconds(ending.stopped_ns - ending.asked_ns)
        yield Evidence(ending.stopped_ns, f"{one.name} ended {took_s:.1f} s later with exit code {codes}")


def _cut(one: Held) -> str:
    """Who cut the answers, and when."""
    count, grace_s = plural(one.cut.height, "request"), one.termination.grace_s
    cut_s = seconds(one.cut.select(pl.col("end_ns").max()).item() - one.ending.asked_ns)
    if one.ending.killed:
        return f"cut {count} by SIGKILL (exit code 137) {cut_s:.1f} s after its deletion, grace {grace_s:g} s"
    left_s = one.termination.kill.best_s - cut_s
    if left_s <= AT_THE_END_S:
        return f"cut {count} {cut_s:.1f} s after its deletion, at the end of its grace of {grace_s:g} s"
    codes = ", ".join(f"exit code {code}" for code in sorted({exited.code for exited in one.ending.exits}))
    end = f" and ended ({codes})" if codes else ""
    return (
        f"cut {count} {cut_s:.1f} s after its deletion{end}, with {left_s:.1f} s of its grace left: its server does not"
        " finish what it has taken"
    )


def _arithmetic(one: Held, longest: float | None, timings: Timings) -> str:
    """The grace that would have sufficed; what was cut was on its way for some time already, and may take longer."""
    cut_s = seconds(one.cut.select((pl.col("end_ns") - pl.col("sent_ns")).max()).item())
    need = grace_needed(max(cut_s, longest or 0.0), one.termination.pre_stop.best_s, timings)
    whole_s, least = math.ceil(need.total_s), "at least " if longest is None or cut_s > longest else ""
    enough = one.termination.grace_s >= need.total_s and not least
    return f"{need.words}: a grace of {least}{whole_s} s {'suffices' if enough else 'would have sufficed'}"
