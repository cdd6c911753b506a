"""Observations: what the watch log tells about replicas, counted again by hand."""

from __future__ import annotations

from typing import Any

from histories import OWNER, Story, at, deployment, facts, kill_story, node, pod, replica_set
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.history import Gap
from chaos.history.coverage import covered, earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import (
    desired_replicas,
    node_outages,
    owner_replicas,
    ready_endpoints,
    ready_replicas,
)
from chaos.history.step_function import Steps

KINDS = ("ADDED", "MODIFIED", "DELETED")
events = st.lists(
    st.tuples(st.sampled_from("abcde"), st.sampled_from(KINDS), st.booleans(), st.booleans(), st.booleans()),
    max_size=40,
)


@given(events)
@settings(max_examples=200)
def test_ready_replicas_equal_a_naive_recount(told: list[tuple[str, str, bool, bool, bool]]) -> None:
    """At every event of any story the count is that of the pods that are there, Ready, ours and not being deleted."""
    story = Story().saw(0, "LISTED", deployment(3), "Deployment").saw(0, "LISTED", replica_set(3), "ReplicaSet")
    story.saw(0, "LISTED", replica_set(1, "rs-9", deployment_name="other"), "ReplicaSet")
    now: dict[str, bool] = {}
    expected: list[tuple[int, int]] = []
    ended: set[str] = set()
    for second, (letter, type_, ready, deleting, ours) in enumerate(told, start=1):
        uid = letter if ours else f"{letter}-other"
        if uid in ended:
            continue
        story.saw(second, type_, pod(uid, ready=ready, deleting=deleting, owner=OWNER if ours else "rs-9"))
        if type_ == "DELETED":
            ended.add(uid)
        now[uid] = ready and not deleting and type_ != "DELETED" and ours
        expected.append((at(second), sum(now.values())))
    counted = ready_replicas(story.history())
    assert [(moment, counted.value_at(moment)) for moment, _ in expected] == expected


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=20),
    st.integers(0, 60),
    st.integers(0, 60),
    st.integers(0, 5),
)
def test_steps_agree_with_asking_at_every_moment(told: list[tuple[int, int]], begin: int, end: int, limit: int) -> None:
    """Least value, greatest value, spans below and rises equal what asking each moment by itself gives."""
    steps = Steps.of(sorted(told, key=lambda point: point[0]), 55)
    asked = {moment: steps.value_at(moment) for moment in range(-1, 61)}
    known = [value for moment in range(begin, end + 1) if (value := asked[moment]) is not None]
    assert steps.min(begin, end) == min(known, default=None)
    assert steps.max(begin, end) == max(known, default=None)
    spans = steps.spans_below(limit)
    for moment, value in asked.items():
        inside = any(first <= moment and (last is None or moment < last) for first, last in spans)
        if moment <= 55:
            assert inside == (value is not None and value < limit)
    pairs = ((moment, asked[moment - 1], asked[moment]) for moment in range(max(begin, 0), min(end, 55) + 1))
    rises = tuple(
        moment for moment, before, after in pairs if before is not None and after is not None and after > before
    )
    assert steps.rises(begin, end) == rises


@given(
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=15),
    st.lists(st.tuples(st.integers(0, 50), st.integers(0, 5)), max_size=15),
)
def test_a_difference_is_known_where_both_sides_are(left: list[tuple[int, int]], right: list[tuple[int, int]]) -> None:
    """At every moment the difference is that of the two values, and unknown where either is."""
    one, other = Steps.of(sorted(left, key=_when), 55), Steps.of(sorted(right, key=_when), 52)
    difference = one.minus(other)
    for moment in range(-1, 58):
        values = one.value_at(moment), other.value_at(moment)
        by_hand = None if None in values else values[0] - values[1]  # type: ignore[operator]
        assert difference.value_at(moment) == by_hand


def _when(point: tuple[int, int]) -> int:
    return point[0]


def test_nothing_is_known_of_a_kind_that_was_not_covered() -> None:
    """Without coverage there is no count, rather than a count of zero."""
    history = kill_story().has(covered_ns={}).history()
    assert not ready_replicas(history)
    assert not desired_replicas(history)
    assert ready_replicas(history).value_at(at(10)) is None


