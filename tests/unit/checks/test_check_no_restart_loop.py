"""NoRestartLoop: no pod is restarted again and again."""

from __future__ import annotations

import pytest
from histories import Story, at, pod
from probe_stories import hang_story, restarted

from chaos.checks import NoNeedlessRestart, NoRestartLoop
from chaos.checks.verdict import Answer, Finding
from chaos.errors import UsageError
from chaos.history import Phase


def judged(story: Story, check: NoRestartLoop | None = None) -> Finding:
    """What the check says of a story."""
    return (check or NoRestartLoop())(story.history())


def waiting(uid: str, count: int) -> dict[str, object]:
    """A pod that waits for its next start."""
    raw = restarted(uid, count)
    raw["status"]["containerStatuses"][0]["state"] = {"waiting": {"reason": "CrashLoopBackOff"}}
    return raw


def test_one_restart_is_a_recovery() -> None:
    """A hung replica that its liveness probe starts anew, once, loops in nothing."""
    assert judged(hang_story()).answer is Answer.PASS


def test_a_crash_that_waits_once_in_a_back_off_passes() -> None:
    """The kubelet calls any wait after a crash a back-off; the word alone decides nothing, and is told."""
    finding = judged(Story().replicas("a", "b").saw(40, "MODIFIED", waiting("a", 1)))
    assert finding.answer is Answer.PASS
    assert "CrashLoopBackOff" in finding.evidence[0].text


def test_a_second_restart_of_the_same_pod_fails() -> None:
    """Twice the same pod is a loop, and the finding names it and its moments."""
    story = hang_story().saw(60, "MODIFIED", restarted("a", 2)).saw(70, "MODIFIED", restarted("a", 3))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "model-a was restarted 3 times" in finding.reason
    assert [one.at_ns for one in finding.evidence] == [at(40), at(60), at(70)]


def test_two_pods_restarted_once_each_pass() -> None:
    """The count is of each pod, not of all."""
    assert judged(hang_story().saw(60, "MODIFIED", restarted("b", ready=True))).answer is Answer.PASS


def test_a_scenario_may_allow_none() -> None:
    """Where nothing should be restarted, one restart is one too many."""
    assert judged(hang_story(), NoRestartLoop(restarts_max=0)).answer is Answer.FAIL


@pytest.mark.parametrize(
    "story",
    [
        pytest.param(Story().replicas("a", "b").gap(50, 51), id="gap"),
        pytest.param(Story(60).replicas("a").has(phases=(Phase("recovery", at(40), at(90)),)), id="ended-early"),
        pytest.param(Story(), id="no-pod"),
    ],
)
def test_what_was_not_watched_is_unknown(story: Story) -> None:
    """A restart may hide where nobody looked."""
    assert judged(story).answer is Answer.UNKNOWN


def test_a_loop_that_was_seen_stays_seen() -> None:
    """A gap takes nothing back."""
    assert judged(hang_story().gap(70, 71).saw(60, "MODIFIED", restarted("a", 2))).answer is Answer.FAIL


def test_the_loop_of_a_sidecar_fails() -> None:
    """A native sidecar that is started again and again loops as any other container."""
    inits = [{"name": "proxy", "restartPolicy": "Always"}]
    story = Story().replicas("a", "b")
    for at_s, count in ((0, 0), (40, 1), (60, 2)):
        raw = pod("a", ready=True)
        raw["spec"] = {**raw["spec"], "initContainers": inits}
        raw["status"]["initContainerStatuses"] = [{"name": "proxy", "restartCount": count}]
        story.saw(at_s, "MODIFIED", raw)
    assert judged(story).answer is Answer.FAIL
    assert NoNeedlessRestart()(story.history()).answer is Answer.FAIL


def test_a_negative_number_of_restarts_is_refused() -> None:
    """The limit is a number of restarts."""
    with pytest.raises(UsageError, match="less than 0"):
        NoRestartLoop(restarts_max=-1)
