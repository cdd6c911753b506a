"""What a plan says of a drain beside what happens: real scheduler, controllers and evictions on simulated nodes.

Each case has nodes of its own, which only its pods may use, so that all cases are drained at once.
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from budget_room import Obj, budget, listed, make_all, together, workload
from cluster_room import Room, room
from simulated_cluster import SimulatedCluster

from chaos.cli.plan.listing import gather
from chaos.cli.plan.planner import make_plan
from chaos.cli.plan.results import Answer, DrainAnswer
from chaos.cluster import mutations, ref_of
from chaos.objects.pod import PodView
from chaos.semantics import DrainOptions
from chaos.wait import until

CASE = "tests.gameday.dev/case"
SETTLED_S = 6.0
"""How long nothing may change before a drain counts as stuck: evictions are asked for every 0.3 s."""


@dataclass(frozen=True)
class Case:
    """A Deployment on nodes of its own. `crowd` makes all pods start on the first node, which is the one drained."""

    name: str
    replicas: int
    finishes: bool
    pending: int = 0
    nodes: int = 3
    crowd: bool = False
    cpu: str = "100m"
    budgets: tuple[Mapping[str, Any], ...] = ()
    spec: Mapping[str, Any] = field(default_factory=dict)


def spread(**more: Any) -> Obj:
    """A hard spread over hosts."""
    rule = {"maxSkew": 1, "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "DoNotSchedule"}
    return {"topologySpreadConstraints": [{**rule, "labelSelector": {}, **more}]}


APART: Obj = {
    "affinity": {
        "podAntiAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": [
                {"labelSelector": {}, "topologyKey": "kubernetes.io/hostname"}
            ]
        }
    }
}
ONE = {"maxUnavailable": 1}

CASES = [
    Case("free", 3, finishes=True, crowd=True),
    Case("one-by-one", 3, finishes=True, crowd=True, budgets=(ONE,)),
    Case("none-may-go", 3, finishes=False, budgets=({"minAvailable": 3},)),
    Case("two-budgets", 3, finishes=False, budgets=(ONE, {"maxUnavailable": 2})),
    Case("apart", 3, finishes=True, pending=1, budgets=(ONE,), spec=APART),
    Case("apart-with-spare", 3, finishes=True, nodes=4, budgets=(ONE,), spec=APART),
    Case("spread-counts-the-drained", 3, finishes=True, pending=1, budgets=(ONE,), spec=spread()),
    Case("spread-sticks", 6, finishes=False, pending=1, budgets=(ONE,), spec=spread()),
    Case("spread-honours-taints", 6, finishes=True, budgets=(ONE,), spec=spread(nodeTaintsPolicy="Honor")),
    Case("full", 6, finishes=False, pending=1, nodes=3, cpu="4", budgets=(ONE,)),
    Case("full-without-a-budget", 6, finishes=True, pending=2, nodes=3, cpu="4"),
    Case("roomy", 6, finishes=True, nodes=4, cpu="4", budgets=({"minAvailable": "50%"},)),
]


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """A namespace, and the cases' nodes, which go at the end."""
    made: list[str] = []
    with room(simulated.kubeconfig, simulated.context, tmp_path) as opened:
        try:
            for case in CASES:
                made += simulated.add_nodes(case.nodes, prefix=case.name, labels={CASE: case.name})
            yield opened
        finally:
            for name in made:
                simulated.api.delete(f"/api/v1/nodes/{name}")


def test_a_plan_foretells_what_a_drain_comes_to(ground: Room) -> None:
    """Of each case's node: whether the drain ends, and how many pods are left without a place."""
    _start(ground)
    listing = gather(ground.cluster)
    plan = make_plan(listing, options=DrainOptions(), judged=frozenset({ground.namespace}))
    said = {answer.nodes[0]: answer for answer in plan.nodes}
    happened = dict(together(lambda case: (case.name, _drain(ground, case)), CASES))
    wrong = [words for case in CASES for words in _compare(case, said[_node(case)], happened[case.name])]
    assert not wrong, "\n".join(wrong)


