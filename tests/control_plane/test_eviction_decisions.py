"""Our decision on an eviction beside the real eviction API's answer, case by case, while no controller interferes."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from budget_room import (
    Obj,
    budget,
    frozen_controllers,
    listed,
    make_all,
    patch_status,
    readiness,
    release,
    together,
    workload,
)
from cluster_room import Room, room
from simulated_cluster import SimulatedCluster

from chaos.cluster import Done, mutations, ref_of
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.objects.pod import PodView
from chaos.semantics import BudgetState, Decision, bound_by, decide_eviction
from chaos.wait import until

READY, UNREADY = readiness(ready=True), readiness(ready=False)


@dataclass(frozen=True)
class Case:
    """Pods of one ReplicaSet in these states, of which the first is to be evicted, under disruption budgets.

    `early`: the budgets were there, and counted, before the pods. `changed`: they are changed and not counted since.
    `marks`: how many evictions wait to be confirmed. `expected` is the cause that the case was made to show.
    """

    name: str
    pods: Sequence[Obj]
    budgets: Sequence[dict[str, Any]]
    kind: str = "ReplicaSet"
    held: bool = False
    changed: bool = False
    marks: int = 0
    dry_run: bool = False
    early: bool = False
    expected: str = ""


def _matrix() -> list[Case]:
    """UnhealthyPodEvictionPolicy x readiness of the pod x what its budget permits."""
    cases = []
    states = {
        "free": (1, [READY, READY]),
        "full": (2, [READY, UNREADY]),
        "short": (3, [READY, UNREADY]),
        "none-healthy": (0, [UNREADY, UNREADY]),
    }
    for policy, ready, state in product((None, "IfHealthyBudget", "AlwaysAllow"), (True, False), states):
        least, others = states[state]
        spec: dict[str, Any] = {"minAvailable": least}
        if policy:
            spec["unhealthyPodEvictionPolicy"] = policy
        name = f"{str(policy).lower()}-{'ready' if ready else 'unready'}-{state}"
        if state == "full" and not ready:
            others = [READY, READY]
        cases.append(Case(name, [READY if ready else UNREADY, *others], [spec]))
    return cases


LEAST_1, LEAST_9 = {"minAvailable": 1}, {"minAvailable": 9}
CASES = [
    *_matrix(),
    Case("no-budget", [READY], [], expected="no-budget"),
    Case("two-budgets", [READY, READY], [LEAST_1, LEAST_1], expected="several-budgets"),
    Case("two-budgets-unready", [UNREADY, READY], [LEAST_1, LEAST_1], expected="several-budgets"),
    Case("two-budgets-dry", [READY, READY], [LEAST_1, LEAST_1], dry_run=True, expected="several-budgets"),
    Case("pending", [readiness(ready=False, phase="Pending"), READY], [LEAST_9], expected="pending"),
    Case("pending-two", [readiness(ready=False, phase="Pending")], [LEAST_9, LEAST_9], expected="pending"),
    Case("terminating", [READY, READY], [LEAST_9], held=True, expected="terminating"),
    Case("finished", [readiness(ready=False, phase="Succeeded")], [LEAST_9], kind="Job", expected="finished"),
    Case("never-counted", [READY, READY], [{"maxUnavailable": 1}], kind="Job", expected="not-counted-yet"),
    Case("no-scale", [READY, READY], [{"maxUnavailable": 1}], kind="Job", early=True, expected="sync-failed"),
    Case("all-may-go-none-ready", [UNREADY, UNREADY], [{"maxUnavailable": "100%"}], expected="spent"),
    Case("all-may-go", [UNREADY, READY], [{"maxUnavailable": "100%"}], expected="within-budget"),
    Case("no-bound", [READY, READY], [{}], expected="spent"),
    Case("changed", [READY, READY], [LEAST_1], changed=True, expected="not-counted-yet"),
    Case("changed-unready", [UNREADY, READY], [LEAST_1], changed=True, expected="unready-budget-healthy"),
    Case("too-many", [READY, READY], [LEAST_1], marks=2001, expected="too-many-unconfirmed"),
    Case("just-not-too-many", [READY, READY], [LEAST_1], marks=2000, expected="within-budget"),
    Case("dry-free", [READY, READY], [LEAST_1], dry_run=True, expected="within-budget"),
    Case("dry-full", [READY, READY], [LEAST_9], dry_run=True, expected="spent"),
]


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """A namespace in which everything that the test holds is let go at the end."""
    with room(simulated.kubeconfig, simulated.context, tmp_path) as made:
        try:
            yield made
        finally:
            release(made)


def test_our_decision_is_the_apis_answer(ground: Room, simulated: SimulatedCluster) -> None:
    """Admitted, refused or an error, the status, and whether the budget is charged, agree in every case."""
    _build(ground)
    _until_counted(ground)
    wrong: list[str] = []
    with frozen_controllers(simulated):
        _disturb(ground)
        for case in CASES:
            wrong += _compare(ground, case)
    assert not wrong, "\n".join(wrong)


# --- the cases on the cluster -----------------------------------------------------------------------------------


def _build(ground: Room) -> None:
    """Every case's workload, its pods in their states, then its budgets."""
    make_all(ground, [one for case in CASES if case.early for one in _wished(ground, case)])
    until(lambda: all(view.up_to_date for view in _views(ground)), deadline_s=10, awaited="counts of no pods")
    make_all(ground, [workload(ground, case.kind, case.name, len(case.pods), held=case.held) for case in CASES])
    wanted = sum(len(case.pods) for case in CASES)
    until(lambda: len(listed(ground, "Pod")) == wanted, deadline_s=30, awaited=f"{wanted} pods")
    plans = [(pod, status) for case in CASES for pod, status in zip(_pods(ground, case.name), case.pods, strict=True)]

    def settle(plan: tuple[Obj, Obj]) -> None:
        patch_status(ground, *plan)

    together(settle, plans)
    make_all(ground, [one for case in CASES if not case.early for one in _wished(ground, case)])


