"""A drain of a pool goes from node to node for minutes, and is held against the bounds at each."""

import json
from collections.abc import Callable, Mapping, Sequence
from threading import Event
from types import SimpleNamespace
from typing import Any, cast

import pytest
from cluster_objects import owner
from cluster_objects import pod as other_pod
from histories import NAMESPACE, WORKLOAD, node, pod
from typing_extensions import override

from chaos.cluster import Done, NullJournal
from chaos.cluster.transport import Answer
from chaos.faults import (
    ClusterUpgrade,
    Fault,
    FaultContext,
    Infrastructure,
    NodeDrain,
    RollingPoolDrain,
    rolling_pool_drain,
)
from chaos.faults.support.node_eviction import LEAST_S
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.wait import until

PODS = {"n1": ("a", "b"), "n2": ("c",), "n3": ("d",)}
OWN = {"model-a", "model-b", "model-c", "model-d"}


class Cluster:
    """Three nodes with replicas, which go when they are evicted; it does what it is told, and keeps it."""

    def __init__(self, held: Sequence[str], others: Sequence[dict[str, Any]] = ()) -> None:
        self.held, self.others = held, others
        self.did: list[tuple[str, str]] = []
        self.ended: list[tuple[str, str]] = []

    @property
    def evicted(self) -> set[str]:
        """Whose eviction was asked for."""
        return {target for action, target in self.did if action == "evict-pod"}

    def _pods(self, name: str = "") -> list[dict[str, Any]]:
        found = [pod(uid, ready=True, node=where) for where, uids in PODS.items() for uid in uids]
        there = [one for one in found if one["metadata"]["name"] not in self.evicted]
        return [one for one in there if not name or one["spec"]["nodeName"] == name]

    def _on(self, name: str) -> list[dict[str, Any]]:
        others = [one for one in self.others if one["metadata"]["name"] not in self.evicted]
        return [*self._pods(name), *(one for one in others if one["spec"]["nodeName"] == name)]

    def read(self, _path: str, query: Mapping[str, str]) -> Answer:
        """The pods of a node, whosever they are."""
        return Answer(200, json.dumps({"items": self._on(query["fieldSelector"].partition("=")[2])}).encode())

    def get(self, _kind: str, _namespace: str | None, name: str) -> dict[str, Any]:
        """A node."""
        return node(name)

    def objects(self, kind: str) -> Sequence[dict[str, Any]]:
        """What the trial watches."""
        return self._pods() if kind == "Pod" else ()

    def wait_for(self, _come: Callable[[], object], _left_s: float) -> bool:
        """Everything that is waited for has come."""
        return True

    def do(self, order: Any) -> Done:
        """Do it."""
        self.did.append((order.action, order.target.name))
        return Done("ok", 201)

    def event(self, kind: str, **more: Any) -> None:
        """Keep how the drain ended."""
        if kind == "fault-result":
            self.ended.append((more["result"], more["words"]))


class Bounded(FaultContext):
    """A trial whose bounds let some pods go no more."""

    @override
    def objection_to(self, fault: Fault, victims: Sequence[Ref]) -> str:
        held: set[str] = set(cast("Any", self.cluster).held)
        return "blast radius: it is too small now" if held & {victim.name for victim in victims} else ""


@pytest.mark.parametrize(
    ("held", "emptied", "result"),
    [
        ((), ["n1", "n2", "n3"], "finished"),
        (("model-c",), ["n1"], "stopped"),
        (("n2",), ["n1"], "stopped"),
        (("model-a",), [], "stopped"),
    ],
    ids=["bounds that hold", "of replicas on the second node", "of the second node", "of replicas on the first"],
)
def test_each_node_is_held_against_the_bounds_of_its_moment(
    held: tuple[str, ...], emptied: list[str], result: str
) -> None:
    """Where they let the next node's replicas go no more, the drain ends before it evicts one, with the reason."""
    cluster = Cluster(held)
    there: Any = cluster
    context = Bounded(there, there, there, "pool-drain-1", recorder=there, namespace=NAMESPACE)
    pool = Targets("a pool", tuple(Ref("Node", "", name, f"node-{name}") for name in PODS))
    injection: Any = RollingPoolDrain(pool).inject(context)
    until(injection.ended.seen, deadline_s=10, awaited="the drain's end")
    assert cluster.evicted == {f"model-{uid}" for name in emptied for uid in PODS[name]}
    ((ended, words),) = cluster.ended
    assert ended == result
    assert ("blast radius" in words) is bool(held)


class Slow(Cluster):
    """Its replicas load for up to ten minutes, and have a grace of two."""

    @override
    def _pods(self, name: str = "") -> list[dict[str, Any]]:
        probe = {"periodSeconds": 10, "failureThreshold": 60}
        slow = {"terminationGracePeriodSeconds": 120, "containers": [{"name": "m", "startupProbe": probe}]}
        return [{**one, "spec": {**one["spec"], **slow}} for one in super()._pods(name)]


