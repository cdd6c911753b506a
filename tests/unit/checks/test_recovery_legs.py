"""Legs of a recovery: whatever was seen in whatever order, none is negative, and their parts are the whole."""

from __future__ import annotations

from typing import get_args

import pytest
from histories import PROBED
from hypothesis import given
from hypothesis import strategies as st

from chaos.checks.recovery.timeline import placed, whole_ns
from chaos.semantics import LAB, LegName, Way, leg_rules, recovery_bound, restart_bound

WAYS = get_args(Way)
STEPS = tuple(name for name in get_args(LegName) if name != "fault")
FAULT_NS = 1_000


@given(
    way=st.sampled_from(WAYS),
    seen=st.dictionaries(st.sampled_from(STEPS), st.integers(min_value=0, max_value=5_000)),
)
def test_parts_are_never_negative_and_add_up_to_the_whole(way: Way, seen: dict[LegName, int]) -> None:
    """The whole is from the fault to the last step that others wait for, in whatever order the steps were seen."""
    rules = leg_rules(way, PROBED, LAB)
    legs = placed(rules, {"fault": FAULT_NS, **seen})
    assert [leg.name for leg in legs] == [rule.name for rule in rules]
    assert all(leg.part_ns >= 0 and (leg.took_ns is None or leg.took_ns >= 0) for leg in legs)
    waited = [seen[rule.name] for rule in rules if rule.name in seen and not rule.aside]
    last = max((FAULT_NS, *waited))
    strays = [leg.at_ns for leg in legs if leg.rule.aside and leg.part_ns and leg.at_ns]
    assert whole_ns(legs) == max((last, *strays)) - FAULT_NS


@given(
    seen=st.dictionaries(st.sampled_from(STEPS), st.integers(min_value=0, max_value=5_000)), way=st.sampled_from(WAYS)
)
def test_a_step_that_has_no_part_though_seen_is_explained(way: Way, seen: dict[LegName, int]) -> None:
    """Where the order is odd, the leg says so, and some other leg that was seen does too, unless it is the fault."""
    legs = placed(leg_rules(way, PROBED, LAB), {"fault": FAULT_NS, **seen})
    for leg in legs:
        if "before the step that it follows" in leg.note and (leg.at_ns or 0) >= FAULT_NS:
            assert any(f"{leg.name} was seen" in other.note for other in legs)
        if "which does not wait for it" in leg.note:
            assert any(f"{leg.name} came" in other.note for other in legs)


@pytest.mark.parametrize("way", WAYS)
def test_every_step_of_a_way_begins_with_one_before_it(way: Way) -> None:
    """No leg waits for a step that its way does not have, or that comes later."""
    known = ["fault"]
    for rule in leg_rules(way, PROBED, LAB):
        assert set(rule.since) <= set(known), rule
        known.append(rule.name)


def test_the_legs_of_a_replacement_are_made_of_the_parts_of_the_whole() -> None:
    """Controller, scheduling and start, probes and status report are those of the bound for the whole way."""
    whole = {part.name: part.seconds for part in recovery_bound(PROBED, LAB).parts}
    rules = {rule.name: rule.bound for rule in leg_rules("replaced", PROBED, LAB)}
    for name in ("replacement created", "scheduled", "started", "Ready"):
        bound = rules[name]
        assert bound is not None
        assert all(whole[part.name] == part.seconds for part in bound.parts), name


def test_back_off_counts_in_the_restart_alone() -> None:
    """A container that was restarted before waits longer, up to the kubelet's cap."""
    bounds = {
        count: {rule.name: rule.bound for rule in leg_rules("restarted", PROBED, LAB, restarts=count)}
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
    rules = {rule.name: rule for rule in leg_rules("restarted", {"containers": [{"name": "m"}]}, LAB)}
    assert rules["container restarted"].bound is None
    assert rules["unready"].bound is None
    assert rules["probe failure event"].bound is None


def test_a_pod_that_tolerates_a_lost_node_for_ever_need_not_be_replaced() -> None:
    """Its replacement has no bound; with a toleration of ten seconds it has."""
    forever = [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]
    soon = [{**forever[0], "tolerationSeconds": 10}]
    for tolerations, bounded in ((forever, False), (soon, True)):
        rules = {rule.name: rule.bound for rule in leg_rules("moved", {**PROBED, "tolerations": tolerations}, LAB)}
        assert (rules["replacement created"] is not None) is bounded
