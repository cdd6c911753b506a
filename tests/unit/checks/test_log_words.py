"""What logs say stands beside the reasons of findings, and changes no answer."""

from __future__ import annotations

from typing import Any

import pytest
from histories import Story, at, kill_story, pod
from probe_stories import hang_story

from chaos.checks import EndState, NoRestartLoop, Recovered, RestartedByLiveness
from chaos.checks.verdict import Answer, Check
from chaos.history import ContainerLog

OOM = "2026-01-01T00:00:20Z torch.OutOfMemoryError: CUDA out of memory. Tried to allocate 2 GiB"


def log(name: str, uid: str, *lines: str, run: int = 0) -> ContainerLog:
    """What is kept of the log of a container."""
    return ContainerLog(f"{name}_{run}.log", name, uid, "m", "main", run, at(0), lines)


def never_ready() -> Story:
    """A kill whose replacement never becomes Ready."""
    story = Story().replicas("a", "b", "c").fault("a").acted("delete-pod", 30.1, fault="pod-kill-1")
    return story.killed("a", 30.2).replaced("d", 30.3, ready_s=None)


def looping() -> Story:
    """A container that is restarted three times."""
    story = Story().replicas("a", "b")
    for count in (1, 2, 3):
        raw: dict[str, Any] = pod("a", ready=True, restarts=count)
        story.saw(40 + 10 * count, "MODIFIED", raw)
    return story


@pytest.mark.parametrize(
    ("check", "story", "uid"),
    [(Recovered(), never_ready, "d"), (EndState(), never_ready, "d"), (NoRestartLoop(), looping, "a")],
    ids=["recovered", "end-state", "no-restart-loop"],
)
def test_a_finding_quotes_the_log_of_the_pod_that_it_is_about(check: Check, story: Any, uid: str) -> None:
    """As what the log says; the answer is the same without."""
    before = check(story().history())
    finding = check(story().has(logs=(log(f"model-{uid}", uid, "INFO x", OOM),)).history())
    assert before.answer is finding.answer is Answer.FAIL
    assert f"the log of model-{uid} (m) says out of GPU memory: {OOM}" in finding.reason
    assert before.reason in finding.reason


@pytest.mark.parametrize(
    ("check", "story"),
    [(Recovered(), kill_story), (RestartedByLiveness(), hang_story), (NoRestartLoop(), kill_story)],
    ids=["recovered", "restarted-by-liveness", "no-restart-loop"],
)
def test_a_claim_that_holds_holds_whatever_logs_say(check: Check, story: Any) -> None:
    """A server may write of memory, and be well."""
    uids = ("a", "b", "c", "d")
    logs = tuple(log(f"model-{uid}", uid, OOM, "Permission denied") for uid in uids)
    finding = check(story().has(logs=logs).history())
    assert finding.answer is Answer.PASS
    assert "says" not in finding.reason


def test_the_log_of_another_pod_is_not_quoted() -> None:
    """Nor one whose name only begins so."""
    logs = (log("model-b", "b", OOM), log("model-d2", "d2", OOM))
    assert "says" not in Recovered()(never_ready().has(logs=logs).history()).reason


def test_the_latest_run_that_names_a_cause_is_quoted() -> None:
    """What the container said before an earlier restart is less near to it."""
    logs = (log("model-d", "d", OOM), log("model-d", "d", "OSError: Address already in use", run=1))
    reason = Recovered()(never_ready().has(logs=logs).history()).reason
    assert "address in use" in reason
    assert "CUDA" not in reason
