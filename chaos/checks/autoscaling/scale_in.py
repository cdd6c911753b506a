"""The pods that a scale-in took, and the answers that each had under way as its deletion was accepted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.checks.formatting import plural
from chaos.history import History
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.sli import GOOD

__all__ = ["Taken", "taken"]


@dataclass(frozen=True, slots=True)
class Taken:
    """One pod whose deletion was accepted at `at_ns`, with `under_way` answers of which `lost` did not end well.

    Known only for answers that name their replica, as a response header does.
    """

    pod: str
    at_ns: int
    under_way: int
    lost: int

    @property
    def words(self) -> str:
        """The pod for people."""
        fate = f", {self.lost} of them lost" if self.lost else ""
        return f"{self.pod} was taken with {plural(self.under_way, 'answer')} under way{fate}"


def taken(history: History, begin_ns: int, until_ns: int) -> Iterator[Taken]:
    """The pods of the system that were taken in a span, in order."""
    going = [life for life in pod_lives(history) if begin_ns < (life.terminating_ns or 0) <= until_ns]
    for life in sorted(going, key=lambda one: one.terminating_ns or 0):
        at_ns = life.terminating_ns or 0
        there = (pl.col("sent_ns") <= at_ns) & (pl.col("end_ns") >= at_ns) & (pl.col("replica") == life.name)
        rows = history.requests.filter(there)
        lost = rows.filter(~pl.col("outcome").is_in(GOOD)).height
        yield Taken(life.name, at_ns, rows.height, lost)