def _wished(ground: Room, case: Case) -> list[Obj]:
    selector = {"matchLabels": {"app": case.name}}
    return [budget(ground, f"{case.name}-{index}", selector, **spec) for index, spec in enumerate(case.budgets)]


def _until_counted(ground: Room) -> None:
    """Wait until the controller has counted every budget with its pods as they are."""

    def counted() -> bool:
        pods = [PodView(raw) for raw in listed(ground, "Pod")]
        return all(
            BudgetState.of(view.raw).failed
            or (view.up_to_date and view.healthy == sum(pod.ready for pod in pods if view.selects(pod)))
            for view in _views(ground)
        )

    until(counted, deadline_s=20, poll_s=0.5, awaited="a count of every budget")


def _disturb(ground: Room) -> None:
    """What the controllers would mend at once."""
    for case in CASES:
        if case.changed:
            (bound,) = _budgets(ground, case.name)
            ground.executor.do(mutations.patch(ref_of(bound), {"spec": {"minAvailable": 0}}))
        if case.marks:
            (bound,) = _budgets(ground, case.name)
            marks = {f"gone-{number}": "2026-01-01T00:00:00Z" for number in range(case.marks)}
            patch_status(ground, bound, {"disruptedPods": marks})
        if case.held:
            ground.executor.do(mutations.delete(ref_of(_pods(ground, case.name)[0])))


def _compare(ground: Room, case: Case) -> list[str]:
    """What differs between our decision and what the API did with the case's first pod."""
    before = _budgets(ground, case.name)
    pod = _pods(ground, case.name)[0]
    binding = bound_by(before, PodView(pod))
    ours = decide_eviction(PodView(pod), [BudgetState.of(view.raw) for view in binding], dry_run=case.dry_run)
    done = ground.executor.do(mutations.evict_pod(ref_of(pod), dry_run=case.dry_run))
    after = _budgets(ground, case.name)
    found = [f"{case.name}: {words}; ours {ours}, the API {done}" for words in _differences(ours, done)]
    spent = sum(_allowed(before)) - sum(_allowed(after))
    if spent != ours.spends:
        found.append(f"{case.name}: {spent} spent, ours says {ours.spends}")
    if case.expected and ours.cause != case.expected:
        found.append(f"{case.name}: was to show {case.expected}, shows {ours.cause}")
    name = pod["metadata"]["name"]
    charged = any(name in PodDisruptionBudgetView(raw).disrupted for raw in after)
    if charged != ours.spends:
        found.append(f"{case.name}: the pod is {'' if charged else 'not '}among the disrupted, ours says {ours.spends}")
    return found


def _differences(ours: Decision, done: Done) -> Iterator[str]:
    if (done.outcome == "ok") != ours.admitted:
        yield "not the same answer"
    if done.status not in ours.statuses:
        yield f"status {done.status} is none of {sorted(ours.statuses)}"
    counted = ours.answer == "refused" and 429 in ours.statuses
    if done.budget_refused != counted:
        yield "not the same kind of refusal"
    if counted and ours.budgets[0] not in str(done.body):
        yield f"the API does not name {ours.budgets[0]}"


def _pods(ground: Room, case: str) -> list[Obj]:
    found = ground.cluster.list("Pod", ground.namespace, selector=f"app={case}")
    return sorted(found, key=lambda pod: str(pod["metadata"]["name"]))


def _budgets(ground: Room, case: str) -> list[Obj]:
    selector = {"matchLabels": {"app": case}}
    return [raw for raw in listed(ground, "PodDisruptionBudget") if raw["spec"]["selector"] == selector]


def _views(ground: Room) -> list[PodDisruptionBudgetView]:
    return [PodDisruptionBudgetView(raw) for raw in listed(ground, "PodDisruptionBudget")]


def _allowed(budgets: list[Obj]) -> list[int]:
    return [PodDisruptionBudgetView(raw).allowed for raw in budgets]
