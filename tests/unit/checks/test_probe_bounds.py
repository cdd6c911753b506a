"""Probes of pods with several containers, and of replicas that stream: each container has its own bounds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, pod
from probe_stories import covered, endpoints, hung, killing, restarted
from recovery_stories import restarted_story

from chaos.checks import RecoveredInTime, RestartedByLiveness, ZombieFound
from chaos.checks.verdict import Answer, Finding
from chaos.clock import NS

MODEL = PROBED["containers"][0]
THREE_PROBES = {"periodSeconds": 10, "failureThreshold": 3, "timeoutSeconds": 1}
PATIENT: Mapping[str, Any] = {
    **PROBED,
    "terminationGracePeriodSeconds": 30,
    "containers": [{**MODEL, "livenessProbe": THREE_PROBES, "readinessProbe": THREE_PROBES}],
}
"""A hang is found after 31 s at most, and 30 s of grace follow: the container is restarted within 82 s."""

PROXY = {"name": "istio-proxy", "imagePullPolicy": "Never", "readinessProbe": {"periodSeconds": 15}}
SHIPPER = {"name": "log-shipper", "imagePullPolicy": "Never"}
HASTY = {
    "name": "metrics",
    "imagePullPolicy": "Never",
    "livenessProbe": {"periodSeconds": 1, "failureThreshold": 1},
    "startupProbe": {"periodSeconds": 1, "failureThreshold": 5},
}
SIDECARS: Mapping[str, Mapping[str, Any] | None] = {
    "alone": None,
    "proxy": PROXY,
    "log shipper": SHIPPER,
    "hasty probes": HASTY,
}


def beside(spec: Mapping[str, Any], sidecar: Mapping[str, Any] | None) -> Mapping[str, Any]:
    """The spec with one more container."""
    return spec if sidecar is None else {**spec, "containers": [*spec["containers"], sidecar]}


def runs_beside(story: Story, sidecar: Mapping[str, Any] | None) -> Story:
    """Every state of every pod shows the other container, which runs and is never restarted."""
    if sidecar is None:
        return story
    state = {"running": {"startedAt": "2026-01-01T00:00:00Z"}}
    other = {"name": sidecar["name"], "ready": True, "restartCount": 0, "state": state}

    def both(raw: Mapping[str, Any]) -> dict[str, Any]:
        status = raw["status"]
        return {**raw, "status": {**status, "containerStatuses": [*status["containerStatuses"], other]}}

    story.events = [replace(one, object=both(one.object)) if one.kind == "Pod" else one for one in story.events]
    return story


def restarted_after_a_hang(sidecar: Mapping[str, Any] | None) -> Story:
    """The model's process hangs at 30 s, is killed at 61 s, and its container is restarted at 70 s."""
    spec = beside(PATIENT, sidecar)
    story = hung(spec=spec, healed_s=190, end_s=200)
    story.saw(60, "MODIFIED", pod("a", running=True, spec=spec))
    story.saw(60.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    story.saw(61, "ADDED", killing("a"), "Event")
    story.saw(70, "MODIFIED", restarted("a", spec=spec))
    story.saw(74, "MODIFIED", restarted("a", ready=True, spec=spec))
    story.saw(74.3, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    return runs_beside(story, sidecar)


beside_each = pytest.mark.parametrize("sidecar", SIDECARS.values(), ids=SIDECARS)


# --- restarted by its liveness probe ------------------------------------------------------------------------


@beside_each
def test_a_sidecar_does_not_change_the_bound_of_the_model(sidecar: Mapping[str, Any] | None) -> None:
    """A sidecar without a liveness probe does not change the bound of the model's container."""
    finding = RestartedByLiveness()(restarted_after_a_hang(sidecar).history())
    assert finding.answer is Answer.PASS, finding.line()
    assert "bound 82 s" in finding.line()


@beside_each
def test_a_hang_that_was_healed_early_beside_a_sidecar_proves_nothing(sidecar: Mapping[str, Any] | None) -> None:
    """A hang of 5 s ends long before the model's liveness probe was due, with or without a sidecar."""
    story = hung(spec=beside(PATIENT, sidecar), healed_s=35, end_s=200)
    finding = RestartedByLiveness()(runs_beside(story, sidecar).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "nothing restarts one that hangs" not in finding.reason


# --- every stage within its bound -----------------------------------------------------------------------------


def hang_found(at_s: float, sidecar: Mapping[str, Any] | None) -> Finding:
    """A hang for which the probes' bounds are 19 s and 35 s is found at a moment, and ended 7 s later."""
    story = restarted_story(spec=beside(PROBED, sidecar), end_s=500, unready=at_s)
    return RecoveredInTime()(runs_beside(story, sidecar).history())


@beside_each
def test_a_hang_found_after_200_s_is_late(sidecar: Mapping[str, Any] | None) -> None:
    """The model's own probes promise that a hang of it is found within 19 s, whatever others beside it have."""
    finding = hang_found(230, sidecar)
    assert finding.answer is Answer.FAIL, finding.line()
    (recovery,) = finding.values["recoveries"]
    unready = next(stage for stage in recovery["stages"] if stage["stage"] == "unready")
    assert (unready["answer"], unready["bound_s"]) == ("FAIL", 19)


@beside_each
def test_a_hang_found_in_time_is_in_time(sidecar: Mapping[str, Any] | None) -> None:
    """Nor does a container beside the model make late what its probes found soon."""
    finding = hang_found(33, sidecar)
    assert finding.answer is Answer.PASS, finding.line()


# --- zombies ------------------------------------------------------------------------------------------------


@beside_each
def test_a_short_hang_beside_a_sidecar_is_no_zombie(sidecar: Mapping[str, Any] | None) -> None:
    """A hang of 6 s is over before the 19 s that the model's probes may take, with or without a sidecar."""
    story = hung(spec=beside(PROBED, sidecar), healed_s=36, end_s=120)
    for row in story.rows:
        row["replica"] = "model-a" if row["id"] % 2 else "model-b"
        if row["id"] % 2 and at(30) <= row["intended_ns"] < at(36):
            row.update(dict.fromkeys(("first_byte_ns", "first_token_ns", "end_ns"), at(36.5)))
    finding = ZombieFound()(runs_beside(story, sidecar).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no probe of its looks for a hang" not in finding.reason


def one_long_answer() -> Story:
    """`a` takes one request at a time, and streams one answer from 60 s to 150 s, a token each 50 ms.

    The rest of its share waits meanwhile. The fault is of `b`, which answers all the while.
    """
    story = Story(260).replicas("a", "b").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.fault("b", name="process-hang", healed_s=250)
    story.has(covered_ns=covered(260)).traffic(rate_rps=2, end_s=250)
    held = []
    for row in story.rows:
        row["replica"] = "model-a" if row["id"] % 2 else "model-b"
        if row["id"] % 2 and at(60) <= row["intended_ns"] < at(150):
            held.append(row)
            first = at(150.2) + (row["intended_ns"] - at(60)) // 10
            row |= {"first_byte_ns": first, "first_token_ns": first, "end_ns": first + NS // 10}
    gaps = [NS // 20] * 1789
    held[0] |= dict.fromkeys(("first_byte_ns", "first_token_ns"), at(60.6))
    held[0] |= {"end_ns": at(60.6) + sum(gaps), "tokens_out": len(gaps) + 1, "token_gaps_ns": gaps}
    return story


def test_a_replica_that_streams_one_long_answer_is_no_zombie() -> None:
    """A replica that gives a token every 50 ms for 90 s was never silent."""
    finding = ZombieFound()(one_long_answer().history())
    assert finding.answer in {Answer.PASS, Answer.UNKNOWN}, finding.line()
    assert "gave no token" not in finding.reason


def quiet_after(*, tokens: int, end_s: float | None) -> Finding:
    """`a` streams an answer from 60 s on, a token each 50 ms, and gives nothing more; all else that it gets is lost.

    The last answer ends at `end_s`, or is never whole.
    """
    story = one_long_answer()
    held = [row for row in story.rows if row["replica"] == "model-a" and at(60) <= row["intended_ns"]]
    gaps = [NS // 20] * tokens
    for row in held[1:]:
        row |= {"first_byte_ns": None, "first_token_ns": None, "outcome": "unanswered", "replica": None}
        row["end_ns"] = row["intended_ns"] + 30 * NS
    last_ns = at(60.6) + sum(gaps)
    held[0] |= {"token_gaps_ns": gaps, "tokens_out": tokens + 1, "end_ns": last_ns if end_s is None else at(end_s)}
    held[0] |= {"outcome": "truncated" if end_s is None else "ok"}
    return ZombieFound()(story.history())


def test_a_replica_that_falls_silent_after_its_stream_is_a_zombie() -> None:
    """It streamed for 50 s and then gave nothing for two minutes: the stream excuses what came before it only."""
    finding = quiet_after(tokens=1000, end_s=None)
    assert finding.answer is Answer.FAIL, finding.line()
    assert "model-a (a) was Ready and among the endpoints, and gave no token for 139" in finding.reason


def test_the_tokens_of_an_answer_that_was_cut_are_tokens() -> None:
    """What it streamed up to a cut at 240 s came from it: until then it was not silent."""
    finding = quiet_after(tokens=3600, end_s=None)
    assert "gave no token" not in finding.reason, finding.line()
