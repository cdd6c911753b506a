"""Upgrading a cluster: in what order, and what refuses it, on a real control plane whose programs are not replaced."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from fault_ground import SIX, FaultGround, fault_ground
from simulated_cluster import SimulatedCluster

from chaos.faults import ClusterUpgrade, Infrastructure
from chaos.faults.infrastructure import NO_CLUSTER_UPGRADE
from chaos.faults.targets import Targets
from chaos.system import DisruptionBudget
from chaos.system.spec.system_spec import SystemSpec

HALF_MAY_GO = SIX.having(disruption_budget=DisruptionBudget(max_unavailable="50%"))
NOBODY_MAY_GO = SIX.having(disruption_budget=DisruptionBudget(min_available=6))
NO_MORE_THAN_NONE = SIX.having(disruption_budget=DisruptionBudget(max_unavailable=0))


@dataclass
class Upgrader:
    """Notes what it is asked for; may refuse one step."""

    refuses: str = ""
    lacks: str = ""
    version: str = ""
    steps: list[str] = field(default_factory=list)

    def objection(self) -> str:
        """What it lacks."""
        return self.lacks

    def start_api_server(self) -> str:
        """Note it."""
        return self._done("api-server")

    def end_api_server(self) -> str:
        """Note it."""
        return self._done("end-api-server")

    def controllers(self) -> str:
        """Note it."""
        return self._done("controllers")

    def node(self, node: str) -> str:
        """Note it."""
        return self._done(node)

    def _done(self, step: str) -> str:
        self.steps.append(step)
        return f"{step} was refused" if step == self.refuses else ""


@contextmanager
def prepared(
    simulated: SimulatedCluster, folder: Path, upgrader: Upgrader | None, spec: SystemSpec = HALF_MAY_GO
) -> Iterator[FaultGround]:
    """Six replicas on a cluster with this means of upgrading it."""
    with fault_ground(simulated, folder, spec, infrastructure=Infrastructure(upgrade=upgrader)) as ground:
        if upgrader is not None and not upgrader.version:
            upgrader.version = ground.context.cluster.read("/version").json()["gitVersion"]
        yield ground


def nodes(ground: FaultGround, *names: str) -> Targets:
    """These nodes."""
    return Targets("the nodes", tuple(ground.node(name).refs[0] for name in names))


@pytest.mark.timed
def test_the_control_plane_comes_first_and_each_node_once_it_is_empty(
    simulated: SimulatedCluster, tmp_path: Path
) -> None:
    """New API server, end of the former, controllers; then each node after its drain, also one that held no pod."""
    upgrader = Upgrader()
    with prepared(simulated, tmp_path, upgrader) as ground:
        upgrade = ClusterUpgrade(nodes(ground, "node-0", "node-1", "node-2"), node_deadline_s=30)
        assert ground.land(upgrade).startswith("the API server answers as v1.")
        ground.await_(upgrade.ended)
        assert ground.result()["result"] == "finished"
        assert upgrader.steps == ["api-server", "end-api-server", "controllers", "node-0", "node-1", "node-2"]
        assert not any(ground.unschedulable(name) for name in ("node-0", "node-1", "node-2"))
        assert ground.heal(upgrade) == ""


@pytest.mark.parametrize("spec", [NOBODY_MAY_GO, NO_MORE_THAN_NONE], ids=["all must stay", "none may be missing"])
def test_a_budget_that_lets_none_go_is_told_before_anything_is_touched(
    simulated: SimulatedCluster, tmp_path: Path, spec: SystemSpec
) -> None:
    """No node is closed and no part of the control plane is replaced."""
    upgrader = Upgrader()
    with prepared(simulated, tmp_path, upgrader, spec) as ground:
        missed = ground.inject(ClusterUpgrade(nodes(ground, "node-0", "node-1")))
        assert "the disruption budget model needs 6 of 6 healthy: nothing was touched" in missed
        assert upgrader.steps == []
        assert not ground.unschedulable("node-0")


def test_what_cannot_upgrade_is_told(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Without such means, or where there is no newer version, nothing is begun."""
    for upgrader, words in ((None, NO_CLUSTER_UPGRADE), (Upgrader(lacks="it is the newest"), "it is the newest")):
        folder = tmp_path / words[:2]
        folder.mkdir()
        with prepared(simulated, folder, upgrader) as ground:
            assert ground.inject(ClusterUpgrade(nodes(ground, "node-0"))) == words


@pytest.mark.timed
def test_an_api_server_of_another_version_than_was_wanted_is_no_upgrade(
    simulated: SimulatedCluster, tmp_path: Path
) -> None:
    """It is told, and neither controllers nor nodes are replaced."""
    upgrader = Upgrader(version="v1.99.0")
    with prepared(simulated, tmp_path, upgrader) as ground:
        upgrade = ClusterUpgrade(nodes(ground, "node-0", "node-1"), node_deadline_s=30)
        ground.inject(upgrade)
        ground.await_(upgrade.ended)
        assert "not as v1.99.0" in ground.injection(upgrade).missed
        assert upgrader.steps == ["api-server", "end-api-server"]


@pytest.mark.timed
@pytest.mark.parametrize("step", ["api-server", "node-0"])
def test_a_step_that_fails_ends_it_and_leaves_no_node_closed(
    simulated: SimulatedCluster, tmp_path: Path, step: str
) -> None:
    """Nothing further is replaced; the heal opens the node that was under way."""
    upgrader = Upgrader(refuses=step)
    with prepared(simulated, tmp_path, upgrader) as ground:
        upgrade = ClusterUpgrade(nodes(ground, "node-0", "node-1"), node_deadline_s=30)
        ground.inject(upgrade)
        ground.await_(upgrade.ended)
        result = ground.result()
        assert (result["result"], upgrader.steps[-1]) == ("failed", step)
        assert f"{step} was refused" in result["words"]
        assert ground.injection(upgrade).missed == ("api-server was refused" if step == "api-server" else "")
        assert ground.heal(upgrade) == ""
        assert not any(ground.unschedulable(name) for name in ("node-0", "node-1"))
