"""Zones that lose too many nodes: the controller taints fewer of them, or none, and so fewer replicas have to move."""

from __future__ import annotations

from typing import Any

import pytest
from histories import Phase, Story, at, deployment, node, replica_set
from node_loss_stories import noticed, powered, standing

from chaos.checks import EndState, Recovered, RecoveredInTime, Rescheduled
from chaos.checks.verdict import Answer, Check

CHECKS = (Recovered(), Rescheduled(), EndState())


def zone_without(*others: str) -> Story:
    """Of the four nodes of a zone n1, which holds a replica, and these others are lost for good; nothing is evicted."""
    story = noticed(powered(standing(end_s=300), "n1", *others, on_s=None))
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    for name in ("n3", "n4"):
        story.saw(0, "LISTED", node(name), "Node")
        if name in others:
            story.saw(47, "MODIFIED", node(name, ready=False), "Node")
    return story.has(phases=(Phase("fault", at(30), at(119)), Phase("recovery", at(119), at(280))))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_a_zone_that_lost_too_many_nodes_promises_no_replacement(check: Check) -> None:
    """Of four nodes three are lost, so the controller evicts nothing: no check holds the missing replica against it."""
    finding = check(zone_without("n3", "n4").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "nothing is evicted" in finding.reason
    assert check(zone_without().history()).answer is Answer.FAIL


def test_a_zone_that_lost_too_many_nodes_promises_no_stage_of_it() -> None:
    """Nor is any stage late, where nobody takes the replica from its lost node."""
    finding = RecoveredInTime()(zone_without("n3", "n4").history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


# --- nodes that are lost one after another -------------------------------------------------------------------------


def falling(*later: tuple[str, float], **labels: Any) -> Story:
    """n1, which holds a replica, is NotReady at 47 s, and each of the others at its own moment; none is back."""
    story = noticed(powered(standing(end_s=300), "n1", on_s=None))
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    for name in ("n3", "n4"):
        story.saw(0, "LISTED", node(name, labels=labels.get(name)), "Node")
    for name in ("n1", "n2"):
        story.saw(0, "LISTED", node(name, labels=labels.get(name)), "Node")
    for name, at_s in later:
        story.saw(at_s, "MODIFIED", node(name, ready=False, labels=labels.get(name)), "Node")
    return story.has(phases=(Phase("fault", at(30), at(119)), Phase("recovery", at(119), at(280))))


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
@pytest.mark.parametrize(
    ("later", "promised"),
    [
        pytest.param((("n3", 50), ("n4", 60)), False, id="the third before the first need be tainted"),
        pytest.param((("n3", 50), ("n4", 90)), True, id="the third after that"),
        pytest.param((("n3", 50),), True, id="no third"),
        pytest.param((("n3", 61), ("n4", 62), ("n2", 63)), False, id="all of them while the replica tolerates it"),
        pytest.param((("n3", 150), ("n4", 151), ("n2", 152)), True, id="all of them long afterwards"),
    ],
)
def test_a_zone_that_goes_on_losing_nodes_may_stop_evicting(
    check: Check, later: tuple[tuple[str, float], ...], *, promised: bool
) -> None:
    """Ten seconds for each lost node may pass before one is tainted, and until a replica goes the taint may be lifted.

    Of two nodes that were lost the second is tainted 20 s after it at the latest, and its replica goes 10 s later.
    """
    finding = check(falling(*later).history())
    assert finding.answer is (Answer.FAIL if promised else Answer.UNKNOWN), finding.line()
    assert promised or "nothing is evicted" in finding.reason


def test_a_zone_that_goes_on_losing_nodes_owes_no_stage() -> None:
    """Nor is any stage of the replica's recovery late."""
    finding = RecoveredInTime()(falling(("n3", 50), ("n4", 60)).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
def test_zones_of_one_name_in_two_regions_are_two(check: Check) -> None:
    """Three of four nodes of name `a` are lost, but of one region only two of three: it is evicted as usual."""
    zone = "topology.kubernetes.io/zone"
    places = {"n1": "west", "n2": "west", "n3": "west", "n4": "east"}
    labels = {name: {zone: "a", "topology.kubernetes.io/region": region} for name, region in places.items()}
    finding = check(falling(("n3", 48), ("n4", 48), **labels).history())
    assert finding.answer is Answer.FAIL, finding.line()
