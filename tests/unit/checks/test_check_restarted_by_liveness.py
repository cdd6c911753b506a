"""RestartedByLiveness: the same pod, one restart more, by its probe, in time, and Ready again."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from histories import Story, at, kill_story, pod
from probe_stories import UNPROBED, hang_story, hung, killing, restarted

from chaos.checks import RestartedByLiveness
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap

BOUND_S = 14 + 1 + 5 + 10 + 5
"""Liveness and grace, exit seen, start, status report, allowance: from the landing to the restart's news."""


def judged(story: Story, detection_s: float = 0.0) -> Finding:
    """The finding on a story."""
    return RestartedByLiveness(detection_s=detection_s)(story.history())


def restarted_at(at_s: float, *, count: int = 1, healed_s: float = 110) -> Story:
    """The hang, and a restart at this moment, by the liveness probe, Ready two seconds later."""
    return (
        hung(healed_s=healed_s)
        .saw(at_s - 1, "ADDED", killing("a"), "Event")
        .saw(at_s, "MODIFIED", restarted("a", count))
        .saw(at_s + 2, "MODIFIED", restarted("a", count, ready=True))
    )


def ready_at(at_s: float) -> Story:
    """The hang, a restart at 40 s by the liveness probe, and Ready at this moment."""
    story = hung().saw(39, "ADDED", killing("a"), "Event").saw(40, "MODIFIED", restarted("a"))
    return story.saw(at_s, "MODIFIED", restarted("a", ready=True))


@pytest.mark.parametrize(("ready_s", "answer"), [(44, Answer.PASS), (90, Answer.FAIL)])
def test_ready_again_in_time_or_not(ready_s: float, answer: Answer) -> None:
    """The bound reaches to Ready, eight seconds after the restart's."""
    assert judged(ready_at(ready_s)).answer is answer


def test_a_restart_by_the_probe_passes() -> None:
    """Killed for its liveness probe, restarted once in the same pod, and Ready again: PASS, with its numbers."""
    finding = judged(hang_story())
    assert finding.answer is Answer.PASS, finding.line()
    (container,) = finding.values["containers"]
    assert (container["restart_s"], container["ready_s"], container["bound_s"]) == (9.5, 13.5, BOUND_S)
    assert any("exit code 0" in one.text for one in finding.evidence)


def test_a_restart_at_the_bound_passes_and_after_it_fails() -> None:
    """The bound counts from the landing, at 30.5 s."""
    assert judged(restarted_at(30.5 + BOUND_S)).answer is Answer.PASS
    finding = judged(restarted_at(30.6 + BOUND_S))
    assert finding.answer is Answer.FAIL
    assert f"bound {BOUND_S} s" in finding.reason


def test_the_servers_own_detection_adds_to_the_bound() -> None:
    """What the server needs to know that it is stuck comes before the probe can act."""
    assert judged(restarted_at(35.5 + BOUND_S), detection_s=5).answer is Answer.PASS


def test_no_restart_within_the_bound_fails() -> None:
    """A hang that stood for the whole bound, watched, without a restart."""
    finding = judged(hung())
    assert finding.answer is Answer.FAIL
    assert "was not restarted within" in finding.reason


def test_without_a_liveness_probe_no_restart_is_a_fail() -> None:
    """Nothing restarts a process that hangs in such a container."""
    finding = judged(hung(spec=UNPROBED))
    assert finding.answer is Answer.FAIL
    assert "liveness probe" in finding.reason


def test_two_restarts_at_once_fail() -> None:
    """The promise is one restart."""
    assert judged(restarted_at(40, count=2)).answer is Answer.FAIL


def test_a_pod_that_is_not_ready_again_fails() -> None:
    """Restarted is not yet recovered."""
    story = hung().saw(39, "ADDED", killing("a"), "Event").saw(40, "MODIFIED", restarted("a"))
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "was not Ready again" in finding.reason


@pytest.mark.parametrize(
    ("spoil", "word"),
    [
        (kill_story, "no process was made to hang"),
        (lambda: hung(healed_s=40), "it was healed"),
        (lambda: hung(end_s=50), "the record ended"),
        (lambda: hung().saw(40, "DELETED", pod("a", ready=True)), "the pod was deleted"),
        (lambda: hung().gap(35, 45), "gap"),
        (lambda: hang_story().gap(35, 39), "gap"),
        (lambda: hung().saw(40, "MODIFIED", restarted("a", ready=True)), "no event says"),
        (
            lambda: (
                hung()
                .saw(35, "ADDED", killing("a", "Stopping container m"), "Event")
                .saw(40, "MODIFIED", restarted("a"))
            ),
            "no event says",
        ),
        (lambda: restarted_at(70).has(late=(Gap("Pod", at(50), at(70), "reset"),)), "late"),
        (lambda: ready_at(90).has(late=(Gap("Pod", at(50), at(90), "reset"),)), "late"),
    ],
)
def test_what_was_not_seen_is_unknown(spoil: Callable[[], Story], word: str) -> None:
    """No hang, a heal or an end before the bound, a gap, late news, or no word from the kubelet: UNKNOWN, and why."""
    finding = judged(spoil())
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert word in finding.reason
    assert finding.settle


