"""Rescheduled: stage by stage, in time or late, and what is not known."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
from histories import PROBED, Story, deployment, node, nothing, pod, replica_set
from node_loss_stories import (
    BOUND_S,
    claim,
    marked,
    moved,
    node_loss_story,
    noticed,
    powered,
    standing,
    unscheduled,
    volume,
)
from probe_stories import endpoints

from chaos.checks import Recovered, RecoveredInTime, Rescheduled
from chaos.checks.verdict import Answer, Check, Finding
from chaos.history import Gap

PATIENT = {
    **PROBED,
    "tolerations": [
        {
            "key": "node.kubernetes.io/unreachable",
            "operator": "Exists",
            "effect": "NoExecute",
            "tolerationSeconds": 300,
        }
    ],
}
STAGES = (
    "unready",
    "endpoint removed",
    "marked for deletion",
    "replacement created",
    "scheduled",
    "started",
    "Ready",
)


def judged(story: Story, within_s: float | None = None) -> Finding:
    """The finding on a story."""
    return Rescheduled(within_s=within_s)(story.history())


def test_a_replica_that_is_back_in_time_passes_stage_by_stage() -> None:
    """Each stage begins where the one before it ended; together they are the whole."""
    finding = judged(node_loss_story())
    assert finding.answer is Answer.PASS, finding.reason
    (replica,) = finding.values["replicas"]
    assert (replica["seconds"], replica["limit_s"]) == (32, BOUND_S)
    took = {stage["stage"]: stage["seconds"] for stage in replica["stages"] if stage["stage"] in STAGES}
    assert took == pytest.approx(dict(zip(STAGES, [17.1, 0.1, 10.8, 0.1, 0.1, 0.9, 2.9], strict=True)))
    assert sum(took.values()) == pytest.approx(32)
    assert sum(part["seconds"] for part in finding.values["bound_parts"]) == BOUND_S


@pytest.mark.parametrize(
    ("story", "stage"),
    [
        (powered(standing(end_s=150), "n1", on_s=140), "unready"),
        (noticed(powered(standing(end_s=150), "n1", on_s=140)), "marked for deletion"),
        (marked(noticed(powered(standing(end_s=150), "n1", on_s=140))), "replacement created"),
        (
            moved(marked(noticed(powered(standing(end_s=150), "n1", on_s=140))), scheduled=False, ready_s=None),
            "scheduled",
        ),
        (moved(marked(noticed(powered(standing(end_s=150), "n1", on_s=140))), ready_s=None), "Ready"),
        (moved(marked(noticed(powered(standing(end_s=150), "n1", on_s=140))), ready_s=105), "Ready"),
    ],
)
def test_the_stage_that_was_late_is_named(story: Story, stage: str) -> None:
    """Whatever step is missing at the limit, or took too long, is named."""
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert f"late was: {stage}" in finding.reason
    assert finding.values["replicas"][0]["late_stage"] == stage


def test_a_promise_of_ones_own_counts_in_place_of_the_bound() -> None:
    """A toleration of 300 s keeps Kubernetes' bound, and breaks a promise of 60 s: the toleration is named."""
    story = noticed(powered(standing(spec=PATIENT), "n1", on_s=115), spec=PATIENT)
    finding = judged(story, within_s=60)
    assert finding.answer is Answer.FAIL
    assert "late was: marked for deletion: its spec tolerates a lost node for 300 s" in finding.reason
    assert judged(node_loss_story(), within_s=33).answer is Answer.PASS
    short = judged(node_loss_story(), within_s=31)
    assert short.answer is Answer.FAIL
    assert "longest was: unready" in short.reason


def test_a_claim_that_is_stuck_to_the_lost_node_is_the_cause() -> None:
    """Where only the lost node can reach a claim's volume, the claim is named, with the node."""
    story = marked(noticed(powered(standing(end_s=150), "n1", on_s=140)))
    story.saw(0, "LISTED", claim("model-weights", "disk-1"), "PersistentVolumeClaim")
    story.saw(0, "LISTED", volume("disk-1", "n1"), "PersistentVolume")
    story.saw(58.1, "ADDED", unscheduled("c", "0/2 nodes are available", claim="model-weights"))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "claim model-weights is stuck to the lost node n1: its volume disk-1 is only there" in finding.reason


def test_without_a_stuck_claim_the_scheduler_says_why() -> None:
    """A claim that any node can reach is not blamed; the scheduler's own words are given."""
    story = marked(noticed(powered(standing(end_s=150), "n1", on_s=140)))
    story.saw(0, "LISTED", claim("model-weights", "disk-1"), "PersistentVolumeClaim")
    story.saw(0, "LISTED", volume("disk-1"), "PersistentVolume")
    story.saw(58.1, "ADDED", unscheduled("c", "0/2 nodes are available: 1 Insufficient cpu", claim="model-weights"))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "no node takes it: 0/2 nodes are available: 1 Insufficient cpu" in finding.reason


def test_a_replacement_on_a_lost_node_is_none() -> None:
    """A pod that is Ready on the node that is lost does not count."""
    finding = judged(moved(marked(noticed(powered(standing(), "n1"))), name="n1"))
    assert finding.answer is Answer.FAIL
    assert "is on node n1, which is lost too" in finding.reason


