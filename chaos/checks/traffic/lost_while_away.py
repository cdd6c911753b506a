"""On request: what users lost, they lost while replicas of one workload were away, e.g. of the router, and not else."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import covered
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.sli import BAD
from chaos.semantics import endpoint_bound

__all__ = ["LostWhileAway", "LostWhileAwayDetail"]

NEWS_NS = 2 * NS
"""A process may be gone for so long before word of it comes; its requests end with it."""


@dataclass(frozen=True, slots=True)
class LostWhileAwayDetail:
    """Requests that were lost in all, those of them while replicas were away, and for how long some were."""

    lost: int
    while_away: int
    away_s: float


@dataclass(frozen=True, slots=True)
class LostWhileAway:
    """Every lost request was under way while fewer replicas of the role than desired were Ready.

    The time counts from 2 s before the record shows one missing to an endpoint's bound after all are Ready again. What
    is lost outside it is not that workload's doing: FAIL. UNKNOWN if none was away, and where its record has gaps. A
    client that leaves as it was to has lost nothing.
    """

    name: ClassVar[str] = "lost-while-away"
    Detail: ClassVar[type] = LostWhileAwayDetail

    role: str = "router"

    def __call__(self, history: History) -> Finding:
        """Hold each lost request against the spans."""
        rule, seen = (
            f"Users lose requests only while replicas of the {self.role} are away.",
            history.roles.get(self.role),
        )
        if seen is None:
            absent = unknown(self.role, f"no workload had the role {self.role}", "[system.roles] in gameday.toml")
            return finding(self.name, rule, (), Summary("nothing", "its record"), nothing=absent)
        bound_ns = round(endpoint_bound(timings_of(history)).total_s * NS)
        short = ready_replicas(seen).minus(desired_replicas(seen)).spans_below(0)
        spans = [(a, seen.ended_ns if b is None else b) for a, b in short if a <= seen.ended_ns]
        bad = history.requests.filter(BAD)
        ended = pl.col("end_ns").fill_null(history.ended_ns)
        inside = pl.any_horizontal(
            pl.lit(value=False),
            *((pl.col("intended_ns") <= b + bound_ns) & (ended >= a - NEWS_NS) for a, b in spans),
        )
        lost, explained = bad.height, bad.filter(inside).height
        away_s = sum(seconds(b - a) for a, b in spans)
        detail = LostWhileAwayDetail(lost, explained, round(away_s, 3))
        measured = (
            f"{explained} of {plural(lost, 'lost request')} in {away_s:.1f} s with replicas of the {self.role} away"
        )
        return finding(
            self.name,
            rule,
            [self._owed(seen, lost - explained, measured, spans)] if spans else (),
            Summary(measured, "all of them", detail=detail, evidence=tuple(_moments(self.role, spans))),
            nothing=unknown(self.role, f"no replica of the {self.role} was away", f"a fault that takes a {self.role}"),
        )

    def _owed(self, seen: History, outside: int, measured: str, spans: list[tuple[int, int]]) -> Obligation:
        kinds = ("Pod", seen.facts.workload_kind)
        if not all(covered(seen, kind, seen.began_ns, seen.ended_ns) for kind in kinds):
            return unknown("users", f"the watch of the {self.role} had gaps", "a watch without a gap")
        if outside:
            reason = f"{plural(outside, 'request')} lost while all replicas of the {self.role} were Ready"
            return Obligation(
                "users", Answer.FAIL, reason, measured=measured, evidence=tuple(_moments(self.role, spans))
            )
        return Obligation("users", measured=measured, bound="all of them")


def _moments(role: str, spans: list[tuple[int, int]]) -> list[Evidence]:
    return [Evidence(begin, f"replicas of the {role} away for {seconds(end - begin):.1f} s") for begin, end in spans]
