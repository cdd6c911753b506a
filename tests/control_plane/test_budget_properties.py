"""Our arithmetic of disruption budgets beside the real disruption controller's, on hundreds of random ones."""

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from budget_room import (
    Obj,
    budget,
    listed,
    make_all,
    patch_status,
    pod_template,
    readiness,
    release,
    together,
    workload,
)
from cluster_room import Room, room
from simulated_cluster import SimulatedCluster

from chaos.cluster import mutations, ref_of
from chaos.errors import TimedOut
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.semantics import BudgetState, BudgetStatus, Scales, budget_status
from chaos.wait import until

WORKLOADS, BUDGETS = 36, 240
COUNTED = ("Deployment", "ReplicaSet", "StatefulSet")


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """A namespace in which everything that the test holds is let go at the end."""
    with room(simulated.kubeconfig, simulated.context, tmp_path) as made:
        try:
            yield made
        finally:
            release(made)


@pytest.mark.parametrize("seed", [20_260_101, 7])
def test_our_count_is_the_controllers(ground: Room, seed: int) -> None:
    """Expected, healthy, needed and permitted agree for random bounds, selectors, scales and states of pods."""
    dice = random.Random(seed)  # noqa: S311  # a story, no secret
    _people(ground, dice)
    _unsettle(ground, dice)
    budgets = make_all(ground, [_random_budget(ground, dice, index) for index in range(BUDGETS)])
    marked = _mark_disrupted(ground, dice, budgets)
    _until_agreed(ground)

    counted = [_counted(raw) for raw in listed(ground, "PodDisruptionBudget")]
    assert len(counted) == BUDGETS
    # A story in which nothing happens proves nothing.
    assert sum(status.allowed > 0 for status in counted) > BUDGETS / 10, "too few budgets permit anything"
    assert sum(status.allowed == 0 < status.healthy for status in counted) > BUDGETS / 10, "too few are spent"
    assert any(status.failed for status in counted), "no count failed"
    assert any(pod["metadata"].get("deletionTimestamp") for pod in listed(ground, "Pod")), "no pod is terminating"
    assert marked


# --- the story --------------------------------------------------------------------------------------------------


def _people(ground: Room, dice: random.Random) -> None:
    """Workloads of all kinds, bare pods and a Job, and wait until their controllers have made the pods."""
    kinds = [dice.choice(COUNTED) for _ in range(WORKLOADS)]
    replicas = [dice.randint(0, 6) for _ in kinds]
    objects = [
        workload(ground, kind, f"w{index}", replicas[index], held=dice.random() < 0.3)
        for index, kind in enumerate(kinds)
    ]
    job = workload(ground, "Job", "job", 2)
    bare: list[Obj] = [{"apiVersion": "v1", "kind": "Pod", **pod_template({"app": "bare"})} for _ in range(6)]
    for index, pod in enumerate(bare):
        pod["metadata"] |= {"name": f"bare-{index}", "namespace": ground.namespace}
    make_all(ground, [*objects, job, *bare])
    wanted = sum(replicas) + 2 + len(bare)
    until(lambda: len(listed(ground, "Pod")) == wanted, deadline_s=30, awaited=f"{wanted} pods")


def _unsettle(ground: Room, dice: random.Random) -> None:
    """Some pods Ready and some not, some being deleted, some scales changed, some rollouts begun."""
    pods = listed(ground, "Pod")

    def settle(plan: tuple[Obj, bool, str]) -> None:
        pod, ready, phase = plan
        patch_status(ground, pod, readiness(ready=ready, phase=phase))

    phases = ("Running", "Running", "Running", "Running", "Pending", "Failed")
    together(settle, [(pod, dice.random() < 0.8, dice.choice(phases)) for pod in pods])
    leaving = [pod for pod in pods if dice.random() < 0.1]
    together(lambda pod: ground.executor.do(mutations.delete(ref_of(pod))), leaving)
    deployments = listed(ground, "Deployment")
    for chosen in dice.sample(deployments, min(3, len(deployments))):
        template = {"spec": {"template": {"metadata": {"annotations": {"roll": "out"}}}}}
        ground.executor.do(mutations.patch(ref_of(chosen), template))
    for chosen in dice.sample(deployments, min(3, len(deployments))):
        ground.executor.do(mutations.scale(ref_of(chosen), dice.randint(0, 6)))


