"""RoutedToReady on hand-written histories."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import Story, at, facts, killed, pod
from probe_stories import endpoints
from routing_stories import away_story
from termination_stories import Ending, standing

from chaos.checks import RoutedToReady
from chaos.checks.verdict import Answer, Finding

LATE_S = 50
"""Long after the bound."""


def judged(story: Story, *, router: bool = False) -> Finding:
    """The finding; with a `router` the system has one in front."""
    history = story.history()
    return RoutedToReady()(replace(history, roles={"router": history}) if router else history)


def row_at(story: Story, second: float) -> dict[str, object]:
    """The first request from a moment on."""
    return next(row for row in story.rows if row["intended_ns"] >= at(second))


def test_requests_that_all_go_elsewhere_pass() -> None:
    """Each that was sent while the replica was away names another one."""
    finding = judged(away_story())
    assert finding.answer is Answer.PASS
    assert finding.values["departures"][0]["named"] == 0


def test_one_that_goes_to_the_replica_that_left_fails() -> None:
    """Whatever became of it: the answer's own word is enough."""
    for outcome in ("ok", "truncated", "failed"):
        story = away_story()
        row_at(story, LATE_S).update(replica="model-a", outcome=outcome)
        finding = judged(story)
        assert finding.answer is Answer.FAIL, outcome
        assert "1 request went to it by the answers' own word" in finding.reason


@pytest.mark.parametrize("outcome", ["disconnected", "wrong"])
def test_an_answer_of_another_replica_went_there_whatever_it_was_worth(outcome: str) -> None:
    """A client that left as it was to, and an answer that is no right one, name who gave it all the same."""
    story = away_story()
    row_at(story, LATE_S).update(outcome=outcome)
    assert judged(story).answer is Answer.PASS
    row_at(story, LATE_S).update(outcome=outcome, replica=None)
    assert judged(story).answer is Answer.UNKNOWN


def test_what_was_sent_before_the_bound_is_nobodys_fault() -> None:
    """A router may take a moment to notice, and an answer as long as it likes."""
    story = away_story()
    row = row_at(story, 34)
    row.update(replica="model-a", end_ns=at(LATE_S))
    assert judged(story).answer is Answer.PASS


@pytest.mark.parametrize(("router", "answer"), [(True, Answer.FAIL), (False, Answer.UNKNOWN)])
def test_a_router_that_chose_nobody_fails(router: bool, answer: Answer) -> None:  # noqa: FBT001  # a column of the table
    """Its 502 means a replica that does not answer, and all endpoints were Ready; without a router nobody knows."""
    story = away_story()
    row_at(story, LATE_S).update(replica=None, outcome="failed", status=502)
    assert judged(story, router=router).answer is answer


@pytest.mark.parametrize(("before_s", "answer"), [(20, Answer.UNKNOWN), (31, Answer.FAIL)])
def test_a_router_that_answers_502_anyhow_need_not_have_chosen_nobody(before_s: float, answer: Answer) -> None:
    """A kept connection that a well replica closes gives one now and then; since the fault it may be the replica's."""
    story = away_story()
    for second in (before_s, LATE_S):
        row_at(story, second).update(replica=None, outcome="failed", status=502)
    assert judged(story, router=True).answer is answer


def test_a_502_while_an_endpoint_is_not_ready_is_unknown() -> None:
    """It may have been that one."""
    story = away_story()
    story.saw(49, "MODIFIED", pod("b", running=True)).saw(51, "MODIFIED", pod("b", ready=True))
    row_at(story, LATE_S).update(replica=None, outcome="failed", status=502)
    assert judged(story, router=True).answer is Answer.UNKNOWN


def test_failures_that_name_nobody_are_unknown() -> None:
    """Where they went nobody knows."""
    story = away_story()
    row_at(story, LATE_S).update(replica=None, outcome="unanswered")
    finding = judged(story, router=True)
    assert finding.answer is Answer.UNKNOWN
    assert "1 request named no replica" in finding.reason


