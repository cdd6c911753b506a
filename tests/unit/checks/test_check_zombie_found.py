"""ZombieFound: Ready, among the endpoints, and no token: found by its probes in time, or not."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, facts, node, pod
from probe_stories import hung
from recovery_stories import answered, replaced_story, restarted_story

from chaos.checks import ZombieFound
from chaos.checks.recovery.client_impact import MISSED_MAX, requests_needed
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap, Phase

BOUND_S = 4 + 10 + 5
"""The readiness probe's detection, the status report and the allowance; the hang landed at 30.5 s."""


def judged(story: Story, detection_s: float = 0.0) -> Finding:
    """The finding on a story."""
    return ZombieFound(detection_s=detection_s)(story.history())


def never_found(*, rate_rps: float = 10, healed_s: float = 110, spec: Any = PROBED) -> Story:
    """`a` hangs at 30 s and no probe finds it; it gives tokens again when it is healed."""
    story = hung(healed_s=healed_s, spec=spec)
    story.rows.clear()
    story.parts.pop("streams")
    answered(story.traffic(rate_rps=rate_rps, end_s=115), "a", 30, "a", healed_s)
    lost = [row["id"] for row in story.rows if row["id"] % 2 and at(30) <= row["intended_ns"] < at(healed_s - 0.2)]
    return story.fate(lost, "unanswered", replica=None, first_token_ns=None)


def test_a_hang_that_its_probes_find_in_time_passes() -> None:
    """The silence counts from the landing to the moment when it was not Ready."""
    finding = judged(restarted_story())
    assert finding.answer is Answer.PASS, finding.line()
    (zombie,) = finding.values["zombies"]
    assert (zombie["silent_s"], zombie["ended"], zombie["bound_s"]) == (2.5, "not Ready", BOUND_S)
    assert {one["replica"]: one["answers"] > 0 for one in finding.values["replicas"]} == {
        "model-a": True,
        "model-b": True,
    }


def test_a_hang_that_no_probe_finds_fails() -> None:
    """Ready and among the endpoints for longer than the bound, surely asked, and no token."""
    finding = judged(never_found())
    assert finding.answer is Answer.FAIL
    assert f"bound {BOUND_S} s" in finding.reason
    (zombie,) = finding.values["zombies"]
    assert zombie["ended"] == "gave tokens again"
    assert zombie["missed_by_chance"] < MISSED_MAX


@pytest.mark.parametrize(("unready_s", "answer"), [(30.5 + BOUND_S, Answer.PASS), (30.6 + BOUND_S, Answer.FAIL)])
def test_the_bound_counts_from_the_landing(unready_s: float, answer: Answer) -> None:
    """At the bound it is found in time, after it is not."""
    assert judged(restarted_story(unready=unready_s)).answer is answer


@pytest.mark.parametrize(
    ("since_s", "answer"), [(40, Answer.UNKNOWN), (58, Answer.FAIL)], ids=["in its bound", "after it"]
)
@pytest.mark.parametrize("kind", ["Pod", "EndpointSlice"])
def test_late_news_that_it_was_found_is_unknown(kind: str, since_s: float, answer: Answer) -> None:
    """Word that it was not Ready, and no endpoint, came 60 s after a watch was cut off: it may have been in time."""
    story = restarted_story(unready=60).has(late=(Gap(kind, at(since_s), at(60), "reset"),))
    assert judged(story).answer is answer


def failed() -> dict[str, Any]:
    """`a` as its kubelet has ended it, e.g. for want of memory on its node."""
    raw = pod("a", disruption="TerminationByKubelet")
    raw["status"]["phase"] = "Failed"
    return raw


@pytest.mark.parametrize(
    ("then", "answer"),
    [
        pytest.param(pod("a", running=True), Answer.PASS, id="not Ready"),
        pytest.param(pod("a", ready=True, deleting=True), Answer.UNKNOWN, id="deleted"),
        pytest.param(failed(), Answer.UNKNOWN, id="ended by its kubelet"),
        pytest.param(None, Answer.UNKNOWN, id="still Ready"),
    ],
)
def test_only_probes_find_a_hang(then: Any, answer: Answer) -> None:
    """Its endpoint goes at 33.2 s, and word of its pod follows: a hung replica that others take away was not found."""
    story = restarted_story()
    story.events = [one for one in story.events if one.kind != "Pod" or one.at_ns < at(33)]
    finding = judged(story if then is None else story.saw(33.205, "MODIFIED", then))
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("lost_s", "answer"), [(34, Answer.UNKNOWN), (60, Answer.PASS)])
def test_a_hang_whose_node_is_lost_was_not_found(lost_s: float, answer: Answer) -> None:
    """Not Ready at 33 s, just as its node fell, which turns all its pods so; by its probes where that fell later."""
    finding = judged(restarted_story().saw(lost_s, "MODIFIED", node("n1", ready=False), "Node"))
    assert finding.answer is answer, finding.line()


