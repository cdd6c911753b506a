"""Stages of a recovery: whatever was seen in whatever order, none is negative, and their parts are the whole."""

from __future__ import annotations

from typing import get_args

import pytest
from histories import PROBED
from hypothesis import given
from hypothesis import strategies as st

from chaos.checks.recovery.stages import placed, whole_ns
from chaos.semantics import LAB, RecoveryPath, StageName, recovery_bound, restart_bound, stage_rules

PATHS = get_args(RecoveryPath)
STEPS = tuple(name for name in get_args(StageName) if name != "fault")
FAULT_NS = 1_000


@given(
    path=st.sampled_from(PATHS),
    seen=st.dictionaries(st.sampled_from(STEPS), st.integers(min_value=0, max_value=5_000)),
)
def test_parts_are_never_negative_and_add_up_to_the_whole(path: RecoveryPath, seen: dict[StageName, int]) -> None:
    """The whole is from the fault to the last step that others wait for, in whatever order the steps were seen."""
    rules = stage_rules(path, PROBED, LAB)
    stages = placed(rules, {"fault": FAULT_NS, **seen})
    assert [stage.name for stage in stages] == [rule.name for rule in rules]
    assert all(stage.part_ns >= 0 and (stage.took_ns is None or stage.took_ns >= 0) for stage in stages)
    waited = [seen[rule.name] for rule in rules if rule.name in seen and not rule.aside]
    last = max((FAULT_NS, *waited))
    strays = [stage.at_ns for stage in stages if stage.rule.aside and stage.part_ns and stage.at_ns]
    assert whole_ns(stages) == max((last, *strays)) - FAULT_NS


@given(
    seen=st.dictionaries(st.sampled_from(STEPS), st.integers(min_value=0, max_value=5_000)), path=st.sampled_from(PATHS)
)
def test_a_step_that_has_no_part_though_seen_is_explained(path: RecoveryPath, seen: dict[StageName, int]) -> None:
    """Where the order is odd, the stage says so, and some other stage that was seen does, too."""
    stages = placed(stage_rules(path, PROBED, LAB), {"fault": FAULT_NS, **seen})
    for stage in stages:
        if "before the step that it follows" in stage.note and (stage.at_ns or 0) >= FAULT_NS:
            assert any(f"{stage.name} was seen" in other.note for other in stages)
        if "which does not wait for it" in stage.note:
            assert any(f"{stage.name} came" in other.note for other in stages)


@pytest.mark.parametrize("path", PATHS)
def test_every_step_of_a_way_begins_with_one_before_it(path: RecoveryPath) -> None:
    """No stage waits for a step that its path does not have, or that comes later."""
    known = ["fault"]
    for rule in stage_rules(path, PROBED, LAB):
        assert set(rule.since) <= set(known), rule
        known.append(rule.name)


def test_the_stages_of_a_replacement_are_made_of_the_parts_of_the_whole() -> None:
    """Controller, scheduling and start, probes and status report are those of the bound for the whole path."""
    whole = {part.name: part.seconds for part in recovery_bound(PROBED, LAB).parts}
    rules = {rule.name: rule.bound for rule in stage_rules("replaced", PROBED, LAB)}
    for name in ("replacement created", "scheduled", "started", "Ready"):
        bound = rules[name]
        assert bound is not None
        assert all(whole[part.name] == part.seconds for part in bound.parts), name


def test_back_off_counts_in_the_restart_alone() -> None:
    """A container that was restarted before waits longer, up to the kubelet's cap."""
    bounds = {
        count: {rule.name: rule.bound for rule in stage_rules("restarted", PROBED, LAB, restarts=count)}
        for count in (0, 1)
    }
    first, again = bounds[0]["container restarted"], bounds[1]["container restarted"]
    assert first is not None
    assert again is not None
    assert again.total_s - first.total_s == LAB.restart_backoff_cap_s
    assert bounds[0]["Ready"] == bounds[1]["Ready"]
    assert again.total_s < restart_bound(PROBED, LAB, restarts=1).total_s


def test_nothing_bounds_a_restart_without_a_liveness_probe_nor_unready_without_a_readiness_probe() -> None:
    """What no probe looks at, nobody promises to find."""
    rules = {rule.name: rule for rule in stage_rules("restarted", {"containers": [{"name": "m"}]}, LAB)}
    assert rules["container restarted"].bound is None
    assert rules["unready"].bound is None
    assert rules["probe failure event"].bound is None


def test_a_pod_that_tolerates_a_lost_node_for_ever_need_not_be_replaced() -> None:
    """Its replacement has no bound; with a toleration of ten seconds it has."""
    forever = [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]
    soon = [{**forever[0], "tolerationSeconds": 10}]
    for tolerations, bounded in ((forever, False), (soon, True)):
        rules = {rule.name: rule.bound for rule in stage_rules("moved", {**PROBED, "tolerations": tolerations}, LAB)}
        assert (rules["replacement created"] is not None) is bounded
