"""How many pods a disruption budget wants healthy at a moment, from the watch log."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from chaos.clock import seconds
from chaos.history.facts.revisions import Revision
from chaos.objects.base import Raw, View
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind
from chaos.semantics import Scales, ScaleUnknown, budget_status

__all__ = ["Controllers", "Need", "needed"]


@dataclass(frozen=True, slots=True)
class Need:
    """How many pods have to stay healthy. `unknown` is why nobody can say; then it is what was said last."""

    desired: int
    unknown: str = ""


@dataclass(slots=True)
class Controllers:
    """The controllers of pods, as far as the watch has told."""

    kinds: Mapping[str, WorkloadKind] = field(default_factory=dict)
    _objects: dict[str, Raw] = field(default_factory=dict)

    def take(self, state: Revision) -> None:
        """Take one revision of a controller."""
        uid = View(state.object).uid
        if state.gone:
            self._objects.pop(uid, None)
        else:
            self._objects[uid] = {"kind": state.kind, **state.object}

    @property
    def scales(self) -> Scales:
        """How many pods each wants."""
        return Scales(self._objects.values(), self.kinds.values())


def needed(view: PodDisruptionBudgetView, pods: Iterable[PodView], controllers: Controllers, at_ns: int) -> Need:
    """How many pods have to stay healthy: what the budget says, where it speaks of this very wish, else a count.

    A wish in pods (`minAvailable: 3`) needs no count. Where nobody can count, what the budget said last is no answer.
    """
    least = view.spec.get("minAvailable")
    if isinstance(least, int):
        return Need(least)
    if view.up_to_date:
        return Need(view.desired)
    at = datetime.fromtimestamp(seconds(at_ns), UTC)
    try:
        return Need(budget_status(view.raw, (pod.raw for pod in pods), controllers.scales, at=at).desired)
    except ScaleUnknown as error:
        return Need(view.desired, str(error))
