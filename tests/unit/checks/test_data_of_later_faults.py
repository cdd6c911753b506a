"""DataSurvived in trials of several faults: each has its victims' data read again after it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from data_stories import CLAIMED, killed_claimant, read
from histories import Story, pod

from chaos.checks import DataSurvived
from chaos.checks.verdict import Answer


def again(victim: str = "d", *, name: str = "pod-kill") -> Story:
    """`a` was killed and its successor `d` read, at 40 s; at 60 s a second fault strikes, `e` replaces a killed pod."""
    story = read(read(read(killed_claimant(), "a", 20), "c", 21), "d", 40).fault(
        victim, at_s=60, healed_s=65, name=name
    )
    if name != "pod-kill":
        return story.saw(61, "MODIFIED", pod(victim, ready=True, restarts=1, spec=CLAIMED))
    story.saw(60.2, "DELETED", pod(victim, ready=True, spec=CLAIMED))
    return story.replaced("e", 60.3, ready_s=64, spec=CLAIMED)


def missed(story: Story) -> Story:
    """The second fault never came to anything."""
    first, second = story.parts["faults"]
    return story.has(faults=(first, replace(second, landed_ns=None, missed="refused")))


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(again(), Answer.UNKNOWN, id="nothing read after it"),
        pytest.param(read(again(), "b", 70), Answer.UNKNOWN, id="read in one that was there before"),
        pytest.param(read(again(), "e", 70), Answer.PASS, id="read in its successor"),
        pytest.param(read(again(), "e", 70, digest="bbbb"), Answer.FAIL, id="other data in its successor"),
        pytest.param(again("c"), Answer.UNKNOWN, id="a replica that was read before both"),
        pytest.param(again("b"), Answer.PASS, id="a replica that was never read"),
        pytest.param(again(name="process-crash"), Answer.UNKNOWN, id="restarted, and not read"),
        pytest.param(read(again(name="process-crash"), "d", 70), Answer.PASS, id="restarted, and read"),
        pytest.param(missed(again()), Answer.PASS, id="it never landed"),
    ],
)
def test_what_a_later_fault_takes_is_read_again_after_it(story: Story, answer: Answer) -> None:
    """A reading between two faults says nothing of what the second one does to the data."""
    finding = DataSurvived()(story.history())
    assert finding.answer is answer, finding.line()


def stopped() -> Story:
    """At 60 s the node of `d` is stopped in order: its kubelet ends it, and its object stays; `e` takes its place."""
    story = read(read(killed_claimant(), "a", 20), "d", 40).fault("d", at_s=60, healed_s=65, name="node-down")
    failed = pod("d", spec=CLAIMED, disruption="TerminationByKubelet")
    failed["status"]["phase"] = "Failed"
    return story.saw(60.2, "MODIFIED", failed).replaced("e", 60.3, ready_s=64, spec=CLAIMED)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(stopped(), Answer.UNKNOWN, id="nothing read after it"),
        pytest.param(read(stopped(), "b", 70), Answer.UNKNOWN, id="read in one that was there before"),
        pytest.param(read(stopped(), "e", 70), Answer.PASS, id="read in its successor"),
    ],
)
def test_a_pod_that_failed_and_stays_held_what_is_read_again(story: Story, answer: Answer) -> None:
    """Nobody deletes the object of a pod that its kubelet ended, and no replica is behind it any more."""
    finding = DataSurvived()(story.history())
    assert finding.answer is answer, finding.line()
