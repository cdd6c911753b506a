"""How much a number of replicas carries within the SLO, and whether that is as much as is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.rollouts.common import Said, worst
from chaos.checks.traffic.capacity_estimate import CapacityEstimate, capacity_estimate
from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import History
from chaos.slo import Slo

__all__ = ["CapacityFound"]

ROUNDING = 1.01
"""Rates are rounded to three digits."""

MORE = "more time, or a narrower range of rates"


@dataclass(frozen=True, slots=True)
class CapacityFound:
    """The highest rate within the SLO is known for each number of replicas.

    Known means: a rate that held each time it was tried, and one that did not, at most `resolution` times as high; or
    `to_rps`, the highest rate asked about, held; or `from_rps`, the lowest, did not. Steps in which the generator was
    behind, or the number of Ready replicas changed, are no steps. `need_rps`: the fewest replicas must hold that rate,
    else FAIL.
    """

    slo: Slo
    replicas: tuple[int, ...]
    from_rps: float
    to_rps: float
    resolution: float
    need_rps: float | None = None

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "capacity-found"

    def __call__(self, history: History) -> Finding:
        """Judge every step of the trial."""
        steps = rate_steps(history, self.slo)
        limits = [capacity_estimate(count, steps) for count in self.replicas]
        said = [one for limit in limits for one in self._open(limit)]
        said += self._needed(limits[-1]) if limits else []
        answer, reason, settle = worst(said)
        need = "" if self.need_rps is None else f", {self.need_rps:g}/s on {self.replicas[-1]}"
        return Finding(
            check=self.name,
            answer=answer,
            rule="The highest rate within the SLO is known for each number of replicas.",
            limit=f"to a factor of {self.resolution:g}{need}",
            measured="; ".join(limit.words for limit in limits) or "nothing",
            reason=reason,
            settle=settle,
            detail={"limits": [limit.plain() for limit in limits]},
            evidence=tuple(
                Evidence(step.end_ns, f"{plural(step.replicas, 'replica')}, {step.rate_rps:g}/s: {step.answer.name}")
                for step in steps
            ),
        )

    def _open(self, limit: CapacityEstimate) -> Iterator[Said]:
        """What is not known of one number of replicas."""
        why = "".join(f": {one.steps[-1].reason}" for one in limit.unknown[:1])
        if limit.width is not None and limit.width <= self.resolution * ROUNDING:
            return
        if limit.held and not limit.unknown and limit.held.rate_rps >= self.to_rps:
            return
        if limit.broke and not limit.held and not limit.unknown and limit.broke.rate_rps <= self.from_rps:
            return
        text = f"{limit.words}{why}" if limit.rates else f"{plural(limit.replicas, 'replica')}: no step was made"
        if limit.width is not None:
            text += f", {limit.width:.2f} times as high"
        yield Said(Answer.UNKNOWN, text, MORE)

    def _needed(self, limit: CapacityEstimate) -> Iterator[Said]:
        """Whether the fewest replicas hold the rate that is asked for."""
        if self.need_rps is None or (limit.held and limit.held.rate_rps >= self.need_rps):
            return
        if limit.broke and limit.broke.rate_rps <= self.need_rps:
            yield Said(Answer.FAIL, f"{limit.words}, {self.need_rps:g}/s needed")
        else:
            yield Said(Answer.UNKNOWN, f"{limit.words}: whether {self.need_rps:g}/s is held was not found", MORE)