def _compare(case: Case, said: DrainAnswer, happened: tuple[bool, int]) -> Iterator[str]:
    finished, pending = happened
    if (finished, pending) != (case.finishes, case.pending):
        yield f"{case.name}: was made to be {case.finishes, case.pending}, and was {finished, pending}"
    foretold = said.answer <= Answer.WAITS
    if said.answer == Answer.CANNOT_TELL or foretold != finished:
        yield f"{case.name}: {'finished' if finished else 'stuck'}, said {said}"
    if len(said.homeless) != pending:
        yield f"{case.name}: {pending} pods pending, said {said.homeless}"


# --- the cases on the cluster -----------------------------------------------------------------------------------


def _node(case: Case) -> str:
    return f"{case.name}-0"


def _start(ground: Room) -> None:
    """Deployments first, so that all pods run; then disruption budgets, and wait until they are counted."""
    for case in CASES:
        for name in _others(case) if case.crowd else ():
            _cordon(ground, name, closed=True)
    make_all(ground, [_deployment(ground, case) for case in CASES])
    wanted = sum(case.replicas for case in CASES)
    until(lambda: sum(_ready(ground)) == wanted, deadline_s=60, poll_s=0.5, awaited=f"{wanted} pods Ready")
    for case in CASES:
        for name in _others(case) if case.crowd else ():
            _cordon(ground, name, closed=False)
    made = [
        budget(ground, f"{case.name}-{index}", {"matchLabels": {"app": case.name}}, **bound)
        for case in CASES
        for index, bound in enumerate(case.budgets)
    ]
    make_all(ground, made)

    def counted() -> bool:
        return all((obj.get("status") or {}).get("expectedPods") for obj in listed(ground, "PodDisruptionBudget"))

    until(counted, deadline_s=20, awaited="a count of every budget")


def _deployment(ground: Room, case: Case) -> Obj:
    obj = workload(ground, "Deployment", case.name, case.replicas)
    spec = obj["spec"]["template"]["spec"]
    spec |= {
        "schedulerName": "default-scheduler",
        "nodeSelector": {CASE: case.name},
        "terminationGracePeriodSeconds": 0,
    }
    spec["containers"][0]["resources"] = {"requests": {"cpu": case.cpu}}
    own = {"labelSelector": {"matchLabels": {"app": case.name}}}
    spec |= _own(case.spec, own)
    return obj


def _own(spec: Mapping[str, Any], own: Obj) -> Obj:
    """The rules with the case's own pods in their selectors."""
    found: Obj = dict(spec)
    if "topologySpreadConstraints" in found:
        found["topologySpreadConstraints"] = [{**one, **own} for one in spec["topologySpreadConstraints"]]
    if "affinity" in found:
        term = {"topologyKey": "kubernetes.io/hostname", **own}
        found["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}
    return found


def _others(case: Case) -> list[str]:
    return [f"{case.name}-{index}" for index in range(1, case.nodes)]


def _ready(ground: Room) -> list[bool]:
    return [PodView(raw).ready for raw in listed(ground, "Pod")]


def _cordon(ground: Room, name: str, *, closed: bool) -> None:
    node = ground.cluster.get("Node", None, name)
    assert node is not None
    ground.executor.do(mutations.patch(ref_of(node), {"spec": {"unschedulable": closed or None}}))


def _drain(ground: Room, case: Case) -> tuple[bool, int]:
    """Cordon the node and evict until nothing is left or nothing changes; whether it is empty, and pods Pending."""
    _cordon(ground, _node(case), closed=True)
    changed, before = time.monotonic(), None
    while time.monotonic() - changed < SETTLED_S:
        pods = [PodView(raw) for raw in ground.cluster.list("Pod", ground.namespace, selector=f"app={case.name}")]
        now = sorted((pod.uid, pod.node, pod.ready) for pod in pods)
        if now != before:
            changed, before = time.monotonic(), now
        for pod in pods:
            if pod.node == _node(case) and not pod.deleting:
                ground.executor.do(mutations.evict_pod(ref_of(dict(pod.raw))))
        time.sleep(0.3)  # as kubectl waits between its tries, but shorter
    left = [pod for pod in pods if pod.node == _node(case)]
    return not left, sum(not pod.node for pod in pods)
