"""Draining a node of a real control plane: finished, blocked as a disruption budget demands, stopped, refused."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_ground import SIX, FaultGround, fault_ground
from fault_proxy import Answer, FaultProxy, Swallow
from simulated_cluster import SimulatedCluster

from chaos.cluster import mutations
from chaos.errors import UsageError
from chaos.faults import BudgetChange, NodeDrain
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.semantics import DrainOptions
from chaos.system import DisruptionBudget, Volume
from chaos.wait import until

HALF_MAY_GO = SIX.having(disruption_budget=DisruptionBudget(max_unavailable="50%"))
NOBODY_MAY_GO = SIX.having(disruption_budget=DisruptionBudget(min_available=6))

BUSY = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429}'
FORBIDDEN = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"no"}'

GOING = (
    b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,'
    b'"message":"going","details":{"causes":[{"reason":"NamespaceTerminating"}]}}'
)


@pytest.fixture
def proxy(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy that breaks the faults' own calls on demand."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as standing:
        yield standing


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path, proxy: FaultProxy) -> Iterator[FaultGround]:
    """Six replicas, half of which may go at once, acted on through the proxy."""
    with fault_ground(simulated, tmp_path, HALF_MAY_GO, through=(proxy.kubeconfig, proxy.context)) as stood:
        yield stood


@pytest.fixture
def guarded(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultGround]:
    """Six replicas, all of which are needed."""
    with fault_ground(simulated, tmp_path, NOBODY_MAY_GO) as stood:
        yield stood


def name_of(targets: Targets) -> str:
    """The node's name."""
    return targets.refs[0].name


def test_a_drain_empties_the_node_and_opens_it_again(ground: FaultGround) -> None:
    """Its pods are evicted and gone, the node is closed meanwhile and open after the heal."""
    node = ground.fullest()
    victims = ground.pods(name_of(node))
    drain = NodeDrain(node, deadline_s=30)
    proof = ground.land(drain)
    assert proof.startswith(f"node {name_of(node)} is unschedulable; first eviction: ")
    ground.await_(drain.ended)
    result = ground.result()
    assert (result["result"], result["detail"]["left"]) == ("finished", [])
    assert sorted(result["detail"]["gone"]) == [pod.name for pod in victims]
    assert ground.pods(name_of(node)) == []
    assert ground.unschedulable(name_of(node))
    assert ground.heal(drain) == ""
    assert not ground.unschedulable(name_of(node))
    assert ground.outcomes("uncordon") == ["ok"]


def test_a_drain_that_a_budget_forbids_is_blocked_by_name(guarded: FaultGround) -> None:
    """A refusal that stands at the deadline is the result `blocked`, with the disruption budget's name; nobody dies."""
    node = guarded.fullest()
    drain = NodeDrain(node, deadline_s=2)
    assert "refused, as the disruption budget model demands" in guarded.land(drain)
    guarded.await_(drain.refused)
    guarded.await_(drain.ended)
    result = guarded.result()
    assert result["result"] == "blocked"
    assert result["detail"]["budget"] == "model"
    assert result["words"].startswith("blocked, as the disruption budget model demands: 0 of 2 pods gone")
    assert len(guarded.pods()) == 6
    assert guarded.heal(drain) == ""
    assert not guarded.unschedulable(name_of(node))


def test_a_blocked_drain_goes_on_once_the_budget_allows_it(guarded: FaultGround) -> None:
    """The refused evictions are asked again after 5 s, and granted under the changed disruption budget."""
    drain = NodeDrain(guarded.fullest(), deadline_s=30)
    guarded.land(drain)
    refused = ["fail", "fail"]
    until(lambda: guarded.outcomes("evict-pod") == refused, deadline_s=5, awaited="both evictions refused")
    change = BudgetChange(guarded.budget, max_unavailable=2)
    guarded.land(change)
    guarded.await_(drain.ended)
    assert guarded.result()["result"] == "finished"
    assert guarded.outcomes("evict-pod") == [*refused, "ok", "ok"]
    assert guarded.heal(change) == ""
    assert guarded.heal(drain) == ""


def test_a_drain_that_is_healed_while_it_waits_is_stopped(guarded: FaultGround) -> None:
    """Healing ends the thread at once, says so, and opens the node."""
    node = guarded.fullest()
    drain = NodeDrain(node, deadline_s=600)
    guarded.land(drain)
    assert guarded.heal(drain) == ""
    assert guarded.result()["result"] == "stopped"
    assert not guarded.unschedulable(name_of(node))


def test_a_node_that_was_closed_before_stays_closed(ground: FaultGround) -> None:
    """Only what the drain closed is opened again, and the journal says why the node stays as it was."""
    node = ground.fullest()
    closed = mutations.patch(node.refs[0], {"spec": {"unschedulable": True}}, action="cordon")
    assert ground.executor.do(closed).outcome == "ok"
    drain = NodeDrain(node, deadline_s=30)
    ground.land(drain)
    ground.await_(drain.ended)
    assert ground.heal(drain) == ""
    assert ground.unschedulable(name_of(node))
    assert any("was cordoned before" in line.get("text", "") for line in ground.lines())
    assert ground.outcomes("uncordon") == []


