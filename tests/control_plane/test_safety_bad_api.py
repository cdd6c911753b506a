"""The undo journal, undoing and the lease through a server that answers badly: nothing is lost, nothing is doubled."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from fault_ground import FaultGround, fault_ground
from fault_proxy import Answer, Drop, FaultProxy, Swallow, Trouble
from plain_service import plain_namespace
from simulated_cluster import SimulatedCluster

from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.faults import NodeDrain
from chaos.faults.undo import find_left, undo_all
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.safety import ClusterUndoLog, UndoEntry
from chaos.safety.lease import LEASE_NAME, RunLease, holder_of
from chaos.wait import until

BUSY = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"TooManyRequests","code":429}'
FORBIDDEN = b'{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"denied"}'

PASSING: dict[str, tuple[Trouble, int]] = {
    "429 of a busy server": (Answer(429, BUSY), 2),
    "503": (Answer(503), 2),
    "500": (Answer(500), 2),
    "dropped before it was sent on": (Drop(), 2),
    "answer lost after it was done": (Swallow(), 1),
}
"""Troubles of the API that pass, each met so many times in a row."""


@pytest.fixture
def proxy(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy that breaks our calls on demand."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as standing:
        yield standing


@pytest.fixture
def through(proxy: FaultProxy) -> Iterator[Cluster]:
    """A connection that leads through the proxy."""
    with connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as made:
        yield made


def node_of(cluster: Cluster) -> Ref:
    """Some node."""
    metadata = cluster.list("Node")[0]["metadata"]
    return Ref("Node", "", metadata["name"], metadata["uid"])


def closed(cluster: Cluster, node: Ref) -> bool:
    """Whether it is cordoned."""
    return NodeView(cluster.get("Node", None, node.name) or {}).unschedulable


@pytest.mark.parametrize("name", PASSING)
def test_an_entry_is_written_once_through_trouble_that_passes(
    cluster: Cluster, through: Cluster, proxy: FaultProxy, name: str
) -> None:
    """It is tried again until it stands, and it stands once; so is taking it off."""
    trouble, times = PASSING[name]
    with plain_namespace(cluster) as namespace:
        node = node_of(cluster)
        entry = UndoEntry("uncordon", node, f"kubectl uncordon {node.name}", fault="f-1")
        log = ClusterUndoLog(LiveExecutor(through, NullJournal()), namespace, "run-1", deadline_s=60)
        proxy.trouble(trouble, method="PATCH", path="configmaps", times=times)
        assert log.record(entry) == ""
        (left,) = find_left(cluster, namespace)
        assert [replace(one, key="", deadline_ns=0) for one in left.entries] == [entry]
        proxy.trouble(trouble, method="DELETE", path="configmaps", times=times)
        log.remove(entry)
        assert find_left(cluster, namespace) == ()


def test_a_fault_whose_undo_entry_is_denied_is_not_injected(
    simulated: SimulatedCluster, tmp_path: Path, proxy: FaultProxy
) -> None:
    """Where an admission webhook or a missing right denies the undo journal, the node is not touched."""
    with fault_ground(simulated, tmp_path, through=(proxy.kubeconfig, proxy.context)) as ground:
        stood: FaultGround = ground
        log = ClusterUndoLog(stood.executor, stood.system.namespace, "run-1", deadline_s=60)
        context = replace(stood.context, undo=log)
        proxy.trouble(Answer(403, FORBIDDEN), method="PATCH", path="configmaps", times=9)
        drain = NodeDrain(stood.fullest(), leave_foreign=True)
        injection = drain.inject(context)
        assert "the undo journal cannot be written (403 denied)" in injection.missed
        assert not stood.unschedulable(drain.victims[0].name)
        assert stood.outcomes("cordon") == []
        assert injection.heal() == ""


def test_an_answer_that_was_lost_is_read_from_the_state(cluster: Cluster, through: Cluster, proxy: FaultProxy) -> None:
    """Undoing is verified by what is the case: the patch was done though its answer never came."""
    with plain_namespace(cluster) as namespace:
        node, executor = node_of(cluster), LiveExecutor(cluster, NullJournal())
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
        assert log.record(UndoEntry("uncordon", node, "", fault="f-1")) == ""
        executor.do(mutations.patch(node, {"spec": {"unschedulable": True}}))
        proxy.trouble(Swallow(), method="PATCH", path=f"nodes/{node.name}")
        results = undo_all(through, LiveExecutor(through, NullJournal()), find_left(cluster, namespace))
        assert [one.result for one in results] == ["undone"]
        assert not closed(cluster, node)


def test_what_a_bad_server_refused_is_undone_by_the_next_command(
    cluster: Cluster, through: Cluster, proxy: FaultProxy
) -> None:
    """Refusals that go on leave the entry where it is, with the command for people; the next command executes it."""
    with plain_namespace(cluster) as namespace:
        node, executor = node_of(cluster), LiveExecutor(cluster, NullJournal())
        log = ClusterUndoLog(executor, namespace, "run-1", deadline_s=-1)
        assert log.record(UndoEntry("uncordon", node, f"kubectl uncordon {node.name}", fault="f-1")) == ""
        executor.do(mutations.patch(node, {"spec": {"unschedulable": True}}))
        proxy.trouble(Answer(503), method="PATCH", path=f"nodes/{node.name}", times=99)
        (first,) = undo_all(through, LiveExecutor(through, NullJournal()), find_left(cluster, namespace))
        assert (first.result, f"run: kubectl uncordon {node.name}" in first.words) == ("left", True)
        proxy.relieve()
        (second,) = undo_all(through, LiveExecutor(through, NullJournal()), find_left(cluster, namespace))
        assert second.result == "undone"
        assert find_left(cluster, namespace) == ()


@pytest.mark.parametrize("name", PASSING)
def test_a_lease_outlives_trouble_that_passes(cluster: Cluster, through: Cluster, proxy: FaultProxy, name: str) -> None:
    """A renewal that failed, or whose answer was lost, is made again in time, and the lease is not lost."""
    trouble, times = PASSING[name]
    with (
        plain_namespace(cluster) as namespace,
        RunLease(through, LiveExecutor(through, NullJournal()), namespace, "me") as lease,
    ):

        def renewed() -> str:
            found = cluster.get("Lease", namespace, LEASE_NAME) or {}
            return str(found["spec"]["renewTime"])

        first = renewed()
        proxy.trouble(trouble, method="PATCH", path="leases", times=times)
        until(lambda: renewed() != first, deadline_s=12, awaited="a renewal")
        second = renewed()
        until(lambda: renewed() != second, deadline_s=12, awaited="another renewal")
        assert lease.lost == ""


def test_a_server_that_stays_away_costs_the_lease(cluster: Cluster, through: Cluster, proxy: FaultProxy) -> None:
    """Without a renewal for too long the run is told to stop, before anybody may take the lease over."""
    with (
        plain_namespace(cluster) as namespace,
        RunLease(through, LiveExecutor(through, NullJournal()), namespace, "me") as lease,
    ):
        proxy.trouble(Answer(503), method="PATCH", path="leases", times=1000)
        until(lambda: lease.lost, deadline_s=14, awaited="the loss to be noticed")
        assert "was not renewed for 11 s" in lease.lost
        assert holder_of(cluster.get("Lease", namespace, LEASE_NAME)) == "me"
        proxy.relieve()
