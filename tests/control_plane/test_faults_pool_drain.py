"""Draining a node pool of a real control plane, one node after the other."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_ground import SIX, FaultGround, fault_ground
from simulated_cluster import SimulatedCluster

from chaos.errors import UsageError
from chaos.faults import RollingPoolDrain
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.system import DisruptionBudget

HALF_MAY_GO = SIX.having(disruption_budget=DisruptionBudget(max_unavailable="50%"))
NOBODY_MAY_GO = SIX.having(disruption_budget=DisruptionBudget(min_available=6))


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultGround]:
    """Six replicas, half of which may go at once."""
    with fault_ground(simulated, tmp_path, HALF_MAY_GO) as stood:
        yield stood


def pool(ground: FaultGround, *names: str) -> Targets:
    """These nodes as a pool."""
    return Targets("the pool", tuple(ground.node(name).refs[0] for name in names))


def doors(ground: FaultGround) -> list[tuple[str, str]]:
    """Which nodes were closed and opened, in order."""
    return [
        (line["action"], line["target"]["name"])
        for line in ground.lines()
        if line["event"] == "action-begin" and line["action"] in ("cordon", "uncordon")
    ]


def test_each_node_is_open_again_before_the_next_one_closes(ground: FaultGround) -> None:
    """An upgrade in place has one node closed at a time, and ends when the last one is empty and all are Ready."""
    drain = RollingPoolDrain(pool(ground, "node-0", "node-1"), node_deadline_s=30)
    assert ground.land(drain).startswith("node node-0 is unschedulable; first eviction: ")
    ground.await_(drain.ended)
    result = ground.result()
    assert (result["result"], result["detail"]["nodes"]) == ("finished", ["node-0", "node-1"])
    closed = [("cordon", "node-0"), ("uncordon", "node-0"), ("cordon", "node-1"), ("uncordon", "node-1")]
    assert doors(ground) == closed
    assert ground.heal(drain) == ""
    assert doors(ground) == closed


def test_a_pool_that_gives_way_is_closed_whole_until_the_heal(ground: FaultGround) -> None:
    """With migrate no pod moves to a node that is to be drained next, and the heal opens all of them."""
    drain = RollingPoolDrain(pool(ground, "node-0", "node-1"), node_deadline_s=30, migrate=True)
    ground.land(drain)
    ground.await_(drain.ended)
    assert ground.result()["result"] == "finished"
    assert {pod.node for pod in ground.pods()} == {"node-2"}
    assert doors(ground) == [("cordon", "node-0"), ("cordon", "node-1")]
    assert ground.heal(drain) == ""
    assert not any(ground.unschedulable(name) for name in ("node-0", "node-1"))


def test_a_blocked_node_ends_the_whole(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Where the disruption budget blocks the first node the next one is not touched, and the heal opens the first."""
    with fault_ground(simulated, tmp_path, NOBODY_MAY_GO) as ground:
        drain = RollingPoolDrain(pool(ground, "node-0", "node-1"), node_deadline_s=2)
        ground.land(drain)
        ground.await_(drain.ended)
        result = ground.result()
        assert (result["result"], result["detail"]["budget"]) == ("blocked", "model")
        assert ground.heal(drain) == ""
        assert doors(ground) == [("cordon", "node-0"), ("uncordon", "node-0")]
        assert len(ground.pods()) == 6


def test_healing_on_the_way_stops_and_opens_everything(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """A heal in mid-drain ends it as stopped, and no node is left closed."""
    with fault_ground(simulated, tmp_path, NOBODY_MAY_GO) as ground:
        drain = RollingPoolDrain(pool(ground, "node-0", "node-1"), node_deadline_s=600, migrate=True)
        ground.land(drain)
        assert ground.heal(drain) == ""
        assert ground.result()["result"] == "stopped"
        assert not any(ground.unschedulable(name) for name in ("node-0", "node-1"))


def test_a_pool_is_made_of_nodes() -> None:
    """Targets without a node are refused when the fault is written."""
    with pytest.raises(UsageError, match="is no node"):
        RollingPoolDrain(Targets("a pod", (Ref("Pod", "a", "b", "c"),)))
