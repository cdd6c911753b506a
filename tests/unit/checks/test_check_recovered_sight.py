"""Recovered: what the watch did not see, or heard of late, neither convicts nor acquits."""

from __future__ import annotations

from histories import Story, at, kill_story, killed

from chaos.checks import Recovered
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return Recovered()(story.history())


def test_a_gap_while_below_desired_is_unknown() -> None:
    """A dip that outlasts its bound with a gap in it may have ended in the gap."""
    finding = judged(killed().replaced("d", 30.3, ready_s=70).gap(40, 45))
    assert finding.answer is Answer.UNKNOWN
    assert "gap" in finding.reason


def test_a_gap_after_the_recovery_is_unknown() -> None:
    """A gap anywhere since the first fault may hide another dip."""
    finding = judged(kill_story().gap(60, 70))
    assert finding.answer is Answer.UNKNOWN
    assert finding.reason == "the watch of Pods had 1 gap since the first fault (10.0 s)"


def test_a_gap_of_the_workload_is_unknown() -> None:
    """What was desired must be known as well."""
    assert judged(kill_story().gap(60, 70, "Deployment")).answer is Answer.UNKNOWN


def test_a_gap_before_the_fault_does_not_matter() -> None:
    """A gap that was over before the first fault hides nothing of the recovery."""
    assert judged(kill_story().gap(10, 12)).answer is Answer.PASS


def test_a_fail_that_no_gap_touches_stands() -> None:
    """A gap long after the bound had run out does not excuse the dip."""
    assert judged(killed().gap(80, 85)).answer is Answer.FAIL


def test_a_watch_that_ended_too_soon_is_unknown() -> None:
    """If pods were not watched up to the end of the last phase, a later dip may have gone unseen."""
    story = kill_story()
    covered = {**story.history().covered_ns, "Pod": (at(0), at(50))}
    assert judged(story.has(covered_ns=covered)).answer is Answer.UNKNOWN


def test_late_news_makes_a_close_call_unknown() -> None:
    """News that a resumed watch delivered late cannot convict: the pod may have been Ready in time."""
    late = (Gap("Pod", at(50), at(60), "connection reset"),)
    finding = judged(killed().replaced("d", 30.3, ready_s=60.1).has(late=late))
    assert finding.answer is Answer.UNKNOWN


def test_late_news_does_not_acquit_either() -> None:
    """If word of the loss itself came late, a short dip may have been a long one."""
    late = (Gap("Pod", at(30), at(60), "connection reset"),)
    story = Story().replicas("a", "b", "c").fault("a", at_s=29).killed("a", 60).replaced("d", 60, ready_s=62)
    assert judged(story.has(late=late)).answer is Answer.UNKNOWN


def test_late_news_does_not_matter_with_room_to_spare() -> None:
    """At the longest possible reading still in time is a PASS."""
    late = (Gap("Pod", at(32), at(34), "connection reset"),)
    assert judged(killed().replaced("d", 30.3, ready_s=34.2).has(late=late)).answer is Answer.PASS
