"""NoNeedlessRestart: no container is restarted but for its own hang or crash."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from histories import PROBED, Story, at, pod
from probe_stories import hang_story, restarted

from chaos.checks import NoNeedlessRestart
from chaos.checks.verdict import Answer
from chaos.history import Gap, Phase


def answer(story: Story, check: NoNeedlessRestart | None = None) -> Answer:
    """What the check says of a story."""
    return (check or NoNeedlessRestart())(story.history()).answer


@pytest.mark.parametrize("kind", ["process-hang", "process-crash", "memory-hog"])
def test_a_restart_for_its_own_fault_passes(kind: str) -> None:
    """One restart of the victim of a hang, of a crash, or of memory used up, is what should happen."""
    story = Story().replicas("a", "b").fault("a", name=kind).saw(40, "MODIFIED", restarted("a", ready=True))
    assert answer(story) is Answer.PASS


@pytest.mark.parametrize(
    ("kind", "reason", "expected"),
    [
        ("process-hang", "Error", Answer.PASS),
        ("process-hang", "OOMKilled", Answer.UNKNOWN),
        ("process-crash", "OOMKilled", Answer.UNKNOWN),
        ("memory-hog", "OOMKilled", Answer.PASS),
    ],
)
def test_a_container_that_ran_out_of_memory_was_not_ended_by_a_fault_of_its_process(
    kind: str, reason: str, expected: Answer
) -> None:
    """After a hang of 10 s the server takes up all that has waited, and more memory than it may."""
    raw = restarted("a", ready=True)
    raw["status"]["containerStatuses"][0]["lastState"] = {"terminated": {"exitCode": 137, "reason": reason}}
    assert answer(Story().replicas("a", "b").fault("a", name=kind).saw(45, "MODIFIED", raw)) is expected


def test_no_restart_passes() -> None:
    """Nothing was restarted."""
    assert answer(Story().replicas("a", "b")) is Answer.PASS


def test_a_second_restart_of_the_victim_fails() -> None:
    """A fault excuses one restart, not a loop."""
    story = hang_story().saw(60, "MODIFIED", restarted("a", 2, ready=True))
    finding = NoNeedlessRestart()(story.history())
    assert finding.answer is Answer.FAIL
    assert finding.values["needless"] == 1
    assert finding.evidence[0].at_ns == at(60)


def test_a_restart_of_another_pod_fails() -> None:
    """A fault excuses nobody but its victims."""
    assert answer(hang_story().saw(45, "MODIFIED", restarted("b", ready=True))) is Answer.FAIL


def test_a_restart_before_the_fault_fails() -> None:
    """What was restarted before the fault began was not restarted for it."""
    assert (
        answer(Story().replicas("a").fault("a", name="process-hang").saw(20, "MODIFIED", restarted("a"))) is Answer.FAIL
    )


def test_a_kill_excuses_no_restart() -> None:
    """A pod that is deleted is replaced, not restarted."""
    story = Story().replicas("a", "b").fault("a").saw(40, "MODIFIED", restarted("a", ready=True))
    assert answer(story) is Answer.FAIL


def test_a_fault_excuses_the_container_that_it_struck_alone() -> None:
    """A restart of the proxy beside it is no consequence of the model's hang."""
    story = Story().replicas("a", "b").fault("a", name="process-hang")
    for at_s, count in ((0, 0), (40, 1)):
        raw = pod("a", ready=True)
        raw["status"]["containerStatuses"].append({"name": "proxy", "restartCount": count})
        story.saw(at_s, "MODIFIED", raw)
    assert answer(story) is Answer.FAIL


RESTARTING_ALL = {"restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "NotIn"}}]}


@pytest.mark.parametrize(
    ("rule", "told", "restarts", "expected"),
    [
        pytest.param(RESTARTING_ALL, True, 1, Answer.PASS, id="a rule, and the kubelet says so"),
        pytest.param(RESTARTING_ALL, False, 1, Answer.FAIL, id="a rule that the exit code did not meet"),
        pytest.param({}, True, 1, Answer.FAIL, id="a rule of another container"),
        pytest.param({}, False, 1, Answer.FAIL, id="no rule"),
        pytest.param(RESTARTING_ALL, True, 2, Answer.FAIL, id="a rule, and one restart more"),
    ],
)
def test_a_rule_may_restart_the_whole_pod_with_one_container(
    rule: Mapping[str, Any],
    told: bool,  # noqa: FBT001
    restarts: int,
    expected: Answer,
) -> None:
    """Workers that must start together have a rule that restarts all containers with the one that crashed."""
    spec = {**PROBED, "containers": [{**PROBED["containers"][0], **rule}, {"name": "proxy"}]}
    story = Story(200).replicas("b").fault("a", name="process-crash")
    for at_s, type_, count in ((0, "LISTED", 0), (31, "MODIFIED", 0), (34, "MODIFIED", 1), (60, "MODIFIED", restarts)):
        raw = pod("a", ready=at_s != 31, restarts=min(count, 1), spec=spec)
        raw["status"]["containerStatuses"].append({"name": "proxy", "restartCount": count})
        if told and at_s == 31:
            raw["status"]["conditions"].append({"type": "AllContainersRestarting", "status": "True"})
        story.saw(at_s, type_, raw)
    assert answer(story) is expected


def test_a_scenario_may_excuse_nothing() -> None:
    """Where the hang ends before a restart is due, any restart is needless."""
    assert answer(hang_story(), NoNeedlessRestart(restarting=())) is Answer.FAIL


def test_restarts_before_the_first_sight_are_not_of_this_trial() -> None:
    """A pod that comes with a count in the list was restarted earlier."""
    assert answer(Story().replicas("a").saw(0, "LISTED", pod("z", ready=True, restarts=3))) is Answer.PASS


def test_a_gap_is_unknown_unless_a_restart_was_seen() -> None:
    """What was not watched may hide a restart; one that was seen stays seen."""
    assert answer(Story().replicas("a", "b").gap(50, 51)) is Answer.UNKNOWN
    assert answer(hang_story().gap(70, 71).saw(60, "MODIFIED", restarted("a", 2))) is Answer.FAIL


@pytest.mark.parametrize(
    ("since_s", "expected"),
    [pytest.param(25, Answer.UNKNOWN, id="before the fault"), pytest.param(31, Answer.PASS, id="after it")],
)
def test_late_news_of_a_restart_may_be_of_one_before_the_fault(since_s: float, expected: Answer) -> None:
    """A watch that was cut off as the fault began tells afterwards of a restart that may have come first."""
    story = Story().replicas("a", "b").fault("a", name="process-crash").saw(40, "MODIFIED", restarted("a", ready=True))
    assert answer(story.has(late=(Gap("Pod", at(since_s), at(40), "reset"),))) is expected


def test_a_watch_that_ended_early_is_unknown() -> None:
    """The claim is about the whole trial, to the end of its last phase."""
    story = Story(60).replicas("a", "b").has(phases=(Phase("recovery", at(40), at(90)),))
    assert answer(story) is Answer.UNKNOWN


def test_two_restarts_at_once_count_twice() -> None:
    """A count that leaps hides no restart behind the one that is excused."""
    story = Story().replicas("a", "b").fault("a", name="process-hang").saw(40, "MODIFIED", restarted("a", 2))
    assert NoNeedlessRestart()(story.history()).values["needless"] == 1
