"""Stages: they add up, none is negative, and the late one is found."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from chaos.checks.recovery.loss_stages import Step, late_stage, stages_of
from chaos.clock import NS

steps = st.lists(
    st.builds(
        Step,
        st.just("step"),
        st.none() | st.integers(0, 200 * NS),
        st.none() | st.floats(0, 60),
    ),
    max_size=8,
)


@given(steps)
def test_stages_are_never_negative_and_add_up_to_the_whole(told: list[Step]) -> None:
    """In whatever order news came, the stages follow each other to the last step that was seen."""
    stages = stages_of(50 * NS, told)
    assert all(stage.seconds is None or stage.seconds >= 0 for stage in stages)
    seen = [stage for stage in stages if stage.end_ns is not None]
    last_ns = max([50 * NS, *(step.at_ns for step in told if step.at_ns is not None)])
    whole_s = sum(stage.seconds or 0.0 for stage in seen)
    assert abs(whole_s - (last_ns - 50 * NS) / NS) < 1e-6


def test_a_step_that_was_not_seen_hands_its_bound_on() -> None:
    """Time and bound of an unseen step go to the next one that was seen."""
    _, second = stages_of(0, [Step("a", None, 5), Step("b", 7 * NS, 3)])
    assert (second.seconds, second.bound_s) == (7, 8)


def test_a_step_without_a_bound_shares_that_of_the_one_before() -> None:
    """It may take what was left over, and nothing if the one before used it up."""
    assert stages_of(0, [Step("a", 2 * NS, 5), Step("b", 4 * NS, None)])[1].bound_s == 3
    assert stages_of(0, [Step("a", 6 * NS, 5), Step("b", 7 * NS, None)])[1].bound_s == 0


def test_the_late_stage_is_the_one_furthest_over_its_bound() -> None:
    """One that took 9 of 5 s is later than one that took 4 of 1 s."""
    stages = stages_of(0, [Step("a", 9 * NS, 5), Step("b", 13 * NS, 1)])
    late = late_stage(stages, 13 * NS)
    assert late is not None
    assert late.name == "a"


def test_the_stage_under_way_is_late_by_the_time_until_now() -> None:
    """A step that was not reached counts up to the moment of asking, also where its bound is not over yet."""
    stages = stages_of(0, [Step("a", 1 * NS, 5), Step("b", None, 10), Step("c", None, 1)])
    for until_s in (5, 20):
        late = late_stage(stages, until_s * NS)
        assert late is not None
        assert late.name == "b"


def test_no_stage_is_late_where_all_were_in_time() -> None:
    """A way that was gone to its end within its bounds has no late stage."""
    assert late_stage(stages_of(0, [Step("a", 1 * NS, 5)]), 9 * NS) is None
    assert late_stage((), 9 * NS) is None
