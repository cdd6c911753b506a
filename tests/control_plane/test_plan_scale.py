"""Reading for a plan, and its speed: each list once, and a thousand nodes in seconds. The figures: tests/bench."""

import time
from collections import Counter
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cluster_room import room
from simulated_cluster import SimulatedCluster

from chaos.cli.plan.command import plan_command
from chaos.cli.plan.listing import Listing, gather
from chaos.cli.plan.planner import make_plan
from chaos.cli.plan.results import Answer
from chaos.cluster import Cluster
from chaos.semantics import DrainOptions

REACH_S = 10.0


def test_each_kind_is_listed_once(simulated: SimulatedCluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plan asks for every kind that it needs in one list, and for nothing else."""
    asked: Counter[str] = Counter()
    listing = Cluster.list

    def counted(self: Cluster, kind: str, *rest: Any, **more: Any) -> list[dict[str, Any]]:
        asked[kind] += 1
        return listing(self, kind, *rest, **more)

    monkeypatch.setattr(Cluster, "list", counted)
    with room(simulated.kubeconfig, simulated.context, tmp_path) as made:
        asked.clear()
        found = gather(made.cluster)
    assert set(asked.values()) == {1}
    assert len(asked) == 9
    assert {node["metadata"]["name"] for node in found.nodes} >= {"node-0", "node-1", "node-2"}
    assert found.claims is not None


def test_the_command_plans_for_a_named_context(simulated: SimulatedCluster, capsys: pytest.CaptureFixture[str]) -> None:
    """The whole way: connect, read, plan, print."""
    plan_command(kube_context=simulated.context, kubeconfig=simulated.kubeconfig)
    shown = capsys.readouterr().out
    assert f"context {simulated.context}" in shown
    assert "Draining one node" in shown
    assert "node-0" in shown


@pytest.mark.timed
def test_a_thousand_nodes_are_thought_through_in_time() -> None:
    """Half a million pairs of nodes with five thousand pods that spread over zones, apart from any reading."""
    cluster = _large(nodes=1000, apps=100, replicas=50)
    began = time.monotonic()
    plan = make_plan(cluster, options=DrainOptions(ignore_daemonsets=True))
    took_s = time.monotonic() - began
    assert took_s < REACH_S
    assert plan.pairs.total == 499_500
    assert sum(plan.pairs.counted.values()) == plan.pairs.total
    assert plan.pairs.not_played == 0
    assert plan.pairs.counted[Answer.WAITS] > 0


def _large(*, nodes: int, apps: int, replicas: int) -> Listing:
    """A cluster in three zones, every app spread hard over them and each with a disruption budget."""
    return Listing(
        at=datetime.now(UTC),
        nodes=[_node(index) for index in range(nodes)],
        pods=[_pod(app, index, (app * 10 + index * 7) % nodes) for app in range(apps) for index in range(replicas)],
        budgets=[_budget(app) for app in range(apps)],
        controllers=[_owner(app, replicas) for app in range(apps)],
    )


def _node(index: int) -> Mapping[str, Any]:
    name = f"n{index}"
    return {
        "metadata": {"name": name, "labels": {"kubernetes.io/hostname": name, "zone": f"z{index % 3}"}},
        "spec": {},
        "status": {
            "allocatable": {"cpu": "8", "memory": "32Gi", "pods": "110"},
            "conditions": [{"type": "Ready", "status": "True"}],
        },
    }


def _pod(app: int, index: int, node: int) -> Mapping[str, Any]:
    rule = {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule"}
    owner = {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "name": f"app-{app}",
        "uid": f"uid-{app}",
        "controller": True,
    }
    return {
        "metadata": {
            "name": f"app-{app}-{index}",
            "namespace": "default",
            "uid": f"pod-{app}-{index}",
            "labels": {"app": str(app)},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": f"n{node}",
            "containers": [{"name": "c", "resources": {"requests": {"cpu": "100m"}}}],
            "topologySpreadConstraints": [{**rule, "labelSelector": {"matchLabels": {"app": str(app)}}}],
        },
        "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]},
    }


def _owner(app: int, replicas: int) -> Mapping[str, Any]:
    metadata = {"name": f"app-{app}", "namespace": "default", "uid": f"uid-{app}"}
    return {"kind": "ReplicaSet", "metadata": metadata, "spec": {"replicas": replicas}}


def _budget(app: int) -> Mapping[str, Any]:
    return {
        "metadata": {"name": f"app-{app}", "namespace": "default", "uid": f"budget-{app}", "generation": 1},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": str(app)}}},
        "status": {"observedGeneration": 1},
    }
