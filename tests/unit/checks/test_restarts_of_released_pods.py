"""NoRestartLoop and NoNeedlessRestart leave out what becomes of a pod that its controller has let go of."""

from __future__ import annotations

import pytest
from histories import Story, pod

from chaos.checks import NoNeedlessRestart, NoRestartLoop
from chaos.checks.verdict import Answer


def debugged(*moments_s: float, released_s: float | None = 40, back_s: float | None = None) -> Story:
    """Somebody relabels `b`, so that its ReplicaSet lets go of it, and it is restarted at these moments."""
    story, count = Story().replicas("a", "b", "c").traffic(), 0
    changes = sorted((at_s, 1) for at_s in moments_s)
    changes += [(at_s, 0) for at_s in (released_s, back_s) if at_s is not None]
    for at_s, more in sorted(changes):
        count += more
        raw = pod("b", ready=True, restarts=count)
        if released_s is not None and at_s >= released_s and (back_s is None or at_s < back_s):
            raw["metadata"] |= {"ownerReferences": [], "labels": {"debug": "b"}}
        story.saw(at_s, "MODIFIED", raw)
    return story


@pytest.mark.parametrize("check", [NoRestartLoop(), NoNeedlessRestart()], ids=["loop", "needless"])
@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(debugged(50, 60), Answer.PASS, id="restarted by whoever looks at it"),
        pytest.param(debugged(20, 30, 60), Answer.FAIL, id="restarted before that, too"),
        pytest.param(debugged(50, 80, 90, back_s=70), Answer.FAIL, id="taken back, and restarted"),
        pytest.param(debugged(50, 60, back_s=70), Answer.PASS, id="taken back after that"),
        pytest.param(debugged(50, 60, released_s=None), Answer.FAIL, id="never let go"),
    ],
)
def test_a_quarantined_pods_restarts_are_none_of_the_systems(
    check: NoRestartLoop | NoNeedlessRestart, story: Story, answer: Answer
) -> None:
    """A pod that is taken out of its ReplicaSet to be looked at is no replica, and may be started at any time."""
    finding = check(story.history())
    assert finding.answer is answer, finding.line()
