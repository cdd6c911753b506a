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
    """How one victim was made good. `total_s` runs from the loss to Ready; None if that was not seen.

    The first leg, `unready`, is the way from the fault to the loss: long where Kubernetes had to find out first.

    `slack_s` is how much longer it may have taken, where the loss fell into a gap of the record. `bound_s` is what the
    recovery was held to, where a finding says so; `how` is words.
    """

    fault: str
    victim: str
    node: str
    lost_ns: int | None
    how: str
    successor: str
    successor_node: str
    legs: tuple[Leg, ...]
    total_s: float | None
    slack_s: float
    bound_s: float | None


@dataclass(frozen=True, slots=True)
class Dip:
    """A span of ready below desired as a finding judged it: `bound_s` counts from `anchor_ns`; no end: never back."""

    begin_ns: int
    end_ns: int | None
    anchor_ns: int
    bound_s: float
    answer: str
