"""Spread and StayedInPool: where replicas were, on which of the nodes that could take them, and on no others."""

from __future__ import annotations

from typing import Any

import pytest
from budget_stories import Guarded, budget, drain_story, guarded
from histories import Story, at, node, pod

from chaos.checks import Spread, StayedInPool
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap
from chaos.objects.kinds import NodeView
from chaos.semantics.scheduling import could_take


def spread(story: Story, key: str = "kubernetes.io/hostname", max_skew: int = 1) -> Finding:
    """The finding of Spread."""
    return Spread(key, max_skew)(story.history())


def stayed(story: Story, value: str = "blue") -> Finding:
    """The finding of StayedInPool."""
    return StayedInPool("pool", value)(story.history())


def heap(*uids: str) -> Guarded:
    """Replicas that all stand on node n1, of three."""
    story = Guarded().stands(pdb=budget())
    story.traffic()
    for uid in uids:
        story.saw(0, "LISTED", pod(uid, ready=True, node="n1"))
    return story


# --- spread -------------------------------------------------------------------------------------------------


def test_replicas_over_all_nodes_pass() -> None:
    """Four replicas over three nodes, 2, 1 and 1."""
    finding = spread(guarded())
    assert finding.answer is Answer.PASS
    assert finding.values["domains"] == {"n1": 2, "n2": 1, "n3": 1}
    assert finding.values["skew"] == 1


@pytest.mark.parametrize("kind", ["Pod", "Node"])
@pytest.mark.parametrize(
    ("since_s", "until_s", "answer"),
    [
        pytest.param(90, 110, Answer.UNKNOWN, id="as recovery ended"),
        pytest.param(50, 99.5, Answer.UNKNOWN, id="resumed just before"),
        pytest.param(50, 60, Answer.PASS, id="before"),
        pytest.param(105, 110, Answer.PASS, id="afterwards"),
    ],
)
def test_where_replicas_were_while_the_watch_was_cut_off_is_unknown(
    kind: str, since_s: float, until_s: float, answer: Answer
) -> None:
    """What the resumed watch told later may have been so when recovery ended, at 100 s."""
    story = guarded().has(late=(Gap(kind, at(since_s), at(until_s), "reset"),))
    assert spread(story).answer is answer


def test_replicas_on_one_node_fail() -> None:
    """Three replicas on one node while two others could take them."""
    finding = spread(heap("a", "b", "c"))
    assert finding.answer is Answer.FAIL
    assert finding.values["skew"] == 3
    assert "n1 holds 3 ready replicas, n2 0" in finding.reason
    assert spread(heap("a", "b", "c"), max_skew=3).answer is Answer.PASS


def test_zones_are_domains_too() -> None:
    """Two nodes of one zone hold together what one of the other does."""
    story = heap("a", "b", "c", "d")
    for number, zone in ((1, "x"), (2, "x"), (3, "y")):
        story.saw(1, "MODIFIED", node(f"n{number}", labels={"zone": zone}), "Node")
    assert spread(story, "zone").values["domains"] == {"x": 4, "y": 0}
    assert spread(story, "zone").answer is Answer.FAIL


@pytest.mark.parametrize("closed", [node("n3", cordoned=True), node("n3", ready=False)])
def test_a_node_that_can_take_none_is_no_domain(closed: dict[str, Any]) -> None:
    """A node that is closed or lost need not hold a replica."""
    story = heap("a", "b")
    for uid in ("c", "d"):
        story.saw(10, "ADDED", pod(uid, ready=True, node="n2"))
    assert spread(story).answer is Answer.FAIL
    assert spread(story.saw(20, "MODIFIED", closed, "Node")).answer is Answer.PASS


def test_a_node_that_was_opened_too_late_is_named() -> None:
    """Kubernetes moves no pod: a node that was closed as the last was placed stays empty, and the finding says so."""
    story = heap("a", "b").saw(1, "MODIFIED", node("n2", cordoned=True), "Node")
    story.saw(1, "MODIFIED", node("n3", cordoned=True), "Node")
    for number in (2, 3):
        story.saw(50, "MODIFIED", node(f"n{number}"), "Node")
    finding = spread(story)
    assert finding.answer is Answer.FAIL
    assert "Kubernetes moves no pod afterwards" in finding.reason


def test_only_ready_replicas_count() -> None:
    """A replica that is not Ready fills no domain."""
    story = guarded().saw(50, "MODIFIED", pod("b", node="n2")).saw(50, "ADDED", pod("x", ready=True, node="n1"))
    finding = spread(story)
    assert finding.values["domains"] == {"n1": 3, "n2": 0, "n3": 1}
    assert finding.answer is Answer.FAIL


def test_the_end_of_recovery_decides() -> None:
    """What happens after the last phase, or was so before, does not."""
    story = heap("a", "b", "c")
    story.saw(50, "DELETED", pod("b", ready=True)).saw(51, "ADDED", pod("d", ready=True, node="n2"))
    story.saw(52, "DELETED", pod("c", ready=True)).saw(53, "ADDED", pod("e", ready=True, node="n3"))
    story.saw(110, "DELETED", pod("e", ready=True, node="n3"))
    story.saw(110, "ADDED", pod("f", ready=True, node="n1")).saw(110, "ADDED", pod("g", ready=True, node="n1"))
    finding = spread(story)
    assert finding.answer is Answer.PASS
    assert finding.values["skew_max_over_time"] == 3


def test_one_domain_is_nothing_to_spread_over() -> None:
    """With one node left, or none that has the label, nothing can be spread."""
    story = heap("a").saw(1, "DELETED", node("n2"), "Node").saw(1, "DELETED", node("n3"), "Node")
    assert spread(story).answer is Answer.UNKNOWN
    assert spread(guarded(), "no-such-label").answer is Answer.UNKNOWN


