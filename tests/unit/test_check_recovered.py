"""Recovered: every dip ends within the derived bound, told on histories that must fail, pass, and stay open."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from histories import PROBED, Story, at, deployment, facts, kill_story, node, pod, replica_set

from chaos.checks import Recovered
from chaos.history import Fault, Gap, History, Phase, Ref
from chaos.verdict import Answer, Finding

UNPROBED: dict[str, Any] = {
    "containers": [{"name": "m", "imagePullPolicy": "Never", "readinessProbe": {"periodSeconds": 1}}]
}
PULLED: dict[str, Any] = {"containers": [{**PROBED["containers"][0], "imagePullPolicy": "IfNotPresent"}]}


def judged(story: Story) -> Finding:
    """The finding on a story."""
    return Recovered()(story.history())


def killed(*, until_s: float = 120) -> Story:
    """Three replicas of which one is killed at 30.2 s; the bound is 29 s."""
    return Story(until_s).replicas("a", "b", "c").fault("a").killed("a", 30.2)


def test_a_replacement_in_time_passes_with_its_legs() -> None:
    """A kill whose replacement is Ready within the bound passes, and each leg is told in seconds from the loss."""
    finding = judged(kill_story())
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["bound_s"] == 29
    assert finding.values["replicas"] == [
        {
            "victim": "model-a",
            "victim_uid": "a",
            "lost_ns": at(30.2),
            "replacement": "model-d",
            "replacement_uid": "d",
            "needed": True,
            "created_s": 0.1,
            "scheduled_s": 0.2,
            "started_s": 1.1,
            "ready_s": 3.8,
        }
    ]


def test_the_bound_shows_how_it_came_about() -> None:
    """The parts of the bound add up to it, and each names its source."""
    values = judged(kill_story()).values
    assert sum(part["seconds"] for part in values["bound_parts"]) == values["dips"][0]["bound_s"]
    assert all(part["source"] for part in values["bound_parts"])


def test_a_replacement_that_comes_late_fails() -> None:
    """Ready again after more than the bound is a FAIL, though it came in the end."""
    finding = judged(killed().replaced("d", 30.3, ready_s=59.3))
    assert finding.answer is Answer.FAIL
    assert "back after 29.1 s" in finding.reason


def test_just_within_the_bound_passes() -> None:
    """The bound itself still passes."""
    assert judged(killed().replaced("d", 30.3, ready_s=59.2)).answer is Answer.PASS


def test_a_replacement_that_never_gets_ready_fails() -> None:
    """Not Ready although observed for longer than the bound is a FAIL that names the stage."""
    finding = judged(killed().replaced("d", 30.3, ready_s=None))
    assert finding.answer is Answer.FAIL
    assert "a pod was not Ready" in finding.reason


def test_a_replacement_that_is_never_made_fails() -> None:
    """No replacement at all is a FAIL that says so."""
    finding = judged(killed())
    assert finding.answer is Answer.FAIL
    assert "a replacement was not created" in finding.reason


def test_a_replacement_that_is_never_scheduled_fails() -> None:
    """A replacement that finds no node is a FAIL that says so."""
    finding = judged(killed().saw(30.3, "ADDED", pod("d", node="")))
    assert finding.answer is Answer.FAIL
    assert "a pod was not scheduled" in finding.reason


def test_a_recording_that_ended_early_is_unknown() -> None:
    """Not back when the recording ended, within the bound, decides nothing."""
    finding = judged(killed(until_s=50))
    assert finding.answer is Answer.UNKNOWN
    assert "the recording ended 19.8 s into a bound of 29 s" in finding.reason
    assert finding.settle == "a longer recovery phase"


def test_a_run_that_died_is_unknown() -> None:
    """A run that was killed before the system was back says nothing against the system."""
    assert judged(killed().has(finished=False)).answer is Answer.UNKNOWN


def test_the_bound_counts_from_the_dip_and_not_from_the_heal() -> None:
    """A heal long after the loss does not buy the system time."""
    story = Story().replicas("a", "b", "c").fault("a", healed_s=70).killed("a", 30.2)
    assert judged(story.replaced("d", 30.3, ready_s=75)).answer is Answer.FAIL


def test_a_kill_that_made_no_dip_is_unknown() -> None:
    """A victim that was not Ready when it died proves no recovery."""
    story = Story().replicas("b", "c").saw(1, "ADDED", pod("a")).fault("a").saw(30.2, "DELETED", pod("a"))
    finding = judged(story.replaced("d", 30.3, ready_s=34))
    assert finding.answer is Answer.UNKNOWN
    assert (
        "ready was never seen to fall below desired after the first fault, though 1 victim was lost" in finding.reason
    )


def test_a_fault_that_took_nobody_is_unknown() -> None:
    """Where no replica was lost there was nothing to recover from."""
    finding = judged(Story().replicas("a", "b").fault(name="api-slow"))
    assert finding.answer is Answer.UNKNOWN
    assert "and no victim was lost" in finding.reason


def test_a_dip_that_was_there_before_the_fault_is_unknown() -> None:
    """A system that was below desired before the fault does not show what the fault does."""
    story = Story().replicas("a", "b", "c").killed("c", 29).fault("a").killed("a", 30.2)
    finding = judged(story.replaced("d", 30.3, ready_s=34).replaced("e", 30.4, ready_s=34))
    assert finding.answer is Answer.UNKNOWN
    assert "already when the first fault began" in finding.reason


def test_only_the_replacement_of_the_own_owner_counts() -> None:
    """A pod of another Deployment that is created at that moment is nobody's replacement."""
    other = replica_set(1, "rs-9", deployment_name="other")
    story = killed().saw(0, "LISTED", other, "ReplicaSet").replaced("x", 30.3, ready_s=34, owner="rs-9")
    finding = judged(story)
    assert finding.answer is Answer.FAIL
    assert finding.values["replicas"][0]["replacement"] is None


