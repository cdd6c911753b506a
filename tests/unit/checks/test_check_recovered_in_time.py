"""RecoveredInTime: every stage of the path back is held against its own bound, and the late one is named."""

from __future__ import annotations

from typing import Any

import pytest
from histories import PROBED, Story, at, facts, kill_story, nothing
from probe_stories import hung
from recovery_stories import replaced_story, restarted_story

from chaos.checks import RecoveredInTime
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap

ALLOWANCE_S, STATUS_S = 5, 10
ENDPOINT_S = 1 + ALLOWANCE_S
START_S = 5 + STATUS_S + ALLOWANCE_S
READY_S = 5 + 1 + 2 + STATUS_S + ALLOWANCE_S
"""Startup window 1 + 4 * 1 + 1 = 6, and readiness 1 + 1; the specs of the stories say so."""


def judged(story: Story, detection_s: float = 0.0) -> Finding:
    """The finding on a story."""
    return RecoveredInTime(detection_s=detection_s)(story.history())


def stage_of(finding: Finding, name: str) -> dict[str, Any]:
    """One stage of the only recovery."""
    (recovery,) = finding.values["recoveries"]
    return next(stage for stage in recovery["stages"] if stage["stage"] == name)


def test_a_replaced_pod_passes_with_every_stage_in_the_table() -> None:
    """Each stage has its time, and all of them add up to the whole, from the action to latency in its band."""
    finding = judged(replaced_story())
    assert finding.answer is Answer.PASS, finding.line()
    (recovery,) = finding.values["recoveries"]
    parts = {stage["stage"]: stage["seconds"] for stage in recovery["stages"]}
    assert parts == {
        "first failed request": 0,
        "unready": pytest.approx(0.1),
        "endpoint removed": pytest.approx(0.1),
        "replacement created": pytest.approx(0.1),
        "scheduled": pytest.approx(0.1),
        "started": pytest.approx(1),
        "Ready": pytest.approx(2.5),
        "endpoint added": pytest.approx(0.1),
        "first answer": pytest.approx(0.9),
        "latency back": 0,
    }
    assert recovery["whole_s"] == pytest.approx(sum(parts.values())) == pytest.approx(4.9)
    assert (recovery["path"], recovery["replacement"], recovery["late"]) == ("replaced", "model-d", ())
    assert stage_of(finding, "first failed request")["note"] == "not seen"


def test_a_restarted_container_passes_with_every_stage_in_the_table() -> None:
    """A hang is followed from the first failed request to latency in its band, in the same pod."""
    finding = judged(restarted_story())
    assert finding.answer is Answer.PASS, finding.line()
    (recovery,) = finding.values["recoveries"]
    parts = {stage["stage"]: stage["seconds"] for stage in recovery["stages"]}
    assert list(parts) == [
        "first failed request",
        "probe failure event",
        "unready",
        "endpoint removed",
        "container restarted",
        "started",
        "Ready",
        "endpoint added",
        "first answer",
        "latency back",
    ]
    assert parts["first failed request"] == parts["probe failure event"] == parts["unready"] == pytest.approx(1)
    assert parts["container restarted"] == pytest.approx(6.8)
    restart = stage_of(finding, "container restarted")
    assert (restart["since"], restart["took_s"], restart["bound_s"]) == ("fault", 10, 14 + 1 + 5 + 10 + 5)


REPLACED_LATE = {
    "unready": (30.1, ENDPOINT_S),
    "endpoint removed": (30.2, ENDPOINT_S),
    "replacement created": (30.2, ENDPOINT_S),
    "scheduled": (30.4, 5 + ALLOWANCE_S),
    "started": (30.4, START_S),
    "Ready": (31.5, READY_S),
    "endpoint added": (34, ENDPOINT_S),
}
"""Each stage: when the step is seen that it begins with, and its bound."""

RESTARTED_LATE = {
    "unready": (30, 4 + STATUS_S + ALLOWANCE_S),
    "endpoint removed": (33, ENDPOINT_S),
    "container restarted": (30, 14 + 1 + START_S),
    "started": (40, START_S),
    "Ready": (41, READY_S),
    "endpoint added": (44, ENDPOINT_S),
}