def test_the_worst_victim_decides() -> None:
    """One restarted victim does not make up for another that was not."""
    story = hang_story()
    (fault,) = story.parts["faults"]
    two = hung().fault("b", name="process-hang", healed_s=110).parts["faults"][-1]
    assert judged(story.has(faults=(fault, two))).answer is Answer.FAIL


def test_the_event_of_one_victim_says_nothing_of_another() -> None:
    """Each restart needs the kubelet's own word about that very pod."""
    story = hung().fault("b", name="process-hang", healed_s=110).saw(35, "ADDED", killing("a"), "Event")
    for uid in ("a", "b"):
        story.saw(40, "MODIFIED", restarted(uid, ready=True))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "model-b" in finding.reason


def test_word_of_the_restart_may_be_word_of_ready() -> None:
    """A watch may skip the states in between: one event then tells both."""
    story = hung().saw(35, "ADDED", killing("a"), "Event").saw(40, "MODIFIED", restarted("a", ready=True))
    finding = judged(story)
    assert finding.answer is Answer.PASS, finding.line()
    assert finding.values["containers"][0]["ready_s"] == 9.5


@pytest.mark.parametrize(("type_", "answer"), [("DELETED", Answer.UNKNOWN), ("MODIFIED", Answer.PASS)])
def test_an_event_that_expires_tells_of_no_kill(type_: str, answer: Answer) -> None:
    """The Event of a trial an hour ago goes as the container is restarted; one that is counted once more is news."""
    story = hung().saw(0, "LISTED", killing("a"), "Event").saw(39, type_, killing("a"), "Event")
    finding = judged(story.saw(40, "MODIFIED", restarted("a")).saw(44, "MODIFIED", restarted("a", ready=True)))
    assert finding.answer is answer, finding.line()
    assert ("no event says" in finding.reason) is (answer is Answer.UNKNOWN)


@pytest.mark.parametrize(("type_", "answer"), [("DELETED", Answer.PASS), ("MODIFIED", Answer.FAIL)])
def test_an_event_that_expires_asks_for_no_further_restart(type_: str, answer: Answer) -> None:
    """The container crashes long after its probe had it restarted, just as the Event of that is dropped."""
    story = hang_story().saw(59, type_, killing("a"), "Event")
    finding = judged(story.saw(60, "MODIFIED", restarted("a", 2)).saw(64, "MODIFIED", restarted("a", 2, ready=True)))
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(
    ("reason", "at_s", "answer"),
    [
        pytest.param("TerminationByKubelet", 45, Answer.UNKNOWN, id="by its kubelet, before the bound"),
        pytest.param("TerminationByKubelet", 90, Answer.FAIL, id="by its kubelet, after the bound"),
        pytest.param("", 45, Answer.FAIL, id="by itself, as its container is not to be restarted"),
    ],
)
def test_a_hung_pod_that_its_kubelet_ends_need_not_be_restarted(reason: str, at_s: float, answer: Answer) -> None:
    """Its node runs out of memory while it hangs, and the kubelet ends it: nothing was left to restart."""
    ended = pod("a", disruption=reason)
    ended["status"]["phase"] = "Failed"
    finding = judged(hung().saw(at_s, "MODIFIED", ended))
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("at_s", "answer"), [(42, Answer.UNKNOWN), (100, Answer.FAIL)])
def test_a_restarted_pod_that_its_kubelet_ends_need_not_be_ready(at_s: float, answer: Answer) -> None:
    """It was restarted in time, and ended by its kubelet before it had to be Ready again, or long after."""
    ended = restarted("a")
    ended["status"] |= {"phase": "Failed"}
    ended["status"]["conditions"].append(
        {"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet"}
    )
    story = hung().saw(39, "ADDED", killing("a"), "Event").saw(40, "MODIFIED", restarted("a"))
    finding = judged(story.saw(at_s, "MODIFIED", ended))
    assert finding.answer is answer, finding.line()
