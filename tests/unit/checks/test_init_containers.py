"""Init containers that fetch a model and fail: the kubelet starts them anew, with a back-off, as any other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import PROBED, Story, kill_story, node, pod
from node_loss_stories import node_loss_story
from recovery_stories import replaced_story, restarted_story

from chaos.checks import NoNeedlessRestart, NoRestartLoop, Recovered, RecoveredInTime
from chaos.checks.verdict import Answer, Check

FETCHING: Mapping[str, Any] = {**PROBED, "initContainers": [{"name": "fetch", "imagePullPolicy": "Never"}]}


def fetching(uid: str, failures: int, **state: Any) -> dict[str, Any]:
    """A pod whose init container failed and was started anew so often, and waits or has done its work."""
    raw = pod(uid, spec=FETCHING, **state)
    done = raw["status"]["phase"] == "Running"
    how = {"terminated": {"exitCode": 0}} if done else {"waiting": {"reason": "CrashLoopBackOff"}}
    one = {"name": "fetch", "ready": done, "restartCount": failures, "state": how}
    raw["status"]["initContainerStatuses"] = [one]
    return raw


def fetched(failed_s: Sequence[float]) -> Story:
    """`a` is killed at 30 s; the init container of its replacement fails at these moments, and then succeeds."""
    story = Story(200).replicas("a", "b", "c").fault("a").killed("a", 30.2)
    story.saw(30.3, "ADDED", fetching("d", 0, node=""))
    for count, at_s in enumerate(failed_s, 1):
        story.saw(at_s, "MODIFIED", fetching("d", count))
    ready_s, count = max([31, *failed_s]) + 3, len(failed_s)
    story.saw(ready_s - 2, "MODIFIED", fetching("d", count, running=True))
    return story.saw(ready_s, "MODIFIED", fetching("d", count, ready=True)).traffic()


@pytest.mark.parametrize(
    ("check", "failed_s", "answer"),
    [
        pytest.param(NoRestartLoop(), (), Answer.PASS, id="loop, none"),
        pytest.param(NoRestartLoop(), (32,), Answer.PASS, id="loop, once"),
        pytest.param(NoRestartLoop(), (32, 44, 66, 108), Answer.FAIL, id="loop, four times"),
        pytest.param(NoNeedlessRestart(), (), Answer.PASS, id="needless, none"),
        pytest.param(NoNeedlessRestart(), (32,), Answer.FAIL, id="needless, once"),
    ],
)
def test_an_init_container_that_fails_again_and_again_loops(
    check: Check, failed_s: Sequence[float], answer: Answer
) -> None:
    """A model that is fetched at the fifth try alone was started anew four times, though its server never was."""
    finding = check(fetched(failed_s).history())
    assert finding.answer is answer, finding.line()


def test_an_init_container_that_failed_before_the_record_is_of_its_time() -> None:
    """What is listed with nine restarts has them from before."""
    story = Story(120).replicas("a").saw(0, "LISTED", fetching("b", 9, ready=True))
    assert NoRestartLoop()(story.saw(50, "MODIFIED", fetching("b", 9, ready=True)).history()).answer is Answer.PASS
    again = story.saw(60, "MODIFIED", fetching("b", 11, running=True))
    assert NoRestartLoop()(again.history()).answer is Answer.FAIL


def test_a_node_that_comes_back_runs_init_containers_again() -> None:
    """Its pod is made up anew there: its init container runs once more before the others do."""
    story = node_loss_story()
    story.saw(0, "LISTED", fetching("e", 0, ready=True, node="n1"))
    story.saw(100.5, "MODIFIED", node("n1"), "Node")
    story.saw(101, "MODIFIED", fetching("e", 1, running=True, restarts=1, node="n1"))
    assert NoNeedlessRestart()(story.history()).answer is Answer.PASS
    twice = story.saw(105, "MODIFIED", fetching("e", 2, running=True, restarts=1, node="n1"))
    assert NoNeedlessRestart()(twice.history()).answer is Answer.FAIL


def test_the_back_off_of_an_init_container_is_not_the_servers() -> None:
    """The server that falls later is restarted without a back-off: 90 s are too long for it, as without any of that."""
    late = fetched((32, 44)).fault("d", at_s=60, healed_s=70, name="process-crash")
    late.saw(60.6, "MODIFIED", fetching("d", 2, running=True))
    late.saw(61, "MODIFIED", fetching("d", 2, running=True, restarts=1))
    late.saw(160, "MODIFIED", fetching("d", 2, ready=True, restarts=1))
    plain = kill_story()
    assert Recovered()(plain.history()).answer is Answer.PASS
    assert Recovered()(late.history()).answer is Answer.FAIL


def with_rule(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The spec with a rule that has the whole pod restarted with its server."""
    rules = {"restartPolicyRules": [{"action": "RestartAllContainers", "exitCodes": {"operator": "In", "values": [1]}}]}
    return {**spec, "containers": [{**spec["containers"][0], **rules}]}


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(restarted_story(started=100, spec=FETCHING), Answer.FAIL, id="restarted in place"),
        pytest.param(restarted_story(started=100, spec=with_rule(FETCHING)), Answer.UNKNOWN, id="with the whole pod"),
        pytest.param(restarted_story(started=100, spec=PROBED), Answer.FAIL, id="without any init container"),
        pytest.param(replaced_story(started=100, spec=FETCHING), Answer.UNKNOWN, id="a new pod"),
    ],
)
def test_an_init_container_holds_up_no_restart_in_place(story: Story, answer: Answer) -> None:
    """A kubelet runs a pod's init containers once, and not again when its server is restarted."""
    finding = RecoveredInTime()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("init container 'fetch'" in finding.reason) is (answer is Answer.UNKNOWN)
