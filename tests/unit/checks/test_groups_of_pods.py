"""Replicas that are groups of pods, as a LeaderWorkerSet makes them: one is back when all of it is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from group_stories import END_S, groups, leader, made, struck, workers
from histories import at

from chaos.checks import EndState, Recovered, RecoveredInTime, SteadyBefore
from chaos.checks.verdict import Answer, Check
from chaos.history.facts.pod_lifecycles import pod_lives

CHECKS = (Recovered(), RecoveredInTime(), EndState())


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: str(check.name))
@pytest.mark.parametrize(
    ("again", "answer"),
    [
        pytest.param({}, Answer.PASS, id="whole in time"),
        pytest.param({"worker_s": 44}, Answer.PASS, id="whole in time, its worker last"),
        pytest.param({"worker_s": None}, Answer.UNKNOWN, id="its worker is never Ready"),
        pytest.param({"led": False}, Answer.UNKNOWN, id="it has no worker, as the others have"),
        pytest.param({"ready_s": None}, Answer.UNKNOWN, id="its leader may wait for the worker"),
    ],
)
def test_a_group_is_back_when_all_of_it_is(check: Check, again: dict[str, Any], answer: Answer) -> None:
    """A leader that is Ready without its worker cannot serve; how soon both are there another controller decides."""
    story = struck(**again)
    *others, last = story.history().phases
    story.has(phases=(*others, replace(last, end_ns=at(END_S - 10))))
    finding = check(story.history())
    assert finding.answer is answer, finding.line()


def test_a_group_that_was_late_is_open() -> None:
    """Beyond the leader's own bound of 39 s nobody promises a group."""
    finding = Recovered()(struck(worker_s=100).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "the group of pods that model-0 leads" in finding.reason


def test_a_leader_that_is_never_made_fails() -> None:
    """What excuses a group that is not whole does not excuse that nobody began it."""
    story = struck()
    story.events = [one for one in story.events if one.object["metadata"]["uid"] not in ("d", "workers-d")]
    finding = Recovered()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_baseline_without_a_worker_is_not_steady() -> None:
    """A group whose worker is not Ready is no Ready replica, though its leader is."""
    story = groups().traffic().saw(10, "MODIFIED", workers("a", 0), "StatefulSet")
    assert SteadyBefore()(groups().traffic().history()).answer is Answer.PASS
    assert SteadyBefore()(story.history()).answer is Answer.UNKNOWN


def test_a_worker_that_comes_after_its_leader_is_waited_for() -> None:
    """With the startup policy LeaderReady the workers are made when their leader is Ready; the group is not yet."""
    story = made(groups(), ready_s=40, worker_s=None, led=False)
    made(story, ready_s=None, worker_s=None)
    story.saw(60, "MODIFIED", workers("d", 0, ready=True), "StatefulSet")
    life = next(one for one in pod_lives(story.history()) if one.uid == "d")
    assert life.ready_ns == at(60)
    assert life.ready_spans[0][0] == at(40)


def test_leaders_without_groups_are_replicas_by_themselves() -> None:
    """Of groups of one pod nobody leads any."""
    story = groups().saw(50, "MODIFIED", leader("a", 0, running=True))
    story.events = [one for one in story.events if "worker" not in one.object["metadata"]["uid"]]
    lives = pod_lives(story.history())
    assert [one.ready_spans for one in lives] == [one.served_spans for one in lives]
    assert lives[0].ready_at(at(49))
    assert not lives[0].ready_at(at(51))
