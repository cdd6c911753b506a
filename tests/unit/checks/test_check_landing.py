"""FaultsLanded: the fault has its proof, the watch log agrees, and users' requests met it."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from autoscaler_stories import Scaling, spike_story
from histories import NAMESPACE, Story, at, kill_story, pod

from chaos.checks import FaultsLanded
from chaos.checks.verdict import Answer, Finding
from chaos.history import Fault, Gap
from chaos.objects.base import Ref


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return FaultsLanded()(story.history())


def spoilt(**changes: Any) -> Story:
    """The story of a kill, with something else in its fault."""
    story = kill_story()
    return story.has(faults=(replace(story.parts["faults"][0], **changes),))


def test_a_kill_that_everybody_confirms_passes() -> None:
    """Landing proof, the victim's deletion in the watch log, and requests under way: PASS."""
    finding = judged(kill_story())
    assert finding.answer is Answer.PASS
    assert finding.values["requests_met"] == {"pod-kill-1": 102}


def test_a_fault_without_landing_is_unknown() -> None:
    """A fault that nothing proved to have landed proves nothing."""
    finding = judged(spoilt(landed_ns=None, proof=""))
    assert finding.answer is Answer.UNKNOWN
    assert "nothing proved that it landed" in finding.reason


def test_a_missed_fault_is_unknown_with_its_reason() -> None:
    """A fault that was missed says why."""
    finding = judged(spoilt(landed_ns=None, missed="no pod matched"))
    assert finding.answer is Answer.UNKNOWN
    assert "no pod matched" in finding.reason


def test_one_of_two_missed_is_unknown() -> None:
    """One landed fault does not make up for another that was missed."""
    story = kill_story()
    missed = Fault("pod-kill-2", "pod-kill", "", (), at(50), None, at(55), missed="refused")
    assert judged(story.has(faults=(*story.parts["faults"], missed))).answer is Answer.UNKNOWN


def test_a_fault_without_requests_is_unknown() -> None:
    """Trouble that no user could notice proves nothing about users."""
    story = kill_story()
    story.rows = [row for row in story.rows if row["intended_ns"] < at(20)]
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "no request was under way while it was active" in finding.reason


def test_a_request_that_was_under_way_meets_the_fault() -> None:
    """A request that began before the fault and ended in it did meet it."""
    story = kill_story()
    story.rows = [{**story.rows[0], "end_ns": at(31)}]
    assert judged(story).answer is Answer.PASS


def test_unsent_requests_meet_nothing() -> None:
    """An arrival that was never sent did not meet the fault."""
    story = kill_story().fate(range(1000), "unsent")
    assert judged(story).answer is Answer.UNKNOWN


def test_a_victim_that_the_watch_still_sees_alive_is_unknown() -> None:
    """The journal says killed, the watch log shows no deletion: the fault did not land."""
    story = kill_story()
    story.events = [event for event in story.events if event.type != "DELETED"]
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "does not show victim model-a being deleted" in finding.reason


def test_the_death_of_another_pod_of_that_name_does_not_count() -> None:
    """A pod with the victim's name and another UID is not the victim."""
    story = kill_story()
    story.events = [event for event in story.events if event.object["metadata"]["uid"] != "a"]
    other = pod("z", ready=True)
    other["metadata"]["name"] = "model-a"
    finding = judged(story.saw(0, "LISTED", other).saw(30.2, "DELETED", other))
    assert finding.answer is Answer.UNKNOWN
    assert "knows no pod with the UID of victim model-a" in finding.reason


def test_a_victim_without_uid_is_unknown() -> None:
    """Without a UID a successor could pass for the victim."""
    assert judged(spoilt(victims=(Ref("Pod", NAMESPACE, "model-a"),))).answer is Answer.UNKNOWN


def test_a_kill_without_victims_is_unknown() -> None:
    """A kill that aimed at nobody hit nobody."""
    story = spoilt(victims=()).has(actions=())
    assert judged(story).answer is Answer.UNKNOWN


def test_a_victim_that_was_going_before_is_unknown() -> None:
    """A pod that was deleted before the fault began was not killed by it."""
    assert judged(kill_story().saw(20, "MODIFIED", pod("a", deleting=True))).answer is Answer.UNKNOWN


def test_a_victim_that_may_have_gone_before_is_unknown() -> None:
    """Word of the deletion that came late may speak of a time before the fault."""
    late = (Gap("Pod", at(20), at(30.1), "connection reset"),)
    assert judged(kill_story().has(late=late)).answer is Answer.UNKNOWN


def test_an_accepted_deletion_confirms_a_graceful_kill() -> None:
    """A victim that still terminates when the trial ends was hit all the same."""
    story = Story().replicas("a", "b").fault("a").saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True)).traffic()
    assert judged(story).answer is Answer.PASS


def test_evicted_pods_are_confirmed_too() -> None:
    """Whatever a fault says it deleted or evicted must show in the watch log."""
    story = Story().replicas("a", "b").fault(name="drain").acted("evict-pod", 31, uid="b", fault="drain-1").traffic()
    assert judged(story).answer is Answer.UNKNOWN
    assert judged(story.saw(31.1, "MODIFIED", pod("b", ready=True, deleting=True))).answer is Answer.PASS


def test_a_refused_eviction_needs_no_confirmation() -> None:
    """An eviction that the budget refused killed nobody."""
    story = Story().replicas("a", "b").fault(name="drain").traffic()
    assert judged(story.acted("evict-pod", 31, outcome="fail", fault="drain-1")).answer is Answer.PASS


def test_a_spike_of_the_load_is_trouble_too() -> None:
    """Without a fault the load must have risen, and requests must have been sent meanwhile."""
    finding = FaultsLanded()(spike_story().history())
    assert finding.answer is Answer.PASS
    assert "the load rose from 1/s to 5/s, 300 requests sent meanwhile" in finding.measured
    calm = FaultsLanded()(Scaling(100).stands("a").loaded(1, 0, 95).history())
    assert calm.answer is Answer.UNKNOWN
    assert "the load did not rise either" in calm.reason


@pytest.mark.parametrize(("lost", "answer"), [(1, Answer.UNKNOWN), (0.6, Answer.UNKNOWN), (0.1, Answer.PASS)])
def test_a_spike_that_was_not_sent_is_none(lost: float, answer: Answer) -> None:
    """The load before goes on, and of each hundred requests of the rise so many are never sent."""
    story = spike_story()
    for row in story.rows:
        if row["stream"] == "steady-2" and row["id"] % 100 < 100 * lost:
            row |= {"outcome": "unsent", "sent_ns": None}
    finding = FaultsLanded()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("the load was to rise from 1/s to 5/s" in finding.reason) == (answer is Answer.UNKNOWN)
