"""The next session meets what a dead run left: it puts that right before anything of its own, or is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from child_session import DRAINED, deployed
from fault_proxy import Answer
from plain_service import apply_all, plain_namespace, service_of, snapshot
from simulated_cluster import SimulatedCluster
from staging_ground import Staging
from test_least_account import SCENARIO
from test_staging_session import HOLDING, bound_of, session
from trial_room import answering

from chaos.cluster import LiveExecutor, NullJournal, connect, mutations
from chaos.faults.undo import find_left
from chaos.objects.base import Ref
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.lease import LEASE_NAME
from chaos.safety.undo_journal import is_own_namespace
from chaos.system import namespace_of_trial
from chaos.system.deploy.namespace import journal_namespace
from chaos.wait import until

pytestmark = pytest.mark.timed

pytest_plugins = ["pytester"]


@pytest.fixture
def service(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Staging]:
    """The service `chat` in a namespace of its own, whose owners allow what these sessions do; no audit log is kept."""
    log = tmp_path / "audit.log"
    log.touch()
    with (
        answering() as url,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster,
        plain_namespace(cluster) as namespace,
    ):
        apply_all(cluster, namespace, service_of("chat", replicas=3))
        made = Staging(cluster, simulated, namespace, url, log)
        made.allow("pod-kill,budget-change")
        yield made


def killed_session(pytester: pytest.Pytester, service: Staging) -> int:
    """Let a session change the disruption budget, and kill it; the number of the process that it was.

    Its lease is made to last two seconds, for which the next session waits, instead of fifteen.
    """
    pytester.path.joinpath("gameday.toml").write_text(service.file())
    dying = pytester.makepyfile(test_hold=HOLDING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(dying)]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL, start_new_session=True) as run:
        try:
            until(lambda: bound_of(service) == 0, deadline_s=60, awaited="the budget to be changed")
        finally:
            run.kill()
    dying.unlink()
    lease = Ref("Lease", service.namespace, LEASE_NAME)
    short = mutations.patch(lease, {"spec": {"leaseDurationSeconds": 2}}, field_manager="kubectl")
    assert LiveExecutor(service.cluster, NullJournal()).do(short).outcome == "ok"
    return run.pid


SOMEWHERE = """
from dataclasses import replace
from chaos.safety.owner import Owner

here = replace(Owner.this_process(), {changes})
Owner.this_process = classmethod(lambda cls: here)
"""
"""Of a session that runs elsewhere than the dead one did."""


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param("host='runner-2'", id="on another host"),
        pytest.param("scope='boot-2/pid:[1]', pid={pid}", id="of the same name and number after a reboot"),
    ],
)
def test_the_next_session_heals_before_anything_of_its_own(
    pytester: pytest.Pytester, service: Staging, changes: str
) -> None:
    """Wherever it runs: all is as before the dead run, which is said, and its scenario passes on that system."""
    before = snapshot(service.cluster, service.namespace)
    pid = killed_session(pytester, service)
    pytester.makeconftest(SOMEWHERE.format(changes=changes.format(pid=pid)))
    result, _ = session(pytester, service, service.file())
    result.assert_outcomes(passed=1, skipped=2)
    said = " ".join(result.stdout.str().split())
    healed = f"/spec of PodDisruptionBudget {service.namespace}/chat-pdb is as it was before again"
    assert said.index(healed) < said.index("fault: delete")
    assert snapshot(service.cluster, service.namespace) == before
    assert find_left(service.cluster, service.namespace) == ()
    (facts,) = pytester.path.glob("runs/*-kill-*/trial.json")
    assert json.loads(facts.read_text())["spec"]["disruption_budget"]["max_unavailable"] == 1


TWICE = """
import pytest
from chaos import faults, targets

@pytest.mark.parametrize("time", ["first", "second"])
def test_kill(trial, system, traffic, time):
    '''One pod may be killed.'''
    with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
        trial.hold(duration_s=1)
    trial.judge()
