"""The parts of a `Report` that tell how what was lost came back."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["Dip", "Leg", "RecoveryRow"]


@dataclass(frozen=True, slots=True)
class Leg:
    """One step of a recovery: when it was reached, and how long it took from the step before."""

    name: str
    at_ns: int | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class RecoveryRow:
    """How one victim was made good. `total_s` runs from the fault to Ready; None if that was not seen.

    `began_ns` is when the fault struck at it, `lost_ns` when it ceased to serve: late where Kubernetes had to find out
    first. `bound_s`, from the fault as well, is what the recovery was held to, where a finding says so; `how` is words.
    """

    fault: str
    victim: str
    node: str
    began_ns: int
    lost_ns: int | None
    how: str
    successor: str
    successor_node: str
    stages: tuple[Leg, ...]
    total_s: float | None
    bound_s: float | None


@dataclass(frozen=True, slots=True)
class Dip:
    """A span of ready below desired as a finding judged it: `bound_s` counts from `anchor_ns`; no end: never back."""

    begin_ns: int
    end_ns: int | None
    anchor_ns: int
    bound_s: float
    answer: str