def test_a_pool_is_waited_for_as_long_as_its_pods_may_take_though_they_have_left() -> None:
    """Nothing is read for it any more, so that neither an unwell API server nor pods that are gone end the wait."""
    cluster = Slow(())
    there: Any = cluster
    context = Bounded(there, there, there, "pool-drain-1", recorder=there, namespace=NAMESPACE)
    pool = Targets("a pool", tuple(Ref("Node", "", name, f"node-{name}") for name in PODS))
    injection: Any = RollingPoolDrain(pool).inject(context)
    until(injection.ended.seen, deadline_s=10, awaited="the drain's end")
    there.read = lambda *_: Answer(503, b"{}")
    assert injection.ended.deadline_s > len(PODS) * len(OWN) * (600 + 120)


def test_a_refusal_is_not_awaited_as_long_as_slow_replicas_may_take() -> None:
    """A budget that is to refuse an eviction does so when it is asked for, not when the last of them has started."""
    there: Any = Slow(())
    context = Bounded(there, there, there, "node-drain-1", recorder=there, namespace=NAMESPACE)
    injection: Any = NodeDrain(Targets("n1", (Ref("Node", "", "n1", "node-n1"),))).inject(context)
    until(injection.ended.seen, deadline_s=10, awaited="the drain's end")
    assert injection.refused.deadline_s == LEAST_S
    assert injection.ended.deadline_s > 2 * (600 + 120)


NEIGHBOURS = [
    other_pod(f"redis-{number}", app="redis", by=owner("StatefulSet", "redis"), namespace=NAMESPACE, node=where)
    for number, where in enumerate(("n1", "n2", "n4"))
]
STRANGER = other_pod("chat-0", app=WORKLOAD, namespace="other-team", node="n3")


@pytest.mark.parametrize("migrate", [False, True])
@pytest.mark.parametrize("whole_namespace", [False, True])
def test_a_pool_loses_the_systems_own_pods_alone(*, migrate: bool, whole_namespace: bool) -> None:
    """A neighbour of its namespace stays unless that was asked for; one of another namespace stays whatever is asked.

    A node that holds none of the system's is not even closed, but where the whole pool is at first.
    """
    cluster = Cluster((), [*NEIGHBOURS, STRANGER])
    there: Any = cluster
    context = FaultContext(
        there, there, there, "pool-drain-1", recorder=there, namespace=NAMESPACE, selector={"app": WORKLOAD}
    )
    pool = Targets("a pool", tuple(Ref("Node", "", name, f"node-{name}") for name in (*PODS, "n4")))
    fault = RollingPoolDrain(pool, migrate=migrate, whole_namespace=whole_namespace, leave_foreign=True)
    injection: Any = fault.inject(context)
    until(injection.ended.seen, deadline_s=10, awaited="the drain's end")
    neighbours = {one["metadata"]["name"] for one in NEIGHBOURS}
    assert cluster.evicted == OWN | (neighbours if whole_namespace else set())
    assert cluster.ended[0][0] == "finished"
    closed = {target for action, target in cluster.did if action == "cordon"}
    assert closed == {*PODS, *(("n4",) if migrate or whole_namespace else ())}


class Upgraded(Cluster):
    """One whose API server says of which version it is."""

    @override
    def read(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        told = {"/version": {"gitVersion": "v2"}, "/api/v1/nodes": {"metadata": {"resourceVersion": "1"}}}
        return Answer(200, json.dumps(told[path]).encode()) if path in told else super().read(path, query or {})

    def heard_rv(self) -> int:
        """All that came."""
        return 2


@pytest.mark.parametrize("slow", ["the control plane", "n1"])
def test_an_upgrade_that_outlasts_its_heal_closes_no_further_node(slow: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A node takes a minute to be replaced; who interrupts waits for less, and opens what was closed by then."""
    monkeypatch.setattr(rolling_pool_drain, "STOP_S", 0.1)
    begun, healed = Event(), Event()

    def take_long(what: str) -> str:
        if what == slow:
            begun.set()
            healed.wait(10)
        return ""

    upgrader = SimpleNamespace(
        version="v2",
        objection=lambda: "",
        start_api_server=lambda: take_long("the control plane"),
        end_api_server=lambda: "",
        controllers=lambda: "",
        node=take_long,
    )
    cluster = Upgraded(())
    there: Any = cluster
    context = FaultContext(
        there,
        there,
        NullJournal(),
        "cluster-upgrade-1",
        recorder=there,
        namespace=NAMESPACE,
        infrastructure=Infrastructure(upgrade=cast("Any", upgrader)),
    )
    pool = Targets("all nodes", tuple(Ref("Node", "", name, f"node-{name}") for name in PODS))
    injection: Any = ClusterUpgrade(pool).inject(context)
    assert injection.missed == ""
    assert begun.wait(10)
    assert "did not stop" in injection.heal()
    before = list(cluster.did)
    healed.set()
    until(lambda: injection._work.ended, deadline_s=10, awaited="the upgrade's end")
    assert [one for one in cluster.did[len(before) :] if one[0] in ("cordon", "evict-pod")] == []
