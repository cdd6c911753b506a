"""KEDA's ScaledObjects over the system's workload, as the watch log shows them."""

from chaos.history.cache import once
from chaos.history.coverage import settled_ns
from chaos.history.model import History
from chaos.objects.scaled_object import SCALED_OBJECT, ScaledObjectView

__all__ = ["scaled_object_at", "scaled_object_states"]


@once
def scaled_object_states(history: History) -> tuple[tuple[int, ScaledObjectView | None], ...]:
    """Every state of the ScaledObject that scales the workload, None where it was deleted."""
    facts, found = history.facts, list[tuple[int, ScaledObjectView | None]]()
    for event in history.watch:
        if event.kind != SCALED_OBJECT:
            continue
        view = ScaledObjectView(event.object)
        if view.namespace == facts.namespace and view.target == (facts.workload_kind, facts.workload_name):
            found.append((settled_ns(history, SCALED_OBJECT, event.at_ns), None if event.gone else view))
    return tuple(found)


def scaled_object_at(history: History, at_ns: int) -> ScaledObjectView | None:
    """The one in force at a moment; None where there is none, or nobody watched them."""
    return next((view for since_ns, view in reversed(scaled_object_states(history)) if since_ns <= at_ns), None)
