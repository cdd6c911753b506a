"""BudgetHeld: every dip is found, however short, and has its cause."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from budget_stories import Guarded, budget, guarded
from histories import NAMESPACE, WORKLOAD, at, deployment, node, pod, replica_set

from chaos.checks import BudgetHeld
from chaos.checks.verdict import Answer, Finding
from chaos.history import Gap


def judged(story: Guarded, *, ready_min: int | None = None) -> Finding:
    """The finding on a story."""
    return BudgetHeld(ready_min=ready_min)(story.history())


def causes(dip: Mapping[str, Any]) -> list[str]:
    """The kinds of cause of a dip."""
    return [loss["cause"] for loss in dip["losses"]]


def test_a_dip_of_200_ms_is_found() -> None:
    """A pod that is not Ready for a fifth of a second, below the need, is found with its length and cause."""
    story = guarded(pdb=budget(desired=4)).drain().refused("a", 30.2)
    story.saw(50, "MODIFIED", pod("b", running=True, node="n2")).saw(50.2, "MODIFIED", pod("b", ready=True, node="n2"))
    finding = judged(story)
    assert finding.answer is Answer.PASS
    (dip,) = finding.values["dips"]
    assert dip["seconds"] == 0.2
    assert (dip["lowest"], dip["desired"], causes(dip)) == (3, 4, ["probe"])
    assert "0.200 s" in finding.reason


def test_the_same_dip_in_a_gap_is_unknown() -> None:
    """What lies in a gap cannot be found, so its absence proves nothing."""
    story = guarded(pdb=budget(desired=4)).drain().refused("a", 30.2).gap(49.9, 50.3)
    story.saw(50.3, "LISTED", pod("b", ready=True, node="n2"))
    assert judged(story).answer is Answer.UNKNOWN


def test_a_dip_that_was_seen_to_begin_in_a_gap_has_no_known_cause() -> None:
    """A list after a gap shows a pod not Ready: when and why it fell is not known."""
    story = guarded(pdb=budget(desired=4)).drain().refused("a", 30.2).gap(49, 50)
    story.saw(50, "LISTED", pod("b", running=True, node="n2")).saw(51, "MODIFIED", pod("b", ready=True, node="n2"))
    finding = judged(story)
    assert finding.answer is Answer.UNKNOWN
    assert "a dip lies in a gap" in finding.reason


def test_a_dip_between_two_events_of_one_instant_is_found() -> None:
    """Two events received in one packet are two revisions: the dip between them is found, however short."""
    story = guarded(pdb=budget(desired=4)).drain().refused("a", 30.2)
    story.saw(50, "MODIFIED", pod("b", running=True, node="n2")).saw(50, "MODIFIED", pod("b", ready=True, node="n2"))
    (dip,) = judged(story).values["dips"]
    assert dip["seconds"] == 0


def test_a_pod_lost_before_the_count_knew_of_it_is_told_as_stale() -> None:
    """A pod falls, and 40 ms later an eviction is granted on the count of before: documented, told, no violation."""
    story = guarded().drain().saw(30.16, "MODIFIED", pod("b", running=True, node="n2")).evicted("a", 30.2)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["evictions_stale"] == 1
    assert "40 ms old" in finding.reason
    assert judged(story, ready_min=3).answer is Answer.FAIL
    # A status that is written meanwhile and still counts the lost pod knows no more.
    assert judged(story.counted(30.18, budget(healthy=4, desired=3))).answer is Answer.PASS


def test_one_unknown_loss_does_not_excuse_two_missing() -> None:
    """A pod lost a moment before explains one that is missing, not a second that was granted on top."""
    story = guarded().drain().saw(30.16, "MODIFIED", pod("b", running=True, node="n2")).evicted("a", 30.2)
    story.counted(30.23, budget(healthy=4, desired=3)).evicted("d", 30.25)
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert "left 1 healthy" in finding.reason


def test_an_old_count_is_no_excuse_for_long() -> None:
    """A controller that has not counted for ten seconds is not a moment late."""
    story = guarded().drain().saw(20.2, "MODIFIED", pod("b", running=True, node="n2")).evicted("a", 30.2)
    assert judged(story).answer is Answer.FAIL


@pytest.mark.parametrize(
    ("lost_s", "late", "answer"),
    [
        pytest.param(
            30.16, Gap("Pod", at(29), at(30.16), "reset"), Answer.PASS, id="just before however late the news"
        ),
        pytest.param(30.16, Gap("Pod", at(15), at(30.16), "reset"), Answer.UNKNOWN, id="it may be lost for long"),
        pytest.param(
            20.2, Gap("PodDisruptionBudget", at(21), at(30.2), "reset"), Answer.UNKNOWN, id="the charge may be as old"
        ),
        pytest.param(
            20.2, Gap("PodDisruptionBudget", at(29), at(30.2), "reset"), Answer.FAIL, id="lost for long in any case"
        ),
    ],
)
def test_late_news_of_a_loss_or_a_charge_is_read_both_ways(lost_s: float, late: Gap, answer: Answer) -> None:
    """A watch that was cut off tells late of the pod that fell, or of the grant: how old the count was is open."""
    story = guarded().drain().saw(lost_s, "MODIFIED", pod("b", running=True, node="n2")).evicted("a", 30.2)
    finding = judged(story.has(late=(late,)))
    assert finding.answer is answer, finding.line()


def test_a_loss_that_was_counted_is_no_excuse() -> None:
    """Once the budget has counted a loss, it may not grant as if it had not."""
    story = guarded().drain().saw(30.1, "MODIFIED", pod("b", running=True, node="n2"))
    story.counted(30.12, budget(healthy=3, desired=3)).counted(30.15, budget(healthy=4, desired=3)).evicted("a", 30.2)
    assert judged(story).answer is Answer.FAIL


@pytest.mark.parametrize(
    ("cause", "spoil"),
    [
        ("deletion", lambda story: story.acted("delete-pod", 49.9, uid="b").killed("b", 50)),
        ("deletion", lambda story: story.killed("b", 50)),
        ("taint", lambda story: story.leaves("b", 50, reason="DeletionByTaintManager")),
        ("preemption", lambda story: story.leaves("b", 50, reason="PreemptionByScheduler")),
        ("node-pressure", lambda story: story.leaves("b", 50, reason="TerminationByKubelet")),
        ("pod-gc", lambda story: story.leaves("b", 50, reason="DeletionByPodGC")),
        ("disruption", lambda story: story.leaves("b", 50, reason="DeletionByDeviceTaintManager")),
        ("probe", lambda story: story.saw(50, "MODIFIED", pod("b", running=True, node="n2"))),
        ("container", lambda story: story.saw(50, "MODIFIED", pod("b", running=True, restarts=1, node="n2"))),
        (
            "node-loss",
            lambda story: story.saw(50, "MODIFIED", pod("b", running=True, node="n2")).saw(
                50.1, "MODIFIED", node("n2", ready=False), "Node"
            ),
        ),
        (
            "rollout",
            lambda story: story.saw(49.9, "MODIFIED", replica_set(3), "ReplicaSet").leaves("b", 50, reason=""),
        ),
        (
            "scale-in",
            lambda story: (
                story.saw(49.8, "MODIFIED", deployment(3), "Deployment")
                .saw(49.9, "MODIFIED", replica_set(3), "ReplicaSet")
                .leaves("b", 50, reason="")
            ),
        ),
    ],
)
def test_a_dip_has_its_cause_and_is_no_violation(cause: str, spoil: object) -> None:
    """Whatever binds no budget is named as the cause of a dip, and left to the SLO."""
    story = guarded(pdb=budget(desired=4)).drain().refused("a", 30.2)
    assert callable(spoil)
    finding = judged(spoil(story))
    assert finding.answer is Answer.PASS, finding.line()
    (dip,) = finding.values["dips"]
    assert causes(dip) == [cause]
    assert "left to the SLO" in finding.reason
    assert dip["desired"] - dip["lowest"] == 1


def test_a_stricter_budget_is_a_dip_of_its_own_making() -> None:
    """If more are needed than before, nobody was lost: that is told as such."""
    story = guarded().drain().evicted("a", 30.2).counted(50, budget(healthy=3, desired=4, generation=2))
    finding = judged(story)
    assert finding.answer is Answer.PASS
    (dip,) = finding.values["dips"]
    assert (dip["more_needed"], causes(dip)) == (True, [])
    finding = judged(story.killed("b", 51))
    assert "4 were needed from then on; model-b deleted" in finding.reason


def test_a_wish_that_was_not_counted_yet_is_worked_out() -> None:
    """Until the controller has counted by a new wish, what it needs is computed from the pods' controllers."""
    wish = {"minAvailable": "100%", "selector": {"matchLabels": {"app": WORKLOAD}}}
    story = guarded().drain().evicted("a", 30.2)
    late = budget(healthy=3, desired=3, generation=2, observed=1, spec=wish)
    for raw in (deployment(4), replica_set(4)):
        assert raw["metadata"]["namespace"] == NAMESPACE
    finding = judged(story.counted(50, late))
    assert finding.values["budgets"][0]["desired_max"] == 4


def test_a_pod_that_comes_back_ends_the_dip() -> None:
    """The dip ends when as many are healthy again, not when anybody says so."""
    story = guarded(pdb=budget(desired=4)).drain().refused("a", 30.2)
    story.acted("delete-pod", 49.9, uid="b").killed("b", 50).back("g", 51, desired=4)
    (dip,) = judged(story).values["dips"]
    assert dip["seconds"] == 3
