"""Service level objectives and their indicators, over a table of request records.

Latency is response time: from the intended start to the last byte, so that a stalled server or a late generator
cannot hide (coordinated omission). A request that was not answered has no latency that flatters: in a percentile
it stands above every answered one, as infinity.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import polars as pl

__all__ = [
    "GOOD",
    "REQUESTS_FOR_P99",
    "PercentileReading",
    "Slo",
    "SloReading",
    "error_budget",
    "nearest_rank",
    "read_slo",
    "response_s",
]

GOOD = ("ok", "late")
"""Outcomes that were answered in full. Being late is judged by the latency objective, not by availability."""

REQUESTS_FOR_P99 = 100
"""With fewer, the 99th percentile by nearest rank is the slowest request: one more could change it at will."""

NS = 1e9


@dataclass(frozen=True, slots=True)
class Slo:
    """What users were promised, over the window of the trial.

    `availability`: least share of valid requests that were answered in full, in (0, 1].
    `latency_p99_s`: most seconds for the 99th percentile of response time, failures counted as infinite.
    `first_token_p99_s`: the same for the time to the first token, for streaming profiles.
    """

    availability: float | None = None
    latency_p99_s: float | None = None
    first_token_p99_s: float | None = None

    def __post_init__(self) -> None:
        if self.availability is None and self.latency_p99_s is None and self.first_token_p99_s is None:
            raise ValueError("Slo: name at least one objective: availability, latency_p99_s or first_token_p99_s")
        if self.availability is not None and not 0 < self.availability <= 1:
            raise ValueError(f"Slo.availability: {self.availability} is not a share in (0, 1]")
        for name in ("latency_p99_s", "first_token_p99_s"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"Slo.{name}: {value} is not a positive number of seconds")

    @property
    def shortest_s(self) -> float | None:
        """The shortest time that it is about; None if it is about none."""
        named = (self.latency_p99_s, self.first_token_p99_s)
        return min((value for value in named if value is not None), default=None)


@dataclass(frozen=True, slots=True)
class PercentileReading:
    """The 99th percentile by nearest rank, over `count` requests of which `over` were slower than the objective.

    `p99_s` is infinite if more than one in a hundred was never answered in full, and None if there was no request.
    """

    p99_s: float | None
    objective_s: float
    count: int
    over: int

    @property
    def allowed(self) -> int:
        """How many of that many may be slower: as many as lie above the nearest rank."""
        return self.count - nearest_rank(self.count)

    @property
    def met(self) -> bool:
        """Whether the objective is met, for good: there are requests enough to tell."""
        return self.count >= REQUESTS_FOR_P99 and self.over <= self.allowed

    @property
    def missed(self) -> bool:
        """Whether it is missed, for good: with few requests, only if the missing ones could not mend it, all fast."""
        count = max(self.count, REQUESTS_FOR_P99)
        return self.over > count - nearest_rank(count)


@dataclass(frozen=True, slots=True)
class SloReading:
    """What the requests say of an SLO. Seconds; counts are of requests.

    `valid`: every request but `unsent` ones, which the generator owes. `good`: answered in full (`ok` or `late`).
    `availability` is None without a valid request. `outcomes` counts each fate.
    """

    slo: Slo
    valid: int
    good: int
    outcomes: Mapping[str, int] = field(default_factory=dict)
    latency: PercentileReading | None = None
    first_token: PercentileReading | None = None

    @property
    def bad(self) -> int:
        """Valid requests that were not answered in full."""
        return self.valid - self.good

    @property
    def unsent(self) -> int:
        """Requests that the generator could not send."""
        return self.outcomes.get("unsent", 0)

    @property
    def availability(self) -> float | None:
        """Good over valid."""
        return self.good / self.valid if self.valid else None

    @property
    def budget(self) -> int | None:
        """The error budget: how many requests may be bad; None without an objective."""
        return None if self.slo.availability is None else error_budget(self.slo.availability, self.valid)

    @property
    def percentiles(self) -> Mapping[str, PercentileReading]:
        """The percentiles that have an objective, by name."""
        both = {"p99": self.latency, "first token p99": self.first_token}
        return {name: reading for name, reading in both.items() if reading is not None}


def nearest_rank(count: int) -> int:
    """The rank, from 1, of the 99th percentile among `count` values: the least whole number not below 99 % of it."""
    return -(-99 * count // 100)


def error_budget(objective: float, valid: int) -> int:
    """How many of `valid` requests may be bad: (1 - objective) * valid, in whole requests.

    The objective is taken as the decimal that was written: 0.99 of 100 leaves 1, in spite of binary fractions.
    """
    return math.floor(round((1 - objective) * valid, 6))


def response_s(end: str = "end_ns") -> pl.Expr:
    """Seconds from the intended start to `end` for a request that was answered in full, infinite for any other."""
    answered = pl.col("outcome").is_in(GOOD) & pl.col(end).is_not_null()
    return pl.when(answered).then((pl.col(end) - pl.col("intended_ns")) / NS).otherwise(math.inf)


def read_slo(requests: pl.DataFrame, slo: Slo) -> SloReading:
    """Read the indicators off a table of request records (columns as in docs/run-folder.md)."""
    outcomes = dict(requests.group_by("outcome").len().sort("outcome").rows())
    valid = requests.filter(pl.col("outcome") != "unsent")
    return SloReading(
        slo=slo,
        valid=valid.height,
        good=sum(outcomes.get(outcome, 0) for outcome in GOOD),
        outcomes=outcomes,
        latency=_read(valid, response_s(), slo.latency_p99_s),
        first_token=_read(valid, response_s("first_token_ns"), slo.first_token_p99_s),
    )


def _read(valid: pl.DataFrame, seconds: pl.Expr, objective_s: float | None) -> PercentileReading | None:
    if objective_s is None:
        return None
    values = valid.select(seconds.alias("s"))["s"]
    if values.is_empty():
        return PercentileReading(None, objective_s, 0, 0)
    p99_s = float(values.sort()[nearest_rank(len(values)) - 1])
    return PercentileReading(p99_s, objective_s, len(values), int((values > objective_s).sum()))
