"""What is known of disruption budgets and of the pods that they bind, revision by revision."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.checks.base import unknown
from chaos.checks.verdict import Obligation
from chaos.history.facts.revisions import Revision
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView

__all__ = ["EVICTED", "Change", "Grant", "HealthCount", "Record", "Replay"]

EVICTED = "EvictionByEvictionAPI"
"""The reason of the condition DisruptionTarget on a pod whose eviction was accepted (KEP-3329)."""


@dataclass(frozen=True, slots=True)
class Change:
    """What one revision did to one pod.

    Attributes:
        before: the pod before it, None for a new one.
        after: the pod after it, None for one that is gone.
        binding: the budgets, by UID, that bound it just before.
        left: how many of the system's pods were ready after it, without those whose eviction was accepted.
    """

    revision: Revision
    before: PodView | None
    after: PodView | None
    binding: tuple[str, ...]
    left: int

    @property
    def pod(self) -> PodView:
        return self.after or self.before or PodView({})

    @property
    def was_ready(self) -> bool:
        """Whether it was Ready, and not being deleted, just before."""
        return self.before is not None and self.before.ready


@dataclass(frozen=True, slots=True)
class Grant:
    """A budget was charged for the eviction of one pod.

    Attributes:
        name: the pod's; `pod` is None if none of that name was known.
        before, after: the budget, at the revision that charged it.
        binding: the budgets, by UID, that bound the pod.
        healthy: how many of the budget's pods were healthy after it, of `desired` that had to be.
        left: how many of the system's pods were ready after it.
        unknown: why nobody can say how many had to be healthy, else empty.
        beyond: fewer were healthy than had to be, of fewer pods than the budget expects: it binds unwatched ones.
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
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class HealthCount:
    """How many pods were healthy, and had to be, from one revision on.

    `lost` are the changes that made pods unhealthy; `unknown` is why nobody can say how many had to be healthy;
    `beyond` as in `Grant`.
    """

    revision: Revision
    at_ns: int
    healthy: int
    desired: int
    lost: tuple[Change, ...]
    unknown: str = ""
    beyond: bool = False


@dataclass(frozen=True, slots=True)
class Record:
    """One budget over time; without a budget the system's ready pods.

    Attributes:
        view: the budget as it was last, None for the system's ready pods.
        counts: how many of its pods were healthy, at each change.
        states: the budget from each receipt on, None once it is deleted.
        selecting_since_ns: when its selector, or the budget itself, was last new.
        counted: revisions at which its status counted no more pods healthy than there were: it knew of every loss.
        ours: it bound a replica of the system.
    """

    view: PodDisruptionBudgetView | None
    counts: tuple[HealthCount, ...]
    states: tuple[tuple[int, PodDisruptionBudgetView | None], ...]
    selecting_since_ns: int
    counted: tuple[int, ...]
    ours: bool

    @property
    def name(self) -> str:
        return "" if self.view is None else self.view.name

    @property
    def beyond_watch(self) -> bool:
        """Whether its status counted more healthy pods than there were, all the time: it binds unwatched ones."""
        return not self.counted and any(view is not None and view.up_to_date for _, view in self.states)

    @property
    def beyond_words(self) -> str:
        return f"disruption budget {self.name} counts more pods than were watched, so it binds others too"

    def in_force(self, since_ns: int, until_ns: int) -> tuple[PodDisruptionBudgetView | None, ...]:
        """Every state that may have been in force in a span: the one before it, and all that were received in it."""
        before = [view for at_ns, view in self.states if at_ns <= since_ns]
        return (*before[-1:], *(view for at_ns, view in self.states if since_ns < at_ns <= until_ns))


@dataclass(frozen=True, slots=True)
class Replay:
    """All budgets and pods over time.

    Attributes:
        budgets: by UID.
        system: the system's ready pods.
        marked: the first sign of each accepted eviction, by the pod's UID.
        left: the first sign of each deletion, by the pod's UID.
        pods: every pod as it was last, by UID; `replicas` are the system's own.
        charged: the UIDs of pods for which a budget had been charged before anything was judged.
        doubt: why the order of events is not known, else empty.
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
