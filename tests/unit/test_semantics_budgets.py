"""The disruption controller's arithmetic, row by row as documented (controller/disruption/disruption.go)."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from histories import NAMESPACE, OWNER, pod, replica_set

from chaos.semantics import Scales, budget_status

NOW = datetime(2026, 1, 1, 0, 5, tzinfo=UTC)


def budget(**spec: Any) -> dict[str, Any]:
    """A disruption budget over the story's pods."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": "budget", "namespace": NAMESPACE, "uid": "budget", "generation": 1},
        "spec": {"selector": {"matchLabels": {"app": "model"}}, **spec},
        "status": {},
    }


def scales(replicas: int) -> Scales:
    """The controllers: one ReplicaSet that wants so many."""
    owner = replica_set(replicas)
    owner.setdefault("kind", "ReplicaSet")
    owner["metadata"].pop("ownerReferences", None)
    owner["metadata"].setdefault("uid", OWNER)
    return Scales([owner])


def pods(ready: int, unready: int = 0) -> list[dict[str, Any]]:
    """So many Ready pods, and so many that run but are not."""
    good = [pod(f"r{number}", ready=True) for number in range(ready)]
    return good + [pod(f"u{number}", running=True) for number in range(unready)]


@pytest.mark.parametrize(
    ("spec", "have", "wanted", "counted"),
    [
        pytest.param({"minAvailable": 2}, (3, 0), 3, (3, 2, 1), id="minAvailable counts the pods there are"),
        pytest.param({"minAvailable": 2}, (2, 0), 5, (2, 2, 0), id="… and not the scale"),
        pytest.param({"minAvailable": 3}, (3, 0), 3, (3, 3, 0), id="minAvailable = replicas permits none"),
        pytest.param({"minAvailable": "50%"}, (5, 0), 5, (5, 3, 2), id="a percentage of minAvailable rounds up"),
        pytest.param({"maxUnavailable": 1}, (3, 0), 3, (3, 2, 1), id="maxUnavailable counts the scale"),
        pytest.param({"maxUnavailable": 1}, (2, 0), 3, (3, 2, 0), id="a missing pod is unavailable"),
        pytest.param({"maxUnavailable": "30%"}, (5, 0), 5, (5, 3, 2), id="a percentage of maxUnavailable rounds up"),
        pytest.param({"maxUnavailable": 9}, (3, 0), 3, (3, 0, 3), id="desired is never below zero"),
        pytest.param({"minAvailable": 1}, (1, 2), 3, (3, 1, 0), id="unready pods are not healthy"),
        pytest.param({"maxUnavailable": 1}, (0, 0), 3, (0, 0, 0), id="without pods nothing is expected"),
    ],
)
def test_the_status_follows_the_controller(
    spec: dict[str, Any], have: tuple[int, int], wanted: int, counted: tuple[int, int, int]
) -> None:
    """Of pods ready and unready, expected, desired and allowed are counted as the controller would write them."""
    status = budget_status(budget(**spec), pods(*have), scales(wanted), at=NOW)
    assert (status.expected, status.desired, status.allowed) == counted
    assert status.healthy == have[0]


def test_a_pod_that_was_evicted_a_moment_ago_is_not_healthy() -> None:
    """For two minutes a pod in disruptedPods counts as gone; after that as it is."""
    told = budget(minAvailable=2)
    told["status"]["disruptedPods"] = {"model-r0": "2026-01-01T00:04:00Z", "model-r1": "2026-01-01T00:02:00Z"}
    assert budget_status(told, pods(3), scales(3), at=NOW).healthy == 2


def test_a_pod_that_is_being_deleted_is_not_healthy() -> None:
    """Ready and terminating is no longer counted."""
    going = [pod("a", ready=True, deleting=True), *pods(2)]
    assert budget_status(budget(minAvailable=1), going, scales(3), at=NOW).healthy == 2


def test_an_empty_selector_takes_all_and_none_takes_nobody() -> None:
    """policy/v1: `{}` selects every pod of the namespace, null none."""
    everybody, nobody = budget(minAvailable=1), budget(minAvailable=1)
    everybody["spec"]["selector"] = {}
    del nobody["spec"]["selector"]
    assert budget_status(everybody, pods(2), scales(2), at=NOW).healthy == 2
    assert budget_status(nobody, pods(2), scales(2), at=NOW).healthy == 0


def test_pods_without_a_controller_are_named_and_not_expected() -> None:
    """The controller skips them for maxUnavailable, and says so in an event."""
    bare = pod("bare", ready=True)
    bare["metadata"]["ownerReferences"] = []
    status = budget_status(budget(maxUnavailable=1), [bare, *pods(3)], scales(3), at=NOW)
    assert status.expected == 3
    assert status.unmanaged == ("model-bare",)
