"""A pod that is cut off from the network: by the lab's packet filter, and by a policy that nobody enforces."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from deadly_journal import DeadlyJournal, killed_at_each_line
from exec_room import NAMESPACE, started

from chaos.clock import Clock
from chaos.cluster import Cluster, Journal, LiveExecutor, NullJournal, Recorder, Scope, connect
from chaos.faults import FaultContext, Infrastructure, NetworkPartition, PodNetwork
from chaos.faults.targets import Targets
from chaos.faults.undo import find_left, undo_all
from chaos.lab import Lab
from chaos.lab.nodes.infrastructure import LabPodNetwork, reconnect_all
from chaos.objects.base import Ref
from chaos.safety import ClusterUndoLog

pytestmark = pytest.mark.root

NETWORK = Infrastructure(pod_network=LabPodNetwork())

CHILD_S = 90.0


@pytest.fixture(scope="module")
def model(cluster: Cluster) -> Ref:
    """A Ready pod of the model."""
    return started(cluster, "cut-model")


def _field(cluster: Cluster, folder: Path, network: PodNetwork | None) -> Iterator[FaultContext]:
    clock = Clock.start()
    with (
        Journal(folder / "actions.jsonl", clock) as journal,
        Recorder(cluster, clock, folder / "watch.jsonl", [Scope("Pod", NAMESPACE)]) as recorder,
    ):
        executor = LiveExecutor(cluster, journal)
        yield FaultContext(
            cluster,
            executor,
            journal,
            "fault-1",
            recorder,
            NAMESPACE,
            infrastructure=Infrastructure(pod_network=network),
        )


@pytest.fixture
def field(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """What a fault may use in the lab."""
    yield from _field(cluster, tmp_path, LabPodNetwork())


@pytest.fixture
def elsewhere(cluster: Cluster, tmp_path: Path) -> Iterator[FaultContext]:
    """The same on a cluster whose network plugin enforces no policies."""
    yield from _field(cluster, tmp_path, None)


def test_a_pod_is_cut_off_and_reached_again(field: FaultContext, model: Ref) -> None:
    """The API server reaches it before and after, and not meanwhile; the kubelet finds it Ready all the time."""
    cut = NetworkPartition(Targets("one pod", (model,))).inject(field)
    try:
        assert cut.missed == ""
        assert "was reached by the API server, and is not any more" in cut.landed()
        found = field.cluster.get("Pod", NAMESPACE, model.name)
        assert found is not None
        assert any(one["type"] == "Ready" and one["status"] == "True" for one in found["status"]["conditions"])
    finally:
        assert cut.heal() == ""
    assert reconnect_all() == ()
    assert cut.heal() == ""


def test_what_a_killed_run_cut_off_is_reconnected(field: FaultContext, model: Ref) -> None:
    """Without its fault's heal a pod is given back by what the next command does."""
    cut = NetworkPartition(Targets("one pod", (model,))).inject(field)
    assert cut.missed == ""
    assert len(reconnect_all()) == 1
    assert cut.heal() == ""


def test_a_policy_that_nobody_enforces_leaves_no_proof(elsewhere: FaultContext, model: Ref) -> None:
    """The fault says that the pod is still reached, and takes policy and mark away again."""
    cut = NetworkPartition(Targets("one pod", (model,))).inject(elsewhere)
    assert "does the network plugin enforce NetworkPolicy?" in cut.missed
    assert cut.landed() == ""
    assert len(elsewhere.cluster.list("NetworkPolicy", NAMESPACE)) == 1
    assert cut.heal() == ""
    assert elsewhere.cluster.list("NetworkPolicy", NAMESPACE) == []
    found = elsewhere.cluster.get("Pod", NAMESPACE, model.name)
    assert found is not None
    assert "gameday.dev/cut" not in found["metadata"]["labels"]


def _inject_and_heal(line: int, folder: str, pod: Ref) -> None:
    facts, clock, room = Lab().facts(), Clock.start(), Path(folder)
    with (
        connect(kubeconfig=facts.kubeconfig, context=facts.context) as cluster,
        DeadlyJournal(room / f"actions-{line}.jsonl", clock, line) as journal,
        Recorder(cluster, clock, room / f"watch-{line}.jsonl", [Scope("Pod", NAMESPACE)]) as recorder,
    ):
        executor = LiveExecutor(cluster, journal)
        undo = ClusterUndoLog(executor, NAMESPACE, f"run-cut-{line}", deadline_s=3600)
        context = FaultContext(
            cluster, executor, journal, "cut-1", recorder, NAMESPACE, undo=undo, infrastructure=NETWORK
        )
        cut = NetworkPartition(Targets("one pod", (pod,))).inject(context)
        assert cut.missed == ""
        assert cut.heal() == ""


def test_a_pod_is_reconnected_after_a_kill_at_each_step(cluster: Cluster, model: Ref, tmp_path: Path) -> None:
    """Killed after each line of its journal: its node drops nothing any more, and undoing again does nothing."""
    healed = 0
    for died in killed_at_each_line(_inject_and_heal, str(tmp_path), model, within_s=CHILD_S):
        left, executor = find_left(cluster, NAMESPACE), LiveExecutor(cluster, NullJournal())
        results = undo_all(cluster, executor, left, infrastructure=NETWORK)
        assert [one.words for one in results if one.result == "left"] == []
        healed += sum(one.result == "undone" for one in results)
        assert reconnect_all() == ()
        assert undo_all(cluster, executor, find_left(cluster, NAMESPACE), infrastructure=NETWORK) == ()
        assert died or left == ()
    assert healed > 0
