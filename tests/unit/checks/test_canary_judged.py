"""What checks say where no answer names its replica and a canary asked each directly."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from canary_stories import Asked, every_second, nameless, with_canary
from histories import Story, at, kill_story, pod
from probe_stories import endpoints, hung
from recovery_stories import replaced_story, restarted_story, stages_of

from chaos.checks import FaultsLanded, RecoveredInTime, ZombieFound
from chaos.checks.verdict import Answer
from chaos.history import Canary

B = every_second(0.5, 190)
A = every_second(0.3, 30)


def replaced(then: Sequence[Asked], *, b: Sequence[Asked] = B) -> Story:
    """`a` is replaced by `d`, which is asked so; its endpoint is there at 34.1 s."""
    return with_canary(replaced_story(), {"a": A, "b": b, "d": then})


def test_a_replacement_that_answers_the_canary_has_its_first_answer() -> None:
    """The stage is the canary's first token, and its bound the canary's first request and slowest answer."""
    finding = RecoveredInTime()(replaced(every_second(34.3, 190)).history())
    assert finding.answer is Answer.PASS, finding.line()
    first = stages_of(finding)["first answer"]
    assert (first["at_ns"], first["took_s"], first["bound_s"]) == (at(34.4), 0.3, 5.3)


@pytest.mark.parametrize(
    ("then", "b", "answer"),
    [
        pytest.param(every_second(34.3, 190, outcome="failed"), B, Answer.FAIL, id="errors to the end"),
        pytest.param(
            [*every_second(34.3, 50, outcome="failed"), *every_second(50, 190)], B, Answer.FAIL, id="errors for long"
        ),
        pytest.param([(34.3, 64.3, "unanswered"), *every_second(65, 190)], B, Answer.FAIL, id="it hung at first"),
        pytest.param([(34.3, 37.0, "ok"), *every_second(37, 190)], B, Answer.PASS, id="slow at first"),
        pytest.param([], B, Answer.UNKNOWN, id="never asked"),
        pytest.param(every_second(34.3, 190, outcome="unsent"), B, Answer.UNKNOWN, id="no way to it"),
        pytest.param([(60, 60.1, "ok"), *every_second(61, 190)], B, Answer.PASS, id="asked late"),
        pytest.param([(34.3, 34.4, "failed"), (59.3, 59.4, "ok")], B, Answer.PASS, id="one error, and a slow canary"),
        pytest.param([(34.0, 34.2, "failed"), (59.0, 59.1, "ok")], B, Answer.PASS, id="asked just before"),
        pytest.param(
            every_second(34.3, 190, outcome="failed"), every_second(0.5, 34), Answer.UNKNOWN, id="nobody answered then"
        ),
        pytest.param(
            every_second(34.3, 190, outcome="failed"),
            every_second(0.5, 34) + every_second(34, 190, outcome="failed"),
            Answer.UNKNOWN,
            id="its way broke",
        ),
        pytest.param(every_second(34.3, 37, outcome="failed"), B[:37], Answer.UNKNOWN, id="the canary ended early"),
    ],
)
def test_the_first_answer_is_judged_by_what_was_asked(
    then: Sequence[Asked], b: Sequence[Asked], answer: Answer
) -> None:
    """Only a replica that was asked, while another answered, can be late."""
    finding = RecoveredInTime()(replaced(then, b=b).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("canary", "words"),
    [
        (None, "traffic.canary"),
        (Canary(refused="this user may not create Pod/proxy"), "may not create Pod/proxy"),
        (Canary("its way"), "had no answer from any replica"),
    ],
)
def test_what_is_missing_is_named(canary: Canary | None, words: str) -> None:
    """Without a canary, a right, or a way, the checks are UNKNOWN and say which."""
    story = nameless(replaced_story()).has(canary=canary)
    finding = RecoveredInTime()(story.history())
    assert finding.answer is Answer.UNKNOWN
    assert words in finding.reason
    found = ZombieFound()(nameless(restarted_story()).has(canary=canary).history())
    assert found.answer is Answer.UNKNOWN
    assert words in found.reason


def zombie(a: Sequence[Asked], *, healed_s: float = 110) -> Story:
    """`a` hangs at 30 s, and nothing finds it; it is asked so."""
    return with_canary(hung(healed_s=healed_s), {"a": A[:30] + list(a), "b": every_second(0.5, 115)})


def test_a_hang_that_no_probe_finds_fails() -> None:
    """Healthy, Ready, an endpoint, and no token for longer than the bound."""
    finding = ZombieFound()(zombie([(30.6, 60.6, "unanswered"), (60.6, 90.6, "unanswered")]).history())
    assert finding.answer is Answer.FAIL, finding.line()


def test_a_hang_that_its_probes_find_passes() -> None:
    """It was asked, and was not Ready within the bound."""
    story = with_canary(
        restarted_story(), {"a": [*A, (30.6, 40, "failed"), *every_second(44.5, 250)], "b": every_second(0.5, 250)}
    )
    finding = ZombieFound()(story.history())
    assert finding.answer is Answer.PASS, finding.line()
    assert {one["replica"]: one["canary_answers"] > 0 for one in finding.values["replicas"]} == {
        "model-a": True,
        "model-b": True,
    }


@pytest.mark.parametrize(
    ("other", "answer"),
    [
        pytest.param(every_second(0.5, 250), Answer.PASS, id="asked"),
        pytest.param([(s, s + 0.1, "ok") for s in (1, 2, 120, 240)], Answer.PASS, id="asked seldom"),
        pytest.param([], Answer.UNKNOWN, id="never asked"),
        pytest.param(every_second(0.5, 40), Answer.UNKNOWN, id="not asked any more"),
        pytest.param(every_second(0.5, 250, outcome="unsent"), Answer.UNKNOWN, id="no way to it"),
    ],
)
def test_a_replica_that_nobody_asks_may_be_a_zombie(other: Sequence[Asked], answer: Answer) -> None:
    """That the one that was made to hang is found says nothing of another one, of which nobody knows."""
    a = [*A, (30.6, 40, "failed"), *every_second(44.5, 250)]
    finding = ZombieFound()(with_canary(restarted_story(), {"a": a, "b": other}).history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    "then",
    [
        pytest.param([], id="not asked any more"),
        pytest.param(every_second(30.6, 110, outcome="unsent"), id="no way"),
    ],
)
def test_a_hang_of_a_replica_that_was_not_asked_is_unknown(then: Sequence[Asked]) -> None:
    """Held until its heal beyond the bound, it gave nothing; but the canary asked nothing either."""
    finding = ZombieFound()(zombie(then, healed_s=49).history())
    assert finding.answer is Answer.UNKNOWN, finding.line()


def unprovoked(a: Sequence[Asked], b: Sequence[Asked] | None = None) -> Story:
    """Nobody made `a` hang; the record of the fault is another's."""
    story = kill_story().saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice")
    story.saw(34.1, "MODIFIED", endpoints(*"bcd"), "EndpointSlice")
    others = every_second(0.5, 100) if b is None else b
    return with_canary(story, {"c": a, "b": others, "a": A, "d": every_second(34.3, 100)})


