"""Which pods are replicas of the system under test."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.history.model import History
from chaos.objects.base import Raw, View, matches
from chaos.objects.kinds import ReplicaSetView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind

__all__ = ["Membership", "is_workload"]

SELECTING = frozenset({"Deployment", "StatefulSet", "ReplicaSet"})
"""Kinds whose `spec.selector` is a label selector."""


def is_workload(history: History, kind: str, view: ReplicaSetView) -> bool:
    """Whether this object is the workload under test."""
    facts = history.facts
    return kind == facts.workload_kind and view.name == facts.workload_name and view.namespace == facts.namespace


@dataclass(frozen=True, slots=True)
class Membership:
    """Decides by the chain of controllers: pod, ReplicaSet, Deployment (or pod, StatefulSet; or as the facts say).

    A pod whose ReplicaSet, or other controller on the way, was never seen counts if the workload's selector matches its
    labels. A pod that nothing controls is never a replica: nobody would replace it.
    """

    history: History
    kind: WorkloadKind
    owners: dict[str, View]
    selector: Raw | None
    _known: dict[tuple[str, str], bool] = field(default_factory=dict)
    _replicas: set[str] = field(default_factory=set)

    @classmethod
    def of(cls, history: History) -> Membership:
        """Learn the chain from all that the watch log holds."""
        kind = history.facts.workload
        owners: dict[str, View] = {}
        selector: Raw | None = None
        for event in history.watch:
            if event.kind in kind.through:
                owners[View(event.object).uid] = View(event.object)
            # Of kinds that we do not list, nobody knows their own selector; their `/scale` gave it before.
            if event.kind == kind.name and kind.name in SELECTING:
                view = ReplicaSetView(event.object)
                if is_workload(history, event.kind, view):
                    selector = view.selector
        given = history.facts.raw.get("system", {}).get("selector")
        return cls(history, kind, owners, selector or ({"matchLabels": given} if given else None))

    def has(self, uid: str, pod: PodView) -> bool:
        """Whether the pod of that UID is a replica of the system, or was one until its controller let go of it."""
        return self.counts(uid, pod) or uid in self._replicas

    def counts(self, uid: str, pod: PodView) -> bool:
        """Whether it is one in this state of it: no controller counts a pod that it let go of, or that another has."""
        if not pod.controller_uid:  # it may be adopted later
            return False
        key = uid, pod.controller_uid
        if key not in self._known:
            self._known[key] = self._decide(pod)
        if self._known[key]:
            self._replicas.add(uid)
        return self._known[key]

    def _decide(self, pod: PodView) -> bool:
        facts = self.history.facts
        if pod.namespace != facts.namespace:
            return False
        below: View = pod
        for _ in self.kind.controllers:
            if below.controller_kind == self.kind.name:
                return below.controller_name == facts.workload_name
            if below.controller_kind not in self.kind.through:
                return False
            owner = self.owners.get(below.controller_uid)
            if owner is None:
                return self.selector is not None and matches(self.selector, pod.labels)
            below = owner
        return False
