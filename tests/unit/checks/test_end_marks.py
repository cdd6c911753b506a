"""Answers that gateways and busy servers give: the end mark of a stream that was cut behind it, and refusals."""

from __future__ import annotations

import pytest
from histories import Story, kill_story
from termination_stories import Ending, standing

from chaos.checks import GracefulTermination, SloMet
from chaos.checks.verdict import Answer
from chaos.slo import Slo

AVAILABLE = Slo(availability=0.99)


def reasoned(story: Story, *bare: int) -> Story:
    """The story with a finish reason for each answer but these."""
    for number, row in enumerate(story.rows):
        row["finish_reason"] = None if number in bare else "stop"
    return story


# --- an end mark without a finish reason -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("bare", "answer"),
    [
        pytest.param((), Answer.PASS, id="each has its reason"),
        pytest.param(range(1000), Answer.PASS, id="the server gives none"),
        pytest.param((100, 303), Answer.PASS, id="it left it out before the fault, too"),
        pytest.param(range(0, 1000, 20), Answer.PASS, id="now and then all along"),
        pytest.param((100, *range(303, 403)), Answer.UNKNOWN, id="one before the fault, a hundred in it"),
        pytest.param((303,), Answer.UNKNOWN, id="one of the fault has none"),
        pytest.param((300, 301, 500), Answer.UNKNOWN, id="three have none"),
    ],
)
def test_an_answer_without_the_reason_that_others_have_may_have_been_cut(bare: range, answer: Answer) -> None:
    """A gateway writes `[DONE]` though the server behind it died: status 200, an end mark, and no finish reason."""
    finding = SloMet(AVAILABLE)(reasoned(kill_story(), *bare).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("empty", "answer"),
    [
        pytest.param((), Answer.PASS, id="each holds tokens"),
        pytest.param(range(1000), Answer.PASS, id="none holds any, as of a plain service"),
        pytest.param((100, 303), Answer.PASS, id="one was empty before the fault, too"),
        pytest.param((100, *range(303, 403)), Answer.UNKNOWN, id="one before the fault, a hundred in it"),
        pytest.param((303,), Answer.UNKNOWN, id="one of the fault is empty"),
    ],
)
def test_an_empty_answer_without_a_reason_may_have_been_cut(empty: range, answer: Answer) -> None:
    """Of a server that gives no reasons, an end mark is all that came for a request whose server died at once."""
    story = kill_story()
    for number in empty:
        story.rows[number]["first_token_ns"] = None
    finding = SloMet(AVAILABLE)(story.history())
    assert finding.answer is answer, finding.line()
    for row in story.rows:
        row["finish_reason"] = "stop"
    assert SloMet(AVAILABLE)(story.history()).answer is Answer.PASS


def test_requests_that_failed_break_an_objective_all_the_same() -> None:
    """Doubt about a few answers does not hide that too many others failed."""
    story = reasoned(kill_story().fate(range(300, 320), "failed", status=502), 330)
    assert SloMet(AVAILABLE)(story.history()).answer is Answer.FAIL


def test_another_stream_without_reasons_is_another_servers_habit() -> None:
    """Streams differ in their profiles: one of plain requests has no reasons beside one of chats that has."""
    story = reasoned(kill_story(), *range(1000)).traffic(rate_rps=10)
    for row in story.rows[1000:]:
        row["finish_reason"] = "length"
    finding = SloMet(AVAILABLE)(story.history())
    assert finding.answer is Answer.PASS, finding.line()


def ended(*bare: int, uid: str | None = "a") -> Ending:
    """`a` is deleted while it answers two streams, the last of which may name nobody, and ends at 36 s."""
    story = standing().stream("a", 28, 32).stream(uid, 29, 35)
    reasoned(story, *(len(story.rows) - number for number in bare))
    return story.ends("a", 30, 36).replaced("d", 30.1, ready_s=34)


@pytest.mark.parametrize(
    ("bare", "uid", "answer"),
    [
        pytest.param((), "a", Answer.PASS, id="both whole"),
        pytest.param((1,), "a", Answer.UNKNOWN, id="one without a reason"),
        pytest.param((1, 2), "a", Answer.UNKNOWN, id="both without"),
        pytest.param((1,), None, Answer.UNKNOWN, id="one without a reason or a name"),
        pytest.param((1,), "b", Answer.PASS, id="one of another replica"),
    ],
)
def test_an_end_mark_alone_does_not_show_a_graceful_end(bare: tuple[int, ...], uid: str | None, answer: Answer) -> None:
    """What the replica held at its deletion got its end mark, but not the reason that all other answers have."""
    finding = GracefulTermination()(ended(*bare, uid=uid).history())
    assert finding.answer is answer, finding.line()
    assert ("may be cut" in finding.reason) is (answer is Answer.UNKNOWN)


# --- refusals of requests, not of the end ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("status", "sent_s", "answer"),
    [
        pytest.param(400, 28, Answer.UNKNOWN, id="400, taken before"),
        pytest.param(413, 30.5, Answer.UNKNOWN, id="413, taken afterwards"),
        pytest.param(429, 30.5, Answer.UNKNOWN, id="429, taken afterwards"),
        pytest.param(500, 28, Answer.FAIL, id="500, taken before"),
        pytest.param(503, 30.5, Answer.FAIL, id="503, taken afterwards"),
    ],
)
def test_a_request_that_is_refused_for_itself_says_nothing_of_the_end(
    status: int, sent_s: float, answer: Answer
) -> None:
    """One prompt that is too long, or one client that asks too often, met the replica that was ending, by chance."""
    story = standing().stream("a", 29, 33).stream("a", sent_s, 31, "failed", status=status)
    finding = GracefulTermination()(story.ends("a", 30, 36).replaced("d", 30.1, ready_s=34).history())
    assert finding.answer is answer, finding.line()
