"""DataSurvived: the same checksums and answers before and after, in replicas that came since, on a claim."""

from __future__ import annotations

from dataclasses import replace

import pytest
from data_stories import CLAIMED, PATH, SCRATCH, killed_claimant, read, survived_story
from histories import PROBED, Story, kill_story, nothing
from node_loss_stories import claim, noticed, powered, standing, unscheduled, volume

from chaos.checks import DataSurvived
from chaos.verdict import Answer, Finding


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
        (read(read(killed_claimant(), "a", 20), "d", 50, answer="Bye"), "the answer of model-d (d) is 'Bye'"),
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
    """Nothing recorded proves nothing; nor does a rehearsal, whose readings say that nothing was done."""
    assert DataSurvived()(nothing()).answer is Answer.UNKNOWN
    story = read(killed_claimant(), "a", 20)
    (action,) = story.parts["actions"]
    leashed = replace(action, outcome="fail", detail={"reason": "leashed: nothing was done"})
    finding = judged(story.has(actions=(leashed,)))
    assert finding.answer is Answer.UNKNOWN
    assert "leashed" in finding.reason
