"""FaultsLanded where a Ready victim serves nobody any more as it is hit, or where only another of its name did."""

from __future__ import annotations

import pytest
from histories import NAMESPACE, T0, WORKLOAD, Story, at, facts, kill_story
from member_stories import made, member, stateful_set
from probe_stories import endpoints

from chaos.checks import FaultsLanded
from chaos.checks.verdict import Answer
from chaos.history import Fault
from chaos.objects.base import Ref


def left(out_s: float | None, back_s: float | None = None) -> Story:
    """The kill of `a` at 30.2 s, which was taken out of the endpoints before, and it may be back among them later."""
    story = kill_story().saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice")
    if out_s is not None:
        story.saw(out_s, "MODIFIED", endpoints(*"bc"), "EndpointSlice")
    return story if back_s is None else story.saw(back_s, "MODIFIED", endpoints(*"abc"), "EndpointSlice")


def answering(story: Story, sent_s: int) -> Story:
    """`a` has one long answer under way, or had: sent at this second, ten seconds long."""
    row = story.rows[10 * sent_s]
    return story.fate([10 * sent_s], "ok", replica="model-a", end_ns=row["sent_ns"] + 10_000_000_000)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(left(20), Answer.UNKNOWN, id="taken out before"),
        pytest.param(left(20, 35), Answer.PASS, id="back while the fault is active"),
        pytest.param(left(20, 28), Answer.PASS, id="back before"),
        pytest.param(left(30.1), Answer.PASS, id="taken out by the fault"),
        pytest.param(left(None), Answer.PASS, id="never taken out"),
        pytest.param(answering(left(20), 18), Answer.UNKNOWN, id="it had answered all"),
        pytest.param(answering(left(20), 24), Answer.PASS, id="it was still answering"),
    ],
)
def test_a_victim_that_nobody_could_ask_any_more_was_no_loss_to_users(story: Story, answer: Answer) -> None:
    """A blue-green switch, or a label that was changed, leaves a replica Ready and without users."""
    finding = FaultsLanded()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("had left the ready endpoints before" in finding.reason) is (answer is Answer.UNKNOWN)


def of_a_set(uid: str, struck_s: float, *answered: tuple[float, float]) -> Story:
    """Of two members `model-1` is made anew twice: `b` goes at 30.2 s, `anew` at 70.2 s, and `last` stays.

    One of them, by its UID, is the victim. In these spans all answers name `model-1`, at all other times `model-0`.
    """
    story = Story().saw(0, "LISTED", stateful_set(replicas=2), "StatefulSet")
    story.saw(0, "LISTED", member("a", 0, ready=True)).saw(0, "LISTED", member("b", 1, ready=True))
    story.saw(30.2, "DELETED", member("b", 1, ready=True))
    made(story, "anew", 1, 30.4, ready_s=40).saw(70.2, "DELETED", member("anew", 1, ready=True))
    made(story, "last", 1, 70.4, ready_s=80).traffic()
    for row in story.rows:
        inside = any(at(begin_s) <= row["sent_ns"] < at(end_s) for begin_s, end_s in answered)
        row["replica"] = "model-1" if inside else "model-0"
    victim = Ref("Pod", NAMESPACE, "model-1", uid)
    times = at(struck_s), at(struck_s + 0.5), at(struck_s + 10)
    system = {"selector": {"app": WORKLOAD}, "workload": {"kind": "StatefulSet", "name": WORKLOAD}}
    return story.has(
        faults=(Fault("pod-kill-1", "pod-kill", "words", (victim,), *times, proof="gone by UID"),),
        facts=facts(workload_kind="StatefulSet", raw={"system": system}),
        covered_ns=dict.fromkeys(("Pod", "StatefulSet", "EndpointSlice"), (T0, at(120))),
    )


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(of_a_set("b", 30, (90, 95)), Answer.UNKNOWN, id="only the next answered"),
        pytest.param(of_a_set("anew", 70, (10, 20), (90, 95)), Answer.UNKNOWN, id="only those before and after"),
        pytest.param(of_a_set("b", 30, (10, 20)), Answer.PASS, id="it answered"),
        pytest.param(of_a_set("anew", 70, (50, 60)), Answer.PASS, id="it answered, and no other of its name"),
    ],
)
def test_what_another_member_of_its_name_answered_was_not_the_victims(story: Story, answer: Answer) -> None:
    """A StatefulSet's members are called alike, one after another: that one of them served says nothing of the rest."""
    finding = FaultsLanded()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("no answer ever named victim model-1" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("out_s", "answer"), [(20, Answer.UNKNOWN), (30.1, Answer.PASS)])
def test_the_next_members_answers_do_not_put_a_victim_among_the_endpoints(out_s: float, answer: Answer) -> None:
    """The member had left the endpoints ten seconds before it was hit, and its successor serves later."""
    story = of_a_set("b", 30, (10, 19), (90, 95)).saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    story.saw(out_s, "MODIFIED", endpoints("a"), "EndpointSlice")
    story.saw(80.2, "MODIFIED", endpoints("a", "last"), "EndpointSlice")
    finding = FaultsLanded()(story.history())
    assert finding.answer is answer, finding.line()
    assert ("had left the ready endpoints before" in finding.reason) is (answer is Answer.UNKNOWN)
