"""kubectl's filters before a drain, and how long a drain may take."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_objects import NAMESPACE, NOW, owner, pod, stamp

from chaos.objects.pod import PodView
from chaos.semantics import KUBERNETES, Batch, DrainOptions, drain_bound, drain_set

MIRROR = {"kubernetes.io/config.mirror": "x"}
EMPTY_DIR: list[dict[str, Any]] = [{"name": "scratch", "emptyDir": {}}]
AGENT = owner("DaemonSet", "agent")
ALL = DrainOptions(ignore_daemonsets=True, delete_emptydir_data=True, force=True)


def fate(raw: dict[str, Any], options: DrainOptions | None = None, **given: Any) -> str:
    """What becomes of one pod: `evict`, or `left` or `refused` and by which filter."""
    found = drain_set([PodView(raw)], options or DrainOptions(), at=NOW, **given)
    assert found.blocked == bool(found.refused)
    if found.evict:
        return "evict"
    return (
        f"left {found.left[0].by}" if found.left else f"refused {found.refused[0].by} {found.refused[0].flag}".strip()
    )


def annotated(raw: dict[str, Any], **annotations: str) -> dict[str, Any]:
    """The pod with annotations."""
    raw["metadata"]["annotations"] = dict(annotations)
    return raw


@pytest.mark.parametrize(
    ("raw", "plain", "with_all_flags"),
    [
        (pod("web"), "evict", "evict"),
        (pod("agent", by=AGENT), "refused daemon-set --ignore-daemonsets", "left daemon-set"),
        (pod("agent", by=AGENT, phase="Failed"), "evict", "evict"),
        (pod("agent", by=owner("DaemonSet", "agent", api="extensions/v1beta1")), "evict", "evict"),
        (annotated(pod("static", by={}), **MIRROR), "left mirror", "left mirror"),
        (annotated(pod("static", by=AGENT), **MIRROR), "refused daemon-set --ignore-daemonsets", "left daemon-set"),
        (pod("cache", volumes=EMPTY_DIR), "refused empty-dir --delete-emptydir-data", "evict"),
        (pod("cache", volumes=EMPTY_DIR, phase="Succeeded"), "evict", "evict"),
        (pod("bare", by={}), "refused no-controller --force", "evict"),
        (pod("bare", by={}, phase="Succeeded"), "evict", "evict"),
        (pod("both", by={}, volumes=EMPTY_DIR), "refused empty-dir --delete-emptydir-data", "evict"),
        (pod("going", deleting=True), "evict", "evict"),
        (pod("going", deleting=True, by={}), "refused no-controller --force", "evict"),
    ],
)
def test_the_filters(raw: dict[str, Any], plain: str, with_all_flags: str) -> None:
    """Each pod is evicted, left alone, or refuses the whole drain, as kubectl's filters decide in their order."""
    assert fate(raw) == plain
    assert fate(raw, ALL) == with_all_flags


def test_a_pod_of_a_daemon_set_that_is_gone_needs_force() -> None:
    """No DaemonSet would put it back: refused without --force, evicted with it, whatever --ignore-daemonsets says."""
    raw = pod("agent", by=AGENT)
    none: set[tuple[str, str]] = set()
    assert fate(raw, DrainOptions(ignore_daemonsets=True), daemon_sets=none) == "refused daemon-set --force"
    assert fate(raw, DrainOptions(force=True), daemon_sets=none) == "evict"
    there = {(NAMESPACE, "agent")}
    assert fate(raw, DrainOptions(ignore_daemonsets=True), daemon_sets=there) == "left daemon-set"


@pytest.mark.parametrize(("seconds_ago", "found"), [(60, "evict"), (61, "left overdue")])
def test_an_overdue_pod_is_left_alone_only_if_asked(seconds_ago: int, found: str) -> None:
    """--skip-wait-for-delete-timeout leaves alone what should have gone longer ago than that, and comes first."""
    raw = pod("stuck", by={}, volumes=EMPTY_DIR, deleting=True)
    raw["metadata"]["deletionTimestamp"] = stamp(seconds_ago)
    options = DrainOptions(delete_emptydir_data=True, force=True, skip_wait_for_delete_timeout_s=60)
    assert fate(raw, options) == found
    assert fate(raw, ALL) == "evict"


def test_one_refused_pod_blocks_the_node() -> None:
    """The others are sorted all the same, so that a person sees all there is to mend."""
    pods = [PodView(pod("web")), PodView(pod("bare", by={})), PodView(pod("cache", volumes=EMPTY_DIR))]
    found = drain_set(pods, DrainOptions(), at=NOW)
    assert found.blocked
    assert [one.pod.name for one in found.refused] == ["bare", "cache"]
    assert [one.name for one in found.evict] == ["web"]


SPEC = {
    "terminationGracePeriodSeconds": 20,
    "containers": [
        {
            "name": "c",
            "imagePullPolicy": "Never",
            "startupProbe": {"periodSeconds": 1, "failureThreshold": 2},
            "readinessProbe": {"periodSeconds": 1},
        }
    ],
}
READY_S = 3 + 2
"""Startup within 1 + 1 + 1 s, readiness within 1 + 1 s."""
RECOVERY_S = 1 + 5 + READY_S + 10 + 5
ROUND_S = 20 + 1 + 5 + RECOVERY_S


@pytest.mark.parametrize(
    ("pods", "allowed", "rounds"), [(1, 1, 1), (4, 1, 4), (4, 2, 2), (5, 2, 3), (4, 9, 1), (0, 1, 0)]
)
def test_the_bound_is_a_round_for_each_share_of_the_budget(pods: int, allowed: int, rounds: int) -> None:
    """ceil(n / allowed) rounds, each of termination, recovery and kubectl's retry."""
    bound = drain_bound([Batch("pdb", pods, allowed, SPEC)], KUBERNETES)
    assert bound.total_s == rounds * ROUND_S
    assert bound.unpromised == ()


def test_batches_add_up_part_by_part() -> None:
    """Two budgets' rounds are summed under the same names, so that a reader sees what takes long."""
    bound = drain_bound([Batch("a", 2, 1, SPEC), Batch("b", 3, 1, SPEC)], KUBERNETES)
    parts = {part.name: part.seconds for part in bound.parts}
    assert parts["termination"] == 5 * 20
    assert parts["retry"] == 5 * 5
    assert parts["startup and readiness probes"] == 5 * READY_S
    assert bound.total_s == 5 * ROUND_S


def test_pods_that_no_budget_binds_leave_at_once() -> None:
    """Nothing waits for their replacements: one termination, however many they are."""
    bound = drain_bound([Batch("unbound", 7, None, SPEC)], KUBERNETES)
    assert bound.total_s == 20 + 1 + KUBERNETES.allowance_s


def test_what_nothing_bounds_is_said() -> None:
    """A budget that permits none, and a start without a startup probe, are named."""
    slow = {"containers": [{"name": "slow", "imagePullPolicy": "Never"}]}
    bound = drain_bound([Batch("web/pdb", 2, 0, slow)], KUBERNETES)
    reasons = [one.reason for one in bound.unpromised]
    assert reasons[0] == "web/pdb permits no eviction"
    assert any("slow" in reason for reason in reasons)
