"""RecoveredInTime where others have a part: they take a pod, a fault still holds it, a node is stopped in order."""

from __future__ import annotations

from dataclasses import replace

import pytest
from histories import Story, at, node, pod
from probe_stories import COVERED, endpoints, hung
from recovery_stories import answered, only_recovery, replaced_story, restarted_story, stages_of

from chaos.checks import RecoveredInTime
from chaos.checks.verdict import Answer, Finding
from chaos.history import Fault
from chaos.objects.base import Ref


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return RecoveredInTime()(story.history())


def evicted_by_others(taken_s: float, *, name: str = "network-partition") -> Story:
    """A fault that takes no pod strikes `a` from 30 s to 150 s; an autoscaler of nodes evicts it, and `d` comes."""
    story = hung(healed_s=150, end_s=200)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, id=f"{name}-1", name=name),)).acted("cut-off", 30.1, fault=f"{name}-1")
    story.saw(taken_s, "DELETED", pod("a", ready=True, disruption="EvictionByEvictionAPI"))
    story.saw(taken_s + 0.1, "MODIFIED", endpoints("b"), "EndpointSlice")
    story.replaced("d", taken_s + 0.2, ready_s=taken_s + 4)
    return story.saw(taken_s + 4.1, "MODIFIED", endpoints("b", "d"), "EndpointSlice")


@pytest.mark.parametrize("taken_s", [45, 90, 170], ids=["soon", "later", "after the heal"])
@pytest.mark.parametrize("name", ["network-partition", "not-ready", "memory-hog"])
def test_who_was_evicted_by_others_is_no_loss_of_a_fault_that_takes_none(taken_s: float, name: str) -> None:
    """A replica that is cut off stays Ready, and goes when its node is emptied: nobody owed that sooner."""
    finding = judged(evicted_by_others(taken_s, name=name))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "no victim of a fault that landed was lost" in finding.reason


