"""Views: fields of raw objects, and what absence means."""

from __future__ import annotations

from typing import Any

import pytest
from histories import deployment, node, pod

from chaos.objects.base import matches
from chaos.objects.kinds import DeploymentView, EndpointSliceView, EndpointView, NodeView, ReplicaSetView
from chaos.objects.pod import PodView


@pytest.mark.parametrize("view", [PodView, DeploymentView, ReplicaSetView, NodeView, EndpointSliceView])
def test_an_empty_object_reads_as_empty(view: Any) -> None:
    """Every property of a view of nothing answers; none raises."""
    empty = view({})
    for name in dir(view):
        if not name.startswith("_") and isinstance(getattr(view, name), property):
            getattr(empty, name)
    assert not empty.uid


def test_a_pod_is_ready_by_its_condition_and_not_by_its_containers() -> None:
    """Readiness gates count: ready containers without the Ready condition are not a ready pod."""
    raw = pod("a", ready=True)
    raw["status"]["conditions"][0]["status"] = "False"
    view = PodView(raw)
    assert view.containers[0].ready
    assert not view.ready


@pytest.mark.parametrize("status", ["True", "Unknown", "False"])
def test_a_pod_that_is_being_deleted_is_not_ready(status: str) -> None:
    """Only the condition True of a pod that stays counts as ready."""
    raw = pod("a", ready=True)
    raw["status"]["conditions"][0]["status"] = status
    assert PodView(raw).ready == (status == "True")
    deleting = pod("a", ready=True, deleting=True)
    assert PodView(deleting).ready_condition
    assert not PodView(deleting).ready
    assert PodView(deleting).deletion_grace_s == 10


def test_grace_of_zero_is_zero_and_absent_is_thirty() -> None:
    """A grace of 0 is no absence."""
    assert PodView({"spec": {"terminationGracePeriodSeconds": 0}}).grace_s == 0
    assert PodView({"spec": {}}).grace_s == 30


def test_a_pod_runs_when_all_its_containers_do() -> None:
    """One running container of two is not a running pod."""
    raw = pod("a", running=True)
    assert PodView(raw).running
    raw["spec"]["containers"] = [*raw["spec"]["containers"], {"name": "other"}]
    assert not PodView(raw).running


def test_a_sidecar_is_a_container() -> None:
    """An init container that always restarts has to run as well, and its restarts count; those of plain ones do not."""
    raw = pod("a", running=True, restarts=1)
    raw["spec"] = {**raw["spec"], "initContainers": [{"name": "fetch"}, {"name": "proxy", "restartPolicy": "Always"}]}
    assert not PodView(raw).running
    state = raw["status"]["containerStatuses"][0]["state"]
    raw["status"]["initContainerStatuses"] = [
        {"name": "fetch", "restartCount": 7},
        {"name": "proxy", "restartCount": 2, "state": state},
    ]
    assert PodView(raw).running
    assert [one.name for one in PodView(raw).containers] == ["m", "proxy"]
    assert PodView(raw).restarts == 3


def test_the_controller_is_the_owner_that_says_so() -> None:
    """Of several owners only the controller manages the pod."""
    raw = pod("a")
    raw["metadata"]["ownerReferences"].insert(0, {"kind": "Node", "name": "n1", "uid": "u"})
    view = PodView(raw)
    assert (view.controller_kind, view.controller_uid) == ("ReplicaSet", "rs-1")


def test_a_workload_without_a_number_desires_one() -> None:
    """Kubernetes takes an absent replicas as 1, and 0 as 0."""
    assert DeploymentView({"spec": {}}).replicas == 1
    assert DeploymentView({"spec": {"replicas": 0}}).replicas == 0


def test_a_rollout_is_done_when_the_newest_template_is_available_alone() -> None:
    """A status that has not seen the newest wish, old pods still there, or new ones not available: not done."""
    raw = deployment(3)
    raw["metadata"]["generation"] = 2
    done = {"observedGeneration": 2, "replicas": 3, "updatedReplicas": 3, "availableReplicas": 3}
    assert DeploymentView(raw | {"status": done}).rolled_out
    for spoilt in ({"observedGeneration": 1}, {"replicas": 4}, {"updatedReplicas": 2}, {"availableReplicas": 2}):
        assert not DeploymentView(raw | {"status": done | spoilt}).rolled_out


@pytest.mark.parametrize(
    ("conditions", "holding"),
    [
        ({}, {"ready", "serving"}),
        ({"ready": False}, set()),
        ({"ready": False, "serving": True, "terminating": True}, {"serving", "terminating"}),
        ({"ready": None, "serving": None, "terminating": None}, {"ready", "serving"}),
    ],
)
def test_nil_conditions_of_an_endpoint(conditions: dict[str, Any], holding: set[str]) -> None:
    """What an endpoint does not say reads as KEP-1672 defines it."""
    view = EndpointView({"conditions": conditions})
    assert {name for name in ("ready", "serving", "terminating") if getattr(view, name)} == holding


def test_an_unknown_node_is_not_ready() -> None:
    """A node whose kubelet fell silent is Unknown, hence not Ready."""
    assert NodeView(node("n1")).ready
    assert not NodeView(node("n1", ready=False)).ready
    assert NodeView(node("n1", ready=False)).ready_status == "Unknown"


@pytest.mark.parametrize(
    ("selector", "chosen"),
    [
        ({}, True),
        ({"matchLabels": {"app": "model"}}, True),
        ({"matchLabels": {"app": "other"}}, False),
        ({"matchLabels": {"app": "model", "tier": "x"}}, False),
        ({"matchExpressions": [{"key": "app", "operator": "In", "values": ["model", "x"]}]}, True),
        ({"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["model"]}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "NotIn", "values": ["x"]}]}, True),
        ({"matchExpressions": [{"key": "tier", "operator": "Exists"}]}, False),
        ({"matchExpressions": [{"key": "tier", "operator": "DoesNotExist"}]}, True),
        ({"matchLabels": {"app": "model"}, "matchExpressions": [{"key": "app", "operator": "DoesNotExist"}]}, False),
    ],
)
def test_selectors_choose_as_kubernetes_does(selector: dict[str, Any], *, chosen: bool) -> None:
    """Labels and expressions must all hold; an empty selector chooses everything."""
    assert matches(selector, {"app": "model"}) is chosen


def test_an_unknown_operator_is_refused() -> None:
    """An operator that Kubernetes does not know is an error, not a silent no."""
    with pytest.raises(ValueError, match="'Near'"):
        matches({"matchExpressions": [{"key": "app", "operator": "Near"}]}, {"app": "model"})
