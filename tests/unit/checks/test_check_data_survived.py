"""DataSurvived: the same checksums and answers before and after, in replicas that came since, on a claim."""

from __future__ import annotations

from dataclasses import replace

import pytest
from data_stories import CLAIMED, PATH, SCRATCH, killed_claimant, killed_member, read, survived_story
from histories import PROBED, Story, at, kill_story, nothing, pod
from node_loss_stories import claim, noticed, powered, standing, unscheduled, volume

from chaos.checks import DataSurvived
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap

EMPTY = {"name": "scratch", "emptyDir": {}}


def judged(story: Story, *, answers: bool = True) -> Finding:
    """The finding on a story."""
    return DataSurvived(answers=answers)(story.history())


def test_the_same_in_whoever_came_since_passes() -> None:
    """Read in `a` before and in its successor afterwards: the same checksum, and the same answer."""
    finding = judged(survived_story())
    assert finding.answer is Answer.PASS, finding.reason
    assert finding.measured.startswith("2 replicas read before, 1 after, 1 of them made or restarted since")


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (read(read(killed_claimant(), "a", 20), "d", 50, digest="bbbb"), f"{PATH} of model-d (d) is 'bbbb'"),
        (
            read(read(read(killed_claimant(), "a", 20), "b", 21), "d", 50, answer="Bye"),
            "the answer of model-d (d) is 'Bye'",
        ),
        (read(read(read(killed_claimant(), "a", 20), "b", 21, digest="bbbb"), "d", 50), "of model-b (b) is 'bbbb'"),
        (
            read(read(killed_claimant(), "a", 20), "d", 50, digest=None, outcome="fail", reason="No such file"),
            f"model-d (d) has not {PATH}: No such file",
        ),
        (read(read(killed_claimant(PROBED), "a", 20), "d", 50), "lies in the container's own layer, not on a claim"),
        (
            read(read(killed_claimant(SCRATCH), "a", 20), "d", 50),
            "lies in the pod's own volume weights, not on a claim",
        ),
    ],
)
def test_what_differs_is_gone_or_lies_wrong_fails(story: Story, words: str) -> None:
    """A checksum, an answer, a missing file, and a file that no claim keeps, each named with its replica."""
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert words in finding.reason


def restarted(*, digest: str = "aaaa") -> Story:
    """The server of `a` is restarted in place, of which the watch tells at 31 s; the fault begins at 30 s."""
    story = Story().replicas("a", "b", "c", spec=CLAIMED).fault("a", name="process-crash").traffic()
    story.saw(31, "MODIFIED", pod("a", ready=True, restarts=1, spec=CLAIMED))
    return read(read(story, "a", 20), "a", 50, digest=digest)


@pytest.mark.parametrize(
    ("story", "late_s", "answer"),
    [
        pytest.param(restarted(), None, Answer.PASS, id="a restart after the fault"),
        pytest.param(restarted(), (30.5, 31), Answer.PASS, id="after it however late the news"),
        pytest.param(restarted(), (15, 31), Answer.UNKNOWN, id="it may have been before the fault"),
        pytest.param(restarted(digest="bbbb"), (15, 31), Answer.FAIL, id="other data in any case"),
        pytest.param(read(read(killed_claimant(), "a", 20), "d", 50), (29, 30.3), Answer.UNKNOWN, id="a pod told late"),
    ],
)
def test_what_may_have_come_before_the_fault_proves_nothing(
    story: Story, late_s: tuple[float, float] | None, answer: Answer
) -> None:
    """A watch that was cut off over the begin of the fault tells after it what may have been before it."""
    finding = judged(story.has(late=(Gap("Pod", at(late_s[0]), at(late_s[1]), "reset"),) if late_s else ()))
    assert finding.answer is answer, finding.line()


