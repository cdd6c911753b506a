"""A drain played through: evict what the disruption budgets permit, replace, and again until it ends or sticks.

Time is counted in rounds. In a round every pod that is left is asked once, as kubectl asks all at once; at its end the
evicted pods are gone and their replacements, if they found a place, are Ready if those whom they replace were.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from chaos.cli.plan.index import Pod, World
from chaos.cli.plan.scheduling import Homeless, Room, Taken
from chaos.objects.pod import PodView
from chaos.semantics import BudgetState, Decision, decide_eviction

__all__ = ["Course", "Hope", "play"]

Hope = Callable[[Pod], bool]
"""Which pods that do not count as healthy are taken to do so soon, they or their replacements."""


@dataclass(frozen=True, slots=True)
class Course:
    """How a drain went.

    `delayed` are the disruption budgets that sent a pod back at first; `stuck` the pods that could never go, each with
    the last answer; `homeless` those whose replacements found no place; `guards` the budgets as they were at the end.
    """

    rounds: int
    evicted: tuple[Pod, ...]
    delayed: tuple[str, ...]
    stuck: tuple[tuple[Pod, Decision], ...]
    homeless: tuple[tuple[Pod, Homeless], ...]
    guards: dict[str, BudgetState]


@dataclass(slots=True)
class _Trip:
    """What changes on the way."""

    taken: Taken
    hope: Hope
    guards: dict[str, BudgetState] = field(default_factory=dict)
    present: dict[str, int] = field(default_factory=dict)
    delayed: dict[str, None] = field(default_factory=dict)
    homeless: list[tuple[Pod, Homeless]] = field(default_factory=list)


def play(world: World, room: Room, nodes: Sequence[str], pods: Sequence[Pod], hope: Hope) -> Course:
    """Close the nodes and evict these pods of them; `hope` says which pods that are not Ready will be."""
    trip = _Trip(Taken(frozenset(nodes)), hope)
    left, gone, rounds = list(pods), [], 0
    while left:
        asked = [(pod, _ask(world, trip, pod)) for pod in left]
        going = [pod for pod, decision in asked if decision.admitted]
        refused = [(pod, decision) for pod, decision in asked if not decision.admitted]
        if not going:
            break
        rounds += 1
        gone += going
        left = [pod for pod, _ in refused]
        trip.delayed.update((name, None) for _, decision in refused for name in decision.budgets)
        for pod in going:
            _replace(world, room, trip, pod)
    else:
        refused = []
    return Course(rounds, tuple(gone), tuple(trip.delayed), tuple(refused), tuple(trip.homeless), trip.guards)


def _ask(world: World, trip: _Trip, pod: Pod) -> Decision:
    """Ask for one eviction; an admitted one is charged."""
    states = [_state(world, trip, key) for key in pod.guards]
    decision = decide_eviction(_as_hoped(pod, trip.hope), states)
    if decision.spends:
        (state,) = states
        trip.guards[state.name] = state.with_healthy(state.healthy - 1)
    return decision


def _state(world: World, trip: _Trip, key: str) -> BudgetState:
    state = trip.guards.get(key)
    if state is None:
        guard = world.guards[key]
        better = sum(map(trip.hope, (*guard.unready, *guard.marked)))
        state = guard.state.with_healthy(guard.state.healthy + better) if better else guard.state
        trip.guards[key] = state
    return state


def _replace(world: World, room: Room, trip: _Trip, pod: Pod) -> None:
    """What its owner does when the pod goes."""
    view, owner = pod.view, pod.owner
    if view.deleting or view.finished:
        return
    trip.taken.leave(pod.shape, pod.identity, pod.node)
    if owner is None:
        trip.homeless.append((pod, Homeless("no controller replaces it", sure=True)))
        return
    if not owner.known:
        trip.homeless.append((pod, Homeless(f"whether {owner.words} replaces it cannot be told", sure=False)))
        return
    present = trip.present.get(owner.uid, owner.present) - 1
    trip.present[owner.uid] = present
    if present >= owner.wanted:
        return
    trip.present[owner.uid] = present + 1
    found = room.place(pod.shape, pod.identity, trip.taken)
    if isinstance(found, Homeless):
        trip.homeless.append((pod, found))
    elif view.ready_condition or trip.hope(pod):
        for key in pod.guards:
            state = _state(world, trip, key)
            trip.guards[key] = state.with_healthy(state.healthy + 1)


def _will_be(pod: Pod, hope: Hope) -> bool:
    """Whether a pod that is not Ready is taken to become so."""
    view = pod.view
    return not (view.ready_condition or view.deleting or view.finished) and hope(pod)


def _as_hoped(pod: Pod, hope: Hope) -> PodView:
    """The pod as the eviction API will see it."""
    if not _will_be(pod, hope):
        return pod.view
    ready = {"type": "Ready", "status": "True"}
    return PodView({**pod.view.raw, "status": {**pod.view.status, "phase": "Running", "conditions": [ready]}})
