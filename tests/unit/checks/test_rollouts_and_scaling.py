"""RolledOut and RollbackSafe where desired replicas change: what is desired after a release does not bear on it."""

from __future__ import annotations

import pytest
from histories import at, pod
from rollout_stories import NEW, OLD, Rolling, bad_story, owned, release, update_story

from chaos.checks import RollbackSafe, RolledOut
from chaos.checks.verdict import Answer


def scaled(story: Rolling, at_s: float, replicas: int) -> Rolling:
    """Another number of replicas is desired of the new release from a moment on."""
    return story.saw(at_s, "MODIFIED", release(NEW, replicas=replicas), "Deployment")


def one_too_few() -> Rolling:
    """Two of four pods are ready for 0.3 s of the release, where three have to be."""
    return update_story().saw(31, "MODIFIED", pod("b", owner=OLD)).saw(31.3, "MODIFIED", pod("b", ready=True))


def one_too_many() -> Rolling:
    """Six pods are there for a second of the release, where five may be."""
    return update_story().made("x", 31, NEW, ready_s=None).ends("x", 32, NEW, ready=False)


def too_late() -> Rolling:
    """The last old pod goes 65 s after the change, where the bound is 58 s."""
    story = update_story(180)
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "d" or one.at_ns < at(30)]
    return story.ends("d", 95)


@pytest.mark.parametrize(
    ("story", "words"),
    [
        pytest.param(scaled(one_too_few(), 60, 2), "2 healthy of 3 needed", id="fewer are desired later"),
        pytest.param(scaled(one_too_many(), 60, 6), "6 pods were there at once", id="more are desired later"),
        pytest.param(scaled(too_late(), 100, 8), "bound 58 s", id="a larger release would have longer"),
    ],
)
def test_what_is_desired_after_a_release_excuses_nothing_in_it(story: Rolling, words: str) -> None:
    """An autoscaler that scales once the release is done lends it neither replicas that may be missing nor time."""
    finding = RolledOut()(story.history())
    assert finding.answer is Answer.FAIL, finding.line()
    assert words in finding.reason


def test_a_scale_in_after_a_release_breaks_nothing() -> None:
    """A release that kept its strategy is not blamed for the pods that go later."""
    story = scaled(update_story(), 60, 2).ends("e", 60.1, NEW).ends("f", 60.1, NEW)
    finding = RolledOut()(story.history())
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize(("replicas", "answer"), [(2, Answer.PASS), (4, Answer.FAIL)])
def test_a_scale_in_while_a_release_is_undone_is_lenient(replicas: int, answer: Answer) -> None:
    """Where fewer are desired before the former release is back whole, no more of them have to serve."""
    story = bad_story()
    story.events = [one for one in story.events if one.object["metadata"]["uid"] != "g"]
    story.saw(46, "MODIFIED", release(OLD, replicas=replicas), "Deployment").ends("b", 46.1)
    finding = RollbackSafe()(story.history())
    assert finding.answer is answer, finding.line()


def overtaken(*, asked_s: float | None = 33.02, gone_s: float = 33.1) -> Rolling:
    """The third new pod is made at 33.05 s, before `b` goes, for which its ReplicaSet was asked a moment earlier."""
    story = Rolling().stands("a", "b", "c", "d").fault(name="rolling-update", at_s=30, healed_s=45)
    story.changes(NEW, 30.2).ends("a", 30.3).saw(30.31, "MODIFIED", owned(OLD, 3), "ReplicaSet")
    story.made("e", 30.4, NEW, ready_s=33).made("f", 30.5, NEW, ready_s=34).made("g", 33.05, NEW, ready_s=36)
    if asked_s is not None:
        story.saw(asked_s, "MODIFIED", owned(OLD, 2), "ReplicaSet")
    story.ends("b", gone_s).ends("c", 35.1).made("h", 35.2, NEW, ready_s=38)
    return story.ends("d", 38.1)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(overtaken(), Answer.PASS, id="a moment later"),
        pytest.param(overtaken(gone_s=33.9), Answer.PASS, id="as late as a call may be"),
        pytest.param(overtaken(gone_s=34.5), Answer.FAIL, id="much later"),
        pytest.param(overtaken(asked_s=None), Answer.FAIL, id="its ReplicaSet was not asked before"),
    ],
)
def test_a_new_pod_may_overtake_an_old_ones_deletion(story: Rolling, answer: Answer) -> None:
    """A Deployment counts what it asks its ReplicaSets for; one may make a pod before the other has deleted its own."""
    finding = RolledOut()(story.history())
    assert finding.answer is answer, finding.line()


def emptied(at_s: float, replicas: int) -> Rolling:
    """Four old pods are to be replaced from 30.2 s on; so many are desired from a moment on, and the old ones go."""
    story = Rolling().stands("a", "b", "c", "d").fault(name="rolling-update", at_s=30, healed_s=45).changes(NEW, 30.2)
    scaled(story, at_s, replicas).ends("a", at_s + 0.1).ends("b", at_s + 0.1)
    if replicas:
        story.made("e", at_s + 0.2, NEW, ready_s=at_s + 3).made("f", at_s + 0.2, NEW, ready_s=at_s + 3)
    return story.ends("c", at_s + 3.1).ends("d", at_s + 3.1)


def none_there() -> Rolling:
    """A Deployment of no replicas gets another template."""
    story = Rolling().stands().fault(name="rolling-update", at_s=30, healed_s=45)
    return story.changes(NEW, 30.2, replicas=0)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(emptied(30.4, 0), Answer.UNKNOWN, id="scaled to zero as it begins"),
        pytest.param(emptied(60, 0), Answer.UNKNOWN, id="scaled to zero while it is under way"),
        pytest.param(none_there(), Answer.UNKNOWN, id="never any replica"),
        pytest.param(emptied(30.4, 2), Answer.PASS, id="fewer, and all of them new"),
    ],
)
def test_a_release_of_no_replica_proves_nothing(story: Rolling, answer: Answer) -> None:
    """Where its owner, or an autoscaler, takes all replicas away, none was rolled out."""
    finding = RolledOut()(story.history())
    assert finding.answer is answer, finding.line()
