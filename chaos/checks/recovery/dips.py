"""Dips of ready below desired, each with the bound within which the system must have come back."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.checks.recovery.causes import Causes
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.history.step_function import Steps
from chaos.semantics import Bound

__all__ = ["Dip", "dips_of"]


@dataclass(frozen=True, slots=True)
class Dip:
    """One span of ready below desired; `end_ns` is None if it lasted as long as was watched.

    `anchor_ns` is from when the bound counts: the first observation below desired, or the last moment in the dip at
    which more was asked of the system: a fault took a further victim, or more replicas were desired. What fell by
    itself since then gives no new time. `cause` names what the bound is for, in words.
    """

    begin_ns: int
    end_ns: int | None
    anchor_ns: int
    bound: Bound
    cause: str
    lowest: int
    desired: int

    @property
    def deadline_ns(self) -> int:
        """When the system must be back at the latest."""
        return self.anchor_ns + round(self.bound.total_s * NS)


def dips_of(history: History, lives: tuple[PodLife, ...], since_ns: int) -> tuple[Dip, ...]:
    """Every dip that lasted into the time from `since_ns` on, in order."""
    ready, desired = ready_replicas(history), desired_replicas(history)
    causes = Causes.of(history, lives)
    return tuple(
        _dip(causes, span, ready, desired)
        for span in ready.minus(desired).spans_below(0)
        if span[1] is None or span[1] > since_ns
    )


def _dip(causes: Causes, span: tuple[int, int | None], ready: Steps, desired: Steps) -> Dip:
    begin_ns, end_ns = span
    last_ns = max(begin_ns, (ready.end_ns if end_ns is None else end_ns) - 1)
    taken = [leaving.at_ns for leaving in causes.between(begin_ns, last_ns) if leaving.asked]
    anchor_ns = max((begin_ns, *taken, *desired.rises(begin_ns, last_ns)))
    found = [causes.cause_of(leaving) for leaving in causes.between(begin_ns, anchor_ns)] or [causes.growth(anchor_ns)]
    longest = max(found, key=lambda cause: cause.bound.total_s)
    unpromised = dict.fromkeys(one for cause in found for one in cause.bound.unpromised)
    return Dip(
        begin_ns=begin_ns,
        end_ns=end_ns,
        anchor_ns=anchor_ns,
        bound=Bound(longest.bound.parts, tuple(unpromised)),
        cause=longest.words,
        lowest=ready.min(begin_ns, last_ns) or 0,
        desired=desired.max(begin_ns, last_ns) or 0,
    )