@pytest.mark.parametrize(("taken_s", "answer"), [(90, Answer.UNKNOWN), (190, Answer.FAIL)], ids=["held", "long after"])
def test_who_was_taken_by_others_while_it_was_held_is_replaced_from_then(taken_s: float, answer: Answer) -> None:
    """It turned not Ready by the fault and went with its node: when it is replaced is nothing that the fault shows."""
    story = hung(healed_s=150, end_s=300)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, id="not-ready-1", name="not-ready"),)).saw(33, "MODIFIED", pod("a", running=True))
    story.saw(33.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
    story.saw(taken_s, "DELETED", pod("a", running=True, disruption="EvictionByEvictionAPI"))
    story.saw(taken_s + 0.1, "MODIFIED", endpoints("b"), "EndpointSlice")
    story.replaced("d", taken_s + 0.2, ready_s=taken_s + 4)
    finding = judged(story.saw(taken_s + 4.1, "MODIFIED", endpoints("b", "d"), "EndpointSlice"))
    assert finding.answer is answer, finding.line()
    assert ("no victim of a fault that landed was lost" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("ready_s", "answer"), [(44, Answer.PASS), (140, Answer.FAIL), (200, Answer.UNKNOWN)])
def test_a_restart_while_it_is_cut_off_owes_no_ready_before_the_heal(ready_s: float, answer: Answer) -> None:
    """It may need its peers to start, or weights from afar; but what is Ready without them has to be so in time."""
    story = restarted_story(end_s=300, Ready=ready_s)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, id="network-partition-1", name="network-partition", healed_ns=at(150)),))
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("or none by it alone" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(
    ("taken_s", "answer"),
    [
        pytest.param(33, Answer.UNKNOWN, id="before it was due"),
        pytest.param(45, Answer.UNKNOWN, id="just before"),
        pytest.param(75, Answer.FAIL, id="long after"),
    ],
)
def test_a_hang_is_to_be_found_until_others_take_the_pod(taken_s: float, answer: Answer) -> None:
    """Its probes have 19 s to find it; a pod that is evicted before is found by nobody, and breaks no promise."""
    finding = judged(evicted_by_others(taken_s, name="process-hang"))
    assert finding.answer is answer, finding.line()
    assert ("unready not seen before model-a was taken away" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("taken_s", "answer"), [(36, Answer.UNKNOWN), (60, Answer.FAIL)])
def test_a_replacement_that_is_taken_again_owes_no_answer(taken_s: float, answer: Answer) -> None:
    """A scale-in takes the youngest pod first: one that goes 2 s after it is Ready need not have been asked by then."""
    story = replaced_story(first_answer=150)
    for row in story.rows:
        row["replica"] = "model-b" if row["replica"] == "model-d" else row["replica"]
    story.saw(taken_s, "DELETED", pod("d", ready=True)).saw(taken_s + 0.1, "MODIFIED", endpoints("b"), "EndpointSlice")
    finding = judged(story)
    assert finding.answer is answer, finding.line()
    assert ("first answer not seen before model-d was taken away" in finding.reason) is (answer is Answer.UNKNOWN)


def shut_down(gone_s: float, *, created_s: float, by_kubelet: bool = True) -> Story:
    """The node of `a` is stopped at 30 s, and takes its time; its kubelet ends `a`, or others delete it first."""
    story = Story(300).has(covered_ns=dict.fromkeys(COVERED, (at(0), at(300)))).replicas("b")
    story.saw(0, "LISTED", pod("a", ready=True, node="n2")).saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    victim = (Ref("Node", "", "n2", "node-n2"),)
    story.has(faults=(Fault("node-down-1", "node-down", "", victim, at(30), at(120), at(250), "NotReady"),))
    story.saw(120, "MODIFIED", node("n2", ready=False), "Node")
    ended = pod("a", node="n2", disruption="TerminationByKubelet" if by_kubelet else "EvictionByEvictionAPI")
    ended["status"]["phase"] = "Failed" if by_kubelet else "Running"
    story.saw(gone_s, "MODIFIED" if by_kubelet else "DELETED", ended)
    story.saw(gone_s + 0.1, "MODIFIED", endpoints("b"), "EndpointSlice").replaced("d", created_s, ready_s=created_s + 4)
    story.saw(created_s + 4.2, "MODIFIED", endpoints("b", "d"), "EndpointSlice")
    return answered(story.traffic(end_s=290), "a", 30, "d", created_s + 5)


@pytest.mark.parametrize("by_kubelet", [True, False], ids=["by its kubelet", "by others, who were told"])
def test_a_node_that_is_stopped_in_order_takes_its_time(by_kubelet: bool) -> None:  # noqa: FBT001  # a table's column
    """Nobody asked the pod itself to go: it is gone by when its node would be NotReady, and is replaced at once."""
    story = shut_down(48, created_s=48.2, by_kubelet=by_kubelet)
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert only_recovery(finding)["path"] == "replaced"
    unready = stages_of(finding)["unready"]
    assert (unready["took_s"], unready["bound_s"]) == (pytest.approx(18), 50 + 2 * 5 + 1 + 5)
    late = judged(shut_down(48, created_s=80, by_kubelet=by_kubelet))
    assert late.answer is Answer.FAIL
    assert late.values["late"] == ("replacement created",)


@pytest.mark.parametrize("name", ["process-hang", "network-partition"])
def test_who_was_ended_by_its_kubelet_is_no_loss_of_a_fault_that_ends_none(name: str) -> None:
    """The node runs out of memory while `a` hangs, or is cut off: its kubelet ends it within the hang's bound."""
    story = hung(healed_s=150, end_s=200)
    (fault,) = story.parts["faults"]
    story.has(faults=(replace(fault, id=f"{name}-1", name=name),))
    ended = pod("a", disruption="TerminationByKubelet")
    ended["status"]["phase"] = "Failed"
    story.saw(42, "MODIFIED", ended).saw(42.1, "MODIFIED", endpoints("b"), "EndpointSlice")
    finding = judged(story.replaced("d", 42.2, ready_s=46))
    assert finding.answer is Answer.UNKNOWN, finding.line()
