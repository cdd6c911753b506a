"""What a drain does with a node's pods: kubectl's filters in kubectl's order, and how long it may take."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from histories import pod

from chaos.history.pods import PodView
from chaos.semantics import LAB, Batch, DrainOptions, drain_bound, drain_set

NOW = datetime(2026, 1, 1, 1, 0, tzinfo=UTC)


def owned(kind: str | None) -> dict[str, Any]:
    """A pod with a controller of that kind, or none."""
    raw = pod("a", ready=True)
    owner = {"apiVersion": "apps/v1", "kind": kind, "name": "owner", "uid": "owner", "controller": True}
    raw["metadata"]["ownerReferences"] = [owner] if kind else []
    return raw


def with_empty_dir() -> dict[str, Any]:
    """A pod that has an emptyDir."""
    raw = owned("ReplicaSet")
    raw["spec"] = {**raw["spec"], "volumes": [{"name": "cache", "emptyDir": {}}]}
    return raw


def mirror() -> dict[str, Any]:
    """A static pod's mirror."""
    raw = owned("Node")
    raw["metadata"]["annotations"] = {"kubernetes.io/config.mirror": "x"}
    return raw


def finished(raw: dict[str, Any]) -> dict[str, Any]:
    """The same pod, ended."""
    raw["status"]["phase"] = "Succeeded"
    return raw


@pytest.mark.parametrize(
    ("raw", "options", "fate"),
    [
        pytest.param(owned("ReplicaSet"), DrainOptions(), "evict", id="a replica is evicted"),
        pytest.param(owned("DaemonSet"), DrainOptions(), "refused", id="a DaemonSet's pod refuses the drain"),
        pytest.param(owned("DaemonSet"), DrainOptions(ignore_daemonsets=True), "left", id="… unless ignored"),
        pytest.param(mirror(), DrainOptions(), "left", id="a mirror pod is left"),
        pytest.param(with_empty_dir(), DrainOptions(), "refused", id="an emptyDir refuses the drain"),
        pytest.param(with_empty_dir(), DrainOptions(delete_emptydir_data=True), "evict", id="… unless given up"),
        pytest.param(finished(with_empty_dir()), DrainOptions(), "evict", id="a finished pod has nothing to lose"),
        pytest.param(owned(None), DrainOptions(), "refused", id="a pod without a controller refuses the drain"),
        pytest.param(owned(None), DrainOptions(force=True), "evict", id="… unless forced"),
        pytest.param(finished(owned(None)), DrainOptions(), "evict", id="a finished pod needs no controller"),
    ],
)
def test_the_filters_are_kubectls(raw: dict[str, Any], options: DrainOptions, fate: str) -> None:
    """Each pod is evicted, left alone, or refuses the whole drain before any eviction."""
    sorted_pods = drain_set([PodView(raw)], options, at=NOW)
    fates = {"evict": sorted_pods.evict, "left": sorted_pods.left, "refused": sorted_pods.refused}
    assert [name for name, found in fates.items() if found] == [fate]
    assert sorted_pods.blocked == (fate == "refused")


def test_an_orphan_of_a_daemon_set_must_be_forced() -> None:
    """A pod whose DaemonSet is gone would not come back."""
    orphan = [PodView(owned("DaemonSet"))]
    assert drain_set(orphan, DrainOptions(ignore_daemonsets=True), at=NOW, daemon_sets=()).blocked
    assert drain_set(orphan, DrainOptions(force=True), at=NOW, daemon_sets=()).evict


def test_more_rounds_take_longer() -> None:
    """Three pods one at a time take three times what three at once take."""
    spec = pod("a")["spec"]
    one = drain_bound([Batch("model", 3, 1, spec)], LAB).total_s
    together = drain_bound([Batch("model", 3, 3, spec)], LAB).total_s
    assert one == pytest.approx(3 * together)


def test_a_budget_that_permits_none_bounds_nothing() -> None:
    """How long a blocked drain takes is promised by nobody."""
    bound = drain_bound([Batch("model", 2, 0, pod("a")["spec"])], LAB)
    assert any("permits no eviction" in one.reason for one in bound.unpromised)


def test_no_pods_take_no_time() -> None:
    """An empty node is drained at once."""
    assert drain_bound([Batch("model", 0, 1, pod("a")["spec"])], LAB).total_s == 0