def test_a_pod_that_was_there_before_is_nobodys_successor() -> None:
    """A pod that was created before the loss and turned Ready after it ends the dip, but replaces nobody."""
    story = Story().replicas("a", "b", "c").saw(20, "ADDED", pod("e")).fault("a").killed("a", 30.2)
    finding = judged(story.saw(32, "MODIFIED", pod("e", ready=True)))
    assert finding.answer is Answer.UNKNOWN
    assert "no pod of the same owner was made after the loss of model-a" in finding.reason


def test_order_decides_where_two_moments_are_one() -> None:
    """Of two events received in one moment, a pod created in the first does not replace the victim of the second."""
    story = Story().replicas("a", "b", "c").fault("a").saw(30.2, "ADDED", pod("e")).killed("a", 30.2)
    finding = judged(story.saw(32, "MODIFIED", pod("e", ready=True)))
    assert finding.values["replicas"][0]["replacement"] is None


def test_two_victims_have_two_successors_in_order() -> None:
    """The n-th victim's successor is the n-th pod that its owner made after that."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    finding = judged(story.replaced("d", 30.4, ready_s=34).replaced("e", 30.5, ready_s=36))
    assert finding.answer is Answer.PASS
    assert [pair["replacement_uid"] for pair in finding.values["replicas"]] == ["d", "e"]
    assert finding.values["dips"][0]["lowest"] == 1


def test_one_successor_does_not_serve_for_two_victims() -> None:
    """Two dead and one replaced is a FAIL, however quick the one was."""
    story = Story().replicas("a", "b", "c").fault("a", "b").killed("a", 30.2).killed("b", 30.3)
    assert judged(story.replaced("d", 30.4, ready_s=34)).answer is Answer.FAIL


def test_a_victim_of_the_same_name_is_told_apart_by_uid() -> None:
    """A successor that bears the victim's name is a new pod, and its life is its own."""
    heir = pod("d")
    heir["metadata"]["name"] = "model-a"
    ready = pod("d", ready=True)
    ready["metadata"]["name"] = "model-a"
    finding = judged(killed().saw(30.3, "ADDED", heir).saw(34, "MODIFIED", ready))
    assert finding.answer is Answer.PASS
    assert finding.values["replicas"][0]["replacement_uid"] == "d"


