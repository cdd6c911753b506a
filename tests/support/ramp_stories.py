"""Ramps against services that are only reckoned: a queue with so many places, and what users of it see."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

from histories import NS, Story, at

from chaos.checks.traffic.capacity_estimate import CapacityEstimate, capacity_estimate
from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.history import History
from chaos.slo import Slo
from chaos.trial.capacity.ramp import Ramp
from chaos.trial.capacity.search import Measurement, next_rate
from loadgen.shapes import Steady

__all__ = ["SLO", "Service", "measurement", "ramped"]

SLO = Slo(availability=0.99, latency_p99_s=5.0)

TIMEOUT_S = 30.0

UIDS = "abcdef"


class Service:
    """Replicas that each answer one request after the other, in `work_s` and a bit of chance.

    `lag_s` is by how much the generator is late, `fails` the share of requests that it answers with an error.
    """

    def __init__(
        self,
        work_s: float,
        *,
        replicas: int = 1,
        noise: float = 0.0,
        lag_s: float = 0.0,
        fails: float = 0.0,
        seed: int = 1,
    ) -> None:
        self.replicas, self.lag_s, self.fails = replicas, lag_s, fails
        self._work_s, self._noise = work_s, noise
        self.chance = random.Random(seed)  # noqa: S311  # replayable

    @property
    def limit_rps(self) -> float:
        """How much it answers at most, in requests a second."""
        return self.replicas / self._work_s

    def latencies(self, times_s: list[float]) -> list[float]:
        """How long each of these arrivals takes, first come, first served."""
        free = [0.0] * self.replicas
        found = []
        for at_s in times_s:
            index = min(range(self.replicas), key=free.__getitem__)
            begin_s = max(at_s, free[index])
            free[index] = begin_s + self._work_s * (1 + self._noise * self.chance.expovariate(1.0))
            found.append(free[index] - at_s)
        return found


def measurement(replicas: int = 1, most_rps: float | None = None, slo: Slo = SLO) -> Measurement:
    """What a ramp measures."""
    return Ramp(slo, Path("ramp"), 1, most_rps).measurement(replicas)


def ramped(
    service: Service, asked: Measurement, meanwhile: Callable[[Story, float, int], object] = lambda *_: None
) -> tuple[History, list[float]]:
    """The record of a whole ramp, and the rates that it tried; `meanwhile` is told when each step begins."""
    story = Story(2000).replicas(*UIDS[: service.replicas]).traffic(rate_rps=2, begin_s=5, end_s=25)
    tried: list[float] = []
    begin_s, search = 30.0, asked.search(None, service.replicas)
    limit: CapacityEstimate = capacity_estimate(service.replicas, ())
    while (rate_rps := next_rate(search, limit)) is not None:
        lasts_s = asked.duration_s(rate_rps)
        meanwhile(story, begin_s, len(tried))
        _step(story, service, rate_rps, begin_s, lasts_s)
        tried.append(rate_rps)
        begin_s += lasts_s + TIMEOUT_S
        limit = capacity_estimate(service.replicas, rate_steps(story.history(), asked.slo, brief=True))
    return story.history(), tried


def _step(story: Story, service: Service, rate_rps: float, begin_s: float, lasts_s: float) -> None:
    first = len(story.rows)
    story.shaped(Steady(rate_rps), begin_s=begin_s, end_s=begin_s + lasts_s)
    rows = story.rows[first:]
    times_s = [(row["intended_ns"] - at(begin_s)) / NS for row in rows]
    for row, latency_s in zip(rows, service.latencies(times_s), strict=True):
        late = latency_s > TIMEOUT_S
        row["sent_ns"] = row["intended_ns"] + round(service.lag_s * NS)
        row["end_ns"] = row["first_byte_ns"] = row["first_token_ns"] = row["sent_ns"] + round(
            min(latency_s, TIMEOUT_S) * NS
        )
        if late or service.chance.random() < service.fails:
            row["outcome"] = "unanswered" if late else "failed"
