"""Evictions as a fault: granted, refused by a disruption budget, and neither."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from cluster_room import limit
from fault_ground import SIX, FaultGround, fault_ground
from simulated_cluster import SimulatedCluster

from chaos.cluster import mutations
from chaos.faults import BudgetChange, Evict
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultGround]:
    """Six replicas, one of which may be missing."""
    with fault_ground(simulated, tmp_path, SIX) as stood:
        yield stood


def refs(pods: list[PodView]) -> Targets:
    """These pods as targets."""
    return Targets("these pods", tuple(Ref("Pod", pod.namespace, pod.name, pod.uid) for pod in pods))


def test_one_eviction_within_the_budget_is_granted(ground: FaultGround) -> None:
    """A granted eviction lands when the pod is leaving by UID, and the result is `finished`."""
    victim = ground.pods()[0]
    proof = ground.land(Evict(refs([victim])))
    assert proof == f"evicted by UID: {victim.name} ({victim.uid[:8]})"
    assert ground.result()["result"] == "finished"
    assert ground.outcomes("evict-pod") == ["ok"]


def test_of_all_replicas_at_once_only_one_goes(ground: FaultGround) -> None:
    """Refusals by the disruption budget are outcomes and a result that names it, never an error of the fault."""
    # A simulated node has a replacement Ready in no time, and then another may go.
    limit(ground.cluster, ground.executor, ground.system.namespace, {"pods": "0"})
    proof = ground.land(Evict(refs(ground.pods())))
    assert sorted(ground.outcomes("evict-pod")) == ["fail"] * 5 + ["ok"]
    result = ground.result()
    assert result["result"] == "blocked"
    assert result["detail"]["budget"] == "model"
    assert (len(result["detail"]["gone"]), len(result["detail"]["left"])) == (1, 5)
    assert "refused, as the disruption budget model demands" in proof
    causes = [line["detail"].get("causes") for line in ground.lines() if line["event"] == "action-end"]
    assert causes.count(["DisruptionBudget"]) == 5


def test_a_changed_budget_is_met_by_the_next_eviction_and_put_back(ground: FaultGround) -> None:
    """Once the change has landed every eviction is refused; healed, the bound is the former one."""
    before = ground.cluster.get("PodDisruptionBudget", ground.system.namespace, "model")
    change = BudgetChange(ground.budget, min_available="100%")
    assert ground.land(change) == "counted by the new bound: 6 healthy, 6 needed, 0 may go"
    ground.land(Evict(refs(ground.pods()[:2])))
    assert ground.outcomes("evict-pod") == ["fail", "fail"]
    assert ground.heal(change) == ""
    after = ground.cluster.get("PodDisruptionBudget", ground.system.namespace, "model")
    assert before is not None
    assert after is not None
    assert after["spec"] == before["spec"]


def test_a_budget_that_somebody_else_changed_is_not_overwritten(ground: FaultGround) -> None:
    """Healing leaves a bound that is no longer ours as it is, and says which command looks at it."""
    change = BudgetChange(ground.budget, min_available=1)
    ground.land(change)
    assert ground.executor.do(mutations.patch(ground.budget, {"spec": {"minAvailable": 2}})).outcome == "ok"
    left = ground.heal(change)
    assert f"run: kubectl edit poddisruptionbudget model -n {ground.system.namespace}" in left
    now = ground.cluster.get("PodDisruptionBudget", ground.system.namespace, "model")
    assert now is not None
    assert now["spec"]["minAvailable"] == 2


def test_a_pod_in_two_budgets_is_refused_in_words(ground: FaultGround) -> None:
    """An eviction that two disruption budgets bind is neither granted nor refused by one: the fault has missed."""
    second = {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "second", "namespace": ground.system.namespace},
        "spec": {"minAvailable": 1, "selector": {}},
    }
    assert ground.executor.do(mutations.create(second)).outcome == "ok"
    reason = ground.inject(Evict(refs(ground.pods()[:1])))
    assert "more than one PodDisruptionBudget" in reason
    assert ground.result()["result"] == "failed"
    assert len(ground.pods()) == 6


def test_a_successor_of_the_same_name_is_not_evicted(ground: FaultGround) -> None:
    """An eviction names its victim by UID: another pod of that name is left alone, and the fault has missed."""
    victim = ground.pods()[0]
    (ref,) = refs([victim]).refs
    stranger = replace(ref, uid="7d7f0f0e-0000-4000-8000-000000000000")
    assert "409" in ground.inject(Evict(Targets("a stranger", (stranger,))))
    assert victim.uid in {pod.uid for pod in ground.pods()}
