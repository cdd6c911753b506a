"""Servers behind a limiter of rates: what it refuses at all times says nothing of a replica's end."""

from __future__ import annotations

from collections.abc import Iterable

import pytest
from termination_stories import Ending, standing

from chaos.checks import GracefulTermination
from chaos.checks.verdict import Answer, Finding

SECONDS = tuple(range(2, 100, 4))
"""Every tenth request or so, from the baseline to the end; `a` is deleted at 30 s, and gone at 36 s."""


def limited(status: int, at_s: Iterable[float], uid: str | None = None) -> Ending:
    """`a` ends well; at these moments a request is refused at once, by a gateway or by a replica."""
    story = standing().stream("a", 28, 32).stream("a", 30.5, 35)
    for second in at_s:
        story.stream(uid, second, second + 0.1, "failed", status=status)
    return story.ends("a", 30, 36).replaced("d", 30.1, ready_s=34)


def judged(story: Ending) -> Finding:
    """What is said of its end."""
    return GracefulTermination()(story.history())


@pytest.mark.parametrize(
    ("status", "at_s", "uid", "answer"),
    [
        pytest.param(429, SECONDS, None, Answer.PASS, id="now and then, by a gateway"),
        pytest.param(429, SECONDS, "b", Answer.PASS, id="now and then, by a replica that stays"),
        pytest.param(413, SECONDS, None, Answer.PASS, id="prompts that are too long"),
        pytest.param(429, (2, 12, 22, 34, 50), "a", Answer.PASS, id="by the one that ends, no more often"),
        pytest.param(429, (34,), None, Answer.UNKNOWN, id="only while it ends"),
        pytest.param(429, (34, 50, 60, 70), None, Answer.UNKNOWN, id="not before"),
        pytest.param(429, (*SECONDS, *(31 + n / 4 for n in range(16))), None, Answer.UNKNOWN, id="more while it ends"),
        pytest.param(429, (2, *(31 + n / 4 for n in range(8))), "a", Answer.UNKNOWN, id="all that it takes at its end"),
        pytest.param(503, SECONDS, None, Answer.UNKNOWN, id="a server that fails at all times"),
    ],
)
def test_what_is_refused_at_all_times_is_nobodys_end(
    status: int, at_s: Iterable[float], uid: str | None, answer: Answer
) -> None:
    """The same part of the requests is refused for itself before any fault, and no more while the replica ends."""
    finding = judged(limited(status, at_s, uid))
    assert finding.answer is answer, finding.line()


def test_a_limiter_hides_no_closed_port() -> None:
    """Connections that find nobody while `a` ends are its doing, though requests are refused at all times."""
    story = limited(429, SECONDS)
    for number in range(5):
        story.stream(None, 30.5 + number, 30.6 + number, "refused")
    finding = judged(story)
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_limiter_leaves_idle_ends_to_chance() -> None:
    """An idle replica beside one that ended well lost nothing, though a gateway refused a request meanwhile."""
    story = limited(429, SECONDS).ends("b", 50, 52).replaced("e", 50.1, ready_s=54)
    assert judged(story).answer is Answer.PASS


def test_what_was_refused_is_no_request_under_way() -> None:
    """A replica that only refused as it was told to end held nothing, so that its end proves nothing."""
    story = standing()
    for second in (2, 10, 18, 29.95):
        story.stream("a", second, second + 0.1, "failed", status=429)
    finding = judged(story.ends("a", 30, 36).replaced("d", 30.1, ready_s=34))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no request was under way" in finding.reason