@pytest.mark.parametrize("kind", ["Pod", "Node"])
def test_a_gap_at_the_end_is_unknown(kind: str) -> None:
    """Where replicas were is not known if the end of recovery lies in a gap; a gap before does not matter."""
    assert spread(guarded().gap(90, 101, kind)).answer is Answer.UNKNOWN
    assert spread(guarded().gap(50, 60, kind)).answer is Answer.PASS


def test_no_replica_is_unknown() -> None:
    """Without a ready replica nothing is spread."""
    assert spread(heap()).answer is Answer.UNKNOWN


def test_a_skew_of_nothing_is_refused() -> None:
    """No number of replicas can always be spread evenly."""
    with pytest.raises(ValueError, match="max_skew"):
        Spread(max_skew=0)


@pytest.mark.parametrize(
    ("spec", "taken"),
    [
        ({}, True),
        ({"nodeSelector": {"pool": "blue"}}, True),
        ({"nodeSelector": {"pool": "green"}}, False),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "pool", "operator": "In", "values": ["green"]}]},
                                {"matchFields": [{"key": "metadata.name", "operator": "In", "values": ["n1"]}]},
                            ]
                        }
                    }
                }
            },
            True,
        ),
        (
            {
                "affinity": {
                    "nodeAffinity": {
                        "requiredDuringSchedulingIgnoredDuringExecution": {
                            "nodeSelectorTerms": [
                                {"matchExpressions": [{"key": "pool", "operator": "NotIn", "values": ["blue"]}]},
                                {"matchExpressions": [{"key": "size", "operator": "Gt", "values": ["3"]}]},
                            ]
                        }
                    }
                }
            },
            False,
        ),
    ],
)
def test_a_pod_chooses_its_nodes(spec: dict[str, Any], *, taken: bool) -> None:
    """A node selector and required affinity narrow the nodes down, as the scheduler reads them."""
    assert could_take(NodeView(node("n1", labels={"pool": "blue"})), spec) is taken


@pytest.mark.parametrize(
    ("toleration", "taken"),
    [
        ({}, False),
        ({"key": "gpu", "operator": "Exists"}, True),
        ({"key": "gpu", "value": "yes", "effect": "NoSchedule"}, True),
        ({"key": "gpu", "value": "no"}, False),
        ({"operator": "Exists"}, True),
        ({"key": "gpu", "operator": "Exists", "effect": "NoExecute"}, False),
    ],
)
def test_a_taint_has_to_be_tolerated(toleration: dict[str, Any], *, taken: bool) -> None:
    """A node with a taint takes only pods that tolerate it; one that is only preferred against takes all."""
    raw = node("n1")
    raw["spec"]["taints"] = [{"key": "gpu", "value": "yes", "effect": "NoSchedule"}, {"effect": "PreferNoSchedule"}]
    assert could_take(NodeView(raw), {"tolerations": [toleration]}) is taken


# --- stayed in the pool -------------------------------------------------------------------------------------


def test_replicas_that_stayed_in_their_pool_pass() -> None:
    """All nodes of the drain's story are of the pool."""
    finding = stayed(drain_story())
    assert finding.answer is Answer.PASS
    assert finding.values["pods"] == 6


def test_a_replica_outside_of_the_pool_fails() -> None:
    """One replacement on a node of another pool, and be it for a second."""
    story = drain_story().saw(1, "ADDED", node("n9", labels={"pool": "green"}), "Node")
    story.saw(50, "ADDED", pod("x", node="n9")).saw(51, "DELETED", pod("x", node="n9"))
    finding = stayed(story)
    assert finding.answer is Answer.FAIL
    assert "node n9, which has pool=green" in finding.reason
    assert finding.evidence[0].at_ns == at(50)


def test_a_node_that_leaves_the_pool_under_a_replica_fails() -> None:
    """The label counts for as long as the replica is there."""
    story = guarded().saw(50, "MODIFIED", node("n2"), "Node")
    finding = stayed(story)
    assert finding.answer is Answer.FAIL
    assert "lacks the label pool" in finding.reason


def test_a_node_that_left_the_pool_after_the_replica_does_not_matter() -> None:
    """What becomes of an empty node is nobody's concern."""
    story = guarded().saw(40, "DELETED", pod("b", ready=True, node="n2")).saw(50, "MODIFIED", node("n2"), "Node")
    assert stayed(story).answer is Answer.PASS


def test_a_waiting_pod_is_nowhere() -> None:
    """A pod that no node has taken is not outside."""
    assert stayed(guarded().saw(50, "ADDED", pod("x", node=""))).answer is Answer.PASS


@pytest.mark.parametrize("kind", ["Pod", "Node"])
def test_a_gap_anywhere_is_unknown(kind: str) -> None:
    """A pod may have lived, or a label been gone, within a gap."""
    assert stayed(guarded().gap(60, 61, kind)).answer is Answer.UNKNOWN


def test_a_gap_does_not_excuse_what_was_seen() -> None:
    """A replica that was seen outside was outside."""
    assert stayed(guarded().gap(60, 61), value="green").answer is Answer.FAIL


def test_a_node_that_was_never_seen_is_unknown() -> None:
    """Without the node its label is not known."""
    assert stayed(guarded().saw(50, "ADDED", pod("x", node="n7"))).answer is Answer.UNKNOWN


def test_no_pod_at_all_is_unknown() -> None:
    """Nothing stayed anywhere."""
    assert stayed(heap()).answer is Answer.UNKNOWN