"""


def test_what_cannot_be_undone_refuses_every_trial(pytester: pytest.Pytester, service: Staging) -> None:
    """The first of the next session and each after it, with the command for what is left, before anything is done."""
    cluster, namespace, executor = service.cluster, service.namespace, LiveExecutor(service.cluster, NullJournal())
    raw = cluster.get("PodDisruptionBudget", namespace, "chat-pdb") or {}
    budget = Ref("PodDisruptionBudget", namespace, "chat-pdb", raw["metadata"]["uid"])
    detail = {"path": "/spec", "before": raw["spec"], "wanted": {**raw["spec"], "maxUnavailable": 2}}
    log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
    assert log.record(UndoEntry("restore-part", budget, "", detail, "budget-change-1")) == ""
    executor.do(mutations.patch(budget, {"spec": {"maxUnavailable": 3}}, field_manager="kubectl"))
    pods = {pod["metadata"]["uid"] for pod in cluster.list("Pod", namespace)}
    result, _ = session(pytester, service, service.file(), text=TWICE)
    result.assert_outcomes(errors=2)
    said = " ".join(result.stdout.str().split())
    left = f"a dead run left 1 thing that could not be undone: /spec of PodDisruptionBudget {namespace}/chat-pdb"
    assert said.count(left) >= 2
    assert f"run: kubectl edit poddisruptionbudget -n {namespace} chat-pdb" in said
    assert {pod["metadata"]["uid"] for pod in cluster.list("Pod", namespace)} == pods
    assert not list(pytester.path.glob("runs/*/trial.json"))
    assert cluster.get("Lease", namespace, LEASE_NAME) is None
    (kept,) = find_left(cluster, namespace)
    assert kept.run == "run-1"
    assert executor.do(mutations.delete(kept.where)).outcome == "ok"


DENIED = Answer(403, b'{"kind": "Status", "status": "Failure", "reason": "Forbidden", "message": "no", "code": 403}')


def test_a_node_that_could_not_be_opened_is_opened_by_the_next_session(
    simulated: SimulatedCluster, tmp_path: Path
) -> None:
    """The undo journal outlives the trial's own namespace; the next session opens the node, says so, and passes."""
    with deployed(simulated, tmp_path) as ground:
        before = ground.namespaces()
        with ground.session(DRAINED.format(settle_s=0, judging_s=0)) as first:
            first.reaches("the drain landed", lambda: '"fault-landed"' in first.record())
            (node,) = ground.closed()
            ground.proxy.trouble(DENIED, method="PATCH", path="/nodes/", times=999)
            first.go()
            assert first.end() == pytest.ExitCode.TESTS_FAILED
        assert f"kubectl uncordon {node}" in first.said
        assert ground.closed() == [node]
        (kept,) = ground.namespaces() - before
        assert is_own_namespace(kept)
        ground.proxy.relieve()
        with ground.session(SCENARIO) as second:
            assert second.end() == pytest.ExitCode.OK, second.said
        assert f"node {node} is open again" in second.said
        assert ground.closed() == []
        assert ground.namespaces() <= before


def test_what_cannot_be_undone_refuses_no_session_with_a_system_of_its_own(
    simulated: SimulatedCluster, tmp_path: Path
) -> None:
    """A node of another dead run that nothing here switches on is told; the scenario passes, and the entry stays."""
    with deployed(simulated, tmp_path) as ground:
        executor = LiveExecutor(ground.direct, NullJournal())
        name = namespace_of_trial("dead", "run-1")
        raw = next(one for one in ground.direct.list("Node"))["metadata"]
        with journal_namespace(ground.direct, executor, name, run="run-1"):
            log = ClusterUndoLog(executor, name, "run-1", deadline_s=-1)
            off = UndoEntry("node-on", Ref("Node", "", raw["name"], raw["uid"]), "", fault="node-down-1")
            assert log.record(off) == ""
            with ground.session(SCENARIO) as session:
                assert session.end() == pytest.ExitCode.OK, session.said
            said = " ".join(session.said.split())
            assert f"of the dead run run-1: node {raw['name']} may be off, and nothing here can switch it on" in said
            (kept,) = find_left(ground.direct, name)
            assert [one.kind for one in kept.entries] == ["node-on"]
            assert executor.do(mutations.delete(kept.where)).outcome == "ok"
