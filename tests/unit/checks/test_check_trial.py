"""Completed, SteadyBefore and Witnessed: what every trial owes before its other findings count."""

from __future__ import annotations

import pytest
from histories import Story, at, facts, kill_story, pod

from chaos.checks import Completed, SteadyBefore, Witnessed
from chaos.checks.verdict import Answer, Finding
from chaos.history import Phase


def steady(story: Story) -> Finding:
    """What SteadyBefore says of a story."""
    return SteadyBefore()(story.history())


def test_a_stopped_trial_is_not_complete() -> None:
    """A trial that was stopped cannot pass, and says why it was."""
    finding = Completed()(kill_story().has(stopped="unsteady baseline").history())
    assert finding.answer is Answer.UNKNOWN
    assert "unsteady baseline" in finding.reason


def test_a_killed_run_is_not_complete() -> None:
    """A run that died before its end cannot pass."""
    assert Completed()(kill_story().has(finished=False).history()).answer is Answer.UNKNOWN


def test_an_open_phase_is_not_complete() -> None:
    """A phase that never ended was not done."""
    story = kill_story().has(phases=(Phase("baseline", at(5), at(25)), Phase("fault", at(30), None)))
    assert "phase fault never ended" in Completed()(story.history()).reason


def test_witnessed_counts_name_and_outcome() -> None:
    """Only actions of that name with that outcome are witnesses."""
    history = Story().acted("evict-pod", 31, outcome="fail").acted("delete-pod", 32).history()
    assert Witnessed("evict-pod", outcome="fail")(history).answer is Answer.PASS
    finding = Witnessed("evict-pod")(history)
    assert finding.answer is Answer.UNKNOWN
    assert finding.measured == "evict-pod ok seen 0 times"
    assert "1 more had another outcome" in finding.reason


def test_what_may_have_happened_is_no_witness() -> None:
    """An action whose outcome nobody knows does not count as one that happened."""
    assert Witnessed("delete-pod")(Story().acted("delete-pod", 31, outcome="info").history()).answer is Answer.UNKNOWN


def test_witnessed_wants_as_many_as_it_says() -> None:
    """Fewer than demanded is UNKNOWN, not a smaller PASS."""
    history = Story().acted("delete-pod", 31).acted("delete-pod", 32).history()
    assert Witnessed("delete-pod", at_least=2)(history).answer is Answer.PASS
    assert Witnessed("delete-pod", at_least=3)(history).answer is Answer.UNKNOWN


def test_witnessed_names_the_leash() -> None:
    """In a dry run nothing happened, though the journal is full; the reason is the dry run."""
    finding = Witnessed("delete-pod")(kill_story().has(facts=facts(dry_run=True)).history())
    assert finding.answer is Answer.UNKNOWN
    assert "--gameday-dry-run" in finding.reason


def test_witnessed_refuses_to_demand_nothing() -> None:
    """At least zero times is no claim."""
    with pytest.raises(ValueError, match="at least 1"):
        Witnessed("delete-pod", at_least=0)


def test_a_steady_baseline_passes() -> None:
    """All replicas Ready and all requests answered is steady."""
    assert steady(kill_story()).answer is Answer.PASS


def test_a_replica_missing_at_any_time_is_unsteady() -> None:
    """A short dip within the baseline counts, though it was over at its end."""
    story = kill_story().saw(10, "MODIFIED", pod("b", running=True)).saw(10.5, "MODIFIED", pod("b", ready=True))
    finding = steady(story)
    assert finding.answer is Answer.UNKNOWN
    assert finding.reason == "not every desired replica was Ready all the time"


def test_a_dip_that_began_earlier_is_unsteady() -> None:
    """A replica that was missing when the baseline began was missing in it."""
    story = kill_story().saw(1, "MODIFIED", pod("b", running=True)).saw(6, "MODIFIED", pod("b", ready=True))
    assert steady(story).answer is Answer.UNKNOWN


def test_a_dip_before_the_baseline_does_not_matter() -> None:
    """What was over before the baseline began is nobody's business."""
    story = kill_story().saw(1, "MODIFIED", pod("b", running=True)).saw(4, "MODIFIED", pod("b", ready=True))
    assert steady(story).answer is Answer.PASS


def test_a_fault_within_the_baseline_ends_it() -> None:
    """What happens from the first fault on is not laid to the baseline."""
    story = kill_story().has(phases=(Phase("baseline", at(5), at(35)),))
    assert steady(story).answer is Answer.PASS


def test_no_baseline_is_unsteady() -> None:
    """Without a baseline nobody knows whether the system was well."""
    assert steady(kill_story().has(phases=(Phase("fault", at(30), at(40)),))).answer is Answer.UNKNOWN


def test_a_gap_in_the_baseline_is_unsteady() -> None:
    """What was not watched is not known to have been steady; a gap elsewhere does not matter."""
    assert steady(kill_story().gap(10, 11)).answer is Answer.UNKNOWN
    assert steady(kill_story().gap(60, 61)).answer is Answer.PASS


def test_a_system_of_no_replicas_is_unsteady() -> None:
    """Nobody desired is nobody missing, but that proves nothing."""
    assert steady(Story().replicas().traffic()).answer is Answer.UNKNOWN


def test_failing_requests_are_unsteady() -> None:
    """Less than 0.99 of the baseline's requests answered is unsteady; requests outside of it do not count."""
    assert steady(kill_story().fate(range(60, 63), "failed")).answer is Answer.UNKNOWN
    assert steady(kill_story().fate(range(60, 62), "failed")).answer is Answer.PASS
    assert steady(kill_story().fate(range(40), "failed")).answer is Answer.PASS


def test_no_request_in_the_baseline_is_unsteady() -> None:
    """Without one request nobody knows whether users were answered."""
    story = kill_story()
    story.rows = [row for row in story.rows if row["intended_ns"] >= at(30)]
    story.parts["streams"] = ()
    assert "no request was answered" in steady(story).reason


def test_a_request_that_met_the_fault_is_not_laid_to_the_baseline() -> None:
    """A request that was under way for no longer than usual when the baseline ended may have met the fault."""
    story = kill_story().fate([249], "failed", end_ns=at(31))
    assert steady(story).answer is Answer.PASS
    assert steady(story).values["requests_valid"] == 199


def test_requests_that_were_stuck_before_the_fault_are_unsteady() -> None:
    """Requests that had waited longer than any good one when the baseline ended were stuck before the fault."""
    assert steady(kill_story().fate(range(200, 250), "unanswered", end_ns=at(60))).answer is Answer.UNKNOWN


def test_requests_without_a_record_yet_are_unsteady() -> None:
    """While the trial runs, a service that hangs shows only in arrivals that have no record yet."""
    story = kill_story()
    story.rows = [row for row in story.rows if row["id"] < 100]
    story.parts["streams"] = (story.parts["streams"][0].__class__("steady-1", "steady", 10, at(0), None, "http", ""),)
    assert steady(story).answer is Answer.UNKNOWN
