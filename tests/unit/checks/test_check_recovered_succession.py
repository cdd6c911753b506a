"""Recovered: who replaced whom, by owner, order and UID."""

from __future__ import annotations

from histories import Story, at, deployment, kill_story, killed, pod, replica_set

from chaos.checks import Recovered
from chaos.checks.verdict import Answer, Finding


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return Recovered()(story.history())


def test_a_replacement_in_time_passes_with_its_stages() -> None:
    """A kill whose replacement is Ready within the bound passes, and each stage is told in seconds from the loss."""
    finding = judged(kill_story())
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["bound_s"] == 29
    assert finding.values["replicas"] == [
        {
            "victim": "model-a",
            "victim_uid": "a",
            "lost_ns": at(30.2),
            "replacement": "model-d",
            "replacement_uid": "d",
            "needed": True,
            "created_s": 0.1,
            "scheduled_s": 0.2,
            "started_s": 1.1,
            "ready_s": 3.8,
        }
    ]


def test_only_the_replacement_of_the_own_owner_counts() -> None:
    """A pod of another Deployment that is created at that moment is nobody's replacement."""
    other = replica_set(1, "rs-9", deployment_name="other")
    story = killed().saw(0, "LISTED", other, "ReplicaSet").replaced("x", 30.3, ready_s=34, owner="rs-9")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert finding.values["replicas"][0]["replacement"] is None


def test_a_pod_of_the_next_rollout_is_nobodys_successor() -> None:
    """A pod that another ReplicaSet of the same Deployment makes ends the dip, but replaces nobody of the first."""
    story = (
        killed().saw(0, "LISTED", replica_set(1, "rs-2"), "ReplicaSet").replaced("x", 30.3, ready_s=34, owner="rs-2")
    )
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert finding.values["replicas"][0]["replacement"] is None


def test_a_pod_that_was_there_before_is_nobodys_successor() -> None:
    """A pod that was created before the loss and turned Ready after it ends the dip, but replaces nobody."""
    story = Story().replicas("a", "b", "c").saw(20, "ADDED", pod("e")).fault("a").killed("a", 30.2)
    finding = judged(story.saw(32, "MODIFIED", pod("e", ready=True)))
    assert finding.answer is Answer.UNKNOWN
    assert "no pod of the same owner was made after the loss of model-a" in finding.reason


def test_order_decides_where_two_moments_are_one() -> None:
    """Of two events received in one moment, a pod created in the first does not replace the victim of the second."""
    story = Story().replicas("a", "b", "c").fault("a").saw(30.2, "ADDED", pod("e")).killed("a", 30.2)
    finding = judged(story.saw(32, "MODIFIED", pod("e", ready=True)))
    assert finding.values["replicas"][0]["replacement"] is None


def test_two_victims_have_two_successors_in_order() -> None:
    """The n-th victim's successor is the n-th pod that its owner made after that."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    finding = judged(story.replaced("d", 30.4, ready_s=34).replaced("e", 30.5, ready_s=36))
    assert finding.answer is Answer.PASS
    assert [pair["replacement_uid"] for pair in finding.values["replicas"]] == ["d", "e"]
    assert finding.values["dips"][0]["lowest"] == 1


def test_one_successor_does_not_serve_for_two_victims() -> None:
    """Two dead and one replaced is a FAIL, however quick the one was."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    assert judged(story.replaced("d", 30.4, ready_s=34)).answer is Answer.FAIL


def test_a_victim_of_the_same_name_is_told_apart_by_uid() -> None:
    """A successor that bears the victim's name is a new pod, and its life is its own."""
    replacement = pod("d")
    replacement["metadata"]["name"] = "model-a"
    ready = pod("d", ready=True)
    ready["metadata"]["name"] = "model-a"
    finding = judged(killed().saw(30.3, "ADDED", replacement).saw(34, "MODIFIED", ready))
    assert finding.answer is Answer.PASS
    assert finding.values["replicas"][0]["replacement_uid"] == "d"


def test_fewer_desired_ends_a_dip_and_excuses_the_missing() -> None:
    """Where the owner asks for fewer pods after the loss, nobody has to take the victim's place."""
    story = killed().saw(32, "MODIFIED", deployment(2), "Deployment").saw(32, "MODIFIED", replica_set(2), "ReplicaSet")
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert not finding.values["replicas"][0]["needed"]
