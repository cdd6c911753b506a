"""Which pods are replicas of the system under test."""

from __future__ import annotations

from dataclasses import dataclass, field

from chaos.history.model import History
from chaos.history.objects import Raw, matches
from chaos.history.pods import PodView
from chaos.history.views import ReplicaSetView

__all__ = ["Membership", "is_workload"]


def is_workload(history: History, kind: str, view: ReplicaSetView) -> bool:
    """Whether this object is the workload under test."""
    facts = history.facts
    return kind == facts.workload_kind and view.name == facts.workload_name and view.namespace == facts.namespace


@dataclass(frozen=True, slots=True)
class Membership:
    """Decides by the chain of controllers: pod, ReplicaSet, Deployment (or pod, StatefulSet).

    A pod whose ReplicaSet was never seen counts if the workload's selector matches its labels. A pod that nothing
    controls is never a replica: nobody would replace it.
    """

    history: History
    owners: dict[str, tuple[str, str]]
    selector: Raw | None
    _known: dict[str, bool] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> Membership:
        """Learn the chain from all that the watch log holds."""
        owners: dict[str, tuple[str, str]] = {}
        selector: Raw | None = None
        for event in history.watch:
            if event.kind == "ReplicaSet":
                view = ReplicaSetView(event.object)
                owners[view.uid] = (view.controller_kind, view.controller_name)
            if event.kind == history.facts.workload_kind:
                view = ReplicaSetView(event.object)
                if is_workload(history, event.kind, view):
                    selector = view.selector
        told = history.facts.raw.get("system", {}).get("selector")
        return cls(history, owners, selector or ({"matchLabels": told} if told else None))

    def has(self, uid: str, pod: PodView) -> bool:
        """Whether the pod of that UID is a replica of the system."""
        if uid not in self._known:
            self._known[uid] = self._decide(pod)
        return self._known[uid]

    def _decide(self, pod: PodView) -> bool:
        facts = self.history.facts
        if pod.namespace != facts.namespace or not pod.controller_uid:
            return False
        if pod.controller_kind == facts.workload_kind:
            return pod.controller_name == facts.workload_name
        if facts.workload_kind != "Deployment" or pod.controller_kind != "ReplicaSet":
            return False
        owner = self.owners.get(pod.controller_uid)
        if owner is not None:
            return owner == ("Deployment", facts.workload_name)
        return self.selector is not None and matches(self.selector, pod.labels)