def test_a_node_that_cannot_be_opened_is_told_with_the_command(ground: FaultGround, proxy: FaultProxy) -> None:
    """What healing could not undo is returned in words, with kubectl's command; a later heal mends it."""
    node = ground.fullest()
    drain = NodeDrain(node, deadline_s=30)
    ground.land(drain)
    ground.await_(drain.ended)
    proxy.trouble(Answer(403, FORBIDDEN), method="PATCH", path="/api/v1/nodes/", times=100)
    left = ground.heal(drain)
    assert left.endswith(f"run: kubectl uncordon {name_of(node)}")
    proxy.relieve()
    assert ground.heal(drain) == ""
    assert not ground.unschedulable(name_of(node))


def test_a_busy_server_is_asked_again_after_a_second(ground: FaultGround, proxy: FaultProxy) -> None:
    """A 429 without the cause DisruptionBudget is the API server's own load: no refusal, and no wait of 5 s."""
    proxy.trouble(Answer(429, BUSY), path="/eviction", times=2)
    drain = NodeDrain(ground.fullest(), deadline_s=30)
    ground.land(drain)
    ground.await_(drain.ended)
    result = ground.result()
    assert result["result"] == "finished"
    assert result["detail"]["seconds"] < 5
    assert not ground.until(drain.refused).seen()
    assert ground.outcomes("evict-pod") == ["fail", "fail", "ok", "ok"]
    assert ground.heal(drain) == ""


def test_an_eviction_whose_answer_was_lost_is_looked_up(ground: FaultGround, proxy: FaultProxy) -> None:
    """Where nobody can know whether an eviction happened, the pod's own state decides, and it is not asked twice."""
    proxy.trouble(Swallow(), path="/eviction", times=1)
    drain = NodeDrain(ground.fullest(), deadline_s=30)
    ground.land(drain)
    ground.await_(drain.ended)
    assert ground.result()["result"] == "finished"
    assert sorted(ground.outcomes("evict-pod")) == ["info", "ok"]
    assert ground.heal(drain) == ""


def test_an_eviction_that_is_forbidden_fails_the_drain(ground: FaultGround, proxy: FaultProxy) -> None:
    """Any other refusal ends the drain as failed, in the server's words."""
    proxy.trouble(Answer(403, FORBIDDEN), path="/eviction", times=2)
    drain = NodeDrain(ground.fullest(), deadline_s=30)
    ground.land(drain)
    ground.await_(drain.ended)
    assert ground.result()["result"] == "failed"
    assert "403 no" in ground.result()["words"]
    assert ground.heal(drain) == ""


def test_in_a_namespace_that_is_going_the_drain_only_waits(ground: FaultGround, proxy: FaultProxy) -> None:
    """Pods whose namespace is being deleted go without an eviction: they are awaited, and nothing has failed."""
    node = ground.fullest()
    victims = ground.pods(name_of(node))
    proxy.trouble(Answer(403, GOING), path="/eviction", times=2)
    drain = NodeDrain(node, deadline_s=30)
    ground.land(drain)
    assert not ground.until(drain.ended).seen()
    for pod in victims:
        ref = Ref("Pod", pod.namespace, pod.name, pod.uid)
        assert ground.executor.do(mutations.delete_pod(ref, grace_s=0)).outcome == "ok"
    ground.await_(drain.ended)
    assert ground.result()["result"] == "finished"
    assert ground.outcomes("evict-pod") == ["fail", "fail"]
    assert ground.heal(drain) == ""


def test_one_pod_at_a_time_means_one(ground: FaultGround) -> None:
    """With max_in_flight 1 the second eviction is not asked before the first pod is gone."""
    drain = NodeDrain(ground.fullest(), deadline_s=30, max_in_flight=1)
    ground.land(drain)
    ground.await_(drain.ended)
    evictions = {line["id"]: line for line in ground.lines() if line.get("action") == "evict-pod"}
    first, second = evictions.values()
    assert ground.deleted_ns(first["target"]["uid"]) <= second["at_ns"]
    assert ground.heal(drain) == ""


def test_pods_with_an_empty_dir_are_refused_before_anything_is_done(
    simulated: SimulatedCluster, tmp_path: Path
) -> None:
    """As with kubectl, an emptyDir stops the drain; but here the node is not left closed. The option permits it."""
    spec = HALF_MAY_GO.having(volumes=(Volume(name="scratch", mount_path="/scratch"),))
    with fault_ground(simulated, tmp_path, spec) as ground:
        node = ground.fullest()
        assert "emptyDir" in ground.inject(NodeDrain(node))
        assert not ground.unschedulable(name_of(node))
        drain = NodeDrain(node, deadline_s=30, options=DrainOptions(delete_emptydir_data=True))
        ground.land(drain)
        ground.await_(drain.ended)
        assert ground.result()["result"] == "finished"
        assert ground.heal(drain) == ""


def test_a_node_without_a_pod_of_the_system_is_not_drained(ground: FaultGround) -> None:
    """Draining a node that holds nobody proves nothing: the fault has missed, and the node stays open."""
    made = ground.executor.do(mutations.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "empty"}}))
    assert made.outcome == "ok"
    try:
        assert ground.recorder.wait_for(lambda: "empty" in ground.nodes(), 20)
        assert ground.inject(NodeDrain(ground.node("empty"))) == "node empty holds no pod of the system to evict"
        assert not ground.unschedulable("empty")
    finally:
        ground.executor.do(mutations.delete(Ref("Node", "", "empty")))


def test_a_drain_is_of_one_node() -> None:
    """Targets that are not exactly one node are refused when the drain is written."""
    with pytest.raises(UsageError, match="not one node"):
        NodeDrain(Targets("nobody's pod", (Ref("Pod", "a", "b", "c"),)))