@pytest.mark.parametrize(
    ("a", "b", "words"),
    [
        pytest.param([*A, (31, 61, "unanswered"), *every_second(61, 100)], None, "", id="one request waited alone"),
        pytest.param(
            [*A, *every_second(30.3, 70, outcome="failed"), *every_second(70, 100)], None, "a queue", id="it shed load"
        ),
        pytest.param([*A, (31, 55, "ok"), *every_second(56, 100)], None, "a queue", id="it answered late"),
        pytest.param(
            [*A, (31, 61, "unanswered"), *every_second(61, 100)],
            [*every_second(0.5, 31), *every_second(31, 100, took_s=20)],
            "no other replica",
            id="all were slow",
        ),
    ],
)
def test_a_silence_that_no_fault_made_may_be_a_queue(a: Sequence[Asked], b: Sequence[Asked] | None, words: str) -> None:
    """Users' tokens are not seen: only a request that waits for long, while another replica answers, is a zombie's."""
    story = unprovoked(a, b)
    if b is not None:
        story.parts["canary"] = Canary(
            "its way", "", tuple(one for one in story.parts["canary"].requests if one.uid != "d" or one.end_ns < at(31))
        )
    finding = ZombieFound()(story.history())
    (silent,) = [one for one in finding.obligations if one.subject.startswith("model-c")]
    assert silent.answer is (Answer.UNKNOWN if words else Answer.FAIL), silent
    assert words in silent.reason


