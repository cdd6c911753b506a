"""FaultsLanded where a Ready victim is not among the Service's endpoints any more as it is hit."""

from __future__ import annotations

import pytest
from histories import Story, kill_story
from probe_stories import endpoints

from chaos.checks import FaultsLanded
from chaos.checks.verdict import Answer


def left(out_s: float | None, back_s: float | None = None) -> Story:
    """The kill of `a` at 30.2 s, which was taken out of the endpoints before, and it may be back among them later."""
    story = kill_story().saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice")
    if out_s is not None:
        story.saw(out_s, "MODIFIED", endpoints(*"bc"), "EndpointSlice")
    return story if back_s is None else story.saw(back_s, "MODIFIED", endpoints(*"abc"), "EndpointSlice")


def answering(story: Story, sent_s: int) -> Story:
    """`a` has one long answer under way, or had: sent at this second, ten seconds long."""
    row = story.rows[10 * sent_s]
    return story.fate([10 * sent_s], "ok", replica="model-a", end_ns=row["sent_ns"] + 10_000_000_000)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(left(20), Answer.UNKNOWN, id="taken out before"),
        pytest.param(left(20, 35), Answer.PASS, id="back while the fault is active"),
        pytest.param(left(20, 28), Answer.PASS, id="back before"),
        pytest.param(left(30.1), Answer.PASS, id="taken out by the fault"),
        pytest.param(left(None), Answer.PASS, id="never taken out"),
        pytest.param(answering(left(20), 18), Answer.UNKNOWN, id="it had answered all"),
        pytest.param(answering(left(20), 24), Answer.PASS, id="it was still answering"),
    ],
)
def test_a_victim_that_nobody_could_ask_any_more_was_no_loss_to_users(story: Story, answer: Answer) -> None:
    """A blue-green switch, or a label that was changed, leaves a replica Ready and without users."""
    finding = FaultsLanded()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("had left the ready endpoints before" in finding.reason) is (answer is Answer.UNKNOWN)
