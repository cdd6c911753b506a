"""GracefulTermination where no answer names its replica, by what the canary had it answer as it was told to end."""

from __future__ import annotations

from dataclasses import replace

import pytest
from canary_stories import Asked, asked, held, nameless
from histories import Story, request
from histories import at as moment
from termination_stories import Ending, drained_story, standing

from chaos.checks import GracefulTermination
from chaos.checks.verdict import Answer, Finding
from chaos.history import Canary


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return GracefulTermination()(story.history())


def ended(*requests: Asked) -> Story:
    """`a` is deleted at 30 s and gone at 36 s; the canary had it answer so, and all users are answered."""
    return held(drained_story(), "a", *requests)


@pytest.mark.parametrize(
    ("requests", "answer", "words"),
    [
        pytest.param([(28, 29, "ok"), (29, 33, "ok")], Answer.PASS, "", id="answered to its end"),
        pytest.param([(29, 31, "failed")], Answer.FAIL, "cut 1 request of the canary's", id="cut"),
        pytest.param([(29, 31, "truncated")], Answer.FAIL, "cut 1 request of the canary's", id="finish reason abort"),
        pytest.param([(29, 31, "errors")], Answer.FAIL, "status 503", id="an error in the place of an answer"),
        pytest.param([(28, 29, "ok")], Answer.UNKNOWN, "none of the canary's", id="none under way"),
        pytest.param([(29.9, 31, "failed")], Answer.UNKNOWN, "none of the canary's", id="sent as it was deleted"),
        pytest.param([(30.2, 31, "failed")], Answer.UNKNOWN, "none of the canary's", id="sent afterwards"),
        pytest.param([(29, 31, "unsent")], Answer.UNKNOWN, "none of the canary's", id="its way failed"),
        pytest.param([(29, 31, "refused")], Answer.UNKNOWN, "none of the canary's", id="it never listened"),
        pytest.param([(29, 59, "unanswered")], Answer.UNKNOWN, "says nothing of its end", id="nobody knows"),
        pytest.param([], Answer.UNKNOWN, "none of the canary's", id="not held"),
    ],
)
def test_what_the_victim_had_to_answer_decides(requests: list[Asked], answer: Answer, words: str) -> None:
    """Only a request that surely was under way at its deletion, and reached it."""
    finding = judged(ended(*requests))
    assert finding.answer is answer, finding.line()
    assert words in finding.reason


def test_a_users_request_that_was_lost_meanwhile_fails_all_the_same() -> None:
    """The canary's own was answered in full; a user's was cut while `a` ended, and nothing else lost any."""
    story = ended((29, 33, "ok"))
    story.rows.append(
        request(len(story.rows), "steady-1", moment(29), latency_s=2) | {"outcome": "truncated", "replica": None}
    )
    finding = judged(story)
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_way_that_breaks_for_all_at_once_cut_what_the_victim_had_to_answer() -> None:
    """The API server went as `a` ended: the canary lost what it had asked another pod, too, or the watch broke."""
    cut = [(29.0, 31.0, "failed")]
    for outcome in ("failed", "unsent"):
        story = ended(*cut)
        others = asked("b", [(30.5, 30.9, outcome)])
        finding = judged(story.has(canary=replace(story.parts["canary"], requests=tuple(others))))
        assert finding.answer is Answer.UNKNOWN, finding.line()
        assert "says nothing of its end" in finding.reason
    assert judged(ended(*cut).gap(30.5, 31.5, "Node")).answer is Answer.UNKNOWN
    well = ended(*cut)
    others = asked("b", [(30.5, 30.9, "ok"), (40.0, 40.5, "failed")])
    assert judged(well.has(canary=replace(well.parts["canary"], requests=tuple(others)))).answer is Answer.FAIL


def test_one_end_of_two_that_was_held_proves_nothing_of_the_other() -> None:
    """Chance may have left it idle, and nobody can tell."""
    story = standing().ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
    assert isinstance(story, Ending)
    story.ends("b", 50, 56).replaced("e", 50.1, ready_s=54)
    finding = judged(held(story, "a", (29, 33, "ok")))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert judged(held(story, "b", (49, 53, "ok"))).answer is Answer.PASS


@pytest.mark.parametrize(
    ("canary", "words"),
    [
        (None, "traffic.canary"),
        (Canary(refused="this user may not create Pod/proxy"), "may not create Pod/proxy"),
    ],
)
def test_what_is_missing_is_named(canary: Canary | None, words: str) -> None:
    """No name, and no canary."""
    finding = judged(nameless(drained_story()).has(canary=canary))
    assert finding.answer is Answer.UNKNOWN
    assert words in finding.reason


def test_answers_with_names_are_judged_by_them_alone() -> None:
    """What the canary held is not counted twice."""
    story = drained_story()
    rows = [dict(row) for row in story.rows]
    held(story, "a", (29, 31, "failed"))
    story.rows = rows
    assert judged(story).answer is Answer.PASS


def test_an_answer_behind_a_router_that_lacks_its_end_may_be_anybodys() -> None:
    """Its name is no replica's: what others have and it has not may have been cut by the one that ended."""
    story = ended((29, 33, "ok"))
    for row in story.rows:
        row |= {"replica": "router-1", "finish_reason": "stop"}
    assert judged(story).answer is Answer.PASS
    late = next(row for row in story.rows if moment(30) <= row["intended_ns"] < moment(35))
    late["finish_reason"] = None
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "may be cut" in finding.reason