@pytest.mark.parametrize("interval_s", [1, 10, 25])
def test_a_slow_canary_never_fails_a_healthy_system(interval_s: int) -> None:
    """Each replica answers each time, however seldom it is asked."""
    pods = {
        uid: [(begin_s + 0.5 + 2 * place, begin_s + 0.9 + 2 * place, "ok") for begin_s in range(0, 90, interval_s)]
        for place, uid in enumerate("abcd")
        if uid != "d"
    }
    pods["d"] = [(begin_s + 0.5, begin_s + 0.9, "ok") for begin_s in range(34, 90, interval_s)]
    story = with_canary(
        kill_story()
        .saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice")
        .saw(34.1, "MODIFIED", endpoints(*"bcd"), "EndpointSlice"),
        pods,
    )
    finding = ZombieFound()(story.history())
    untold = [one.subject for one in finding.obligations if one.answer is not Answer.PASS]
    # Of one answer in 25 s nobody knows how long one takes.
    assert untold == (["the canary"] if interval_s == 25 else []) + ["a hang"], finding.line()
    assert RecoveredInTime()(story.history()).answer is not Answer.FAIL


@pytest.mark.parametrize(
    ("a", "answer"),
    [
        pytest.param(A, Answer.PASS, id="it served"),
        pytest.param(every_second(0.3, 30, outcome="failed"), Answer.UNKNOWN, id="it never gave a token"),
        pytest.param([(29.9, 30.2, "failed")], Answer.PASS, id="asked only as the fault began"),
        pytest.param([], Answer.PASS, id="never asked"),
    ],
)
def test_a_victim_that_gave_the_canary_nothing_may_have_served_nobody(a: Sequence[Asked], answer: Answer) -> None:
    """Errors to the canary before the fault say so; that nobody asked says nothing."""
    story = with_canary(kill_story().saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice"), {"a": a, "b": B})
    finding = FaultsLanded()(story.history())
    assert finding.answer is answer, finding.line()


def test_an_answer_that_came_when_the_pod_had_gone_is_a_successors() -> None:
    """A member of a StatefulSet is made anew under the same name, and the proxy goes by names."""
    story = hung().saw(50, "DELETED", pod("a", ready=True))
    late = [(49.9, 52.0, "ok"), (50.2, 52.5, "ok")]
    finding = ZombieFound()(with_canary(story, {"a": [*A, *late], "b": B}).history())
    (health,) = [one for one in finding.values["replicas"] if one["replica"] == "model-a"]
    assert health["canary_answers"] == len(A)


def test_names_in_answers_go_before_the_canary() -> None:
    """Where answers name their replica, the first answer is a user's."""
    story = replaced_story()
    named = [dict(row) for row in story.rows]
    story = with_canary(story, {"a": A, "b": B, "d": every_second(34.3, 190)})
    story.rows = named
    assert stages_of(RecoveredInTime()(story.history()))["first answer"]["at_ns"] > at(34.9)


def test_a_header_that_names_a_router_is_no_name() -> None:
    """The canary decides, and without one the finding says what the header had."""
    story = replaced_story()
    routed = with_canary(story, {"a": A, "b": B, "d": every_second(34.3, 190)})
    for row in routed.rows:
        row["replica"] = "router-1"
    assert RecoveredInTime()(routed.history()).answer is Answer.PASS
    routed.parts["canary"] = None
    finding = RecoveredInTime()(routed.history())
    assert finding.answer is Answer.UNKNOWN
    assert "router-1" in finding.reason
