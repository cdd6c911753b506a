"""Faults on nodes inside a whole trial: what the blast radius refuses, and what is left however the block ends."""

from collections.abc import Iterator
from typing import Any

import pytest
from trial_room import Room

from chaos import faults
from chaos.checks import Recovered, Witnessed
from chaos.cluster import LiveExecutor, NullJournal, mutations
from chaos.errors import NotProven, UsageError
from chaos.faults import targets
from chaos.history import load_history
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.system import DisruptionBudget, SystemSpec
from chaos.trial.run import RunningTrial

pytestmark = pytest.mark.timed

GUARDED = SystemSpec(
    name="model",
    image="registry.example/model:1",
    image_pull_policy="Never",
    replicas=3,
    grace_s=1,
    disruption_budget=DisruptionBudget(min_available=3),
)


@pytest.fixture
def strangers(room: Room) -> Iterator[list[str]]:
    """A pod of somebody else on every node."""
    executor = LiveExecutor(room.cluster, NullJournal())
    nodes = [node["metadata"]["name"] for node in room.cluster.list("Node")]
    refs = [hand_made(executor, f"stranger-{node}", node) for node in nodes]
    yield [ref.uid for ref in refs]
    for ref in refs:
        executor.do(mutations.delete(ref, grace_s=0))


def hand_made(executor: LiveExecutor, name: str, node: str) -> Ref:
    """Make a pod without a controller in the namespace `default`."""
    spec: dict[str, Any] = {
        "nodeName": node,
        "automountServiceAccountToken": False,
        "containers": [{"name": "c", "image": "none"}],
    }
    metadata = {"name": name, "namespace": "default"}
    done = executor.do(mutations.create({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    assert isinstance(done.body, dict)
    return Ref("Pod", "default", name, done.body["metadata"]["uid"])


def closed(room: Room) -> list[str]:
    """Nodes that are cordoned."""
    return [view.name for view in map(NodeView, room.cluster.list("Node")) if view.unschedulable]


def test_a_node_with_pods_of_others_is_outside_the_blast_radius(room: Room, strangers: list[str]) -> None:
    """The drain is refused before the node is closed, and the pod of the others is named."""
    with room.trial("foreign") as running:
        drain = faults.NodeDrain(targets.fullest_node(running.system))
        with pytest.raises(UsageError, match=r"1 pod of others on .*: default/stranger-"), running.trial.fault(drain):
            pass
    assert not any(action.name == "cordon" for action in load_history(room.runs / "foreign").actions)


def test_pods_of_others_can_be_left_where_they_are(room: Room, strangers: list[str]) -> None:
    """With leave_foreign the system's pods are evicted, and the others live on."""
    with room.trial("left") as running, running.traffic.steady(rate_rps=20):
        running.trial.baseline(duration_s=1)
        drain = faults.NodeDrain(targets.fullest_node(running.system), deadline_s=30, leave_foreign=True)
        with running.trial.fault(drain):
            running.trial.hold(until=drain.ended)
    (fault,) = load_history(room.runs / "left").faults
    assert (fault.result, fault.healed_ns is not None) == ("finished", True)
    assert {pod["metadata"]["uid"] for pod in room.cluster.list("Pod", "default")} >= set(strangers)
    assert closed(room) == []


def test_a_drain_that_is_interrupted_leaves_no_node_closed(room: Room) -> None:
    """Ctrl-C in the body of a blocked drain stops it and opens the node."""

    def interrupted(running: RunningTrial) -> None:
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=1)
            with running.trial.fault(faults.NodeDrain(targets.fullest_node(running.system), deadline_s=600)):
                raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt), room.trial("interrupted", GUARDED) as running:
        interrupted(running)
    (fault,) = load_history(room.runs / "interrupted").faults
    assert fault.result == "stopped"
    assert closed(room) == []


def test_a_drained_node_is_proved_and_recovered_from(room: Room) -> None:
    """A whole trial with a drain passes: it landed, met requests, and the replicas are back."""
    with room.trial("drained") as running:
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=2)
            drain = faults.NodeDrain(targets.fullest_node(running.system), deadline_s=30)
            with running.trial.fault(drain):
                running.trial.hold(until=drain.ended)
            running.trial.recovery()
        running.trial.judge(Recovered(), Witnessed("evict-pod"))
    (fault,) = load_history(room.runs / "drained").faults
    assert fault.result == "finished"


def test_a_node_that_others_close_meanwhile_leaves_no_room_for_a_fault(room: Room) -> None:
    """All nodes but one may be out: with one closed the others stay on, and the verdict is UNKNOWN for it."""
    executor = LiveExecutor(room.cluster, NullJournal())
    with room.trial("closed") as running:
        first, *others = (Ref("Node", "", node.name, node.uid) for node in running.system.nodes())
        with running.traffic.steady(rate_rps=20):
            running.trial.baseline(duration_s=1)
            executor.do(mutations.patch(first, {"spec": {"unschedulable": True}}, field_manager="kubectl"))
            try:
                seen = faults.Until(
                    "a node is closed", lambda: any(one.unschedulable for one in running.system.nodes()), 10
                )
                running.trial.hold(until=seen)
                off = faults.NodeDown(targets.Targets("all others", tuple(others)), leave_foreign=True)
                with running.trial.fault(off):
                    running.trial.hold(duration_s=600)
            finally:
                executor.do(mutations.patch(first, {"spec": {"unschedulable": None}}, field_manager="kubectl"))
        with pytest.raises(NotProven, match=f"{len(others)} nodes and 1 already out"):
            running.trial.judge()
    history = load_history(room.runs / "closed")
    assert history.faults == ()
    assert history.stopped.startswith("blast radius: ")


def test_a_rehearsed_drain_touches_nothing(room: Room) -> None:
    """DryRun, the cordon is only written down, nobody is evicted, and the fault counts as missed."""
    with room.trial("dry_run", dry_run=True) as running, running.traffic.steady(rate_rps=20):
        running.trial.baseline(duration_s=1)
        with running.trial.fault(faults.NodeDrain(targets.fullest_node(running.system))):
            running.trial.hold(duration_s=1)
    history = load_history(room.runs / "dry_run")
    assert "dry_run" in history.faults[0].missed
    assert not any(action.name == "evict-pod" for action in history.actions)
    assert closed(room) == []
