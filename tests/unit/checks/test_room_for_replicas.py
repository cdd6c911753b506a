"""A new replica that no node takes: whose lack of room that is, by what the owners declared and who makes nodes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from autoscaler_stories import ASKING, Scaling, aged, hpa
from histories import facts, node, pod, replica_set

from chaos.checks import HeldAtMaximum, ScaledUp
from chaos.checks.verdict import Answer, Finding
from chaos.history.facts.autoscaler import KIND

WORDS = "0/1 nodes are available: 1 Insufficient cpu."
COMES = ("TriggeredScaleUp", "pod triggered scale-up: [{gpu-pool 1->2 (max: 4)}]")
NOMINATED = ("Nominated", "Pod should schedule on: nodeclaim/default-x2v8f")
NONE_MADE = ("NotTriggerScaleUp", "pod didn't trigger scale-up: 1 max node group size reached")
PRESENT, GROWS = "present", "grows"


def waiting(uid: str, words: str = WORDS) -> dict[str, Any]:
    """A pod that no node takes."""
    raw = aged(pod(uid, node="", spec=ASKING), 42, None)
    why = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": words}
    raw["status"]["conditions"].append(why)
    return raw


def reported(uid: str, reason: str, message: str) -> dict[str, Any]:
    """An Event about a pod."""
    metadata = {"uid": f"e-{uid}-{reason}", "name": f"e-{uid}-{reason}"}
    return {"metadata": metadata, "involvedObject": {"uid": uid}, "reason": reason, "message": message}


def short(room: str | None, words: str = WORDS) -> Scaling:
    """Two replicas become three at 42 s in a spike from 30 s to 200 s; no node takes the third."""
    story = Scaling(300).stands("a", "b").loaded(1, 0, 295).loaded(4, 30, 200)
    declared = {**story.parts["facts"].raw, "autoscaling": {"room": room} if room else {}}
    story.has(facts=facts(raw=declared))
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 3, measured=100)
    return story.saw(42.1, "ADDED", waiting("c", words))


def told(at_s: float, reason: str, message: str) -> Callable[[Scaling], Scaling]:
    """The story in which a node autoscaler said so of the pod."""
    return lambda story: story.saw(at_s, "ADDED", reported("c", reason, message), "Event")


def scheduled(at_s: float) -> Callable[[Scaling], Scaling]:
    """The story in which a node takes the pod, which is Ready 5 s later."""

    def placed(story: Scaling) -> Scaling:
        story.saw(at_s, "MODIFIED", aged(pod("c", running=True, spec=ASKING), 42, None))
        return story.saw(at_s + 5, "MODIFIED", aged(pod("c", ready=True, spec=ASKING), 42, at_s + 5))

    return placed


def as_it_is(story: Scaling) -> Scaling:
    """The story, with nothing more."""
    return story


def cordoned(story: Scaling) -> Scaling:
    """The story in which a node of two is closed in the spike."""
    return story.saw(0, "LISTED", node("n2"), "Node").saw(35, "MODIFIED", node("n2", cordoned=True), "Node")


def lost(story: Scaling) -> Scaling:
    """The story in which it is not Ready any more."""
    return story.saw(0, "LISTED", node("n2"), "Node").saw(35, "MODIFIED", node("n2", ready=False), "Node")


def always_closed(story: Scaling) -> Scaling:
    """The story with a node that was closed all the time: nobody counts on that."""
    return story.saw(0, "LISTED", node("n2", cordoned=True), "Node")


def one_leaves(story: Scaling) -> Scaling:
    """The story in which a former replica has not ended yet, and another came in its place."""
    story.saw(38, "MODIFIED", aged(pod("b", ready=True, deleting=True, spec=ASKING), -100, -95))
    return story.made("d", 38.1, 44)


def judged(story: Scaling) -> Finding:
    """What the check says."""
    return ScaledUp()(story.history())


@pytest.mark.parametrize(
    ("room", "more", "answer", "words"),
    [
        pytest.param(None, as_it_is, Answer.UNKNOWN, "nobody promises how soon there is room", id="nobody said"),
        pytest.param(None, told(43, *COMES), Answer.UNKNOWN, "TriggeredScaleUp", id="nobody said, a node comes"),
        pytest.param(None, told(43, *NONE_MADE), Answer.UNKNOWN, "max node group size", id="nobody said, none is made"),
        pytest.param(PRESENT, as_it_is, Answer.FAIL, "declared room on the nodes that are there", id="said, not there"),
        pytest.param(PRESENT, told(43, *NONE_MADE), Answer.FAIL, "max node group size", id="said, none is made"),
        pytest.param(PRESENT, told(43, *COMES), Answer.UNKNOWN, "a node was on its way", id="said, a node comes"),
        pytest.param(PRESENT, told(43, *NOMINATED), Answer.UNKNOWN, "nodeclaim/default-x2v8f", id="Karpenter makes it"),
        pytest.param(PRESENT, scheduled(82), Answer.FAIL, "Insufficient cpu", id="said, 40 s late"),
        pytest.param(PRESENT, scheduled(50), Answer.PASS, "", id="said, and soon there"),
        pytest.param(PRESENT, cordoned, Answer.UNKNOWN, "node n2, open before", id="a node is closed"),
        pytest.param(PRESENT, lost, Answer.UNKNOWN, "node n2, open before", id="a node is lost"),
        pytest.param(PRESENT, always_closed, Answer.FAIL, "Insufficient cpu", id="a node that was never open"),
        pytest.param(PRESENT, one_leaves, Answer.UNKNOWN, "model-b, which was on its way out", id="one leaves"),
        pytest.param(GROWS, as_it_is, Answer.UNKNOWN, "no node autoscaler refused it", id="grows, nobody speaks"),
        pytest.param(GROWS, told(43, *COMES), Answer.UNKNOWN, "a node was on its way", id="grows, a node comes"),
        pytest.param(GROWS, told(43, *NONE_MADE), Answer.FAIL, "made by a node autoscaler", id="grows no more"),
        pytest.param(GROWS, scheduled(82), Answer.UNKNOWN, "Insufficient cpu", id="grows, a node after 40 s"),
    ],
)
def test_room_is_held_against_what_was_declared(
    room: str | None, more: Callable[[Scaling], Scaling], answer: Answer, words: str
) -> None:
    """FAIL only where room was declared and is not there, by nobody else's doing; the scheduler is quoted always."""
    finding = judged(more(short(room)))
    assert finding.answer is answer, finding.line()
    if answer is not Answer.PASS:
        assert words in finding.reason
        assert "Insufficient cpu" in finding.reason
        assert finding.values["cause"] == "capacity"


