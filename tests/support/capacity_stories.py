"""Stories of a search for capacity: steps of steady traffic on a number of replicas."""

from __future__ import annotations

from collections.abc import Iterable

from histories import Story, deployment, pod

from chaos.checks.traffic.capacity_steps import RateStep
from chaos.checks.verdict import Answer
from chaos.slo import Slo

SLO = Slo(availability=0.99, latency_p99_s=2.0)


BOUNDS = (SLO, (3,), 5.0, 50.0, 1.25)
"""What `CapacityFound` is asked: three replicas, rates from 5/s to 50/s, to a quarter."""


class Search(Story):
    """Three replicas, a baseline up to 25 s, and steps of 20 s each from 30 s on, ten apart."""

    def begun(self, *uids: str) -> Search:
        """The system stands, and the baseline has its own traffic."""
        self.replicas(*(uids or ("a", "b", "c"))).traffic(rate_rps=2, begin_s=5, end_s=25)
        return self

    def step(self, rate_rps: float, *, slow: int = 0, latency_s: float = 0.1, lag_s: float = 0.0) -> Search:
        """One more step; `slow` requests of it take 5 s."""
        begin_s = 30 * len(self.parts["streams"])
        first = len(self.rows)
        self.traffic(rate_rps=rate_rps, begin_s=begin_s, end_s=begin_s + 20, latency_s=latency_s, lag_s=lag_s)
        for row in self.rows[first : first + slow]:
            row["end_ns"] = row["intended_ns"] + 5_000_000_000
        return self

    def fewer(self, at_s: float, uid: str, left: int) -> Search:
        """One replica less is asked for, and gone at once."""
        self.saw(at_s, "MODIFIED", deployment(left), "Deployment")
        self.saw(at_s + 0.5, "DELETED", pod(uid, ready=True))
        return self


def bracketed() -> Search:
    """10/s held twice, 12/s did not, for one request in ten was slow."""
    return Search(300).begun().step(10).step(12, slow=24).step(10).step(12, slow=24)


def steps_of(replicas: int, told: Iterable[tuple[float, str]]) -> tuple[RateStep, ...]:
    """Steps by what they came to: `+` held, `-` did not, `?` unknown."""
    answers = {"+": Answer.PASS, "-": Answer.FAIL, "?": Answer.UNKNOWN}
    return tuple(
        RateStep(replicas, rate, number + 1, answers[sign])
        for number, (rate, signs) in enumerate(told)
        for sign in signs
    )