def test_a_replica_may_have_been_back_in_a_gap() -> None:
    """Nobody saw whether it was an endpoint again as it was asked."""
    story = away_story().gap(45, 55, "EndpointSlice")
    row_at(story, LATE_S).update(replica="model-a")
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "did not see all the time" in finding.reason


def test_without_names_connections_or_a_watch_it_is_unknown() -> None:
    """Each of them takes the proof away."""
    assert judged(away_story(served="")).answer is Answer.UNKNOWN
    kept = facts(raw={"system": {"selector": {"app": "model"}, "connections": "reuse"}})
    assert judged(away_story().has(facts=kept)).answer is Answer.UNKNOWN
    assert judged(away_story().gap(40, 42, "EndpointSlice")).answer is Answer.UNKNOWN


@pytest.mark.parametrize("name", ["gateway-1", "router-7c9d-x"])
def test_names_of_a_gateway_name_no_replica(name: str) -> None:
    """Whoever stands in front may write its own name into each answer: where they went nobody knows."""
    story = away_story()
    for row in story.rows:
        row["replica"] = name
    finding = judged(story, router=True)
    assert finding.answer is Answer.UNKNOWN
    assert "named no replica" in finding.reason
    row_at(story, LATE_S).update(replica="model-a")
    assert judged(story, router=True).answer is Answer.FAIL


def ended_story(*, forced: bool = False) -> Story:
    """`a` ends and is gone at 36 s, and no answer names its replica."""
    story = standing().saw(0, "LISTED", endpoints("a", "b", "c"), "EndpointSlice")
    story.ends("a", 30, None).saw(30.1, "MODIFIED", endpoints("b", "c"), "EndpointSlice")
    story.ends("a", 30.2, 36, code=None if forced else 0)
    for row in story.rows:
        row["replica"] = None
    return story


@pytest.mark.parametrize(
    ("others", "served_s", "answer"), [((), 56, Answer.PASS), (("c",), 56, Answer.FAIL), ((), 80, Answer.FAIL)]
)
def test_a_replica_on_its_way_out_is_asked_where_no_other_is_ready(
    others: tuple[str, ...], served_s: float, answer: Answer
) -> None:
    """kube-proxy sends connections to it until the next is Ready at 55 s, and no longer than the bound after that."""
    story = Ending(120).replicas("a", *others).fault("a", healed_s=90)
    story.saw(0, "LISTED", endpoints("a", *others), "EndpointSlice")
    story.ends("a", 30, 100, grace_s=80).saw(30.1, "MODIFIED", endpoints(*others), "EndpointSlice")
    story.replaced("b", 30.3, ready_s=55).saw(55.2, "MODIFIED", endpoints("b", *others), "EndpointSlice").traffic()
    for row in story.rows:
        row["replica"] = "model-a" if row["intended_ns"] < at(served_s) else "model-b"
    finding = judged(story)
    assert finding.answer is answer, finding.line()


def test_answers_without_a_name_are_of_others_once_the_replica_has_ended() -> None:
    """Nobody answers any more; one whose containers nobody saw end may still."""
    finding = judged(ended_story(), router=True)
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["departures"][0]["elsewhere"] > 0
    assert judged(ended_story(forced=True), router=True).answer is Answer.UNKNOWN


def test_a_router_that_keeps_a_replica_that_has_ended_fails_without_names_too() -> None:
    """Its 502 is the dead replica's; a failure of another kind may be anybody's."""
    story = ended_story()
    row_at(story, 60).update(outcome="failed", status=502)
    assert judged(story, router=True).answer is Answer.FAIL
    story = ended_story()
    row_at(story, 60).update(outcome="unanswered")
    assert judged(story, router=True).answer is Answer.UNKNOWN


def test_where_nobody_left_it_is_unknown() -> None:
    """Nothing was owed: no endpoint left, or was not seen to."""
    assert judged(killed()).answer is Answer.UNKNOWN


def test_a_departure_shorter_than_the_bound_owes_nothing() -> None:
    """Whoever routes may not have noticed at all."""
    history = away_story().history()
    assert RoutedToReady(notice_s=60.0)(history).answer is Answer.UNKNOWN