def _random_budget(ground: Room, dice: random.Random, index: int) -> Obj:
    """A bound of any form over one workload, some, nearly all or everything."""
    one = [f"w{dice.randrange(WORKLOADS)}"]
    some = ["bare", *(f"w{number}" for number in dice.sample(range(WORKLOADS), 3))]
    selectors: list[dict[str, Any]] = [
        {"matchLabels": {"app": one[0]}},
        {"matchLabels": {"app": one[0]}},
        {"matchExpressions": [{"key": "app", "operator": "In", "values": some}]},
        {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["job", *some]}]},
        {"matchExpressions": [{"key": "pod-template-hash", "operator": "Exists"}]},
        {"matchLabels": {"app": dice.choice(("job", "bare", "nobody"))}},
        {},
    ]
    number = dice.choice((0, 1, 1, 2, 3, 5))
    percent = f"{dice.choice((0, 1, 20, 25, 33, 50, 67, 75, 99, 100))}%"
    side = dice.choice(("minAvailable", "maxUnavailable"))
    bound = {} if dice.random() < 0.05 else {side: dice.choice((number, percent))}
    return budget(ground, f"b{index}", dice.choice(selectors), **bound)


def _mark_disrupted(ground: Room, dice: random.Random, budgets: list[Obj]) -> int:
    """Say of some pods that their eviction was granted, just now or so long ago that it counts no more."""
    pods = listed(ground, "Pod")
    chosen = dice.sample(budgets, 20)

    def mark(plan: tuple[Obj, dict[str, str]]) -> None:
        obj, marks = plan
        patch_status(ground, obj, {"disruptedPods": marks})

    def ago(minutes: int) -> str:
        return (datetime.now(UTC) - timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%SZ")

    plans = [
        (obj, {pod["metadata"]["name"]: ago(dice.choice((0, 0, 9))) for pod in dice.sample(pods, 40)}) for obj in chosen
    ]
    together(mark, plans)
    return len(plans)


# --- beside the controller --------------------------------------------------------------------------------------


def _until_agreed(ground: Room) -> None:
    """Wait until controller and function agree on every budget.

    A pod's change makes the controller count only one of the budgets that select it, so those that differ after a while
    are touched once, which makes it count them by its own rules.
    """
    differing: list[str] = []

    def agreed() -> bool:
        differing[:] = _disagreements(ground)
        return not differing

    try:
        until(agreed, deadline_s=4, poll_s=1, awaited="agreement")
    except TimedOut:
        for obj in listed(ground, "PodDisruptionBudget"):
            if any(words.startswith(f"{obj['metadata']['name']}:") for words in differing):
                ground.executor.do(mutations.patch(ref_of(obj), {"metadata": {"annotations": {"count": "again"}}}))
        until(agreed, deadline_s=15, poll_s=1, awaited="agreement", last_seen=lambda: "\n".join(differing[:8]))


def _disagreements(ground: Room) -> list[str]:
    pods = listed(ground, "Pod")
    scales = Scales([obj for kind in COUNTED for obj in listed(ground, kind)])
    now = datetime.now(UTC)
    found = []
    for raw in listed(ground, "PodDisruptionBudget"):
        ours, theirs = budget_status(raw, pods, scales, at=now), _counted(raw)
        same = (ours.expected, ours.healthy, ours.desired, ours.allowed, bool(ours.failed)) == (
            theirs.expected,
            theirs.healthy,
            theirs.desired,
            theirs.allowed,
            bool(theirs.failed),
        )
        settled = bool(theirs.failed) or PodDisruptionBudgetView(raw).up_to_date
        if not same or not settled:
            found.append(f"{raw['metadata']['name']}: ours {ours}, the controller's {theirs}, spec {raw['spec']}")
    return found


def _counted(raw: Obj) -> BudgetStatus:
    """What the controller wrote."""
    view = PodDisruptionBudgetView(raw)
    return BudgetStatus(view.expected, view.healthy, view.desired, view.allowed, failed=BudgetState.of(raw).failed)
