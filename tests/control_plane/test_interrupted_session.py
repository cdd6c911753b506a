"""Two signals into a whole session, at each of its stages: the first heals, the second is answered, nothing is left."""

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from child_session import CONFTEST, DRAINED, Child, Deployed, child_session, deployed
from fault_proxy import Delay, FaultProxy, Hang, Trouble
from plain_service import apply_all, plain_namespace, service_of, snapshot
from simulated_cluster import SimulatedCluster
from staging_ground import Staging
from test_staging_session import HOLDING, bound_of
from trial_room import answering

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.cluster import connect
from chaos.faults.undo import find_left
from chaos.objects.base import Ref
from chaos.safety.lease import LEASE_NAME, holder_of
from chaos.trial.preflight.rbac import HOME

ANSWER = "gameday is healing what it did; once more aborts it"

NODE = ("PATCH", "^/api/v1/nodes/")
NAMESPACE = ("DELETE", r"^/api/v1/namespaces/[^/?]+(\?|$)")
SLOW = Delay(1.5)
"""Long enough for the second signal to come while the call is under way."""

NEVER_THERE = CONFTEST.replace("grace_s=1", "grace_s=1, node_selector={'no-such': 'node'}")


@dataclass(frozen=True, slots=True)
class Stage:
    """Where the signals land: the first as `reached` comes true, the second as that many calls have met a trouble.

    Each trouble has the method and the path of the calls that it meets, and how many of them.
    """

    reached: Callable[[Child, Deployed], object]
    troubles: tuple[tuple[Trouble, tuple[str, str], int], ...]
    calls: int
    conftest: str = CONFTEST
    settle_s: int = 0
    judging_s: int = 0


STAGES = {
    "deploying": Stage(lambda child, _: "replicas of" in child.said, ((SLOW, NAMESPACE, 1),), 1, NEVER_THERE),
    "in inject": Stage(lambda _, ground: ground.closed(), ((Hang(), NODE, 1), (SLOW, NODE, 1)), 2),
    "in recovery": Stage(
        lambda child, _: '"phase":"recovery"' in child.record(), ((SLOW, NAMESPACE, 1),), 1, settle_s=60
    ),
    "while judging": Stage(
        lambda child, _: (child.folder / "judging").exists(), ((SLOW, NAMESPACE, 1),), 1, judging_s=60
    ),
    "in the removal": Stage(lambda _, ground: ground.proxy.met, ((SLOW, NAMESPACE, 2),), 2),
}


@pytest.fixture
def ground(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Deployed]:
    """A cluster on which sessions deploy their system and drain a node; afterwards it is as before."""
    with deployed(simulated, tmp_path) as made:
        namespaces, journals = made.namespaces(), _journals(made)
        yield made
        assert made.closed() == []
        assert made.namespaces() <= namespaces
        assert _journals(made) <= journals
        assert made.direct.get("Lease", HOME, LEASE_NAME) is None


def _journals(ground: Deployed) -> set[Ref]:
    """The undo journals that there are: others' may go meanwhile."""
    return {one.where for one in find_left(ground.direct, None)}


@pytest.mark.parametrize("name", STAGES)
def test_two_signals_at_a_stage_leave_nothing(ground: Deployed, name: str) -> None:
    """The session ends as interrupted, says that it heals, and no verdict of it is PASS."""
    stage = STAGES[name]
    for trouble, (method, path), times in stage.troubles:
        ground.proxy.trouble(trouble, method=method, path=path, times=times)
    text = DRAINED.format(settle_s=stage.settle_s, judging_s=stage.judging_s)
    with ground.session(text, conftest=stage.conftest) as child:
        child.go()
        child.reaches(name, lambda: stage.reached(child, ground))
        child.terminate()
        child.reaches("the heal", lambda: len(ground.proxy.met) >= stage.calls)
        child.terminate()
        assert child.end() == pytest.ExitCode.INTERRUPTED, child.said
    assert ANSWER in child.said
    for verdict in child.folder.glob("runs/*/verdict.json"):
        assert read_verdict(verdict.parent).answer is not Answer.PASS


def test_two_signals_into_a_heal_cut_nothing_short(ground: Deployed) -> None:
    """Neither the first, which comes when the scenario has left its block already, nor the second."""
    with ground.session(DRAINED.format(settle_s=60, judging_s=0)) as child:
        child.reaches("the drain landed", lambda: '"fault-landed"' in child.record())
        ground.proxy.trouble(Delay(3), method=NODE[0], path=NODE[1])
        child.go()
        child.reaches("the heal", lambda: ground.proxy.met)
        child.terminate()
        time.sleep(0.5)  # two signals of a number that wait at once are one
        child.terminate()
        assert child.end() == pytest.ExitCode.INTERRUPTED, child.said
    assert ANSWER in child.said


@pytest.mark.timed  # its fault follows a steady baseline
def test_two_signals_give_an_adopted_service_and_its_lease_back(simulated: SimulatedCluster, tmp_path: Path) -> None:
    """Every object of the owners reads as before the session that held the lease, and the lease is gone."""
    with (
        answering() as url,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as direct,
        plain_namespace(direct) as namespace,
        FaultProxy(simulated.kubeconfig, tmp_path) as proxy,
    ):
        apply_all(direct, namespace, service_of("chat", replicas=3))
        service = Staging(direct, simulated, namespace, url, tmp_path / "no-audit.log")
        service.allow("budget-change")
        before = snapshot(direct, namespace)
        (folder := tmp_path / "session").mkdir()
        through = {"context": proxy.context, "kubeconfig": str(proxy.kubeconfig)}
        (folder / "gameday.toml").write_text(service.file(cluster=through))
        (folder / "test_hold.py").write_text(HOLDING)
        with child_session(folder) as child:
            child.reaches("the budget changed", lambda: bound_of(service) == 0)
            holder = holder_of(direct.get("Lease", namespace, LEASE_NAME))
            assert holder.startswith(f"process {child.process.pid} on ")
            proxy.trouble(SLOW, method="PATCH", path="/poddisruptionbudgets/")
            child.terminate()
            child.reaches("the heal", lambda: proxy.met)
            child.terminate()
            assert child.end() == pytest.ExitCode.INTERRUPTED, child.said
        assert ANSWER in child.said
        assert snapshot(direct, namespace) == before
        assert find_left(direct, namespace) == ()
