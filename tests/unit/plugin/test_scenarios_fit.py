"""Which ready-made scenarios are tried on which system: for each there is a decision, and no fault breaks a bound.

Replicas from 1 to 6, five disruption budgets, four ways in which owners bound what may be down, replicas spread over
three nodes or all on one.
"""

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from scenario_rehearsal import BUDGETS, OWNERS, PLACES, TOLD_AT, Told

ROOT = Path(__file__).parents[3]
TAKES_S = 500
KILL, DRAIN = "test_pod_kill.py::test_killed_pods_are_replaced_within_the_slo", "test_node_drain.py::"
BY_LOAD = ("test_keda.py", "test_load_spike.py", "test_metrics_path.py", "test_queue_length.py", "test_scale_down.py")
ALONE = (
    "test_nothing_is_evicted_while_every_node_is_lost",
    "test_a_drain_that_the_disruption_budget_forbids_is_blocked",
)
"""Scenarios of which one replica is enough: it is kept, or lost with everything."""


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Sequence[Told]:
    """What became of each scenario on each system, by a pytest of its own."""
    path = tmp_path_factory.mktemp("told") / "told.json"
    argv = [sys.executable, "-m", "pytest", "scenarios", "--collect-only", "-q", "-p", "no:cacheprovider"]
    support = os.pathsep.join((str(ROOT / "tests" / "support"), str(ROOT)))
    environment = {**os.environ, TOLD_AT: str(path), "PYTHONPATH": support}
    done = subprocess.run(
        [*argv, "-p", "scenario_rehearsal"],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=TAKES_S,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return [_told(one) for one in json.loads(path.read_text())]


def _told(plain: dict[str, Any]) -> Told:
    return Told(**{**plain, "left_out": tuple(plain["left_out"]), "hit": tuple(plain["hit"])})


def test_every_scenario_has_a_decision_for_every_system(told: Sequence[Told]) -> None:
    """Each case is there once, and none ends in an error."""
    names = {one.scenario for one in told}
    assert len(names) > 40
    assert len(told) == len(names) * 6 * len(BUDGETS) * len(OWNERS) * len(PLACES)
    assert [one for one in told if one.broken] == []


def test_no_run_is_empty(told: Sequence[Told]) -> None:
    """Whatever is tried has a fault that hits something, or a load that rises."""
    empty = [one for one in told if not one.left_out and not one.hit and not one.scenario.startswith(BY_LOAD)]
    assert empty == []


def test_what_is_left_out_says_what_would_allow_it(told: Sequence[Told]) -> None:
    """One sentence each, with the reason before the colon and the remedy behind it."""
    for reason in {reason for one in told for reason in one.left_out}:
        why, colon, remedy = reason.partition(": ")
        assert why, reason
        assert colon, reason
        assert remedy, reason
        assert "\n" not in reason


def test_no_fault_hits_more_than_the_owners_allow(told: Sequence[Told]) -> None:
    """Of the pods that one fault hits, whatever the scenario is about."""
    for one in told:
        most = {"default": max(1, one.replicas // 2), "one pod": 1, "a tenth": 0, "much": one.replicas}[one.owners]
        assert all(hit <= most for hit in one.hit), one


def test_no_scenario_is_left_out_everywhere(told: Sequence[Told]) -> None:
    """Each has a system on which it is tried."""
    assert {one.scenario for one in told} == {one.scenario for one in told if not one.left_out}


def decision(told: Sequence[Told], scenario: str, replicas: int, budget: str, owners: str = "default") -> Any:
    """How many pods its faults hit, or the reason it was left out, with the replicas spread."""
    wanted = (scenario, replicas, budget, owners, "spread")
    (one,) = (o for o in told if (o.scenario, o.replicas, o.budget, o.owners, o.place) == wanted)
    return one.left_out[0] if one.left_out else one.hit


@pytest.mark.parametrize("replicas", range(2, 7))
def test_two_replicas_are_enough_for_a_kill_and_a_drain(told: Sequence[Told], replicas: int) -> None:
    """One of however many there are is killed; a drain takes a node with at most half of them."""
    for grace in ("graceful", "forced"):
        assert decision(told, f"{KILL}[one-{grace}]", replicas, "maxUnavailable 1") == (1,)
    hit = decision(told, f"{DRAIN}test_a_drained_node_costs_no_request", replicas, "maxUnavailable 1")
    assert hit == ((replicas + 2) // 3,)


def test_half_is_what_the_bounds_allow(told: Sequence[Told]) -> None:
    """Of four and five two, of six three; of three one, which is tried already; and never more than the owners say."""
    half = f"{KILL}[half-forced]"
    assert [decision(told, half, count, "none") for count in (4, 5, 6)] == [(2,), (2,), (3,)]
    for count in (2, 3):
        assert "1 of" in decision(told, half, count, "none")
    assert "raise safety.pods_max" in decision(told, half, 6, "none", "one pod")
    assert "0 of 6 replicas may be down at once" in decision(told, half, 6, "none", "a tenth")
    assert decision(told, half, 6, "none", "much") == (3,)


def test_the_budget_decides_about_evictions(told: Sequence[Told]) -> None:
    """One that lets nobody go leaves drains out but the one that is about that, and the other way round."""
    drained, blocked = (
        f"{DRAIN}{name}"
        for name in (
            "test_a_drained_node_costs_no_request",
            "test_a_drain_that_the_disruption_budget_forbids_is_blocked",
        )
    )
    assert "lets 0 of 4 replicas go" in decision(told, drained, 4, "all")
    assert decision(told, blocked, 4, "all") == (2,)
    assert "is about one that lets at most 0" in decision(told, blocked, 4, "maxUnavailable 1")
    many = "test_eviction.py::test_of_many_evictions_at_once_only_the_allowed_are_granted"
    assert decision(told, many, 4, "maxUnavailable 1") == (2,)
    assert "none of these is refused" in decision(told, many, 4, "none")
    assert decision(told, many, 6, "minAvailable 1", "much") == (6,)


def test_one_replica_leaves_only_what_needs_no_other(told: Sequence[Told]) -> None:
    """What has nobody to carry on is left out, in words that say how many it takes."""
    tried = {
        one.scenario.partition("::")[2].partition("[")[0] for one in told if one.replicas == 1 and not one.left_out
    }
    by_load = {one.scenario.partition("::")[2].partition("[")[0] for one in told if one.scenario.startswith(BY_LOAD)}
    assert tried - by_load == set(ALONE)
    for grace in ("graceful", "forced"):
        assert decision(told, f"{KILL}[one-{grace}]", 1, "none") == (
            "the system has 1 replica, the scenario needs 2: give it more"
        )
