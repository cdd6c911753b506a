"""StatefulSets that grow, wait for an ill member, count from another ordinal, or are released member by member."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pytest
from autoscaler_stories import LAB_TIMES, hpa
from histories import NAMESPACE, T0, WORKLOAD, Story, at, facts, node
from member_stories import PATIENT, made, member, stateful_set
from probe_stories import endpoints

from chaos.checks import EndState, Recovered, ScaledUp
from chaos.checks.verdict import Answer, Finding
from chaos.history import Fault, LoadPoint, Phase
from chaos.history.facts.autoscaler import KIND
from chaos.objects.base import Ref

KINDS = ("Pod", "StatefulSet", "Node", "EndpointSlice", KIND)


def standing(end_s: float, *members: str, **spec: Any) -> Story:
    """These members are Ready, by UID; the fault has taken the second at 30 s, and its successor is Ready at 40 s."""
    start = spec.get("start", 0)
    story = Story(end_s).saw(0, "LISTED", stateful_set(replicas=len(members), **spec), "StatefulSet")
    story.saw(0, "LISTED", node("n1"), "Node").saw(0, "LISTED", endpoints(*members), "EndpointSlice")
    for number, uid in enumerate(members):
        story.saw(0, "LISTED", member(uid, start + number, ready=True))
    story.saw(30.2, "DELETED", member(members[1], start + 1, ready=True))
    made(story, "anew", start + 1, 30.4, ready_s=40)
    system = {"selector": {"app": WORKLOAD}, "workload": {"kind": "StatefulSet", "name": WORKLOAD}}
    victim = Ref("Pod", NAMESPACE, f"model-{start + 1}", members[1])
    return story.has(
        faults=(Fault("pod-kill-1", "pod-kill", "w", (victim,), at(30), at(30.5), at(50), proof="gone"),),
        facts=facts(workload_kind="StatefulSet", raw={"system": system, "timings": LAB_TIMES}),
        covered_ns=dict.fromkeys(KINDS, (T0, at(end_s))),
        phases=(Phase("baseline", at(5), at(25)), Phase("fault", at(30), at(50)), Phase("recovery", at(50), at(end_s))),
    ).traffic(end_s=end_s - 5)


def grown(start_s: float, *, end_s: float = 500, policy: str = "OrderedReady", start: int = 0, stuck: int = 9) -> Story:
    """Two members are to be five from 60 s on; each new one takes so long to be Ready, that of number `stuck` for ever.

    A member comes when the one before is Ready, or with Parallel all at once.
    """
    story = standing(end_s, "a", "b", policy=policy, start=start)
    story.saw(60, "MODIFIED", stateful_set(policy, replicas=5, start=start), "StatefulSet")
    made_s = 60.2
    for number, uid in ((2, "p"), (3, "q"), (4, "r")):
        if made_s < end_s:
            made(story, uid, start + number, made_s, ready_s=None if number == stuck else made_s + start_s)
        if policy == "OrderedReady":
            made_s += start_s + 0.2 if number != stuck else end_s
    return story


@pytest.mark.parametrize("start", [0, 7], ids=["from 0", "from 7"])
@pytest.mark.parametrize(
    ("start_s", "policy", "answer"),
    [
        pytest.param(20, "OrderedReady", Answer.PASS, id="20 s each, in order"),
        pytest.param(70, "OrderedReady", Answer.PASS, id="70 s each, in order"),
        pytest.param(110, "OrderedReady", Answer.FAIL, id="110 s each, in order"),
        pytest.param(70, "Parallel", Answer.PASS, id="70 s each, together"),
        pytest.param(110, "Parallel", Answer.FAIL, id="110 s each, together"),
    ],
)
def test_new_members_have_their_time_in_turn(start_s: float, policy: str, answer: Answer, start: int) -> None:
    """An OrderedReady StatefulSet that grows by three makes each when the one before is Ready."""
    finding = Recovered()(grown(start_s, policy=policy, start=start).history())
    assert finding.answer is answer, finding.line()


def kept(
    gone_s: float | None,
    *,
    ready_s: float | None = None,
    finalizers: tuple[str, ...] = ("a.example/sync",),
    runs: bool = False,
) -> Story:
    """The second member is deleted at 30.2 s; its server has ended at 36 s, and its object is gone at this moment."""
    story = standing(400, "a", "b")
    story.events = [one for one in story.events if one.kind != "Pod" or one.object["metadata"]["uid"] == "a"]
    story.saw(0, "LISTED", member("b", 1, ready=True)).saw(30.2, "MODIFIED", member("b", 1, ready=True, deleting=True))
    going = member("b", 1, deleting=True, running=runs)
    going["metadata"] |= {"finalizers": list(finalizers)} if finalizers else {}
    story.saw(36, "MODIFIED", going)
    if gone_s is not None:
        story.saw(gone_s, "DELETED", going)
        made(story, "anew", 1, gone_s + 0.2, ready_s=gone_s + 10 if ready_s is None else ready_s)
    return story


@pytest.mark.parametrize(
    ("story", "answer", "words"),
    [
        pytest.param(kept(60), Answer.PASS, "", id="in time for all that"),
        pytest.param(kept(130), Answer.UNKNOWN, "kept by its finalizers (a.example/sync)", id="kept"),
        pytest.param(kept(118), Answer.UNKNOWN, "kept by its finalizers (a.example/sync)", id="made, and not Ready"),
        pytest.param(kept(None), Answer.UNKNOWN, "kept by its finalizers (a.example/sync)", id="kept for ever"),
        pytest.param(kept(60, ready_s=200), Answer.FAIL, "a pod was not Ready", id="slow afterwards"),
        pytest.param(kept(130, finalizers=()), Answer.FAIL, "model-1 (b) had not ended", id="no finalizers"),
        pytest.param(kept(130, runs=True), Answer.FAIL, "model-1 (b) had not ended", id="its server runs on"),
    ],
)
def test_a_member_waits_for_whoever_removes_the_finalizers_of_the_former(
    story: Story, answer: Answer, words: str
) -> None:
    """A StatefulSet makes a member anew when the former object is gone, due within 94 s of its deletion."""
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()
    assert words in finding.reason


def test_only_the_member_that_is_late_is_held_against_it() -> None:
    """The first of the three is never Ready, so the others are not even due."""
    finding = Recovered()(grown(45, stuck=2).history())
    assert finding.answer is Answer.FAIL
    assert finding.reason.count("not back") == 1, finding.line()


def test_a_new_member_that_nobody_makes_in_its_turn_is_missed() -> None:
    """The first is Ready at 80 s, and no second comes."""
    story = grown(20)
    story.events = [one for one in story.events if one.kind != "Pod" or one.object["metadata"]["uid"] not in "qr"]
    for check in (Recovered(), EndState()):
        finding = check(story.history())
        assert finding.answer is Answer.FAIL, finding.line()


def scaled(start_s: float, **others: Any) -> Finding:
    """The rise to five is an autoscaler's, for a spike of the load from 30 s to the end."""
    story = grown(start_s, **others)
    for at_s, desired in ((0, 2), (60.05, 5)):
        raw = hpa(desired, measured=40 if desired == 2 else 100)
        raw["spec"]["scaleTargetRef"] |= {"kind": "StatefulSet"}
        story.saw(at_s, "MODIFIED" if at_s else "LISTED", raw, KIND)
    end_s = story.end_s - 5
    (steady,) = story.parts["streams"]
    story.traffic(rate_rps=40, begin_s=30, end_s=end_s)
    rates = ((steady, 10.0, 0), (story.parts["streams"][-1], 40.0, 30))
    streams = tuple(replace(one, rate_profile=(LoadPoint(at(begin_s), rate),)) for one, rate, begin_s in rates)
    return ScaledUp()(story.has(streams=streams).history())


