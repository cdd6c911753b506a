"""NothingEvicted: an outage of every node takes nobody, if it was one, and lasted."""

from __future__ import annotations

import pytest
from histories import PROBED, Story, at, node, nothing, pod, replica_set
from node_loss_stories import marked, noticed, outage, powered, standing

from chaos.checks import NothingEvicted
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap

FOREVER = {**PROBED, "tolerations": [{"operator": "Exists"}]}


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return NothingEvicted()(story.history())


def test_nobody_marked_in_a_long_outage_passes() -> None:
    """Both nodes NotReady for 33 s, where 10 s are tolerated, and no replica marked."""
    finding = judged(outage())
    assert finding.answer is Answer.PASS, finding.reason
    assert finding.measured == "0 of 2 replicas marked to go; every node NotReady for 33.0 s"


def test_a_replica_marked_in_the_outage_fails() -> None:
    """A replica that was marked 11 s after the last node was NotReady is named."""
    finding = judged(marked(outage(), 58))
    assert finding.answer is Answer.FAIL
    assert "evicted though no node was left: model-a" in finding.reason


@pytest.mark.parametrize(
    ("reason", "answer"),
    [
        ("DeletionByTaintManager", Answer.FAIL),
        ("EvictionByEvictionAPI", Answer.UNKNOWN),
        ("PreemptionByScheduler", Answer.UNKNOWN),
    ],
)
def test_only_the_taint_of_its_node_evicts_a_replica(reason: str, answer: Answer) -> None:
    """Whom a drain or the scheduler takes in the outage was not evicted for the loss of its node."""
    story = outage().saw(58, "MODIFIED", pod("a", running=True, deleting=True, disruption=reason))
    finding = judged(story)
    assert finding.answer is answer, finding.line()


def test_a_scale_in_within_the_outage_is_no_eviction() -> None:
    """Its owner asks for one replica less, and the controller takes one, wherever its node is."""
    story = outage().saw(1, "MODIFIED", replica_set(2), "ReplicaSet").saw(57, "MODIFIED", replica_set(1), "ReplicaSet")
    finding = judged(marked(story, 58))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "its controller asked for fewer pods" in finding.reason


def test_the_controllers_own_race_on_the_last_node_is_counted_apart() -> None:
    """A replica of the last node may go, because its taint may come while all others are taken back; that is said."""
    finding = judged(marked(outage(), 58, uid="b", name="n2"))
    assert finding.answer is Answer.PASS
    assert "1 of them on the last node to be NotReady" in finding.measured


def test_where_all_turned_at_once_a_marked_replica_leaves_none_to_tell() -> None:
    """If every node was NotReady in the same pass, whoever was marked may have been by that race."""
    finding = judged(marked(outage(first_s=46.9), 58))
    assert finding.answer is Answer.UNKNOWN
    assert "none is left to tell" in finding.reason


def test_a_replica_marked_after_the_power_came_back_does_not_count() -> None:
    """What happens when nodes are back is not the outage's doing."""
    assert judged(marked(outage(), 90)).answer is Answer.PASS
    assert judged(marked(outage(), 90).has(late=(Gap("Pod", at(85), at(90), "reset"),))).answer is Answer.PASS


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (standing(), "not every node was taken down: n1, n2"),
        (noticed(powered(standing(), "n1")), "not every node was taken down: n2"),
        (noticed(powered(standing(), "n1", "n2")), "never seen NotReady: n2"),
        (outage(on_s=55), "NotReady for 8.0 s, which proves nothing in less than 14 s"),
        (outage().gap(50, 51), "the watch of Pods had 1 gap"),
        (marked(outage(), 90).has(late=(Gap("Pod", at(60), at(90), "reset"),)), "it may have been in the outage"),
        (marked(outage(), 46), "marked before every node was NotReady: model-a"),
        (
            noticed(
                noticed(powered(standing(spec=FOREVER), "n1", "n2"), spec=FOREVER), uid="b", name="n2", spec=FOREVER
            ),
            "tolerates a lost node for ever",
        ),
    ],
)
def test_what_was_no_such_outage_is_unknown(story: Story, words: str) -> None:
    """A node that was left, an outage too short, a gap, and a mark in the first moments prove nothing."""
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert words in finding.reason
    assert finding.settle


def test_an_empty_history_is_unknown() -> None:
    """Nothing recorded proves nothing."""
    assert NothingEvicted()(nothing()).answer is Answer.UNKNOWN


@pytest.mark.parametrize("marked_s", [None, 62])
def test_an_outage_ends_when_a_node_is_back_by_itself(marked_s: float | None) -> None:
    """n2 is Ready again after 5 s, long before the power is said to come back: from then on pods may be evicted."""
    story = outage().saw(52, "MODIFIED", node("n2"), "Node")
    finding = judged(story if marked_s is None else marked(story, marked_s))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "every node was NotReady for 5.0 s" in finding.reason
