"""Recovered: who replaced whom, by owner, order and UID."""

from __future__ import annotations

from histories import Story, at, deployment, kill_story, killed, pod, replica_set

from chaos.checks import Recovered
from chaos.checks.verdict import Answer, Finding


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return Recovered()(story.history())


def test_a_replacement_in_time_passes_with_its_stages() -> None:
    """A kill whose replacement is Ready within the bound passes, and each step is given in seconds."""
    finding = judged(kill_story())
    assert finding.answer is Answer.PASS
    (loss,) = finding.values["losses"]
    assert (loss["victim"], loss["replacement"], loss["replacement_uid"]) == ("model-a", "model-d", "d")
    assert (loss["lost_ns"], loss["due_ns"], loss["bound_s"]) == (at(30.2), at(59.2), 29)
    assert (loss["fault"], loss["struck_ns"], loss["path"], loss["seconds"]) == (
        "pod-kill-1",
        at(30.1),
        "replaced",
        3.8,
    )
    assert {step["name"]: step["seconds"] for step in loss["steps"]} == {
        "unready": 0.1,
        "replacement created": 0.1,
        "scheduled": 0.1,
        "started": 0.9,
        "Ready": 2.7,
    }


def test_only_the_replacement_of_the_own_owner_counts() -> None:
    """A pod of another Deployment that is created at that moment is nobody's replacement."""
    other = replica_set(1, "rs-9", deployment_name="other")
    story = killed().saw(0, "LISTED", other, "ReplicaSet").replaced("x", 30.3, ready_s=34, owner="rs-9")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert finding.values["losses"][0]["replacement"] is None


def test_a_pod_of_the_next_rollout_is_nobodys_replacement() -> None:
    """A pod that another ReplicaSet of the same Deployment makes ends the dip, but replaces nobody of the first."""
    story = (
        killed().saw(0, "LISTED", replica_set(1, "rs-2"), "ReplicaSet").replaced("x", 30.3, ready_s=34, owner="rs-2")
    )
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert finding.values["losses"][0]["replacement"] is None


def test_a_pod_that_was_there_before_is_nobodys_replacement() -> None:
    """A pod that was created before the loss and turned Ready after it ends the dip, but replaces nobody."""
    story = Story().replicas("a", "b", "c").saw(20, "ADDED", pod("e")).fault("a").killed("a", 30.2)
    finding = judged(story.saw(32, "MODIFIED", pod("e", ready=True)))
    assert finding.answer is Answer.UNKNOWN
    assert "no pod of the same owner was made after the loss of model-a" in finding.reason


def test_order_decides_where_two_moments_are_one() -> None:
    """Of two events received in one moment, a pod created in the first does not replace the victim of the second."""
    story = Story().replicas("a", "b", "c").fault("a").saw(30.2, "ADDED", pod("e")).killed("a", 30.2)
    finding = judged(story.saw(32, "MODIFIED", pod("e", ready=True)))
    assert finding.values["losses"][0]["replacement"] is None


def test_two_victims_have_two_replacements_in_order() -> None:
    """The n-th victim's replacement is the n-th pod that its owner made after that."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    finding = judged(story.replaced("d", 30.4, ready_s=34).replaced("e", 30.5, ready_s=36))
    assert finding.answer is Answer.PASS
    assert [pair["replacement_uid"] for pair in finding.values["losses"]] == ["d", "e"]


def test_one_replacement_does_not_serve_for_two_victims() -> None:
    """Two dead and one replaced is a FAIL, however quick the one was."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    assert judged(story.replaced("d", 30.4, ready_s=34)).answer is Answer.FAIL


def test_a_victim_of_the_same_name_is_told_apart_by_uid() -> None:
    """A replacement that bears the victim's name is a new pod, and its life is its own."""
    replacement = pod("d")
    replacement["metadata"]["name"] = "model-a"
    ready = pod("d", ready=True)
    ready["metadata"]["name"] = "model-a"
    finding = judged(killed().saw(30.3, "ADDED", replacement).saw(34, "MODIFIED", ready))
    assert finding.answer is Answer.PASS
    assert finding.values["losses"][0]["replacement_uid"] == "d"


def test_a_loss_that_fewer_desired_excuse_proves_nothing() -> None:
    """Where fewer are desired before the victim is due, nobody has to take its place, and nothing was proved."""
    story = killed().saw(32, "MODIFIED", deployment(2), "Deployment").saw(32, "MODIFIED", replica_set(2), "ReplicaSet")
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "fewer replicas were desired" in finding.reason
    assert finding.values["losses_count"] == 0


def test_one_fewer_desired_excuses_one_loss_and_no_more() -> None:
    """Of two lost replicas, one fewer desired and none replaced, one is still owed."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    story.saw(40, "MODIFIED", deployment(2), "Deployment").saw(40, "MODIFIED", replica_set(2), "ReplicaSet")
    assert judged(story).answer is Answer.FAIL
    finding = judged(story.replaced("d", 40.1, ready_s=45))
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["losses_count"] == 1


def test_a_scale_in_before_the_fault_takes_no_replacement() -> None:
    """A pod that its owner gave up was not replaced, so the first pod made later is the victim's."""
    story = Story().replicas("a", "b", "c").saw(10, "MODIFIED", deployment(2), "Deployment")
    story.saw(10.1, "MODIFIED", replica_set(2), "ReplicaSet").killed("c", 10.2)
    finding = judged(story.fault("a").killed("a", 30.2).replaced("d", 30.3, ready_s=34))
    assert finding.answer is Answer.PASS, finding.line()
    assert [loss["replacement_uid"] for loss in finding.values["losses"]] == ["d"]


def test_a_replacement_that_is_lost_before_it_is_ready_is_replaced_in_turn() -> None:
    """The victim's place is filled by the next pod, within the victim's own deadline."""
    story = killed().saw(30.3, "ADDED", pod("d")).saw(40, "DELETED", pod("d")).replaced("e", 40.1, ready_s=50)
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert [loss["replacement_uid"] for loss in finding.values["losses"]] == ["e"]
