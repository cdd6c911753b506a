"""A lab node that a fault switches off, and the heal on."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from deadly_journal import DeadlyJournal, killed_at_each_line

from chaos.clock import Clock
from chaos.cluster import (
    Cluster,
    DryRunExecutor,
    Executor,
    Journal,
    LiveExecutor,
    NullJournal,
    Recorder,
    Scope,
    connect,
    mutations,
    ref_of,
)
from chaos.faults import FaultContext, Infrastructure, NodeDown, NodeInfrastructure
from chaos.faults.targets import Targets
from chaos.faults.undo import find_left, undo_all
from chaos.lab import Lab
from chaos.lab.lab import lab_session
from chaos.lab.nodes.infrastructure import LabNodeInfrastructure, is_cut, is_frozen
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.progress import Silent
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.undo_journal import own_namespace
from chaos.semantics import Timings

pytestmark = pytest.mark.root

SWITCH = Infrastructure(LabNodeInfrastructure())

CHILD_S = 200.0


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The lab, joined or started."""
    with (
        lab_session(Lab(), nodes=3, words="the tests of node loss", keep=False, progress=Silent()) as facts,
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
    ):
        executor = LiveExecutor(cluster, NullJournal())
        journals = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": own_namespace("default")}}
        assert executor.do(mutations.create(journals)).outcome == "ok"
        yield cluster
        executor.do(mutations.delete(ref_of(journals)))


def _field(
    cluster: Cluster, folder: Path, *, nodes: NodeInfrastructure | None, dry_run: bool = False
) -> Iterator[FaultContext]:
    clock = Clock.start()
    with (
        Journal(folder / "actions.jsonl", clock) as journal,
        Recorder(
            cluster, clock, folder / "watch.jsonl", [Scope("Node", None), Scope("Pod", None), Scope("Deployment", None)]
        ) as recorder,
    ):
        executor: Executor = DryRunExecutor(journal) if dry_run else LiveExecutor(cluster, journal)
        yield FaultContext(
            cluster,
            executor,
            journal,
            "fault-1",
            recorder,
            "default",
            Timings.of(Lab().facts().timings),
            infrastructure=Infrastructure(nodes),
        )


@pytest.fixture
def field(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """What a fault may use."""
    yield from _field(cluster, tmp_path, nodes=LabNodeInfrastructure())


@pytest.fixture
def no_switch(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """The same where nothing can switch a node off."""
    yield from _field(cluster, tmp_path, nodes=None)


@pytest.fixture
def dry_run(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """The same with a hand that does nothing."""
    yield from _field(cluster, tmp_path, nodes=LabNodeInfrastructure(), dry_run=True)


def target(field: FaultContext, name: str) -> Targets:
    """One node."""
    (uid,) = [view.uid for view in map(NodeView, field.recorder.objects("Node")) if view.name == name]
    return Targets(f"node {name}", (Ref("Node", "", name, uid),))


def test_a_node_is_lost_and_found(field: FaultContext) -> None:
    """It is off at once, the API server notices in time, and after the heal it is Ready without a taint."""
    down = NodeDown(target(field, "n2")).inject(field)
    try:
        assert down.missed == ""
        assert down.landed() == "node n2 stands still: its processes are frozen and its link is down"
        noticed = down.noticed
        assert field.recorder.wait_for(noticed.seen, noticed.deadline_s)
    finally:
        assert down.heal() == ""
    assert not is_cut("n2")
    assert not is_frozen("n2")
    (node,) = [view for view in map(NodeView, field.recorder.objects("Node")) if view.name == "n2"]
    assert node.ready
    assert not [taint for taint in node.taints if "node.kubernetes.io" in taint["key"]]
    assert down.heal() == ""


def test_without_a_means_nothing_is_done(no_switch: FaultContext) -> None:
    """The fault says what is missing, and there is nothing to heal."""
    down = NodeDown(target(no_switch, "n2")).inject(no_switch)
    assert "nothing here can switch a node off" in down.missed
    assert down.heal() == ""


def test_a_dry_run_switches_nothing_off(dry_run: FaultContext) -> None:
    """A dry_run hand switches nothing, and does not claim to have landed."""
    down = NodeDown(target(dry_run, "n3")).inject(dry_run)
    assert "dry_run" in down.missed
    assert down.landed() == ""
    assert not is_cut("n3")
    assert not is_frozen("n3")
    assert down.heal() == ""


def _inject_and_heal(line: int, folder: str) -> None:
    facts, clock, room = Lab().facts(), Clock.start(), Path(folder)
    with (
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
        DeadlyJournal(room / f"actions-{line}.jsonl", clock, line) as journal,
        Recorder(cluster, clock, room / f"watch-{line}.jsonl", [Scope("Node", None), Scope("Pod", None)]) as recorder,
    ):
        executor = LiveExecutor(cluster, journal)
        undo = ClusterUndoLog(executor, "default", f"run-off-{line}", deadline_s=3600)
        context = FaultContext(
            cluster,
            executor,
            journal,
            "node-down-1",
            recorder,
            "default",
            Timings.of(facts.timings),
            undo=undo,
            infrastructure=SWITCH,
        )
        down = NodeDown(target(context, "n3")).inject(context)
        assert down.missed == ""
        assert down.heal() == ""


def test_a_node_is_switched_on_after_a_kill_at_each_step(cluster: Cluster, tmp_path: Path) -> None:
    """Killed after each line of its journal: the node goes on and is Ready, and undoing again does nothing."""
    healed = 0
    for died in killed_at_each_line(_inject_and_heal, str(tmp_path), within_s=CHILD_S):
        left, executor = find_left(cluster, "default"), LiveExecutor(cluster, NullJournal())
        healed += is_frozen("n3")
        results = undo_all(cluster, executor, left, infrastructure=SWITCH)
        assert [one.words for one in results if one.result == "left"] == []
        assert not is_cut("n3")
        assert not is_frozen("n3")
        assert NodeView(cluster.get("Node", None, "n3") or {}).ready
        assert undo_all(cluster, executor, find_left(cluster, "default"), infrastructure=SWITCH) == ()
        assert died or left == ()
    assert healed > 0


def test_a_node_that_nothing_can_switch_on_stays_recorded(field: FaultContext, cluster: Cluster) -> None:
    """Where nothing can switch a node on, the entry stays in the cluster and says so."""
    executor = LiveExecutor(cluster, NullJournal())
    undo = ClusterUndoLog(executor, "default", "run-without", deadline_s=-1)
    (node,) = target(field, "n3").refs
    assert undo.record(UndoEntry("node-on", node, "virsh resume n3", fault="node-down-1")) == ""
    (without,) = undo_all(cluster, executor, find_left(cluster, "default"))
    assert (without.result, "run: gameday undo --node-on COMMAND" in without.words) == ("left", True)
    (given,) = undo_all(cluster, executor, find_left(cluster, "default"), infrastructure=SWITCH)
    assert given.result == "undone"
