"""The owners' bounds on a service that already runs hold whatever a scenario is about."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from cluster_objects import node
from trial_contexts import context_with

from chaos import faults
from chaos.errors import UsageError
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
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
