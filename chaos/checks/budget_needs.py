"""How many pods a disruption budget wants healthy at a moment, from the watch log."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field

from chaos.history.objects import View
from chaos.history.pods import PodView
from chaos.history.revisions import Revision
from chaos.history.views import PodDisruptionBudgetView, ReplicaSetView

__all__ = ["Scales", "needed"]


@dataclass(slots=True)
class Scales:
    """What the controllers of pods asked for, as far as the watch has told."""

    _objects: dict[str, ReplicaSetView] = field(default_factory=dict)

    def take(self, state: Revision) -> None:
        """Take one revision of a ReplicaSet, Deployment or StatefulSet."""
        view = ReplicaSetView(state.object)
        if state.gone:
            self._objects.pop(view.uid, None)
        else:
            self._objects[view.uid] = view

    def of(self, pods: Iterable[View]) -> int:
        """How many pods the controllers of these pods ask for together; a ReplicaSet's Deployment speaks for it."""
        found: dict[str, int] = {}
        for pod in pods:
            owner = self._objects.get(pod.controller_uid)
            if owner is not None:
                above = self._objects.get(owner.controller_uid)
                top = owner if above is None else above
                found[top.uid] = top.replicas
        return sum(found.values())


def needed(view: PodDisruptionBudgetView, pods: Iterable[PodView], scales: Scales) -> int:
    """How many pods have to stay healthy. What the controller says is taken only where it speaks of this very wish."""
    least, most = view.spec.get("minAvailable"), view.spec.get("maxUnavailable")
    if isinstance(least, int):
        return least
    if view.up_to_date:
        return view.desired
    expected = scales.of(pod for pod in pods if view.selects(pod))
    if least is not None:
        return _share(least, expected)
    return max(0, expected - (_share(most, expected) if isinstance(most, str) else int(most or 0)))


def _share(percent: str, expected: int) -> int:
    return math.ceil(int(percent.rstrip("%")) * expected / 100)
