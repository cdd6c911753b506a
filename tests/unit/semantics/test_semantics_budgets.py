"""The arithmetic of disruption budgets, row by row as Kubernetes documents it."""

from __future__ import annotations

from typing import Any

import pytest
from cluster_objects import NOW, budget, deployment, owner, pod, stamp, standing, workload

from chaos.objects.base import View
from chaos.objects.workload_kind import WorkloadKind
from chaos.semantics import BudgetStatus, Scales, ScaleUnknown, bound_by, budget_status


def web(count: int, *, unready: int = 0) -> list[dict[str, Any]]:
    """Pods of app `web`, the last `unready` of them not Ready."""
    return [pod(f"web-{index}", ready=index < count - unready) for index in range(count)]


@pytest.mark.parametrize(
    ("bound", "replicas", "pods", "unready", "expected", "healthy", "desired", "allowed"),
    [
        ({"minAvailable": 2}, 3, 3, 0, 3, 3, 2, 1),
        ({"minAvailable": 3}, 3, 3, 0, 3, 3, 3, 0),
        ({"minAvailable": 0}, 3, 3, 0, 3, 3, 0, 3),
        # an integer minAvailable expects the pods there are, whatever the scale says
        ({"minAvailable": 2}, 9, 3, 0, 3, 3, 2, 1),
        ({"minAvailable": 2}, 3, 3, 2, 3, 1, 2, 0),
        # a percentage is of the scale, rounded up
        ({"minAvailable": "50%"}, 7, 7, 0, 7, 7, 4, 3),
        ({"minAvailable": "50%"}, 7, 3, 0, 7, 3, 4, 0),
        ({"minAvailable": "100%"}, 3, 3, 0, 3, 3, 3, 0),
        ({"minAvailable": "0%"}, 3, 3, 0, 3, 3, 0, 3),
        ({"minAvailable": "1%"}, 3, 3, 0, 3, 3, 1, 2),
        ({"maxUnavailable": 1}, 3, 3, 0, 3, 3, 2, 1),
        ({"maxUnavailable": 0}, 3, 3, 0, 3, 3, 3, 0),
        ({"maxUnavailable": 5}, 3, 3, 0, 3, 3, 0, 3),
        ({"maxUnavailable": 1}, 3, 3, 1, 3, 2, 2, 0),
        # 30 % of 7 is 2.1: three may be missing, which is why a small percentage never rounds down to none
        ({"maxUnavailable": "30%"}, 7, 7, 0, 7, 7, 4, 3),
        ({"maxUnavailable": "1%"}, 3, 3, 0, 3, 3, 2, 1),
        ({"maxUnavailable": "0%"}, 3, 3, 0, 3, 3, 3, 0),
        ({"maxUnavailable": "100%"}, 3, 3, 0, 3, 3, 0, 3),
        # the scale is what the controller wants, not what runs
        ({"maxUnavailable": 1}, 5, 3, 0, 5, 3, 4, 0),
        ({"maxUnavailable": 1}, 2, 3, 0, 2, 3, 1, 2),
        # no pod at all: nothing is expected, so nothing is permitted
        ({"maxUnavailable": 1}, 3, 0, 0, 0, 0, 0, 0),
        ({"minAvailable": 0}, 3, 0, 0, 0, 0, 0, 0),
        # no bound at all permits nothing
        ({}, 3, 3, 0, 0, 3, 0, 0),
    ],
)
def test_the_count(
    *,
    bound: dict[str, Any],
    replicas: int,
    pods: int,
    unready: int,
    expected: int,
    healthy: int,
    desired: int,
    allowed: int,
) -> None:
    """Expected, healthy, needed and permitted follow from the bound, the scale and the pods."""
    found = budget_status(budget(**bound), web(pods, unready=unready), Scales(deployment("web", replicas)), at=NOW)
    assert found == BudgetStatus(expected, healthy, desired, allowed)


def test_an_empty_selector_binds_all_pods_of_its_namespace() -> None:
    """`{}` selects every pod of the namespace and none of another; no selector selects none (policy/v1)."""
    pods = [*web(2), pod("api-0", app="api"), pod("away", namespace="other")]
    scales = Scales([*deployment("web", 2), *deployment("api", 1)])
    assert budget_status(budget(selector={}, maxUnavailable=1), pods, scales, at=NOW) == BudgetStatus(3, 3, 2, 1)
    bare = budget(maxUnavailable=1)
    del bare["spec"]["selector"]
    assert budget_status(bare, pods, scales, at=NOW) == BudgetStatus(0, 0, 0, 0)


def test_scales_of_several_controllers_add_up() -> None:
    """Each controller that owns a selected pod counts once, by its own wish."""
    by = owner("StatefulSet", "db")
    pods = [*web(2), pod("db-0", by=by), pod("db-1", by=by)]
    scales = Scales([*deployment("web", 2), workload("StatefulSet", "db", 4)])
    assert budget_status(budget(maxUnavailable="50%"), pods, scales, at=NOW) == BudgetStatus(6, 4, 3, 1)