def test_each_claim_that_outlives_its_replica_is_compared_with_itself() -> None:
    """Members of a StatefulSet may hold other data each; what comes back on a claim must be what was there before."""
    before = read(read(killed_member(), "a", 20), "b", 21, digest="bbbb", answer="Other")
    assert judged(read(before, "d", 50)).answer is Answer.PASS
    wrong = judged(read(before, "d", 50, digest="bbbb"))
    assert wrong.answer is Answer.FAIL
    assert f"{PATH} of model-d (d) is 'bbbb', of model-a (a) it was 'aaaa'" in wrong.reason
    twice = read(before, "a", 23)
    assert judged(read(twice, "d", 50, answer="Other")).answer is Answer.FAIL


def test_another_members_data_are_no_proof() -> None:
    """What was read before lies on another claim than what was read in the replica that came since."""
    finding = judged(read(read(killed_member(), "b", 20), "d", 50))
    assert finding.answer is Answer.UNKNOWN
    assert "no file on a claim that was read before was read again" in finding.reason


def test_only_the_container_that_was_read_counts() -> None:
    """A helper that mounts a folder of its own over the same path says nothing of what the server reads."""
    helper = {"name": "helper", "volumeMounts": [{"name": "scratch", "mountPath": "/weights"}]}
    spec = {**CLAIMED, "containers": [helper, *CLAIMED["containers"]], "volumes": [*CLAIMED["volumes"], EMPTY]}
    name = str(CLAIMED["containers"][0]["name"])
    story = read(read(killed_claimant(spec), "a", 20, container=name), "d", 50, container=name)
    assert judged(story).answer is Answer.PASS
    assert judged(read(read(killed_claimant(spec), "a", 20), "d", 50)).answer is Answer.FAIL


def test_answers_may_be_left_out() -> None:
    """For a service that answers otherwise each time, files alone are compared."""
    assert judged(read(read(killed_claimant(), "a", 20), "d", 50, answer="Bye"), answers=False).answer is Answer.PASS


@pytest.mark.parametrize(
    ("story", "words"),
    [
        (kill_story(), "no file was read before the first fault"),
        (read(killed_claimant(), "d", 50), "no file was read before the first fault"),
        (read(killed_claimant(), "a", 20), "no file was read in a replica that was made or restarted"),
        (read(read(killed_claimant(), "a", 20), "b", 50), "no file was read in a replica that was made or restarted"),
        (
            read(read(killed_claimant(), "a", 20), "d", 50, outcome="info", reason="no status within 120 s"),
            "model-d (d) could not be read: no status within 120 s",
        ),
    ],
)
def test_what_was_not_read_is_unknown(story: Story, words: str) -> None:
    """No reading before, none of a replica that came since, and a reading that failed prove nothing."""
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert words in finding.reason
    assert finding.settle


def test_a_claim_stuck_to_a_lost_node_is_named() -> None:
    """A replacement that no node can take, because its claim's volume is on the lost one, is the failure's cause."""
    story = noticed(powered(standing(spec=CLAIMED), "n1"), spec=CLAIMED)
    story.saw(0, "LISTED", claim("model-weights", "disk-1"), "PersistentVolumeClaim")
    story.saw(0, "LISTED", volume("disk-1", "n1"), "PersistentVolume")
    story.saw(58.1, "ADDED", unscheduled("c", "0/2 nodes are available", claim="model-weights"))
    finding = judged(read(story, "a", 20))
    assert finding.answer is Answer.FAIL
    assert "model-c could not be scheduled: claim model-weights is stuck to the lost node n1" in finding.reason


def test_an_empty_history_is_unknown() -> None:
    """Nothing recorded proves nothing; nor does a dry run, whose readings say that nothing was done."""
    assert DataSurvived()(nothing()).answer is Answer.UNKNOWN
    story = read(killed_claimant(), "a", 20)
    (action,) = story.parts["actions"]
    dry_run = replace(action, outcome="fail", detail={"reason": "dry_run: nothing was done"})
    finding = judged(story.has(actions=(dry_run,)))
    assert finding.answer is Answer.UNKNOWN
    assert "dry_run" in finding.reason
