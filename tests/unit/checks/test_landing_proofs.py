"""Faults in a cluster that is not ours alone: a proof that a moment of silence is not, and pods of a neighbour."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest
from histories import NAMESPACE, WORKLOAD, node, pod

from chaos.cluster import Done
from chaos.cluster.transport import Answer as Said
from chaos.cluster.transport import Silent
from chaos.faults import FaultContext, NetworkPartition, NodeDrain
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.wait import until

Raw = dict[str, Any]

SERVING: Mapping[str, Any] = {"containers": [{"name": "m", "ports": [{"containerPort": 8000}]}]}


class Recorder:
    """What the trial watches: its own pods, and the nodes."""

    def __init__(self, *pods: Raw) -> None:
        self.seen = {"Pod": list(pods), "Node": [node("n1"), node("n2")]}

    def objects(self, kind: str) -> tuple[Raw, ...]:
        """What there is of a kind."""
        return tuple(self.seen.get(kind, ()))

    def wait_for(self, _come: Callable[[], object], _left_s: float) -> bool:
        """Everything that is waited for has come."""
        return True


class Executor:
    """Does nothing, succeeds, and keeps the name of whatever it was to do, and to whom."""

    def __init__(self) -> None:
        self.did: list[tuple[str, str]] = []

    def do(self, order: Any) -> Done:
        """Do it."""
        self.did.append((order.action, order.target.name))
        return Done("ok", 201)

    @property
    def evicted(self) -> set[str]:
        """Whose eviction was asked for."""
        return {name for action, name in self.did if action == "evict-pod"}


def field(recorder: Recorder, executor: Executor, cluster: object) -> FaultContext:
    """What a fault may use."""
    journal = SimpleNamespace(event=lambda *_, **__: None)
    return FaultContext(
        executor=cast("Any", executor),
        recorder=cast("Any", recorder),
        cluster=cast("Any", cluster),
        journal=cast("Any", journal),
        fault="fault-1",
        namespace=NAMESPACE,
    )


# --- a partition --------------------------------------------------------------------------------------------------


class Proxy:
    """The API server's proxy to pods that all answer, but for the calls of these numbers."""

    def __init__(self, *silent: int) -> None:
        self.silent = silent
        self.asked = 0

    def call(self, _method: str, _path: str, **_more: Any) -> Said:
        """Ask a pod."""
        self.asked += 1
        if self.asked in self.silent:
            raise Silent("the API server said nothing for 3 s", "")
        return Said(200, json.dumps({"object": "list"}).encode())


def partitioned(monkeypatch: pytest.MonkeyPatch, *silent: int) -> tuple[str, str]:
    """Why a partition of `a` could not be made, and its proof; nothing enforces it, and `b` is there for comparison."""
    monkeypatch.setattr(sys.modules[NetworkPartition.__module__], "LANDED_S", 0.3)
    pods = [pod(uid, ready=True, spec=SERVING) for uid in "ab"]
    here = field(Recorder(*pods), Executor(), SimpleNamespace(transport=Proxy(*silent)))
    cut = NetworkPartition(Targets("one replica", (Ref("Pod", NAMESPACE, "model-a", "a"),)))
    injection = cut.inject(here)
    return injection.missed, injection.landed()


def test_a_partition_that_nothing_enforces_is_not_proved(monkeypatch: pytest.MonkeyPatch) -> None:
    """A replica that goes on answering was not cut off, and the network plugin is named."""
    reason, proof = partitioned(monkeypatch)
    assert "does the network plugin enforce NetworkPolicy?" in reason
    assert not proof


def test_one_silence_is_no_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """A model server that is busy with a long prompt for one call, and answers the next, was not cut off."""
    _, proof = partitioned(monkeypatch, 2)
    assert not proof


def test_two_silences_are_no_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nor was one that is busy for two calls."""
    _, proof = partitioned(monkeypatch, 2, 3)
    assert not proof


def test_an_api_server_that_reaches_nobody_proves_no_partition(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the other replica gives no answer either, the way to both may be what is silent."""
    _, proof = partitioned(monkeypatch, *range(2, 10_000))
    assert not proof


def test_a_replica_that_alone_is_silent_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    """Three calls without an answer while the other replica gives one are a partition."""
    reason, proof = partitioned(monkeypatch, 2, 3, 4)
    assert not reason
    assert "is not any more" in proof


# --- a drain beside a neighbour -----------------------------------------------------------------------------------


class Shared:
    """A cluster whose node n1 holds these pods; whoever the hand evicted is gone."""

    def __init__(self, executor: Executor, *pods: Raw) -> None:
        self.executor = executor
        self.pods = pods

    def read(self, _path: str, query: Mapping[str, str] | None = None) -> Said:
        """List the pods that are left, by the selector if one is given."""
        wanted = [part.split("=") for part in (query or {}).get("labelSelector", "").split(",") if part]
        left = [one for one in self.pods if one["metadata"]["name"] not in self.executor.evicted]
        for key, value in wanted:
            left = [one for one in left if one["metadata"]["labels"].get(key) == value]
        return Said(200, json.dumps({"items": left}).encode())

    def get(self, _kind: str, _namespace: str | None, name: str) -> Raw:
        """The node that is asked for."""
        return node(name)


def neighbour() -> Raw:
    """A pod of another workload in the system's namespace."""
    raw = pod("redis-0", ready=True)
    raw["metadata"] |= {"name": "redis-0", "labels": {"app": "redis"}}
    raw["metadata"]["ownerReferences"] = [{"kind": "StatefulSet", "name": "redis", "uid": "x", "controller": True}]
    return raw


def drained(*, ours: bool, seen: bool = True, selector: Mapping[str, str] | None = None, **more: Any) -> Executor:
    """What was done by a drain of n1, which holds a neighbour's pod and, it may be, one of ours, as the watch shows."""
    executor = Executor()
    own = [pod("a", ready=True)] if ours else []
    drain = NodeDrain(Targets("n1", (Ref("Node", "", "n1", "node-n1"),)), deadline_s=5, **more)
    here = field(Recorder(*(own if seen else ())), executor, Shared(executor, *own, neighbour()))
    here = replace(here, selector=selector or {})
    injection: Any = drain.inject(here)
    if not injection.missed:
        until(injection.ended.seen, deadline_s=5, awaited="the drain's end")
    return executor


def test_a_drain_evicts_the_systems_own_pods_alone() -> None:
    """Of two workloads that share a namespace only the one under test may be evicted, or nobody is."""
    assert drained(ours=True).evicted <= {f"{WORKLOAD}-a"}


def test_who_asks_for_the_whole_namespace_evicts_its_neighbours() -> None:
    """As kubectl drain would, within the system's namespace."""
    assert drained(ours=True, whole_namespace=True).evicted == {f"{WORKLOAD}-a", "redis-0"}


def test_a_pod_that_the_watch_does_not_show_yet_is_known_by_its_labels() -> None:
    """A replica that came to the node a moment ago is evicted as well."""
    assert drained(ours=True, seen=False, selector={"app": WORKLOAD}).evicted == {f"{WORKLOAD}-a"}


def test_a_node_without_a_pod_of_the_system_is_left_open() -> None:
    """A node that holds nothing but a neighbour's pod is not drained, and not even closed."""
    assert drained(ours=False).did == []