@pytest.mark.parametrize("stage", REPLACED_LATE)
def test_each_stage_of_a_replacement_that_is_late_is_named(stage: str) -> None:
    """At its bound it passes; just over it FAIL, and this stage alone is late."""
    since_s, bound_s = REPLACED_LATE[stage]
    key = stage.replace(" ", "_")
    assert judged(replaced_story(**{key: since_s + bound_s})).answer is Answer.PASS
    finding = judged(replaced_story(**{key: since_s + bound_s + 0.01}))
    assert finding.answer is Answer.FAIL
    assert finding.values["late"] == (stage,), finding.reason
    assert f"{stage} took" in finding.reason


@pytest.mark.parametrize("stage", RESTARTED_LATE)
def test_each_stage_of_a_restart_that_is_late_is_named(stage: str) -> None:
    """At its bound it passes; just over it FAIL, and the stage is named."""
    since_s, bound_s = RESTARTED_LATE[stage]
    key = stage.replace(" ", "_")
    assert judged(restarted_story(**{key: since_s + bound_s})).answer is Answer.PASS
    finding = judged(restarted_story(**{key: since_s + bound_s + 0.01}))
    assert finding.answer is Answer.FAIL
    assert finding.values["late"][0] == stage or stage in finding.values["late"], finding.reason


def test_an_answer_that_never_came_though_it_must_have_been_asked_fails() -> None:
    """The replica stands in the endpoints, and twenty requests and more all go to the other one."""
    finding = judged(replaced_story(first_answer=150))
    assert finding.answer is Answer.FAIL
    assert finding.values["late"] == ("first answer",)


def test_a_first_answer_without_a_name_may_have_been_in_time() -> None:
    """The replacement shares its address with another pod, so that its answers name nobody."""
    story = replaced_story()
    for row in story.rows:
        row["replica"] = None if row["replica"] == "model-d" else row["replica"]
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "came without a name, and may be its" in finding.reason


def test_a_first_answer_to_a_client_that_left_is_one() -> None:
    """It went at a token, which the replacement had given."""
    story = replaced_story()
    for row in story.rows:
        if row["replica"] == "model-d":
            row.update(outcome="disconnected", leaves_after=1)
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()


def test_a_step_that_never_came_fails_once_its_bound_is_over() -> None:
    """No replacement was made within the bound: that stage is late, and those after it were not reached."""
    story = replaced_story()
    story.events = [event for event in story.events if event.object["metadata"]["uid"] != "d"]
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "replacement created not seen within its bound of 6 s" in finding.reason
    assert stage_of(finding, "Ready")["note"] == "not reached"


def test_the_servers_own_detection_adds_to_the_bounds_before_it_is_known() -> None:
    """Not Ready may come later by as much as the server needs to know that it is stuck."""
    late = restarted_story(unready=52)
    assert judged(late).answer is Answer.FAIL
    assert judged(late, detection_s=5).answer is Answer.PASS


def test_a_late_probe_event_alone_breaks_no_promise() -> None:
    """A kubelet may drop events: one that came after the pod was not Ready has no part, and its neighbour says so."""
    story = restarted_story()
    event = next(one for one in story.events if one.kind == "Event")
    story.events.remove(event)
    finding = judged(story.saw(36, "ADDED", event.object, "Event"))
    assert finding.answer is Answer.PASS, finding.line()
    assert stage_of(finding, "probe failure event")["seconds"] == 0
    assert "probe failure event came 3.000 s after it" in stage_of(finding, "unready")["note"]


def test_a_probe_event_of_a_later_time_is_not_of_this_one() -> None:
    """A kubelet that keeps an event back, and sends one when the replica fails again, tells of the second alone."""
    story = restarted_story()
    event = next(one for one in story.events if one.kind == "Event")
    story.events.remove(event)
    finding = judged(story.saw(90, "ADDED", event.object, "Event"))
    assert finding.answer is Answer.PASS, finding.line()
    stage = stage_of(finding, "probe failure event")
    assert (stage["took_s"], stage["answer"], stage["note"]) == (None, "PASS", "not seen")


