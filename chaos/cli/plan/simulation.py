"""A simulated drain: evict what the disruption budgets permit, replace, and again until it ends or sticks.

Time is counted in rounds. In a round every pod that is left is asked once, as kubectl asks all at once; at its end the
evicted pods are gone and their replacements, if they found a place, are Ready if those whom they replace were.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaos.cli.plan.index import ClusterIndex, Pod
from chaos.cli.plan.scheduling import Homeless, Room, Taken
from chaos.objects.pod import PodView
from chaos.semantics import BudgetState, Decision, decide_eviction

__all__ = ["Assumed", "Outcome", "simulate"]

Assumed = Callable[[Pod], bool]
"""Which pods that do not count as healthy are taken to do so soon, they or their replacements."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """How a drain went.

    Attributes:
        rounds: how many rounds it took.
        delayed: the disruption budgets that refused a pod at first.
        stuck: the pods that could never go, each with the last answer.
        homeless: the pods whose replacements found no place.
        budgets: the budgets as they were at the end.
    """

    rounds: int
    delayed: tuple[str, ...]
    stuck: tuple[tuple[Pod, Decision], ...]
    homeless: tuple[tuple[Pod, Homeless], ...]
    budgets: dict[str, BudgetState]


@dataclass(slots=True)
class _Progress:
    """What changes on the way."""

    taken: Taken
    assumed: Assumed
    budgets: dict[str, BudgetState] = field(default_factory=dict)
    present: dict[str, int] = field(default_factory=dict)
    delayed: dict[str, None] = field(default_factory=dict)
    homeless: list[tuple[Pod, Homeless]] = field(default_factory=list)


def simulate(cluster: ClusterIndex, room: Room, nodes: Sequence[str], pods: Sequence[Pod], assumed: Assumed) -> Outcome:
    """Close the nodes and evict these pods of them; `assumed` says which pods that are not Ready will be."""
    progress = _Progress(Taken(frozenset(nodes)), assumed)
    left, rounds = list(pods), 0
    while left:
        asked = [(pod, _ask(cluster, progress, pod)) for pod in left]
        going = [pod for pod, decision in asked if decision.admitted]
        refused = [(pod, decision) for pod, decision in asked if not decision.admitted]
        if not going:
            break
        rounds += 1
        left = [pod for pod, _ in refused]
        progress.delayed.update((name, None) for _, decision in refused for name in decision.budgets)
        for pod in going:
            _replace(cluster, room, progress, pod)
    else:
        refused = []
    return Outcome(rounds, tuple(progress.delayed), tuple(refused), tuple(progress.homeless), progress.budgets)


def _ask(cluster: ClusterIndex, progress: _Progress, pod: Pod) -> Decision:
    """Ask for one eviction; an admitted one is charged."""
    states = [_state(cluster, progress, key) for key in pod.budgets]
    decision = decide_eviction(_as_assumed(pod, progress.assumed), states)
    if decision.spends:
        (state,) = states
        progress.budgets[state.name] = state.with_healthy(state.healthy - 1)
    return decision


def _state(cluster: ClusterIndex, progress: _Progress, key: str) -> BudgetState:
    state = progress.budgets.get(key)
    if state is None:
        budget = cluster.budgets[key]
        better = sum(map(progress.assumed, (*budget.unready, *budget.marked)))
        state = budget.state.with_healthy(budget.state.healthy + better) if better else budget.state
        progress.budgets[key] = state
    return state


def _replace(cluster: ClusterIndex, room: Room, progress: _Progress, pod: Pod) -> None:
    """What its owner does when the pod goes."""
    view, owner = pod.view, pod.owner
    if view.deleting or view.finished:
        return
    progress.taken.leave(pod.shape, pod.identity, pod.node)
    if owner is None:
        progress.homeless.append((pod, Homeless("no controller replaces it", sure=True)))
        return
    if not owner.known:
        progress.homeless.append((pod, Homeless(f"whether {owner.words} replaces it cannot be told", sure=False)))
        return
    present = progress.present.get(owner.uid, owner.present) - 1
    progress.present[owner.uid] = present
    if present >= owner.wanted:
        return
    progress.present[owner.uid] = present + 1
    found = room.place(pod.shape, pod.identity, progress.taken)
    if isinstance(found, Homeless):
        progress.homeless.append((pod, found))
    elif view.ready_condition or progress.assumed(pod):
        for key in pod.budgets:
            state = _state(cluster, progress, key)
            progress.budgets[key] = state.with_healthy(state.healthy + 1)


def _as_assumed(pod: Pod, assumed: Assumed) -> PodView:
    """The pod as the eviction API will see it."""
    view = pod.view
    if view.ready_condition or view.deleting or view.finished or not assumed(pod):
        return view
    ready = {"type": "Ready", "status": "True"}
    return PodView({**view.raw, "status": {**view.status, "phase": "Running", "conditions": [ready]}})