def test_an_empty_list_is_a_count_of_zero() -> None:
    """A watched kind of which nothing was there counts zero from the moment its list was complete."""
    assert ready_replicas(Story().history()).points == ((at(0), 0),)


def test_a_pod_that_is_being_deleted_is_not_ready() -> None:
    """A pod may still say Ready while it terminates; it does not count."""
    story = Story().replicas("a", "b").saw(10, "MODIFIED", pod("a", ready=True, deleting=True))
    assert ready_replicas(story.history()).value_at(at(10)) == 1


def test_pods_are_ours_by_owner_and_not_by_label() -> None:
    """A pod of another Deployment with the same labels, and one that nobody owns, are not replicas of ours."""
    story = Story().replicas("a").saw(0, "LISTED", replica_set(1, "rs-9", deployment_name="other"), "ReplicaSet")
    bare = pod("x", ready=True)
    del bare["metadata"]["ownerReferences"]
    story.saw(5, "ADDED", pod("y", ready=True, owner="rs-9")).saw(6, "ADDED", bare)
    elsewhere = pod("z", ready=True)
    elsewhere["metadata"]["namespace"] = "kube-system"
    assert [life.uid for life in pod_lives(story.saw(7, "ADDED", elsewhere).history())] == ["a"]


def test_a_pod_of_an_unseen_owner_is_ours_by_label() -> None:
    """If its ReplicaSet was never seen, the workload's selector decides."""
    story = Story().saw(0, "LISTED", deployment(1), "Deployment").saw(1, "ADDED", pod("a", ready=True))
    stranger = pod("b", ready=True)
    stranger["metadata"]["labels"] = {"app": "other"}
    assert [life.uid for life in pod_lives(story.saw(2, "ADDED", stranger).history())] == ["a"]


def test_a_life_has_its_moments() -> None:
    """Creation, scheduling, start, readiness, deletion and end are the moments when word of each came."""
    story = Story().replicas().replaced("d", 10, ready_s=14)
    story.saw(20, "MODIFIED", pod("d", running=True)).saw(24, "MODIFIED", pod("d", ready=True, restarts=1))
    story.saw(30, "MODIFIED", pod("d", ready=True, deleting=True)).saw(40, "DELETED", pod("d", deleting=True))
    (life,) = pod_lives(story.history())
    assert (life.created_ns, life.scheduled_ns, life.started_ns) == (at(10), at(10.1), at(11))
    assert life.ready_spans == ((at(14), at(20)), (at(24), at(30)))
    assert (life.terminating_ns, life.gone_ns, life.lost_ns) == (at(30), at(40), at(30))
    assert (life.restarted_ns, life.gone_uncertain, life.listed) == ((at(24),), False, False)


def test_restarts_before_the_watch_are_nobodys_news() -> None:
    """A pod that had restarted before it was first seen did not restart at that moment."""
    (life,) = pod_lives(Story().replicas().saw(0, "LISTED", pod("a", ready=True, restarts=4)).history())
    assert (life.restarted_ns, life.listed) == ((), True)


def test_a_pod_that_vanished_in_a_gap_is_gone_at_an_uncertain_time() -> None:
    """What the list after a gap lacks is gone, and the life says that nobody knows when."""
    story = Story().replicas("a").gap(15, 22).saw(22, "VANISHED", pod("a", ready=True))
    (life,) = pod_lives(story.history())
    assert (life.gone_ns, life.gone_uncertain) == (at(22), True)
    assert earliest_ns(story.history(), "Pod", at(22)) == at(15)


def test_a_list_takes_effect_when_it_is_complete() -> None:
    """While the list after a gap comes in, the count stays what it was; no half list makes a dip."""
    story = Story().replicas("a", "b").gap(15, 22)
    story.saw(20, "LISTED", pod("a", running=True)).saw(21, "LISTED", pod("b", ready=True))
    history = story.saw(22, "LISTED", pod("c", ready=True)).history()
    assert ready_replicas(history).points == ((at(0), 2),)


