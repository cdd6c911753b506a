"""Restarts of before the record: the kubelet remembers them, and waits before the next one all the longer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from histories import Story, at, pod
from probe_stories import killing
from recovery_stories import restarted_story

from chaos.checks import Recovered, RecoveredInTime, RestartedByLiveness
from chaos.checks.verdict import Answer, Check
from chaos.clock import NS
from chaos.history.facts.pod_lifecycles import pod_lives

EARLIER = 4
NEVER = "1970-01-01T00:00:00Z"
"""What a kubelet says of the begin of a run that never came to be."""


def told(at_s: float) -> str:
    """A moment of the trial as a kubelet writes it."""
    return datetime.fromtimestamp(at(at_s) / NS, UTC).isoformat()


def with_container(raw: Mapping[str, Any], **fields: Any) -> dict[str, Any]:
    """A pod of which these fields of its container's status are other."""
    (container,) = raw["status"]["containerStatuses"]
    return {**raw, "status": {**raw["status"], "containerStatuses": [{**container, **fields}]}}


def hung(state: Mapping[str, Any], restarts: int = EARLIER) -> Story:
    """`a` is listed with so many restarts, hangs at 30 s, and is restarted by its liveness probe 60 s later."""
    story = restarted_story(container_restarted=90)
    for place, one in enumerate(story.events):
        if one.kind == "Pod" and one.object["metadata"]["uid"] == "a":
            count = one.object["status"]["containerStatuses"][0]["restartCount"] + EARLIER
            changes = {"state": state, "restartCount": restarts} if one.type == "LISTED" else {"restartCount": count}
            story.events[place] = replace(one, object=with_container(one.object, **changes))
    asked = killing("a")
    asked["metadata"] |= {"uid": "event-liveness", "name": "event-liveness"}
    return story.saw(39, "ADDED", asked, "Event")


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime(), RestartedByLiveness()])
@pytest.mark.parametrize(("began_s", "answer"), [(-90, Answer.PASS), (-660, Answer.FAIL)])
def test_restarts_before_the_record_make_the_next_one_wait(check: Check, began_s: float, answer: Answer) -> None:
    """After four restarts the kubelet waits 80 s, unless the container has run for ten minutes since the last."""
    finding = check(hung({"running": {"startedAt": told(began_s)}}).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize("check", [Recovered(), RecoveredInTime(), RestartedByLiveness()])
@pytest.mark.parametrize(("began_s", "answer"), [(-690, Answer.PASS), (-1260, Answer.FAIL)])
def test_earlier_restarts_are_dated_by_the_clock_of_the_record(check: Check, began_s: float, answer: Answer) -> None:
    """The trial's clock is ten minutes ahead of the cluster's, by which a kubelet says when a run began."""
    story = hung({"running": {"startedAt": told(began_s)}})
    for place, one in enumerate(story.events):
        if one.type == "ADDED":
            stamp = told((one.at_ns - at(0)) / NS - 600)
            metadata = {**one.object["metadata"], "creationTimestamp": stamp}
            story.events[place] = replace(one, object={**one.object, "metadata": metadata})
    finding = check(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("began_s", "bound_s"), [(-90, 43 + 80), (-660, 43)])
def test_the_wait_is_a_part_of_the_bound(began_s: float, bound_s: float) -> None:
    """The bound of the replica's return says how long its kubelet may wait."""
    finding = Recovered()(hung({"running": {"startedAt": told(began_s)}}).history())
    assert finding.values["losses"][0]["bound_s"] == bound_s


@pytest.mark.parametrize(("ran_s", "answer"), [(200, Answer.PASS), (1000, Answer.FAIL)])
def test_a_long_run_that_had_just_ended_is_forgotten(ran_s: float, answer: Answer) -> None:
    """A container is listed as it has crashed: after a short run its kubelet still counts the crashes before it."""
    ended = {"exitCode": 1, "reason": "Error", "startedAt": told(-42 - ran_s), "finishedAt": told(-42)}
    story = hung({"terminated": ended}, EARLIER - 1).saw(1, "MODIFIED", pod("a", ready=True, restarts=EARLIER))
    finding = RestartedByLiveness()(story.history())
    assert finding.answer is answer, finding.line()


BACK_OFF = {"waiting": {"reason": "CrashLoopBackOff"}}
PULL = {"waiting": {"reason": "ImagePullBackOff"}}


@pytest.mark.parametrize(
    ("state", "last", "dated_s"),
    [
        pytest.param({"running": {"startedAt": told(-90)}}, (told(-200), told(-100)), -90, id="runs"),
        pytest.param({"running": {"startedAt": told(50)}}, (told(-200), told(-100)), 0, id="by a clock that is ahead"),
        pytest.param(BACK_OFF, (told(-70), told(-60)), -70, id="waits in its back-off"),
        pytest.param(BACK_OFF, (NEVER, told(-60)), -60, id="could not be started"),
        pytest.param(BACK_OFF, (None, told(-60)), -60, id="without a begin"),
        pytest.param(BACK_OFF, (None, None), 0, id="without any moment"),
        pytest.param(PULL, (told(-900), told(-800)), 0, id="waits for its image"),
    ],
)
def test_earlier_restarts_are_dated_by_the_run_that_the_last_one_began(
    state: Mapping[str, Any], last: tuple[str | None, str | None], dated_s: float
) -> None:
    """They are as old as the run that followed, where that is known, and at least as old as its end or the record."""
    ended = {"exitCode": 1, "reason": "Error", "startedAt": last[0], "finishedAt": last[1]}
    raw = with_container(pod("x"), state=state, restartCount=3, lastState={"terminated": ended})
    history = Story().replicas("a").saw(0, "LISTED", raw).history()
    (life,) = (one for one in pod_lives(history) if one.uid == "x")
    assert life.restarts_ns == {}
    assert life.all_restarts_ns == {"m": (at(dated_s),) * 3}