def test_the_servers_own_detection_adds_to_the_bound() -> None:
    """What the server needs to know that it is stuck comes before the probe can act."""
    assert judged(restarted_story(unready=33 + BOUND_S), detection_s=5).answer is Answer.PASS


def test_traffic_that_is_too_thin_is_unknown() -> None:
    """One request in six seconds: none for a minute may be chance."""
    finding = judged(never_found(rate_rps=0.5, healed_s=65))
    assert finding.answer is Answer.UNKNOWN
    assert "too thin" in finding.reason
    assert "higher rate" in finding.settle


def test_a_zombie_that_no_fault_made_fails_too() -> None:
    """Nobody stopped it, but for half a minute and more beyond the bound chance cannot explain its silence."""
    story = never_found()
    (fault,) = story.parts["faults"]
    finding = judged(story.has(faults=(replace(fault, name="pod-kill"),)))
    assert finding.answer is Answer.FAIL
    assert "model-a" in finding.reason


def test_without_a_readiness_probe_a_hang_is_held_to_the_liveness_probe() -> None:
    """What readiness does not look at, the restart must end; with neither, nothing looks, and that fails."""
    container = {key: value for key, value in PROBED["containers"][0].items() if key != "readinessProbe"}
    finding = judged(never_found(spec={**PROBED, "containers": [container]}))
    assert (finding.answer, finding.limit) == (Answer.FAIL, "bound 35 s")
    del container["livenessProbe"]
    finding = judged(never_found(spec={**PROBED, "containers": [container]}))
    assert finding.answer is Answer.FAIL
    assert "no probe of its looks for a hang" in finding.reason


def test_a_hang_that_is_healed_before_the_bound_is_unknown() -> None:
    """It might have been found yet."""
    finding = judged(never_found(healed_s=40))
    assert finding.answer is Answer.UNKNOWN
    assert "gave tokens again" in finding.reason


def test_nothing_that_hung_is_unknown() -> None:
    """Then nothing had to be found, and nothing was proved."""
    finding = judged(replaced_story())
    assert finding.answer is Answer.UNKNOWN
    assert "made to hang" in finding.reason


def test_a_system_that_was_ready_long_before_the_traffic_is_not_silent() -> None:
    """Without requests nobody can answer: only the time of the traffic counts."""
    story = restarted_story()
    (stream,) = story.parts["streams"]
    story.has(streams=(replace(stream, begin_ns=at(20), end_ns=at(160)),))
    story.rows = [row for row in story.rows if at(20) <= row["intended_ns"] < at(160)]
    phases = (Phase("baseline", at(20), at(29)), Phase("fault", at(30), at(160)))
    finding = judged(story.has(phases=phases))
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["replicas"][1]["serving_s"] == 140


def test_answers_without_a_name_are_unknown() -> None:
    """Nobody can say who was silent."""
    story = never_found()
    for row in story.rows:
        row["replica"] = None
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "names the replica" in finding.reason


def test_a_baseline_with_few_answers_is_named_as_the_reason() -> None:
    """How long an answer takes is not known then, and that, not chance, leaves a long silence open."""
    finding = judged(never_found().has(phases=(Phase("baseline", at(29.5), at(30)),)))
    assert finding.answer is Answer.UNKNOWN
    assert "too few requests were answered" in finding.reason
    assert "chance" not in finding.reason


def test_kept_connections_are_unknown() -> None:
    """A replica may get no request though it is among the endpoints."""
    shared = facts(raw={"system": {"selector": {"app": "model"}, "connections": "reuse"}})
    finding = judged(never_found().has(facts=shared))
    assert finding.answer is Answer.UNKNOWN
    assert "connections were kept" in finding.reason


@pytest.mark.parametrize("kind", ["Pod", "EndpointSlice"])
def test_a_gap_is_unknown(kind: str) -> None:
    """In the gap it may have been not Ready, or out of the endpoints."""
    assert judged(never_found().gap(50, 52, kind)).answer is Answer.UNKNOWN


@pytest.mark.parametrize("endpoints_count", [1, 2, 3, 4, 10, 100])
def test_so_many_requests_are_needed_and_no_fewer(endpoints_count: int) -> None:
    """With one request fewer the chance that all miss one replica would not be below the limit."""
    needed = requests_needed(endpoints_count)
    assert (1 - 1 / endpoints_count) ** needed < MISSED_MAX
    assert (1 - 1 / endpoints_count) ** (needed - 1) >= MISSED_MAX


def nameless(story: Story, name: str) -> Story:
    """Answers of one replica come without its name: its address is that of another pod, too."""
    for row in story.rows:
        row["replica"] = None if row["replica"] == name else row["replica"]
    return story


def test_a_replica_whose_answers_never_name_it_is_not_called_silent() -> None:
    """It shares its node's address with another pod: full answers without a name may all be its."""
    story = restarted_story()
    assert judged(story).answer is Answer.PASS
    finding = judged(nameless(restarted_story(), "model-b"))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "full answers came without a name, and may be its" in finding.reason
