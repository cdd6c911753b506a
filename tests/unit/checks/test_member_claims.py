"""DataSurvived on the members of a StatefulSet, each of which has a claim of its own."""

from __future__ import annotations

from data_stories import killed_member, own_claims, read
from histories import Story, pod

from chaos.checks import DataSurvived
from chaos.checks.verdict import Answer, Finding


def judged(*, again: str) -> Finding:
    """Both members' claims are read before `a` is killed; afterwards these members' are, `b` having been restarted."""
    story: Story = read(read(killed_member(), "a", 20), "b", 21)
    story.saw(40, "MODIFIED", pod("b", ready=True, restarts=1, spec=own_claims("m-1")))
    for number, uid in enumerate(again):
        read(story, uid, 50 + number)
    return DataSurvived()(story.history())


def test_every_claim_that_is_read_again_survived() -> None:
    """The killed member's successor reads what it held, and so does the other member."""
    assert judged(again="bd").answer is Answer.PASS


def test_a_claim_that_is_not_read_again_is_unknown() -> None:
    """Nothing is known of the killed member's claim when only the other member's was read afterwards."""
    finding = judged(again="b")
    assert finding.answer is Answer.UNKNOWN, finding.line()
