"""What a measurement of capacity is asked for, and what follows from it for each step."""

from __future__ import annotations

import math
from dataclasses import dataclass

from chaos.checks import CapacityFound
from chaos.checks.traffic.capacity_estimate import CapacityEstimate
from chaos.cli.capacity.search import Search, rounded
from chaos.errors import UsageError
from chaos.slo import REQUESTS_FOR_P99, Slo

__all__ = ["Asked"]

STEP_MAX_S = 120.0
"""A rate so low that a percentile would take longer is not searched for."""

COLD_GROWTH = 2.0


@dataclass(frozen=True, slots=True)
class Asked:
    """A measurement: on `replicas` of the system (most first), rates from `from_rps` to `to_rps`, under `slo`.

    A step lasts `step_s`, or longer where a percentile needs more requests. `time_s` bounds the search as a whole;
    each number of replicas has its share of what is left. `need_rps`: what the fewest replicas must hold, if anything.
    Raises `UsageError`.
    """

    slo: Slo
    replicas: tuple[int, ...]
    from_rps: float
    to_rps: float
    resolution: float
    repeats: int
    step_s: float
    time_s: float
    need_rps: float | None = None

    def __post_init__(self) -> None:
        if min(self.step_s, self.time_s, self.from_rps) <= 0:
            raise UsageError("rates and times are above zero", "give positive numbers")
        if self.need_rps is not None and not self.from_rps <= self.need_rps <= self.to_rps:
            raise UsageError(
                f"the needed rate of {self.need_rps:g}/s is not between {self.from_rps:g}/s and {self.to_rps:g}/s",
                "widen the range of rates",
            )
        if self.duration_s(self.from_rps) > max(self.step_s, STEP_MAX_S):
            raise UsageError(
                f"at {self.from_rps:g}/s a percentile takes {self.duration_s(self.from_rps):g} s a step",
                f"begin with a rate at which {REQUESTS_FOR_P99} requests take less than {STEP_MAX_S:g} s",
            )
        self.search(None, self.replicas[0])

    @property
    def check(self) -> CapacityFound:
        """What is claimed at the end."""
        return CapacityFound(self.slo, self.replicas, self.from_rps, self.to_rps, self.resolution, self.need_rps)

    def duration_s(self, rate_rps: float) -> float:
        """How long a step at a rate lasts: long enough for a percentile, if that is part of the SLO."""
        enough = REQUESTS_FOR_P99 / rate_rps + 1 if tuple(self.slo.times) else 0.0
        return max(self.step_s, math.ceil(enough))

    def search(self, known: CapacityEstimate | None, replicas: int) -> Search:
        """How to search on so many replicas; what another number of them held says where to begin."""
        start_rps, growth = REQUESTS_FOR_P99 / self.step_s, COLD_GROWTH
        if known is not None and known.held is not None:
            start_rps = known.held.rate_rps * replicas / known.replicas
            growth = self.resolution * self.resolution
        return Search(
            from_rps=self.from_rps,
            to_rps=self.to_rps,
            start_rps=rounded(min(max(start_rps, self.from_rps), self.to_rps)),
            growth=max(growth, self.resolution),
            resolution=self.resolution,
            repeats=self.repeats,
        )