def test_a_graceful_deletion_dips_when_it_is_accepted() -> None:
    """A pod that terminates for its whole grace is lost from the moment its deletion is accepted."""
    story = Story().replicas("a", "b", "c").fault("a").saw(30.2, "MODIFIED", pod("a", ready=True, deleting=True))
    story.replaced("d", 30.3, ready_s=33).saw(40.2, "DELETED", pod("a", deleting=True))
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["seconds"] == pytest.approx(2.8)


def test_a_further_victim_starts_the_bound_anew() -> None:
    """While a drain goes on, each victim that the fault takes gives the system its time for that one."""
    story = Story().replicas("a", "b", "c").fault("a", "b", healed_s=60).killed("a", 30.2)
    story.replaced("d", 30.3, ready_s=55).killed("b", 50).replaced("e", 50.1, ready_s=70)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["anchor_ns"] == at(50)


def test_a_replica_that_falls_by_itself_gives_no_new_time() -> None:
    """A replacement that crashes again and again does not restart the bound."""
    story = Story().replicas("a", "b", "c").fault("a").killed("a", 30.2).killed("b", 50)
    story.replaced("d", 50.1, ready_s=70).replaced("e", 50.2, ready_s=71)
    assert judged(story).answer is Answer.FAIL


def test_fewer_desired_ends_a_dip_and_excuses_the_missing() -> None:
    """Where the owner asks for fewer pods after the loss, nobody has to take the victim's place."""
    story = killed().saw(32, "MODIFIED", deployment(2), "Deployment").saw(32, "MODIFIED", replica_set(2), "ReplicaSet")
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert not finding.values["replicas"][0]["needed"]


def test_a_gap_while_below_desired_is_unknown() -> None:
    """A dip that outlasts its bound with a gap in it may have ended in the gap."""
    finding = judged(killed().replaced("d", 30.3, ready_s=70).gap(40, 45))
    assert finding.answer is Answer.UNKNOWN
    assert "gap" in finding.reason


def test_a_gap_after_the_recovery_is_unknown() -> None:
    """A gap anywhere since the first fault may hide another dip."""
    assert judged(kill_story().gap(60, 70)).answer is Answer.UNKNOWN


def test_a_gap_of_the_workload_is_unknown() -> None:
    """What was desired must be known as well."""
    assert judged(kill_story().gap(60, 70, "Deployment")).answer is Answer.UNKNOWN


def test_a_gap_before_the_fault_does_not_matter() -> None:
    """A gap that was over before the first fault hides nothing of the recovery."""
    assert judged(kill_story().gap(10, 12)).answer is Answer.PASS


def test_a_fail_that_no_gap_touches_stands() -> None:
    """A gap long after the bound had run out does not excuse the dip."""
    assert judged(killed().gap(80, 85)).answer is Answer.FAIL


def test_a_watch_that_ended_too_soon_is_unknown() -> None:
    """If pods were not watched up to the end of the last phase, a later dip may have gone unseen."""
    story = kill_story()
    covered = {**story.history().covered_ns, "Pod": (at(0), at(50))}
    assert judged(story.has(covered_ns=covered)).answer is Answer.UNKNOWN


def test_late_news_makes_a_close_call_unknown() -> None:
    """News that a resumed watch delivered late cannot convict: the pod may have been Ready in time."""
    late = (Gap("Pod", at(50), at(60), "connection reset"),)
    finding = judged(killed().replaced("d", 30.3, ready_s=60.1).has(late=late))
    assert finding.answer is Answer.UNKNOWN