def test_desired_follows_the_workload_of_that_name() -> None:
    """Another Deployment's wishes are not ours; a deleted workload wishes for nothing."""
    other = deployment(9)
    other["metadata"]["name"] = "other"
    story = Story().replicas("a", "b").saw(5, "MODIFIED", other, "Deployment")
    story.saw(10, "MODIFIED", deployment(5), "Deployment").saw(20, "DELETED", deployment(5), "Deployment")
    assert desired_replicas(story.history()).points == ((at(0), 2), (at(10), 5), (at(20), 0))


def test_an_owner_has_wishes_of_its_own() -> None:
    """Each ReplicaSet's number is followed by UID; nothing is known of one that was never seen."""
    history = Story().replicas("a", "b").saw(10, "MODIFIED", replica_set(1), "ReplicaSet").history()
    assert owner_replicas(history, OWNER).points == ((at(0), 2), (at(10), 1))
    assert not owner_replicas(history, "nobody")


def slice_of(uid: str, *endpoints: tuple[str, bool]) -> dict[str, Any]:
    """A raw EndpointSlice of the system's Service."""
    metadata = {
        "uid": uid,
        "name": uid,
        "namespace": facts().namespace,
        "labels": {"kubernetes.io/service-name": "model"},
    }
    listed = [{"conditions": {"ready": ready}, "targetRef": {"kind": "Pod", "uid": name}} for name, ready in endpoints]
    return {"metadata": metadata, "endpoints": listed}


def test_endpoints_count_once_however_many_slices_name_them() -> None:
    """A pod that stands in two slices while it is moved is one endpoint; unready ones are none."""
    story = Story().saw(1, "ADDED", slice_of("s1", ("a", True), ("b", False)), "EndpointSlice")
    story.saw(2, "ADDED", slice_of("s2", ("a", True), ("c", True)), "EndpointSlice")
    story.saw(3, "DELETED", slice_of("s2"), "EndpointSlice")
    assert ready_endpoints(story.history()).points == ((at(0), 0), (at(1), 1), (at(2), 2), (at(3), 1))


def test_coverage_ends_at_gaps_and_edges() -> None:
    """A span is covered if it lies within the watch and touches no gap."""
    history = kill_story().gap(50, 60).history()
    assert covered(history, "Pod", at(10), at(49))
    assert not covered(history, "Pod", at(10), at(50))
    assert not covered(history, "Pod", at(60), at(70))
    assert not covered(history, "Pod", at(110), at(121))
    assert not covered(history, "PodDisruptionBudget", at(10), at(20))
    assert [gap.since_ns for gap in gaps_in(history, "Pod", at(0), at(55))] == [at(50)]


def test_news_after_a_resumed_watch_may_be_old() -> None:
    """What was received within a cut, or just after the watch went on, may have happened any time since it broke."""
    history = kill_story().has(late=(Gap("Pod", at(15), at(20), "reset"),)).history()
    assert [earliest_ns(history, "Pod", at(second)) for second in (14, 18, 20.5, 22)] == [
        at(14),
        at(15),
        at(15),
        at(22),
    ]
    assert earliest_ns(history, "Node", at(18)) == at(18)


def test_a_node_is_out_while_it_is_not_ready_or_gone() -> None:
    """A node's outage lasts from not Ready to Ready; a deleted node is out to the last."""
    story = Story().saw(0, "LISTED", node("n1"), "Node").saw(0, "LISTED", node("n2"), "Node")
    story.saw(10, "MODIFIED", node("n1", ready=False), "Node").saw(20, "MODIFIED", node("n1"), "Node")
    outages = node_outages(story.saw(30, "DELETED", node("n2"), "Node").history())
    assert outages == {"n1": ((at(10), at(20)),), "n2": ((at(30), None),)}


def test_observations_are_worked_out_once() -> None:
    """However many checks ask, a history keeps its answer; another history has its own."""
    history = kill_story().history()
    assert pod_lives(history) is pod_lives(history)
    assert pod_lives(kill_story().history()) is not pod_lives(history)