@pytest.mark.parametrize(
    ("start_s", "others", "answer"),
    [
        pytest.param(20, {}, Answer.PASS, id="20 s each"),
        pytest.param(70, {}, Answer.PASS, id="70 s each"),
        pytest.param(110, {}, Answer.FAIL, id="110 s each"),
        pytest.param(70, {"end_s": 190}, Answer.UNKNOWN, id="70 s each, and the spike ends in the second"),
        pytest.param(70, {"stuck": 2}, Answer.FAIL, id="the first is never Ready"),
    ],
)
def test_the_pods_of_a_rise_come_in_turn(start_s: float, others: Mapping[str, Any], answer: Answer) -> None:
    """A rise of three is followed one by one: the third is not late because two others had their time before it."""
    finding = scaled(start_s, **others)
    assert finding.answer is answer, finding.line()


def test_a_trial_that_ends_in_the_turn_of_another_is_open() -> None:
    """105 s after the rise the second new member is on its way, and the third may not be made yet."""
    missing = [one for one in EndState()(grown(70, end_s=170).history()).obligations if one.subject == "missing pods"]
    assert [one.answer for one in missing] == [Answer.UNKNOWN]


# --- a member that is ill ----------------------------------------------------------------------------------------


def ill_before(back_s: float | None) -> Story:
    """Member 0 of three is not Ready from 10 s on; member 1 is killed at 30 s, and made anew when 0 is back."""
    story = standing(400, "a", "b", "c")
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "anew"]
    story.saw(10, "MODIFIED", member("a", 0, running=True))
    if back_s is not None:
        story.saw(back_s, "MODIFIED", member("a", 0, ready=True))
        made(story, "anew", 1, back_s + 0.2, ready_s=back_s + 30)
    return story


