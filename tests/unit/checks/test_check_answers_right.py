"""AnswersRight: what wrong answers prove depends on what the model was worth before; another user's always does."""

from __future__ import annotations

from pathlib import Path

import pytest
from echo_stories import FAULT, echo_story, echoed
from histories import Story
from saved_histories import saved

from chaos.checks import AnswersRight, SloMet
from chaos.checks.chance import at_least, share_most
from chaos.checks.judge import judge_run
from chaos.checks.verdict import Answer, Finding
from chaos.slo import Slo


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return AnswersRight()(story.history())


@pytest.mark.parametrize(
    ("before", "since", "answer"),
    [
        (0, 0, Answer.PASS),
        (0, 2, Answer.PASS),
        (30, 70, Answer.PASS),
        (250, 600, Answer.PASS),
        (0, 20, Answer.UNKNOWN),
        (0, 100, Answer.FAIL),
        (0, 700, Answer.FAIL),
        (30, 250, Answer.FAIL),
        (150, 700, Answer.FAIL),
        (299, 700, Answer.UNKNOWN),
        (300, 700, Answer.UNKNOWN),
    ],
)
def test_wrong_answers_are_held_against_those_before(before: int, since: int, answer: Answer) -> None:
    """As many as before is chance; far more are not; a model that hardly ever repeats a number proves nothing."""
    finding = judged(echo_story(wrong_before=before, wrong_since=since))
    assert finding.answer is answer, finding.line()


def test_a_model_that_never_repeats_is_told_so() -> None:
    """In words, with what would settle it."""
    finding = judged(echo_story(wrong_before=300, wrong_since=700))
    assert "the model never repeated a number (0 of 299 answers right in the baseline)" in finding.reason
    assert "a model that can repeat a number" in finding.settle


@pytest.mark.parametrize(("asked", "words"), [(0, "no answer was asked to repeat"), (200, "came since")])
def test_without_answers_nothing_is_proved(asked: int, words: str) -> None:
    """Neither where nobody asked, nor where nobody was answered since the fault."""
    finding = judged(echo_story(asked=asked))
    assert finding.answer is Answer.UNKNOWN
    assert words in finding.reason


def test_too_few_answers_cannot_show_anything() -> None:
    """Four since the fault might all be wrong by chance, of a model that got one of ten right."""
    story = echo_story(wrong_before=270, wrong_since=3)
    for row in story.rows[FAULT + 3 :]:
        row["echo"] = None
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "not even 4 wrong answers of 4 would show anything" in finding.reason


@pytest.mark.parametrize(
    ("before", "wrong", "answer"),
    [
        (1, 100, Answer.UNKNOWN),
        (1, 0, Answer.PASS),
        (10, 25, Answer.UNKNOWN),
        (30, 2, Answer.PASS),
        (1, 700, Answer.FAIL),
    ],
)
def test_a_baseline_of_few_answers_makes_no_wrong_one_usual(before: int, wrong: int, answer: Answer) -> None:
    """One right answer in the baseline does not say that a model is wrong once in seven times; none wrong is none."""
    story = echo_story(wrong_since=wrong)
    for row in story.rows[before:FAULT]:
        row["echo"] = None
    finding = judged(story)
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize("number", [3, 310, 999])
@pytest.mark.parametrize("outcome", ["foreign", "truncated"])
def test_one_foreign_answer_fails_at_once(number: int, outcome: str) -> None:
    """At any time, whatever became of it otherwise; it is told which, and by whom."""
    error = "the answer holds the nonce of steady-1 request 40"
    story = echoed(echo_story(), [number], "foreign", outcome=outcome, error=error, replica="model-b")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert f"1 answer held what was another user's: steady-1 request {number}, {error}, by model-b" in finding.reason
    assert SloMet(Slo(availability=0.9))(story.history()).answer is Answer.FAIL


def test_a_foreign_answer_fails_even_of_a_model_that_never_repeats() -> None:
    """It repeated, after all: what was another's."""
    assert judged(echoed(echo_story(wrong_before=300, wrong_since=700), [500], "foreign")).answer is Answer.FAIL


def test_it_is_among_the_checks_wherever_numbers_were_asked_for(tmp_path: Path) -> None:
    """And only there, and once."""
    for checks in ((), (AnswersRight(),)):
        assert [
            one.check
            for one in judge_run(saved(echo_story().history(), tmp_path / str(len(checks))), checks).verdict.findings
        ] == ["answers-right"]
    assert not judge_run(saved(echo_story(asked=0).history(), tmp_path / "none"), ()).verdict.findings


def test_chances_are_those_of_a_binomial_distribution() -> None:
    """Against sums by hand, and the bounds where there is nothing to sum."""
    assert at_least(2, 3, 0.5) == pytest.approx(0.5)
    assert at_least(3, 3, 0.1) == pytest.approx(1e-3)
    assert (at_least(0, 5, 0.3), at_least(1, 5, 0.0), at_least(5, 5, 1.0)) == (1, 0, 1)
    assert 0 < share_most(0, 100) < 0.15
    assert share_most(100, 100) == pytest.approx(1)
