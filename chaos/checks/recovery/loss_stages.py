"""The stages of a way that something takes in turn, each with its time and its bound: which of them was late.

Each stage begins where the one before it ended, so their sum is the whole way, and no difference between two watches
can make one negative. A step that was not seen has no end: its time and its bound go to the next one that was.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from chaos.clock import seconds

__all__ = ["Leg", "Step", "late_stage", "stages_of"]


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happens on the way: its name, when it was seen (None: not), and how long it may take.

    A `bound_s` of None: it shares the bound of the step before it, and may take what that left over.
    """

    name: str
    at_ns: int | None
    bound_s: float | None


@dataclass(frozen=True, slots=True)
class Leg:
    """The way to one step. `end_ns` is None for one that was not seen; `bound_s` holds what earlier ones left over."""

    name: str
    begin_ns: int
    end_ns: int | None
    bound_s: float

    @property
    def seconds(self) -> float | None:
        """How long it took, None if its end was not seen."""
        return None if self.end_ns is None else seconds(self.end_ns - self.begin_ns)

    @property
    def values(self) -> dict[str, Any]:
        """The stage in numbers."""
        taken = self.seconds
        return {
            "stage": self.name,
            "seconds": None if taken is None else round(taken, 3),
            "bound_s": round(self.bound_s, 3),
        }


def stages_of(start_ns: int, steps: Iterable[Step]) -> tuple[Leg, ...]:
    """The stages from a moment on. A step that was seen before the one ahead of it took no time of its own."""
    stages: list[Leg] = []
    reached_ns, carried_s, left_s = start_ns, 0.0, 0.0
    for step in steps:
        bound_s = carried_s + (left_s if step.bound_s is None else step.bound_s)
        if step.at_ns is None:
            stages.append(Leg(step.name, reached_ns, None, bound_s))
            carried_s, left_s = bound_s, 0.0
            continue
        end_ns = max(reached_ns, step.at_ns)
        stages.append(Leg(step.name, reached_ns, end_ns, bound_s))
        left_s = max(0.0, bound_s - seconds(end_ns - reached_ns))
        reached_ns, carried_s = end_ns, 0.0
    return tuple(stages)


def late_stage(stages: Iterable[Leg], until_ns: int) -> Leg | None:
    """The stage that made the way late: the one furthest over its bound, else the one that was under way at `until_ns`.

    None if all were in time and the way was gone to its end.
    """
    told = tuple(stages)
    pending = next((stage for place, stage in enumerate(told) if all(one.end_ns is None for one in told[place:])), None)

    def over_s(stage: Leg) -> float:
        end_ns = max(stage.begin_ns, until_ns) if stage.end_ns is None else stage.end_ns
        return seconds(end_ns - stage.begin_ns) - stage.bound_s

    timed = [stage for stage in told if stage.end_ns is not None or stage is pending]
    worst = max(timed, key=over_s, default=None)
    return worst if worst is not None and over_s(worst) > 0 else pending