def test_late_news_does_not_acquit_either() -> None:
    """If word of the loss itself came late, a short dip may have been a long one."""
    late = (Gap("Pod", at(30), at(60), "connection reset"),)
    story = Story().replicas("a", "b", "c").fault("a", at_s=29).killed("a", 60).replaced("d", 60, ready_s=62)
    assert judged(story.has(late=late)).answer is Answer.UNKNOWN


def test_late_news_does_not_matter_with_room_to_spare() -> None:
    """At the longest possible reading still in time is a PASS."""
    late = (Gap("Pod", at(32), at(34), "connection reset"),)
    assert judged(killed().replaced("d", 30.3, ready_s=34.2).has(late=late)).answer is Answer.PASS


def test_a_slow_start_that_nothing_limits_is_unknown() -> None:
    """Without a startup probe nobody promised how long a start takes, so being slow is no broken promise."""
    story = Story().replicas("a", "b", "c", spec=UNPROBED).fault("a").killed("a", 30.2)
    finding = judged(story.replaced("d", 30.3, ready_s=90, spec=UNPROBED))
    assert finding.answer is Answer.UNKNOWN
    assert "no startup probe" in finding.reason
    assert "startup probe" in finding.settle


def test_a_missing_replacement_fails_even_where_the_start_is_not_limited() -> None:
    """That nothing limits the start excuses no controller that never made the pod."""
    story = Story().replicas("a", "b", "c", spec=UNPROBED).fault("a").killed("a", 30.2)
    assert judged(story).answer is Answer.FAIL


def test_a_pull_excuses_the_start_and_nothing_later() -> None:
    """A pod that waits for its image breaks no promise; one that runs and is not Ready does."""
    story = Story().replicas("a", "b", "c", spec=PULLED).fault("a").killed("a", 30.2)
    assert judged(story.saw(30.3, "ADDED", pod("d", spec=PULLED))).answer is Answer.UNKNOWN
    assert judged(story.saw(31, "MODIFIED", pod("d", running=True, spec=PULLED))).answer is Answer.FAIL


def test_a_hung_replica_has_the_time_of_a_restart() -> None:
    """A replica that turns unready in place is given detection, grace, back-off and start: 43 s here."""
    story = Story().replicas("a", "b", "c").fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True))
    finding = judged(story.saw(70, "MODIFIED", pod("a", ready=True, restarts=1)))
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["cause"] == "restart in place"
    assert finding.values["dips"][0]["bound_s"] == 43


def test_a_hung_replica_that_is_never_restarted_fails() -> None:
    """A replica with a liveness probe that stays unready breaks a promise."""
    story = Story().replicas("a", "b", "c").fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True))
    assert judged(story).answer is Answer.FAIL


def test_a_hung_replica_without_liveness_probe_is_unknown() -> None:
    """Where no liveness probe is, nobody promised a restart."""
    probeless = {
        "containers": [{key: value for key, value in PROBED["containers"][0].items() if key != "livenessProbe"}]
    }
    story = Story().replicas("a", "b", "c", spec=probeless).fault("a", name="process-hang")
    finding = judged(story.saw(33, "MODIFIED", pod("a", running=True, spec=probeless)))
    assert finding.answer is Answer.UNKNOWN
    assert "liveness" in finding.reason


def node_lost(*, toleration_s: int, ready_s: float) -> History:
    """Node n1 is lost at 50 s with the only replica on it, which is replaced on n2 and Ready at `ready_s`."""
    tolerations = [{"key": "node.kubernetes.io/unreachable", "effect": "NoExecute", "tolerationSeconds": toleration_s}]
    spec = {**PROBED, "tolerations": tolerations}
    story = Story(200).replicas("a", spec=spec)
    victim = Fault(
        "node-loss-1", "node-loss", "", (Ref("Node", "", "n1", "node-n1"),), at(30), at(50), at(90), "NotReady"
    )
    story.has(faults=(victim,), phases=(Phase("fault", at(30), at(90)),))
    story.saw(50.1, "MODIFIED", node("n1", ready=False), "Node").saw(50, "MODIFIED", pod("a", running=True, spec=spec))
    story.saw(50 + toleration_s, "MODIFIED", pod("a", running=True, deleting=True, spec=spec))
    return story.replaced("d", 50.2 + toleration_s, ready_s=ready_s, spec=spec).history()


