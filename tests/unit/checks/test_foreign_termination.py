"""GracefulTermination and the end of a pod, on systems whose clients give up and whose hooks run for long."""

from __future__ import annotations

from typing import Any

import pytest
from termination_stories import Ending, drained_story, standing

from chaos.checks import GracefulTermination
from chaos.checks.verdict import Answer, Finding
from chaos.semantics import KUBERNETES, grace_needed, node_loss_bound, pre_stop_needed_s, termination, unpromised_start


def judged(story: Ending) -> Finding:
    """The finding on a story."""
    return GracefulTermination()(story.history())


def lost_meanwhile(outcome: str, *, waited_s: float) -> Ending:
    """While `a` ends, twenty requests that no replica put its name to come to nothing, each after so long."""
    story = drained_story()
    for number in range(20):
        begin_s = 30.1 + number / 10
        story.stream(None, begin_s, begin_s + waited_s, outcome, status=None)
    return story


def test_a_replica_that_ends_its_requests_passes() -> None:
    """A replica that answers all it took before it goes ends gracefully."""
    assert judged(drained_story()).answer is Answer.PASS


def test_requests_that_nobody_answered_leave_it_open() -> None:
    """Clients that gave up waiting while a replica ended may have been that replica's own."""
    finding = judged(lost_meanwhile("unanswered", waited_s=29.9))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_requests_that_failed_without_a_name_do_not_pass() -> None:
    """Connections that broke while a replica ended are never taken for a graceful end."""
    finding = judged(lost_meanwhile("failed", waited_s=0.2))
    assert finding.answer in {Answer.UNKNOWN, Answer.FAIL}, finding.line()


def test_one_graceful_end_does_not_speak_for_idle_replicas() -> None:
    """Three replicas end, and only one of them held a request: the claim is proved for that one alone."""
    story = standing().stream("a", 28, 32).ends("a", 30, 36).replaced("d", 30.1, ready_s=34)
    finding = judged(story.ends("b", 82, 83).ends("c", 84, 85))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def hooked(hook: dict[str, Any], grace_s: int | None = None) -> dict[str, Any]:
    """A pod spec whose only container has a preStop hook."""
    grace = {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s}
    return {**grace, "containers": [{"name": "vllm", "lifecycle": {"preStop": hook}}]}


@pytest.mark.parametrize(
    ("spec", "hook_s", "kill_s"),
    [
        (hooked({"exec": {"command": ["/shutdown.sh"]}}), (0, 30), (30, 37)),
        (hooked({"sleep": {"seconds": 60}}), (30, 30), (32, 37)),
        (hooked({"exec": {"command": ["/bin/sleep", "15"]}}, 60), (0, 60), (60, 67)),
    ],
    ids=["a script of unknown length", "a sleep over the grace", "a program that sleeps"],
)
def test_a_hook_takes_at_most_the_grace(
    spec: dict[str, Any], hook_s: tuple[float, float], kill_s: tuple[float, float]
) -> None:
    """The kubelet ends a hook with the grace, and gives 2 s more before it kills; an exec hook has no known length."""
    found = termination(spec, KUBERNETES)
    assert (found.pre_stop.best_s, found.pre_stop.worst_s) == hook_s
    assert (found.kill.best_s, found.kill.worst_s) == kill_s
    assert found.room_s == pytest.approx(2)


def test_the_grace_holds_the_longest_answer_and_the_sleep() -> None:
    """A sleep of 7 s lets every node learn of the end, and an answer of 120 s after a sleep of 10 s needs 135 s."""
    assert pre_stop_needed_s(KUBERNETES) == 7
    assert grace_needed(120, 10, KUBERNETES).total_s == 135


def test_nothing_replaces_a_members_pod_on_a_lost_node() -> None:
    """A StatefulSet makes no second pod of a name while the lost node may still run the first."""
    bound = node_loss_bound({"containers": [{"name": "c"}]}, KUBERNETES, workload_kind="StatefulSet")
    assert "a StatefulSet waits until the lost node is back or removed" in [one.reason for one in bound.unpromised]


def test_a_liveness_delay_is_no_limit_of_a_start() -> None:
    """A container without a startup probe promises no time for its start, whatever its liveness probe says."""
    probe = {"periodSeconds": 10, "initialDelaySeconds": 30}
    (said,) = unpromised_start({"containers": [{"name": "vllm", "livenessProbe": probe}]})
    assert said.reason == "container 'vllm' has no startup probe to limit its start"
