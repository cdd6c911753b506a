"""How many pods a disruption budget wants healthy at a moment, from the watch log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chaos.clock import seconds
from chaos.history.objects import Raw, View
from chaos.history.pods import PodView
from chaos.history.revisions import Revision
from chaos.history.views import PodDisruptionBudgetView
from chaos.semantics import Scales, ScaleUnknown, budget_status

__all__ = ["Controllers", "needed"]


@dataclass(slots=True)
class Controllers:
    """The controllers of pods, as far as the watch has told."""

    _objects: dict[str, Raw] = field(default_factory=dict)

    def take(self, state: Revision) -> None:
        """Take one revision of a ReplicaSet, Deployment or StatefulSet."""
        uid = View(state.object).uid
        if state.gone:
            self._objects.pop(uid, None)
        else:
            self._objects[uid] = {"kind": state.kind, **state.object}

    @property
    def scales(self) -> Scales:
        """How many pods each wants."""
        return Scales(self._objects.values())


def needed(view: PodDisruptionBudgetView, pods: Iterable[PodView], controllers: Controllers, at_ns: int) -> int:
    """How many pods have to stay healthy: what the budget says, where it speaks of this very wish, else a count.

    A wish in pods (`minAvailable: 3`) needs no count. Where nobody can count, what the budget said last stands.
    """
    least = view.spec.get("minAvailable")
    if isinstance(least, int):
        return least
    if view.up_to_date:
        return view.desired
    at = datetime.fromtimestamp(seconds(at_ns), UTC)
    try:
        return budget_status(view.raw, (pod.raw for pod in pods), controllers.scales, at=at).desired
    except ScaleUnknown:
        return view.desired
