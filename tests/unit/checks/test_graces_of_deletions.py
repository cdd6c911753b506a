"""Members of a StatefulSet whose deletion gave them more time than their spec: the next one waits for their end."""

from __future__ import annotations

from typing import Any

import pytest
from histories import NAMESPACE, T0, Story, at, facts, node
from member_stories import made, member, stateful_set

from chaos.checks import EndState, Recovered, RecoveredInTime
from chaos.checks.verdict import Answer
from chaos.history import Phase


def deleted(grace_s: int, *, gone_s: float, ready_s: float) -> Story:
    """The second of three members, of a grace of 10 s, is deleted at 30.2 s with this one, and made anew when gone."""

    def going(**state: Any) -> dict[str, Any]:
        raw = member("b", 1, deleting=True, **state)
        raw["metadata"]["deletionGracePeriodSeconds"] = grace_s
        return raw

    story = Story(300).saw(0, "LISTED", stateful_set("Parallel"), "StatefulSet").saw(0, "LISTED", node("n1"), "Node")
    for number, uid in enumerate("abc"):
        story.saw(0, "LISTED", member(uid, number, ready=True))
    story.saw(30.2, "MODIFIED", going(ready=True)).saw(gone_s, "DELETED", going())
    made(story, "z", 1, gone_s + 0.2, ready_s=ready_s).fault("b").acted("delete-pod", 30.1, uid="b", fault="pod-kill-1")
    covered = dict.fromkeys(("Pod", "StatefulSet", "Node"), (T0, at(300)))
    return story.has(
        facts=facts(workload_kind="StatefulSet", namespace=NAMESPACE),
        covered_ns=covered,
        phases=(Phase("baseline", at(5), at(25)), Phase("recovery", at(50), at(290))),
    ).traffic(end_s=295)


@pytest.mark.parametrize(
    ("story", "answer"),
    [
        pytest.param(deleted(60, gone_s=85, ready_s=130), Answer.PASS, id="a minute, nearly used up"),
        pytest.param(deleted(60, gone_s=85, ready_s=180), Answer.FAIL, id="a minute, and late for all that"),
        pytest.param(deleted(10, gone_s=85, ready_s=130), Answer.FAIL, id="its own, and not gone by then"),
        pytest.param(deleted(1, gone_s=31, ready_s=120), Answer.PASS, id="less than its own"),
    ],
)
def test_the_grace_of_a_deletion_is_waited_for(story: Story, answer: Answer) -> None:
    """A member is due 94 s after its deletion with its own grace of 10 s, and later by as much as it was given more."""
    finding = Recovered()(story.history())
    assert finding.answer is answer, finding.line()


@pytest.mark.parametrize(("grace_s", "late"), [(60, False), (10, True)])
def test_so_is_it_by_the_stage_in_which_the_next_is_made(grace_s: int, late: bool) -> None:  # noqa: FBT001
    """The next member is made 55 s after the deletion, as soon as the former is gone."""
    finding = RecoveredInTime()(deleted(grace_s, gone_s=85, ready_s=100).history())
    assert ("replacement created" in finding.values["late"]) is late, finding.line()


@pytest.mark.parametrize(("grace_s", "answer"), [(200, Answer.UNKNOWN), (10, Answer.FAIL)])
def test_so_is_it_at_the_end(grace_s: int, answer: Answer) -> None:
    """The trial ends 110 s after the heal, and the former member is there still: the next one is due 94 s after it."""
    story = deleted(grace_s, gone_s=280, ready_s=290).has(phases=(Phase("recovery", at(50), at(150)),))
    missing = [one for one in EndState()(story.history()).obligations if one.subject == "missing pods"]
    assert [one.answer for one in missing] == [answer]