FOREVER = {**PROBED, "tolerations": [{"operator": "Exists"}]}


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (Story().replicas("a", "b").traffic(), "no node was lost"),
        (powered(standing(), "n3"), "the lost node held no replica"),
        (noticed(powered(standing(), "n1", on_s=50)), "the node was switched on again before any replica was due"),
        (marked(noticed(powered(standing(end_s=80), "n1", on_s=None))), "the record ended 49.8 s after the loss"),
        (node_loss_story().gap(59, 60), "the watch of Pods had a gap"),
        (
            noticed(powered(standing(spec=FOREVER, end_s=150), "n1", on_s=140), spec=FOREVER),
            "the pod tolerates a lost node for ever",
        ),
        (
            noticed(noticed(powered(standing(end_s=150), "n1", "n2", on_s=140)), uid="b", name="n2"),
            "nothing is evicted: too many nodes were lost at once",
        ),
    ],
)
def test_what_cannot_be_told_is_unknown(story: Story, words: str) -> None:
    """No loss, nothing due, a record too short, a gap, and nothing promised are no PASS and no FAIL."""
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert words in finding.reason
    assert finding.settle


def of_a_large_zone(nodes: int) -> Story:
    """Of so many nodes of a zone 41 are lost for good; the replica of n1 is taken 853 s later, and replaced."""
    story = noticed(powered(standing(end_s=1000), "n1", on_s=None))
    story.saw(0.1, "MODIFIED", deployment(2), "Deployment").saw(0.1, "MODIFIED", replica_set(2), "ReplicaSet")
    for number in range(3, nodes + 1):
        story.saw(0, "LISTED", node(f"x{number}"), "Node")
        if number <= 42:
            story.saw(47, "MODIFIED", node(f"x{number}", ready=False), "Node")
    moved(marked(story, 900), 900.1, ready_s=905)
    return story.saw(905.2, "MODIFIED", endpoints("b", "c"), "EndpointSlice")


SLOW: Mapping[Check, int] = {Rescheduled(): 20 + 4100 + 10 + 29, Recovered(): 4100 + 10 + 29}
"""The bounds of a zone that is evicted at 0.01 nodes a second: from the loss, and from when it is noticed."""


@pytest.mark.parametrize("check", SLOW, ids=lambda check: str(check.name))
def test_a_large_zone_in_disruption_has_the_time_of_its_rate(check: Check) -> None:
    """Of sixty nodes 41 are more than a zone may lose, and one in a hundred seconds is tainted; of 82 they are half."""
    finding = check(of_a_large_zone(60).history())
    assert finding.answer is Answer.PASS, finding.line()
    assert sum(part["seconds"] for part in finding.values["bound_parts"]) == pytest.approx(SLOW[check])
    assert check(of_a_large_zone(82).history()).answer is Answer.FAIL


def test_the_stage_of_a_large_zone_in_disruption_has_the_time_of_its_rate() -> None:
    """The taint may take as long as the zone's rate of eviction lets it, and no longer."""

    def stage(nodes: int) -> dict[str, object]:
        (recovery,) = RecoveredInTime()(of_a_large_zone(nodes).history()).values["recoveries"]
        return next(one for one in recovery["stages"] if one["stage"] == "marked for deletion")

    assert (stage(60)["answer"], stage(60)["bound_s"]) == ("PASS", 4100 + 10 + 5)
    assert (stage(82)["answer"], stage(82)["bound_s"]) == ("FAIL", 410 + 10 + 5)


def test_an_empty_history_is_unknown() -> None:
    """Nothing recorded proves nothing."""
    assert Rescheduled()(nothing()).answer is Answer.UNKNOWN


def test_late_news_makes_late_uncertain() -> None:
    """A replacement seen Ready after the limit, by a watch that was cut off before it, may have been in time."""
    story = moved(marked(noticed(powered(standing(), "n1", on_s=110))), ready_s=100)
    resumed = Gap("Pod", at_ns(90), at_ns(99.9), "cut off")
    assert judged(story.has(late=(resumed,))).answer is Answer.UNKNOWN


def at_ns(seconds: float) -> int:
    """A moment of the story."""
    return Story().saw(seconds, "ADDED", pod("x")).events[0].at_ns


@pytest.mark.parametrize(
    ("on", "within_s", "answer"),
    [("n1", None, Answer.UNKNOWN), ("n1", 60, Answer.UNKNOWN), ("n2", 60, Answer.PASS), ("n1", 40, Answer.FAIL)],
)
def test_a_replacement_on_the_node_itself_shows_no_room_elsewhere(
    on: str, within_s: float | None, answer: Answer
) -> None:
    """No other node took it until the lost one was back at 71 s."""
    story = marked(noticed(powered(standing(), "n1", on_s=70)))
    story.saw(58.1, "ADDED", unscheduled("c", "0/2 nodes are available: 1 Insufficient cpu"))
    story.saw(71, "MODIFIED", node("n1"), "Node")
    for at_s, ready, running in ((72, False, False), (73, False, True), (77, True, True)):
        story.saw(at_s, "MODIFIED", pod("c", ready=ready, running=running, node=on))
    finding = judged(story, within_s)
    assert finding.answer is answer, finding.line()
    assert ("is on node n1 itself" in finding.reason) is (answer is Answer.UNKNOWN)
