"""How much a number of replicas carries within the SLO, and whether that is as much as is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.traffic.capacity_estimate import CapacityEstimate, EstimateDetail, capacity_estimate
from chaos.checks.traffic.capacity_steps import rate_steps
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History
from chaos.slo import Slo

__all__ = ["CapacityFound", "CapacityFoundDetail"]

ROUNDING = 1.01
"""Rates are rounded to three digits."""

MORE = "more time, or a narrower range of rates"


@dataclass(frozen=True, slots=True)
class CapacityFoundDetail:
    """The limit of each number of replicas."""

    limits: tuple[EstimateDetail, ...]


@dataclass(frozen=True, slots=True)
class CapacityFound:
    """The highest rate within the SLO is known for each number of replicas.

    Known means: a rate that held each time it was tried, and one that did not, at most `resolution` times as high; or
    `to_rps`, the highest rate asked about, held; or `from_rps`, the lowest, did not. Steps in which the generator was
    behind, or the number of Ready replicas changed, are no steps. `need_rps`: the fewest replicas must hold that rate,
    else FAIL. `brief`: as far as steps of few requests can tell.
    """

    name: ClassVar[str] = "capacity-found"
    Detail: ClassVar[type] = CapacityFoundDetail

    slo: Slo
    replicas: tuple[int, ...]
    from_rps: float
    to_rps: float
    resolution: float
    need_rps: float | None = None
    brief: bool = False

    def __call__(self, history: History) -> Finding:
        steps = rate_steps(history, self.slo, brief=self.brief)
        limits = [capacity_estimate(count, steps) for count in self.replicas]
        owed = [self._known(limit) for limit in limits]
        owed += self._needed(limits[-1]) if limits else []
        need = "" if self.need_rps is None else f", {self.need_rps:g}/s on {self.replicas[-1]}"
        return finding(
            self.name,
            "The highest rate within the SLO is known for each number of replicas.",
            owed,
            Summary(
                measured="; ".join(limit.words for limit in limits) or "nothing",
                limit=f"to a factor of {self.resolution:g}{need}",
                detail=CapacityFoundDetail(tuple(limit.detail for limit in limits)),
                evidence=tuple(
                    Evidence(one.end_ns, f"{plural(one.replicas, 'replica')}, {one.rate_rps:g}/s: {one.answer.name}")
                    for one in steps
                ),
            ),
            nothing=unknown("replicas", "no number of replicas was asked about", "a number of replicas"),
        )

    def _known(self, limit: CapacityEstimate) -> Obligation:
        subject, bound = plural(limit.replicas, "replica"), f"to a factor of {self.resolution:g}"
        near = limit.width is not None and limit.width <= self.resolution * ROUNDING
        top = limit.held and not limit.unknown and limit.held.rate_rps >= self.to_rps
        bottom = limit.broke and not limit.held and not limit.unknown and limit.broke.rate_rps <= self.from_rps
        if near or top or bottom:
            return Obligation(subject, measured=limit.words, bound=bound)
        why = "".join(f": {one.steps[-1].reason}" for one in limit.unknown[:1])
        text = f"{limit.words}{why}" if limit.rates else f"{subject}: no step was made"
        if limit.width is not None:
            text += f", {limit.width:.2f} times as high"
        return unknown(subject, text, MORE)

    def _needed(self, limit: CapacityEstimate) -> Iterator[Obligation]:
        if self.need_rps is None:
            return
        bound = f"{self.need_rps:g}/s"
        if limit.held and limit.held.rate_rps >= self.need_rps:
            yield Obligation("needed rate", measured=limit.words, bound=bound)
        elif limit.broke and limit.broke.rate_rps <= self.need_rps:
            yield Obligation("needed rate", Answer.FAIL, f"{limit.words}, {bound} needed", bound=bound)
        else:
            yield unknown("needed rate", f"{limit.words}: whether {bound} is held was not found", MORE)
