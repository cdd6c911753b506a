"""UnreadyLeavesEndpoints: pods that turn not Ready leave the ready endpoints, and return when they are Ready."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from histories import Story, at, pod
from probe_stories import endpoints, hang_story, hung, restarted

from chaos.checks import UnreadyLeavesEndpoints
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap

BOUND_S = 1 + 5
"""One write of the controller, and the allowance."""


def judged(story: Story, allowance_s: float = 0.0) -> Finding:
    """The finding on a story."""
    return UnreadyLeavesEndpoints(allowance_s=allowance_s)(story.history())


def left_at(at_s: float) -> Story:
    """Pod `a` turns not Ready at 33 s, and its endpoint leaves at this moment."""
    gone = endpoints("b", unready=["a"])
    return hung().saw(33, "MODIFIED", pod("a", running=True)).saw(at_s, "MODIFIED", gone, "EndpointSlice")


def test_leaving_and_returning_in_time_passes() -> None:
    """The endpoint follows both turns of its pod: PASS, with the seconds of each."""
    finding = judged(hang_story())
    assert finding.answer is Answer.PASS, finding.line()
    assert [(one["way"], one["seconds"]) for one in finding.values["turns"]] == [("leave", 0.2), ("return", 0.3)]


def test_leaving_at_the_bound_passes_and_after_it_fails() -> None:
    """The bound counts from the news that the pod is not Ready; an allowance adds to it."""
    assert judged(left_at(33 + BOUND_S)).answer is Answer.PASS
    assert judged(left_at(33.1 + BOUND_S)).answer is Answer.FAIL
    assert judged(left_at(33.1 + BOUND_S), allowance_s=1).answer is Answer.PASS


def test_late_news_of_a_moment_leaves_room() -> None:
    """A watch that was opened anew after two seconds cannot hide more than these."""
    assert judged(left_at(33.2).has(late=(Gap("Pod", at(31), at(33), "reset"),))).answer is Answer.PASS


def test_news_of_the_endpoint_may_come_first() -> None:
    """Pods and endpoints are two watches; an endpoint that had left already has followed at once."""
    assert judged(left_at(32.9)).answer is Answer.PASS


def test_an_endpoint_that_had_left_long_before_followed_nothing() -> None:
    """The Service no longer selects the pod since 20 s: that it is no endpoint at 33 s says nothing of its turn."""
    finding = judged(left_at(20))
    assert finding.answer is Answer.UNKNOWN
    assert "not seen among the ready endpoints just before it turned" in finding.reason
    assert judged(left_at(27.5)).answer is Answer.UNKNOWN
    assert judged(left_at(27.5).has(late=(Gap("Pod", at(28), at(33), "reset"),))).answer is Answer.PASS


def test_never_leaving_fails() -> None:
    """A pod that is not Ready and still gets connections."""
    finding = judged(hung().saw(33, "MODIFIED", pod("a", running=True)))
    assert finding.answer is Answer.FAIL
    assert "had not left" in finding.reason


def test_never_returning_fails() -> None:
    """A pod that is Ready again and gets no connections."""
    story = left_at(33.2).saw(44, "MODIFIED", restarted("a", ready=True))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "had not returned" in finding.reason


def test_an_endpoint_that_was_deleted_with_its_slice_has_left() -> None:
    """A slice that is gone holds no endpoint."""
    story = hung().saw(33, "MODIFIED", pod("a", running=True))
    assert judged(story.saw(34, "DELETED", endpoints("a", "b"), "EndpointSlice")).answer is Answer.PASS


def flap() -> Story:
    """A turn that was taken back before the bound."""
    return hung().saw(33, "MODIFIED", pod("a", running=True)).saw(35, "MODIFIED", pod("a", ready=True))


@pytest.mark.parametrize(
    "spoil",
    [
        hung,
        flap,
        lambda: hung().saw(33, "MODIFIED", pod("a", ready=True, deleting=True)),
        lambda: hung(end_s=35).saw(33, "MODIFIED", pod("a", running=True)),
        lambda: left_at(50).gap(34, 36, "EndpointSlice"),
        lambda: left_at(33.5).gap(33.2, 33.4, "EndpointSlice"),
        lambda: left_at(50).gap(34, 36),
        lambda: hang_story().gap(80, 81),
        lambda: hang_story().gap(80, 81, "EndpointSlice"),
        lambda: left_at(50).has(late=(Gap("EndpointSlice", at(34), at(50), "reset"),)),
        lambda: left_at(33.2).has(late=(Gap("Pod", at(10), at(33), "reset"),)),
        lambda: left_at(32).has(late=(Gap("Pod", at(10), at(33), "reset"),)),
    ],
)
def test_what_was_not_seen_is_unknown(spoil: Callable[[], Story]) -> None:
    """No turn that lasted, a deletion instead, an early end, a gap, or late news: UNKNOWN, and why."""
    finding = judged(spoil())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert finding.reason
    assert finding.settle


def test_a_pod_that_never_was_an_endpoint_proves_nothing() -> None:
    """Who was not there cannot leave."""
    story = Story().replicas("a").saw(33, "MODIFIED", pod("a", running=True))
    assert judged(story.saw(0, "LISTED", endpoints("z"), "EndpointSlice")).answer is Answer.UNKNOWN


def test_a_gap_elsewhere_does_not_hide_a_failure() -> None:
    """An endpoint that was seen to stay is a FAIL, whatever was missed later."""
    assert judged(left_at(50).gap(80, 81)).answer is Answer.FAIL
