"""The owners' bounds on a service that already runs hold whatever a scenario is about."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_objects import node
from histories import NAMESPACE, WORKLOAD, Story, deployment, pod
from saved_histories import saved
from trial_contexts import context_with

from chaos import faults
from chaos.errors import UsageError
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.safety import BlastRadius
from chaos.trial.config import GamedayConfig
from chaos.trial.preflight.adopted_cluster import Adoption

NODES = ("n1", "n2", "n3")


def config(**safety: Any) -> GamedayConfig:
    """A file with these limits."""
    return GamedayConfig.model_validate({"system": {"namespace": "llm", "deployment": "chat"}, "safety": safety})


@pytest.mark.parametrize(
    ("safety", "replicas", "tolerated", "most"),
    [
        ({}, 4, 2, 2),
        ({}, 4, 0, 1),
        ({"pods_max": 3}, 4, 1, 3),
        ({"pods_max": 3, "percent_max": 50}, 4, 1, 2),
        ({"percent_max": 50}, 10, 2, 2),
        ({"percent_max": 10}, 4, 2, 0),
    ],
)
def test_how_many_pods_may_be_down_at_once(safety: dict[str, Any], replicas: int, tolerated: int, most: int) -> None:
    """The file's number, else the tolerance, at least one; and never more than the share, though that be none."""
    cluster: Any = None
    assert Adoption(Path("gameday.toml"), config(**safety), cluster).pods_max(replicas, tolerated) == most


def admit(*, adopted: bool) -> None:
    """Ask whether every node may be lost at once, where one node is the bound."""
    objects = {"Node": [node(name) for name in NODES], "Pod": [], "Deployment": []}
    context = context_with(
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        namespace="llm",
        adopted=adopted,
        system=SimpleNamespace(workload=Ref("Deployment", "llm", "chat")),
        blast_radius=BlastRadius("llm", pods_max=8, nodes_max=1),
        consent=lambda _fault: "",
    )
    refs = tuple(Ref("Node", "", name, f"uid-{name}") for name in NODES)
    down = faults.NodeDown(Targets("all nodes", refs), leave_foreign=True, every_node=True)
    context.admit(down)


def test_a_scenario_of_every_node_does_not_lift_the_owners_bound() -> None:
    """On a cluster of ours it may hit them all; on one of others just as many as the file says."""
    admit(adopted=False)
    with pytest.raises(UsageError, match="3 nodes and 0 already out are more than the 1 allowed"):
        admit(adopted=True)


def growing(*, ready: tuple[str, ...], lost: tuple[str, ...] = ()) -> Story:
    """Two replicas were Ready, the autoscaler asks for four, and these are Ready now."""
    story = Story().replicas("a", "b")
    story.saw(20, "MODIFIED", deployment(4), "Deployment").saw(21, "ADDED", pod("c")).saw(21, "ADDED", pod("d"))
    for uid in lost:
        story.killed(uid, 25)
    for uid in set(ready) - {"a", "b"}:
        story.saw(26, "MODIFIED", pod(uid, ready=True))
    return story


@pytest.mark.parametrize(
    ("ready", "lost", "down"),
    [
        pytest.param(("a", "b"), (), 0, id="none is lost"),
        pytest.param(("b",), ("a",), 1, id="one of the former is lost"),
        pytest.param(("a", "b", "c"), (), 0, id="one has come"),
        pytest.param(("b", "c"), ("a",), 0, id="one has come for one that is lost"),
    ],
)
def test_a_replica_that_was_never_up_is_not_down(
    ready: tuple[str, ...], lost: tuple[str, ...], down: int, tmp_path: Path
) -> None:
    """What an autoscaler is only adding leaves the blast radius alone; what served and is gone does not."""
    run = saved(growing(ready=ready, lost=lost).history(), tmp_path / "run")
    objects = {"Pod": [pod(uid, ready=True) for uid in ready], "Deployment": [deployment(4)]}
    context = context_with(
        run=run,
        recorder=SimpleNamespace(objects=lambda kind: objects[kind]),
        workload_kind=DEPLOYMENT,
        system=SimpleNamespace(workload=Ref("Deployment", NAMESPACE, WORKLOAD)),
    )
    assert context.replicas_down() == down
