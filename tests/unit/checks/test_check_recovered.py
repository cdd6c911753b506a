"""Recovered: every loss is made good within its derived bound, on histories that must fail, pass, and stay open."""

from __future__ import annotations

import pytest
from histories import Story, at, deployment, kill_story, killed, pod

from chaos.checks import Recovered
from chaos.checks.verdict import Answer, Finding


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return Recovered()(story.history())


def test_the_bound_shows_how_it_came_about() -> None:
    """The parts of the bound add up to it, and each names its source."""
    values = judged(kill_story()).values
    assert sum(part["seconds"] for part in values["bound_parts"]) == values["losses"][0]["bound_s"]
    assert all(part["source"] for part in values["bound_parts"])


def test_a_replacement_that_comes_late_fails() -> None:
    """Ready again after more than the bound is a FAIL, though it came in the end."""
    finding = judged(killed().replaced("d", 30.3, ready_s=59.3))
    assert finding.answer is Answer.FAIL
    assert "back after 29.1 s" in finding.reason


def test_just_within_the_bound_passes() -> None:
    """The bound itself still passes."""
    assert judged(killed().replaced("d", 30.3, ready_s=59.2)).answer is Answer.PASS


def test_a_replacement_that_never_gets_ready_fails() -> None:
    """Not Ready although observed for longer than the bound is a FAIL that names the stage."""
    finding = judged(killed().replaced("d", 30.3, ready_s=None))
    assert finding.answer is Answer.FAIL
    assert "a pod was not Ready" in finding.reason


def test_a_replacement_that_is_never_made_fails() -> None:
    """No replacement at all is a FAIL that says so."""
    finding = judged(killed())
    assert finding.answer is Answer.FAIL
    assert "a replacement was not created" in finding.reason


def test_a_replacement_that_is_never_scheduled_fails() -> None:
    """A replacement that finds no node is a FAIL that says so."""
    finding = judged(killed().saw(30.3, "ADDED", pod("d", node="")))
    assert finding.answer is Answer.FAIL
    assert "a pod was not scheduled" in finding.reason


def test_a_recording_that_ended_early_is_unknown() -> None:
    """Not back when the recording ended, within the bound, decides nothing."""
    finding = judged(killed(until_s=50))
    assert finding.answer is Answer.UNKNOWN
    assert "the recording ended 19.8 s into a bound of 29 s" in finding.reason
    assert finding.settle == "a longer recovery phase"


def test_a_run_that_died_is_unknown() -> None:
    """A run that was killed before the system was back says nothing against the system."""
    assert judged(killed().has(finished=False)).answer is Answer.UNKNOWN


def test_the_bound_counts_from_the_dip_and_not_from_the_heal() -> None:
    """A heal long after the loss does not buy the system time."""
    story = Story().replicas("a", "b", "c").fault("a", healed_s=70).killed("a", 30.2)
    assert judged(story.replaced("d", 30.3, ready_s=75)).answer is Answer.FAIL


def test_a_kill_that_made_no_dip_is_unknown() -> None:
    """A victim that was not Ready when it died proves no recovery."""
    story = Story().replicas("b", "c").saw(1, "ADDED", pod("a")).fault("a").saw(30.2, "DELETED", pod("a"))
    finding = judged(story.replaced("d", 30.3, ready_s=34))
    assert finding.answer is Answer.UNKNOWN
    assert (
        "ready was never seen to fall below desired after the first fault, though 1 victim was lost" in finding.reason
    )


def test_a_fault_that_took_nobody_is_unknown() -> None:
    """Where no replica was lost there was nothing to recover from."""
    finding = judged(Story().replicas("a", "b").fault(name="api-slow"))
    assert finding.answer is Answer.UNKNOWN
    assert "and no victim was lost" in finding.reason


def test_a_dip_that_was_there_before_the_fault_is_unknown() -> None:
    """A system that was below desired before the fault does not show what the fault does."""
    story = Story().replicas("a", "b", "c").killed("c", 29).fault("a").killed("a", 30.2)
    finding = judged(story.replaced("d", 30.3, ready_s=34).replaced("e", 30.4, ready_s=34))
    assert finding.answer is Answer.UNKNOWN
    assert "already when the first fault began" in finding.reason


def one_short() -> Story:
    """Four are desired and three are there from the start; one of these is killed and replaced in time."""
    story = Story().replicas("a", "b", "c").saw(0, "LISTED", deployment(4), "Deployment").fault("a", at_s=10)
    return story.killed("a", 10.2).replaced("d", 10.3, ready_s=14)


def test_a_replica_that_was_missing_all_along_fails() -> None:
    """A trial in which fewer were Ready than desired from its start to its end is no recovery."""
    finding = judged(one_short())
    assert finding.answer is Answer.FAIL
    assert "a replica that was missing at the start not back, bound 29 s" in finding.reason