@pytest.mark.parametrize(
    ("back_s", "lost"),
    [
        pytest.param(20, "", id="0 is back before"),
        pytest.param(90, "", id="0 is back after a minute"),
        pytest.param(150, "model-0", id="0 is back too late"),
        pytest.param(None, "model-0", id="0 never comes back"),
    ],
)
def test_a_member_waits_for_one_that_was_ill_before(back_s: float | None, lost: str) -> None:
    """Nothing makes member 1 anew while member 0 is not Ready: what is late is 0, and not 1."""
    finding = Recovered()(ill_before(back_s).history())
    late = [one.subject.split()[0] for one in finding.obligations if one.answer is Answer.FAIL]
    assert late == ([lost] if lost else []), finding.line()


# --- releases ----------------------------------------------------------------------------------------------------


def released(ends_s: float, *, grace_s: int, revisions: str, partition: int = 0, start: int = 0) -> Finding:
    """A release of three members begins at 30 s; when the trial ends they are of these revisions, `n` being the new."""
    spec = {**PATIENT, "terminationGracePeriodSeconds": grace_s}
    former = stateful_set(start=start) | {"status": {"observedGeneration": 1, "updateRevision": "o"}}
    former["spec"] |= {"template": {"spec": spec}}
    former["spec"] |= {"updateStrategy": {"rollingUpdate": {"partition": partition}}}
    status = {"observedGeneration": 1, "updateRevision": "n"}
    wanted = {**former, "spec": {**former["spec"], "template": {"spec": {**spec, "hostname": "new"}}}, "status": status}
    story = Story(ends_s).saw(0, "LISTED", former, "StatefulSet").saw(30, "MODIFIED", wanted, "StatefulSet")
    for number, (uid, revision) in enumerate(zip("abc", revisions, strict=True)):
        raw = member(uid, start + number, ready=True)
        raw["metadata"]["labels"] |= {"controller-revision-hash": revision}
        story.saw(0 if revision == "o" else 31, "LISTED" if revision == "o" else "ADDED", {**raw, "spec": spec})
    story.saw(0, "LISTED", endpoints(*"abc"), "EndpointSlice")
    covered = dict.fromkeys(KINDS, (T0, at(ends_s)))
    story.has(facts=facts(workload_kind="StatefulSet"), covered_ns=covered, phases=(Phase("recovery", T0, at(ends_s)),))
    return EndState()(story.traffic(end_s=ends_s - 5).history())


@pytest.mark.parametrize(
    ("ends_s", "grace_s", "answer"),
    [
        pytest.param(250, 10, Answer.UNKNOWN, id="in time"),
        pytest.param(400, 10, Answer.FAIL, id="late"),
        pytest.param(400, 300, Answer.UNKNOWN, id="in time with a grace of 300 s"),
        pytest.param(1200, 300, Answer.FAIL, id="late with a grace of 300 s"),
    ],
)
def test_a_release_of_members_waits_for_the_end_of_each(ends_s: float, grace_s: int, answer: Answer) -> None:
    """A StatefulSet makes a member anew when the former one is gone, so each of three has the grace, and its start."""
    finding = released(ends_s, grace_s=grace_s, revisions="onn")
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("revisions", "start", "answer"),
    [
        pytest.param("oon", 5, Answer.PASS, id="two of three below the partition"),
        pytest.param("oon", 0, Answer.PASS, id="the same from 0"),
        pytest.param("ooo", 5, Answer.FAIL, id="one above it is behind"),
        pytest.param("ooo", 0, Answer.FAIL, id="the same from 0, behind"),
    ],
)
def test_a_partition_counts_from_the_first_member(revisions: Sequence[str], start: int, answer: Answer) -> None:
    """Ordinals that start at 5 (`spec.ordinals.start`) leave a partition of 2 the first two members, 5 and 6."""
    finding = released(900, grace_s=10, revisions=str(revisions), partition=2, start=start)
    assert finding.answer is answer, finding.line()