def test_a_lost_node_is_tolerated_first() -> None:
    """A pod on a lost node is given its toleration before its replacement's time begins to count."""
    finding = Recovered()(node_lost(toleration_s=60, ready_s=125))
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["cause"] == "replacement after the loss of a node"
    assert finding.values["dips"][0]["bound_s"] == 29 + 10 + 60


def test_a_lost_node_that_takes_longer_fails() -> None:
    """Longer than toleration and replacement together is a FAIL."""
    assert Recovered()(node_lost(toleration_s=20, ready_s=125)).answer is Answer.FAIL


def test_an_unwatched_node_excuses_the_unready_pod() -> None:
    """If nodes were not watched, an unready pod's node may have been lost, which has a longer bound."""
    story = Story().replicas("a", "b").fault("a", name="process-hang").saw(33, "MODIFIED", pod("a", running=True))
    history = story.history()
    unwatched = {kind: span for kind, span in history.covered_ns.items() if kind != "Node"}
    assert Recovered()(replace(history, covered_ns=unwatched)).answer is Answer.UNKNOWN


def test_more_replicas_desired_are_given_their_time() -> None:
    """A rise of desired in a dip counts as more asked of the system, from that moment."""
    story = killed().saw(50, "MODIFIED", deployment(4), "Deployment")
    story.replaced("d", 30.3, ready_s=52).replaced("e", 50.1, ready_s=75)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["anchor_ns"] == at(50)


def test_the_worst_of_many_dips_is_the_one_reported() -> None:
    """Of several dips the finding's headline is the one with the least room left."""
    story = Story().replicas("a", "b", "c").fault("a").killed("a", 30.2).replaced("d", 30.3, ready_s=32)
    story.fault("b", at_s=60, healed_s=65).killed("b", 60.2).replaced("e", 60.3, ready_s=80)
    finding = judged(story)
    assert finding.answer is Answer.PASS
    assert "back after 19.8 s" in finding.measured
    assert finding.values["dips_count"] == 2


def test_a_stateful_set_is_given_the_grace_of_its_old_pod() -> None:
    """A StatefulSet makes a successor only when the old pod is gone, so its grace belongs to the bound."""
    known = facts(workload_kind="StatefulSet")

    def of_set(uid: str, **more: Any) -> dict[str, Any]:
        raw = pod(uid, **more)
        raw["metadata"]["ownerReferences"] = [
            {"kind": "StatefulSet", "name": "model", "uid": "s-1", "controller": True}
        ]
        raw["metadata"]["name"] = "model-0"
        return raw

    workload = deployment(1)
    workload["metadata"]["uid"] = "s-1"
    story = Story().has(facts=known).saw(0, "LISTED", workload, "StatefulSet").saw(0, "LISTED", of_set("a", ready=True))
    story.fault("a").saw(30.2, "MODIFIED", of_set("a", ready=True, deleting=True)).saw(40.2, "DELETED", of_set("a"))
    story.saw(40.3, "ADDED", of_set("b")).saw(44, "MODIFIED", of_set("b", ready=True))
    covered = dict.fromkeys(("Pod", "StatefulSet", "Node"), (at(0), at(120)))
    finding = judged(story.has(covered_ns=covered))
    assert finding.answer is Answer.PASS
    assert finding.values["dips"][0]["bound_s"] == 29 + 10
    assert finding.values["replicas"][0]["replacement_uid"] == "b"