def test_a_replica_that_was_missing_at_the_start_proves_nothing() -> None:
    """One that came by itself during the fault leaves open what the fault would have done to a whole system."""
    finding = judged(one_short().replaced("e", 12, ready_s=20))
    assert finding.answer is Answer.UNKNOWN
    assert "already when the first fault began" in finding.reason


def test_a_replica_that_was_missing_at_the_start_has_its_time_from_the_fault() -> None:
    """One that was missing for long before the fault, and came within a bound of it, is no failure to recover."""
    story = Story().replicas("a", "b").saw(0, "LISTED", deployment(3), "Deployment").fault("a").killed("a", 30.2)
    finding = judged(story.replaced("d", 30.3, ready_s=34).replaced("e", 31, ready_s=50))
    assert finding.answer is Answer.UNKNOWN


def test_a_victim_that_nobody_replaced_is_unknown_where_none_was_missing() -> None:
    """Another replica's return does not show that a victim's place is filled, though ready stayed at desired."""
    story = Story().replicas("a", "b", "c").fault("a").saw(31, "MODIFIED", deployment(4), "Deployment")
    story.replaced("d", 31.1, ready_s=35).replaced("e", 31.2, ready_s=36).killed("a", 60)
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert finding.reason == "no pod of the same owner was made after the loss of model-a"


def test_a_workload_without_a_template_has_the_bound_of_its_pods() -> None:
    """Where the workload does not say what its pods are like, a new one has the time of those that are there."""
    story = Story().replicas("a", "b", "c").fault("a").killed("a", 30.2).replaced("d", 30.3, ready_s=34)
    bare = deployment(4)
    bare["spec"] = {"replicas": 4}
    finding = judged(story.saw(50, "MODIFIED", bare, "Deployment").replaced("e", 50.1, ready_s=77))
    assert finding.answer is Answer.PASS


def test_a_pod_that_was_starting_at_the_start_is_the_missing_one() -> None:
    """A pod that was listed before it was Ready fills its own place, and not the place of one desired later."""
    story = one_short().saw(0, "LISTED", pod("e", node="n1")).saw(50, "MODIFIED", deployment(5), "Deployment")
    finding = judged(story.saw(20, "MODIFIED", pod("e", ready=True, node="n1")))
    assert finding.answer is Answer.FAIL
    assert "a new replica not back" in finding.reason
    assert "at the start" not in finding.reason


def test_a_graceful_deletion_dips_when_it_is_accepted() -> None:
    """A pod that terminates for its whole grace is lost from the moment its deletion is accepted."""
    story = Story().replicas("a", "b", "c").fault("a").saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True))
    story.replaced("d", 30.3, ready_s=33).saw(40.2, "DELETED", pod("a", deleting=True))
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["losses"][0]["seconds"] == pytest.approx(2.8)


def test_a_further_victim_has_a_deadline_of_its_own() -> None:
    """While a drain goes on, each victim that the fault takes gives the system its time for that one."""
    story = Story().replicas("a", "b", "c").fault("a", "b", healed_s=60).killed("a", 30.2)
    story.replaced("d", 30.3, ready_s=55).killed("b", 50).replaced("e", 50.1, ready_s=70)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert [loss["due_ns"] for loss in finding.values["losses"]] == [at(30.2 + 29), at(50 + 29)]


def test_a_replica_that_falls_by_itself_gives_no_new_time() -> None:
    """What falls by itself later does not move the deadline of the first."""
    story = Story().replicas("a", "b", "c").fault("a").killed("a", 30.2).killed("b", 50)
    story.replaced("d", 50.1, ready_s=70).replaced("e", 50.2, ready_s=71)
    assert judged(story).answer is Answer.FAIL


def test_more_replicas_desired_are_given_their_time() -> None:
    """A rise of desired replicas asks for a new one, which is due from that moment on."""
    story = killed().saw(50, "MODIFIED", deployment(4), "Deployment")
    story.replaced("d", 30.3, ready_s=52).replaced("e", 50.1, ready_s=75)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert [(loss["path"], loss["due_ns"]) for loss in finding.values["losses"]] == [
        ("replaced", at(30.2 + 29)),
        ("new", at(50 + 29)),
    ]


def test_the_worst_of_many_losses_is_the_one_reported() -> None:
    """The headline of the finding is the loss with the least room left."""
    story = Story().replicas("a", "b", "c").fault("a").killed("a", 30.2).replaced("d", 30.3, ready_s=32)
    story.fault("b", at_s=60, healed_s=65).killed("b", 60.2).replaced("e", 60.3, ready_s=80)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert "back after 19.8 s" in finding.measured
    assert finding.values["losses_count"] == 2
