"""What is known of disruption budgets and of the pods that they bind, revision by revision."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.checks.base import unknown
from chaos.checks.verdict import Obligation
from chaos.history.facts.revisions import Revision
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView

__all__ = ["EVICTED", "Change", "Grant", "Record", "Replay", "Standing"]

EVICTED = "EvictionByEvictionAPI"
"""The reason of the condition DisruptionTarget on a pod whose eviction was accepted (KEP-3329)."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one revision did to one pod. `before` is None for a new pod, `after` for one that is gone.

    `binding` are the budgets, by UID, that bound it just before; `left` is how many of the system's pods were ready
    after it, those not counted whose eviction was accepted.
    """

    revision: Revision
    before: PodView | None
    after: PodView | None
    binding: tuple[str, ...]
    left: int

    @property
    def pod(self) -> PodView:
        """The pod, as it was last."""
        return self.after or self.before or PodView({})

    @property
    def was_ready(self) -> bool:
        """Whether it was Ready, and not being deleted, just before."""
        return self.before is not None and self.before.ready


@dataclass(frozen=True, slots=True)
class Grant:
    """A budget was charged for the eviction of one pod, None if no pod of that name was known.

    `before` and `after` are the budget around it. `healthy`, `desired` and `unknown` are how it stood then, `left` as
    in Change.
    """

    revision: Revision
    name: str
    pod: PodView | None
    before: PodDisruptionBudgetView
    after: PodDisruptionBudgetView
    binding: tuple[str, ...]
    healthy: int
    desired: int
    left: int
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Standing:
    """How many pods were healthy, and had to be, from one revision on; `lost` are those that it made unhealthy.

    `unknown` is why nobody can say how many had to be.
    """

    revision: Revision
    at_ns: int
    healthy: int
    desired: int
    lost: tuple[Change, ...]
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class Record:
    """One budget's course. `states` are (received, budget, None once it is deleted); `ours`: it bound a replica.

    `aimed_ns` is when its selector, or the budget itself, was last new. `counted` are the revisions at which its status
    counted no more pods healthy than there were, so that it had heard of every loss before. Without a budget (`view`
    None) it is the course of the system's ready pods.
    """

    view: PodDisruptionBudgetView | None
    standings: tuple[Standing, ...]
    states: tuple[tuple[int, PodDisruptionBudgetView | None], ...]
    aimed_ns: int
    counted: tuple[int, ...]
    ours: bool

    @property
    def name(self) -> str:
        """The budget's name."""
        return "" if self.view is None else self.view.name

    def in_force(self, since_ns: int, until_ns: int) -> tuple[PodDisruptionBudgetView | None, ...]:
        """Every state that may have been in force in a span: the one before it, and all that were received in it."""
        before = [view for at_ns, view in self.states if at_ns <= since_ns]
        return (*before[-1:], *(view for at_ns, view in self.states if since_ns < at_ns <= until_ns))


@dataclass(frozen=True, slots=True)
class Replay:
    """The whole. `marked` and `left` are, by UID, the first sign of an accepted eviction, and of any deletion.

    `charged` are pods for which a budget had been charged before anything was judged. `replicas` are the system's, by
    UID. `doubt` says why the order of events is not known.
    """

    budgets: Mapping[str, Record]
    system: Record
    grants: tuple[Grant, ...]
    marked: Mapping[str, Change]
    left: Mapping[str, Change]
    pods: Mapping[str, PodView]
    replicas: frozenset[str]
    charged: frozenset[str]
    doubt: str

    def ordered(self) -> Iterator[Obligation]:
        """The order of events is known; listed only where it is not."""
        if self.doubt:
            settle = "a cluster whose resourceVersions count all kinds together"
            yield unknown("the order of events", self.doubt, settle)