def test_two_replica_sets_of_one_deployment_count_once() -> None:
    """During a rolling update both ReplicaSets speak through their Deployment."""
    old = owner("ReplicaSet", "web-old")
    scales = Scales([*deployment("web", 4), workload("ReplicaSet", "web-old", 1, by=owner("Deployment", "web"))])
    pods = [*web(4), pod("old-0", by=old)]
    assert budget_status(budget(maxUnavailable=1), pods, scales, at=NOW) == BudgetStatus(4, 5, 3, 2)


@pytest.mark.parametrize("above", [None, owner("Rollout", "web", api="argoproj.io/v1"), owner("Deployment", "gone")])
def test_a_replica_set_without_a_deployment_speaks_for_itself(above: dict[str, Any] | None) -> None:
    """A ReplicaSet's own scale counts where no Deployment owns it, or the one that did is gone."""
    scales = Scales([workload("ReplicaSet", "web-rs", 3, by=above)])
    assert budget_status(budget(maxUnavailable=1), web(3), scales, at=NOW) == BudgetStatus(3, 3, 2, 1)


def test_an_absent_number_of_replicas_is_one() -> None:
    """Kubernetes takes a workload without `replicas` to want one pod."""
    scales = Scales([workload("ReplicaSet", "web-rs", None)])
    assert budget_status(budget(maxUnavailable=0), web(1), scales, at=NOW) == BudgetStatus(1, 1, 1, 0)


def test_unmanaged_pods_are_not_expected() -> None:
    """A pod without a controller is healthy all the same, and no scale stands for it."""
    pods = [*web(2), pod("bare", by={})]
    found = budget_status(budget(maxUnavailable=1), pods, Scales(deployment("web", 2)), at=NOW)
    assert found == BudgetStatus(2, 3, 1, 2)
    only = budget_status(budget(maxUnavailable=1), [pod("bare", by={})], Scales(), at=NOW)
    assert only == BudgetStatus(0, 1, 0, 0)
    integer = budget_status(budget(minAvailable=0), [pod("bare", by={})], Scales(), at=NOW)
    assert integer == BudgetStatus(1, 1, 0, 1)


@pytest.mark.parametrize(
    ("seconds_ago", "healthy"),
    [(0, 2), (119, 2), (120, 3), (600, 3)],
    ids=["just now", "within two minutes", "after exactly two minutes", "long ago"],
)
def test_a_disrupted_pod_counts_as_lost_for_two_minutes(seconds_ago: int, healthy: int) -> None:
    """A pod whose eviction was granted is not healthy until its deletion is seen, or two minutes have passed."""
    marked = budget(minAvailable=1, status=standing(2, 1, 1, disruptedPods={"web-0": stamp(seconds_ago)}))
    found = budget_status(marked, web(3), Scales(deployment("web", 3)), at=NOW)
    assert (found.healthy, found.allowed) == (healthy, healthy - 1)


def test_a_terminating_pod_is_expected_and_not_healthy() -> None:
    """A pod that is being deleted still counts among the pods of an integer minAvailable, but is not healthy."""
    pods = [*web(2), pod("going", deleting=True)]
    found = budget_status(budget(minAvailable=1), pods, Scales(deployment("web", 2)), at=NOW)
    assert found == BudgetStatus(3, 2, 1, 1)


@pytest.mark.parametrize(
    ("by", "words"),
    [
        (owner("Job", "batch", api="batch/v1"), "jobs.batch does not implement the scale subresource"),
        (owner("DaemonSet", "agent"), "daemonsets.apps does not implement the scale subresource"),
        (owner("ReplicaSet", "gone"), 'found no controllers for pod "web-0"'),
        (owner("ReplicaSet", "web-rs", uid="of its predecessor"), 'found no controllers for pod "web-0"'),
    ],
    ids=["Job", "DaemonSet", "owner gone", "owner made anew"],
)
def test_a_failed_count_permits_nothing_and_keeps_the_rest(by: dict[str, Any], words: str) -> None:
    """Where a pod's controller has no scale the controller's count fails: allowed is 0, the rest stays as it was."""
    scales = Scales(deployment("web", 3))
    before = standing(3, 2, 1)
    found = budget_status(budget(maxUnavailable=1, status=before), [pod("web-0", by=by)], scales, at=NOW)
    assert found == BudgetStatus(3, 3, 2, 0, failed=words)
    unasked = budget_status(budget(minAvailable=0, status=before), [pod("web-0", by=by)], scales, at=NOW)
    assert unasked == BudgetStatus(1, 1, 0, 1), "an integer minAvailable asks no controller"


@pytest.mark.parametrize("wrong", [{"minAvailable": "half"}, {"maxUnavailable": "x%"}])
def test_a_bound_that_is_no_number_fails_the_count(wrong: dict[str, Any]) -> None:
    """A string that is no percentage cannot be counted by."""
    found = budget_status(budget(**wrong), web(3), Scales(deployment("web", 3)), at=NOW)
    assert found.failed
    assert found.allowed == 0