@pytest.mark.parametrize(
    ("first", "then", "answer"), [(NONE_MADE, COMES, Answer.UNKNOWN), (COMES, NONE_MADE, Answer.FAIL)]
)
def test_the_last_word_of_the_node_autoscaler_counts(
    first: tuple[str, str], then: tuple[str, str], answer: Answer
) -> None:
    """It may refuse in one round and make a node in the next, or find out that it cannot."""
    finding = judged(told(90, *then)(told(43, *first)(short(GROWS))))
    assert finding.answer is answer, finding.line()


def test_what_is_said_of_another_pod_excuses_nothing() -> None:
    """An Event counts for the pod that it is about."""
    story = short(PRESENT).saw(43, "ADDED", reported("z", *COMES), "Event")
    assert judged(story).answer is Answer.FAIL


def test_a_volume_is_no_matter_of_room() -> None:
    """The scheduler waits for a claim to be bound, however much room there is."""
    finding = judged(short(PRESENT, "0/1 nodes are available: pod has unbound immediate PersistentVolumeClaims."))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "waited for a volume" in finding.reason


def test_pods_of_a_release_beside_those_that_are_desired_are_no_lack_of_room() -> None:
    """A surge is beyond the autoscaler's maximum, for which alone there is room."""
    story = short(PRESENT)
    for uid in "xy":
        story.saw(35, "ADDED", aged(pod(uid, running=True, spec=ASKING), 35, None))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "more pods than are desired" in finding.reason


def test_the_maximum_that_finds_no_room_is_told_alike() -> None:
    """HeldAtMaximum judges the same pods by the same rule."""
    for room, answer in ((PRESENT, Answer.FAIL), (None, Answer.UNKNOWN)):
        story = Scaling(300).stands("a", "b", scaler=hpa(2, measured=40, limits=(2, 3)))
        story.loaded(1, 0, 295).loaded(4, 30, 200)
        story.has(facts=facts(raw={**story.parts["facts"].raw, "autoscaling": {"room": room}}))
        story.rescaled(42, 3, measured=100, limits=(2, 3), limited="TooManyReplicas").saw(42.1, "ADDED", waiting("c"))
        finding = HeldAtMaximum()(story.history())
        assert finding.answer is answer, finding.line()
        assert "Insufficient cpu" in finding.reason


def test_a_quota_that_refuses_pods_is_named() -> None:
    """No pod is made for the third replica, and the finding says in whose words."""
    story = Scaling(300).stands("a", "b").loaded(1, 0, 295).loaded(4, 30, 200)
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 3, measured=100)
    said = 'pods "model-c" is forbidden: exceeded quota: team, requested: pods=1, used: pods=2, limited: pods=2'
    refused = replica_set(3)
    failure = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": said}
    refused["status"] = {**refused.get("status", {}), "conditions": [failure]}
    finding = judged(story.saw(42.2, "MODIFIED", refused, "ReplicaSet"))
    assert finding.answer is Answer.FAIL, finding.line()
    assert "no pod was made for replica 3 of 3" in finding.reason
    assert "exceeded quota: team" in finding.reason


def test_pods_that_find_room_at_once_stays_a_pass() -> None:
    """Declared room changes nothing where every pod finds its node at once."""
    story = Scaling(300).stands("a", "b").loaded(1, 0, 295).loaded(4, 30, 200)
    story.has(facts=facts(raw={**story.parts["facts"].raw, "autoscaling": {"room": PRESENT}}))
    story.saw(41, "MODIFIED", hpa(2, measured=100), KIND).rescaled(42, 3, measured=100).made("c", 42.1, 46)
    assert judged(story).answer is Answer.PASS