def test_a_step_that_is_seen_too_early_has_no_part_and_its_neighbour_says_so() -> None:
    """Word of the endpoint may come before word of Ready: the two come over different watches."""
    story = replaced_story()
    added = next(one for one in story.events if one.kind == "EndpointSlice" and one.at_ns == at(34.1))
    story.events.remove(added)
    finding = judged(story.saw(33.98, "MODIFIED", added.object, "EndpointSlice"))
    assert finding.answer is Answer.PASS, finding.line()
    assert stage_of(finding, "endpoint added")["seconds"] == stage_of(finding, "endpoint added")["took_s"] == 0
    assert "endpoint added was seen 0.020 s before it" in stage_of(finding, "Ready")["note"]


@pytest.mark.parametrize("kind", ["Pod", "EndpointSlice"])
def test_a_gap_in_a_stage_is_unknown(kind: str) -> None:
    """What happened in the gap may have happened at any time in it."""
    finding = judged(replaced_story().gap(33.9, 34.05, kind))
    assert finding.answer is Answer.UNKNOWN
    assert f"the watch of {kind}s had a gap" in finding.reason


def test_news_that_came_late_is_unknown() -> None:
    """After a watch that was cut off the step may have come in time."""
    late = (Gap("Pod", at(40), at(60), "connection lost"),)
    finding = judged(replaced_story(Ready=60).has(late=late))
    assert finding.answer is Answer.UNKNOWN
    assert "news came late" in finding.reason


def test_a_record_that_ends_before_the_bound_is_unknown() -> None:
    """The pod may still become Ready in time."""
    story = replaced_story(Ready=60, end_s=50)
    story.events = [event for event in story.events if event.at_ns <= at(50)]
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "Ready not seen by the end" in finding.reason


def test_a_start_that_nothing_limits_is_unknown_when_it_is_long() -> None:
    """Without a startup probe nobody promised how long a start takes."""
    container = {key: value for key, value in PROBED["containers"][0].items() if key != "startupProbe"}
    finding = judged(replaced_story(spec={**PROBED, "containers": [container]}, Ready=120))
    assert finding.answer is Answer.UNKNOWN
    assert "no startup probe" in finding.reason


def test_traffic_that_names_no_replica_is_unknown() -> None:
    """Then nobody can say when the replacement first answered."""
    story = replaced_story()
    for row in story.rows:
        row["replica"] = None
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "first answer not seen" in finding.reason


def test_latency_that_stays_out_of_its_band_is_unknown() -> None:
    """Nobody promises when latency is back; that it never was is said."""
    story = replaced_story()
    for row in story.rows:
        if row["intended_ns"] > at(34):
            row["end_ns"] += 5_000_000_000
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "latency back not seen" in finding.reason


def test_latency_is_back_when_a_block_of_requests_is_in_the_band() -> None:
    """The stage ends with the start of the first request of that block."""
    story = replaced_story()
    for row in story.rows:
        if at(34) < row["intended_ns"] < at(40):
            row["end_ns"] += 5_000_000_000
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert stage_of(finding, "latency back")["at_ns"] == pytest.approx(at(39.8), abs=3e8)


def test_a_hang_that_nothing_ever_found_fails() -> None:
    """Proved to hang, watched beyond the bound, and never not Ready."""
    finding = judged(hung())
    assert finding.answer is Answer.FAIL
    assert "unready not seen within its bound of 19 s" in finding.reason


def test_no_fault_is_unknown() -> None:
    """Nothing was lost, so nothing came back."""
    finding = RecoveredInTime()(nothing())
    assert finding.answer is Answer.UNKNOWN
    assert "no victim" in finding.reason


def test_a_story_without_endpoints_is_unknown() -> None:
    """What the watch of endpoints never told is not guessed."""
    finding = judged(kill_story())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "ready endpoints" in finding.reason


def test_kept_connections_do_not_tell_when_a_replica_must_have_been_asked() -> None:
    """They go on to the pod they were opened to, so an answer that never came proves nothing."""
    shared = facts(raw={"system": {"selector": {"app": "model"}, "connections": "reuse"}})
    finding = judged(replaced_story(first_answer=150).has(facts=shared))
    assert finding.answer is Answer.PASS, finding.line()
    assert stage_of(finding, "first answer")["bound_words"] == "nobody promises it"