def test_an_owner_of_a_foreign_kind_is_not_guessed() -> None:
    """A controller of a kind whose scale was not given raises, unless it is given."""
    by = owner("Engine", "llm", api="serving.example/v1")
    with pytest.raises(ScaleUnknown, match=r"Engine\.serving\.example llm"):
        budget_status(budget(maxUnavailable=1), [pod("web-0", by=by)], Scales(), at=NOW)
    engine = {"apiVersion": "serving.example/v1", **workload("Engine", "llm", 1)}
    found = budget_status(budget(maxUnavailable=1), [pod("web-0", by=by)], Scales([engine]), at=NOW)
    assert found == BudgetStatus(1, 1, 0, 1)


def test_a_selector_that_is_not_valid_binds_no_pod() -> None:
    """The eviction API passes over a budget whose selector it cannot read; the others still bind."""
    wrong = budget("wrong", selector={"matchExpressions": [{"key": "app", "operator": "Like", "values": ["w"]}]})
    bound = bound_by([wrong, budget("right")], View(pod("web-0")))
    assert [view.name for view in bound] == ["right"]
    assert budget_status(wrong, web(1), Scales(), at=NOW).failed


SET, API = "ModelSet.serving.example.com", "serving.example.com/v1"
SIZED = WorkloadKind(SET, ("spec", "size"))


def model_set(*, uid: str = "uid-llm", api: str = API, **spec: Any) -> dict[str, Any]:
    """An object of a kind of others."""
    metadata = {"name": "llm", "namespace": "shop", "uid": uid}
    return {"apiVersion": api, "kind": "ModelSet", "metadata": metadata, "spec": spec}


def test_a_kind_of_others_is_counted_by_what_its_scale_says() -> None:
    """At the path that its definition names, not at `spec.replicas`, if it has both."""
    pods = [pod(f"web-{index}", by=owner("ModelSet", "llm", api=API)) for index in range(3)]
    scales = Scales([model_set(size=5, replicas=1)], [SIZED])
    assert budget_status(budget(maxUnavailable=1), pods, scales, at=NOW) == BudgetStatus(5, 3, 4, 0)
    assert budget_status(budget(minAvailable="50%"), pods, scales, at=NOW) == BudgetStatus(5, 3, 3, 0)


def test_a_kind_of_others_that_does_not_say_is_not_guessed() -> None:
    """The controller is refused its scale then; there is no default of 1."""
    pods = [pod("web-0", by=owner("ModelSet", "llm", api=API))]
    with pytest.raises(ScaleUnknown, match=r"ModelSet\.serving\.example\.com llm does not say"):
        budget_status(budget(maxUnavailable=1), pods, Scales([model_set(replicas=1)], [SIZED]), at=NOW)


def test_a_kind_of_the_same_name_elsewhere_is_another() -> None:
    """A StatefulSet of others is not Kubernetes' own, nor the other way round."""
    kruise = "apps.kruise.io/v1"
    by = owner("StatefulSet", "db", api=kruise)
    with pytest.raises(ScaleUnknown, match=r"StatefulSet\.apps\.kruise\.io db"):
        budget_status(
            budget(maxUnavailable=1), [pod("db-0", by=by)], Scales([workload("StatefulSet", "db", 4)]), at=NOW
        )
    theirs = {"apiVersion": kruise, **workload("StatefulSet", "db", 4)}
    found = budget_status(budget(maxUnavailable=1), [pod("db-0", by=by)], Scales([theirs]), at=NOW)
    assert found == BudgetStatus(4, 1, 3, 0)


def test_a_successor_of_the_controller_is_not_it() -> None:
    """Of the same name with another UID: the controller that made the pod is gone, and the count fails."""
    pods = [pod("web-0", by=owner("ModelSet", "llm", api=API))]
    found = budget_status(budget(maxUnavailable=1), pods, Scales([model_set(uid="new", size=1)], [SIZED]), at=NOW)
    assert found.failed == 'found no controllers for pod "web-0"'


def test_the_pods_own_controller_is_asked_and_no_other_above_it() -> None:
    """A ReplicaSet below a kind of others speaks for itself, whatever that one says."""
    replica_set = workload("ReplicaSet", "web-rs", 3, by=owner("ModelSet", "llm", api=API))
    scales = Scales([replica_set, model_set(size=9)], [SIZED])
    assert budget_status(budget(maxUnavailable=1), web(3), scales, at=NOW) == BudgetStatus(3, 3, 2, 1)


def test_a_replication_controller_that_was_not_given_is_not_guessed() -> None:
    """It is nowhere watched or listed unless it is the workload."""
    pods = [pod("web-0", by=owner("ReplicationController", "old", api="v1"))]
    with pytest.raises(ScaleUnknown, match="ReplicationController old"):
        budget_status(budget(maxUnavailable=1), pods, Scales(), at=NOW)
    scales = Scales([workload("ReplicationController", "old", 2)])
    assert budget_status(budget(maxUnavailable=1), pods, scales, at=NOW) == BudgetStatus(2, 1, 1, 0)
