"""NoFlapping and WithinLimits: the autoscaler does not go back and forth, and keeps to its own limits."""

from __future__ import annotations

import pytest
from autoscaler_stories import Scaling, hpa, spike_story
from histories import at, deployment

from chaos.checks import NoFlapping, WithinLimits
from chaos.checks.verdict import Answer
from chaos.clock import NS
from chaos.history.facts.autoscaler import KIND
from loadgen.shapes.trace import Replay


def course(*changes: tuple[float, int]) -> Scaling:
    """An autoscaler that sets these numbers at these moments, from 2."""
    story = Scaling(180).stands("a", "b").loaded(1, 0, 170)
    for at_s, desired in changes:
        story.rescaled(at_s, desired)
    return story


@pytest.mark.parametrize(
    ("changes", "most", "answer"),
    [
        ([(40, 4), (100, 2)], 1, Answer.PASS),
        ([(40, 4), (50, 6), (100, 3), (110, 2)], 1, Answer.PASS),
        ([(40, 4)], 0, Answer.PASS),
        ([(40, 4), (60, 2), (80, 4)], 1, Answer.FAIL),
        ([(40, 4), (60, 2), (80, 4)], 2, Answer.PASS),
        ([(40, 4), (60, 2)], 0, Answer.FAIL),
        ([], 1, Answer.UNKNOWN),
        # before the first phase the system is being set up
        ([(2, 4), (3, 2), (40, 4)], 1, Answer.PASS),
    ],
)
def test_reversals_are_counted(changes: list[tuple[float, int]], most: int, answer: Answer) -> None:
    """Up and down again is one reversal; steps in one direction are none."""
    finding = NoFlapping(reversals_max=most)(course(*changes).history())
    assert finding.answer is answer, finding.line()


def test_a_change_by_somebody_else_that_adds_no_reversal_leaves_the_pass() -> None:
    """Where all changes together do not flap, those of the autoscaler do not; with none of its own nothing is shown."""
    story = course((40, 4))
    story.saw(70, "MODIFIED", deployment(5), "Deployment")
    assert NoFlapping()(story.history()).answer is Answer.PASS
    alone = course().saw(70, "MODIFIED", deployment(5), "Deployment")
    assert NoFlapping()(alone.history()).answer is Answer.UNKNOWN


def test_a_flapping_autoscaler_is_shown_with_its_course() -> None:
    """The numbers stand in the reason, and a second autoscaler is named with them."""
    story = course((40, 4), (60, 2), (80, 4))
    assert "desired replicas went 2, 4, 2, 4" in NoFlapping()(story.history()).reason
    two = story.saw(0, "LISTED", hpa(2, name="other"), KIND)
    assert "2 autoscalers scale model" in NoFlapping()(two.history()).reason


@pytest.mark.parametrize(
    ("replayed", "turns", "answer"),
    [(True, 2, Answer.UNKNOWN), (True, 1, Answer.PASS), (False, 2, Answer.FAIL), (False, 1, Answer.PASS)],
)
def test_a_replay_may_turn_as_often_as_the_autoscaler(replayed: bool, turns: int, answer: Answer) -> None:  # noqa: FBT001  # a column
    """A trace has moments and no rate: whether the autoscaler followed it nobody knows."""
    story = Scaling(180).stands("a", "b")
    if replayed:
        story.shaped(Replay(tuple(second * NS for second in range(170))), end_s=170)
    else:
        story.loaded(1, 0, 170)
    for at_s, desired in ((40, 4), (60, 2), (80, 4))[: turns + 1]:
        story.rescaled(at_s, desired)
    finding = NoFlapping()(story.history())
    assert finding.answer is answer, finding.line()


def test_lost_states_leave_flapping_open() -> None:
    """In a gap it may have gone back and forth unseen."""
    assert NoFlapping()(spike_story().gap(100, 110, "Deployment").history()).answer is Answer.UNKNOWN


def test_a_spike_stays_within_the_limits() -> None:
    """The whole course lies between 2 and 8."""
    finding = WithinLimits()(spike_story().history())
    assert finding.answer is Answer.PASS
    assert finding.measured == "desired 2 to 7"


@pytest.mark.parametrize("desired", [1, 9])
def test_outside_of_the_limits_fails(desired: int) -> None:
    """A number that stays outside for longer than a sync and the allowance is a FAIL."""
    finding = WithinLimits()(course((40, desired)).history())
    assert finding.answer is Answer.FAIL
    assert f"{desired} replicas desired for 130.0 s, limits 2 to 8" in finding.reason


def test_a_number_that_is_brought_back_at_once_is_allowed() -> None:
    """Somebody else's change stands for one sync at most."""
    story = course().saw(40, "MODIFIED", deployment(9), "Deployment").rescaled(46, 8)
    assert WithinLimits()(story.history()).answer is Answer.PASS


def test_new_limits_have_their_sync_too() -> None:
    """A maximum that is lowered under the present number is kept a sync later, not at once."""
    lowered = course((40, 6)).saw(60, "MODIFIED", hpa(6, limits=(2, 4)), KIND)
    assert WithinLimits()(lowered.rescaled(65, 4, limits=(2, 4)).history()).answer is Answer.PASS
    late = course((40, 6)).saw(60, "MODIFIED", hpa(6, limits=(2, 4)), KIND)
    assert WithinLimits()(late.rescaled(75, 4, limits=(2, 4)).history()).answer is Answer.FAIL


def test_without_one_autoscaler_there_are_no_limits() -> None:
    """None, or two, is UNKNOWN; so is a gap."""
    none = Scaling(180).stands("a", "b", scaler={}).loaded(1, 0, 170)
    assert WithinLimits()(none.history()).answer is Answer.UNKNOWN
    assert WithinLimits()(course().saw(0, "LISTED", hpa(2, name="other"), KIND).history()).answer is Answer.UNKNOWN
    assert WithinLimits()(course().gap(20, 30, KIND).history()).answer is Answer.UNKNOWN


@pytest.mark.parametrize(("listed_s", "answer"), [(0.01, Answer.PASS), (6, Answer.UNKNOWN)])
def test_what_is_listed_first_is_no_matter_before_the_first_phase(listed_s: float, answer: Answer) -> None:
    """An autoscaler older than the record may be listed before its workload; one that was not watched later is open."""
    story = course((40, 4))
    covered = story.parts["covered_ns"] | {"Deployment": (at(listed_s), at(story.end_s))}
    finding = WithinLimits()(story.has(covered_ns=covered).history())
    assert finding.answer is answer, finding.line()
