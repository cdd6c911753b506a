"""When a system counts as available, and how long it may take to become so."""

import copy
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from chaos.objects.base import Ref
from chaos.objects.workload_kind import WorkloadKind
from chaos.system.deploy.availability import available_bound_s, shortfall
from chaos.system.manifests.names import selector
from chaos.system.spec.parts import Autoscale, ProbeSpec, Rollout
from chaos.system.spec.system_spec import SystemSpec
from chaos.system.system import System

SPEC = SystemSpec(name="model", image="model:1", replicas=2)
WORKLOAD = Ref("Deployment", "here", "model", "uid-d")
BUDGET = Ref("PodDisruptionBudget", "here", "model", "uid-b")

World = dict[str, list[dict[str, Any]]]

GOOD: World = {
    "Deployment": [
        {
            "metadata": {"uid": "uid-d", "generation": 3},
            "spec": {"replicas": 2},
            "status": {
                "observedGeneration": 3,
                "replicas": 2,
                "updatedReplicas": 2,
                "readyReplicas": 2,
                "availableReplicas": 2,
            },
        }
    ],
    "EndpointSlice": [
        {
            "metadata": {"namespace": "here", "labels": {"kubernetes.io/service-name": "model"}},
            "endpoints": [
                {"targetRef": {"uid": "a"}, "conditions": {"ready": True}},
                {"targetRef": {"uid": "b"}, "conditions": {}},
            ],
        }
    ],
    "PodDisruptionBudget": [
        {
            "metadata": {"uid": "uid-b", "generation": 1},
            "status": {"observedGeneration": 1, "currentHealthy": 2},
        }
    ],
}


def system(spec: SystemSpec = SPEC) -> System:
    """The system as it was applied: the third wish of its Deployment."""
    return System(
        spec=spec,
        namespace="here",
        selector=selector(spec),
        workload=WORKLOAD,
        service="model",
        port=80,
        cluster_ip="10.96.0.10",
        generations={"Deployment": 3, "PodDisruptionBudget": 1},
        pods_before=0,
        objects=(BUDGET, WORKLOAD),
    )


def lacking(world: World, spec: SystemSpec = SPEC) -> str:
    """What a system lacks in a world of raw objects."""
    return shortfall(system(spec), lambda kind: world.get(kind, []))


def test_a_system_with_all_replicas_endpoints_and_budget_lacks_nothing() -> None:
    """Rolled out, reachable and counted is available; an endpoint that says nothing of ready is ready."""
    assert lacking(GOOD) == ""


def _no_deployment(world: World) -> None:
    world["Deployment"] = []


def _successor(world: World) -> None:
    world["Deployment"][0]["metadata"]["uid"] = "another"


def _stale(world: World) -> None:
    world["Deployment"][0]["metadata"]["generation"] = 2
    world["Deployment"][0]["status"]["observedGeneration"] = 2


def _unseen_by_its_controller(world: World) -> None:
    world["Deployment"][0]["status"]["observedGeneration"] = 2


def _one_unready(world: World) -> None:
    world["Deployment"][0]["status"].update(readyReplicas=1, availableReplicas=1)


def _old_pod_left(world: World) -> None:
    world["Deployment"][0]["status"].update(replicas=3, readyReplicas=3, availableReplicas=3)


def _stuck(world: World) -> None:
    _one_unready(world)
    condition = {"type": "Progressing", "reason": "ProgressDeadlineExceeded", "message": "no progress for 600 s"}
    world["Deployment"][0]["status"]["conditions"] = [condition]


def _one_endpoint_twice(world: World) -> None:
    world["EndpointSlice"][0]["endpoints"][1]["targetRef"]["uid"] = "a"


def _one_endpoint_unready(world: World) -> None:
    world["EndpointSlice"][0]["endpoints"][0]["conditions"]["ready"] = False


def _endpoints_of_another_service(world: World) -> None:
    world["EndpointSlice"][0]["metadata"]["labels"]["kubernetes.io/service-name"] = "other"


def _budget_uncounted(world: World) -> None:
    del world["PodDisruptionBudget"][0]["status"]


def _budget_behind(world: World) -> None:
    world["PodDisruptionBudget"][0]["status"]["currentHealthy"] = 1


LACKS: dict[str, tuple[Callable[[World], None], str]] = {
    "nothing seen": (_no_deployment, "its Deployment has not been seen yet"),
    "a successor": (_successor, "its Deployment has not been seen yet"),
    "an older wish": (_stale, "its Deployment has not been seen yet as it was applied"),
    "an older status": (_unseen_by_its_controller, "2 of 2 replicas are ready"),
    "one unready": (_one_unready, "1 of 2 replicas are ready"),
    "an old pod": (_old_pod_left, "2 of 2 replicas are ready, 1 of an older template are still there"),
    "stuck": (_stuck, "1 of 2 replicas are ready (no progress for 600 s)"),
    "one endpoint twice": (_one_endpoint_twice, "1 of 2 replicas are endpoints of Service model"),
    "an unready endpoint": (_one_endpoint_unready, "1 of 2 replicas are endpoints of Service model"),
    "no endpoints": (_endpoints_of_another_service, "0 of 2 replicas are endpoints of Service model"),
    "no budget status": (_budget_uncounted, "the disruption budget has not been counted yet"),
    "a late budget": (_budget_behind, "the disruption budget has counted 1 of 2 replicas"),
}


@pytest.mark.parametrize(("spoil", "words"), LACKS.values(), ids=LACKS.keys())
def test_what_is_missing_is_said(spoil: Callable[[World], None], words: str) -> None:
    """Whatever one thing is missing, the system is not available, and the words name it."""
    world = copy.deepcopy(GOOD)
    spoil(world)
    assert lacking(world) == words


def test_with_an_autoscaler_its_minimum_must_be_asked_for_first() -> None:
    """A Deployment that the autoscaler has not lifted yet is not available, however ready its pods are."""
    spec = SPEC.having(autoscale=Autoscale(replicas_min=4, replicas_max=8))
    assert lacking(GOOD, spec) == "the autoscaler has asked for 2 replicas so far, not for 4"


LOCAL = SPEC.having(
    image_pull_policy="Never",
    startup=ProbeSpec(path="/", period_s=1, failure_threshold=60),
    readiness=ProbeSpec(path="/", period_s=1),
    grace_s=10,
)
FRESH_S = 61 + 2 + 5 + 30
"""Startup 1 + 59 + 1, readiness 1 + 1, scheduling and start 5, allowance 30."""


@pytest.mark.parametrize(
    ("spec", "pods_before", "bound_s"),
    [
        (LOCAL, 0, FRESH_S),
        (LOCAL.having(replicas=50), 0, FRESH_S),
        (LOCAL.having(image_pull_policy="Always"), 0, FRESH_S + 120),
        (LOCAL.having(rollout=Rollout(min_ready_s=7)), 0, FRESH_S + 7),
        (LOCAL.having(autoscale=Autoscale(replicas_max=4)), 0, FRESH_S + 15),
        (LOCAL.having(startup=None, rollout=Rollout(progress_deadline_s=200)), 0, 200 + 30),
        (LOCAL.having(replicas=4), 4, 4 * (68 + 10) + 30),
        (LOCAL.having(replicas=4, rollout=Rollout(max_surge="50%", max_unavailable="25%")), 4, 2 * (68 + 10) + 30),
        (LOCAL.having(replicas=2), 5, 5 * (68 + 10) + 30),
    ],
    ids=[
        "fresh",
        "many at once",
        "pulled",
        "min ready",
        "autoscaled",
        "no startup probe",
        "rolled",
        "in steps",
        "fewer",
    ],
)
def test_the_deadline_follows_from_the_spec(spec: SystemSpec, pods_before: int, bound_s: float) -> None:
    """New pods start all at once; pods that are there are replaced in steps, each with the old one's grace."""
    assert available_bound_s(spec, pods_before=pods_before) == bound_s


CUSTOM = Ref("ModelSet.serving.example.com", "here", "model", "uid-m")


def replica(uid: str, *, ready: bool = True) -> dict[str, Any]:
    """A pod of the system."""
    status = {"conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}
    return {"metadata": {"uid": uid, "namespace": "here", "labels": dict(selector(SPEC))}, "status": status}


@pytest.mark.parametrize(
    ("spec", "pods", "lacks"),
    [
        ({"count": 2}, ("a", "b"), ""),
        ({"count": 2}, ("a",), "1 of 2 replicas are ready"),
        ({"count": 1}, ("a", "b"), "the autoscaler has asked for 1 replicas so far, not for 2"),
        ({"replicas": 2}, ("a", "b"), "its ModelSet.serving.example.com does not say how many replicas it wants"),
    ],
)
def test_a_kind_of_others_is_available_by_its_pods(spec: dict[str, int], pods: tuple[str, ...], lacks: str) -> None:
    """What its status says is its own affair, even an observedGeneration that is no number."""
    raw = {"metadata": {"uid": "uid-m", "generation": 1}, "spec": spec, "status": {"observedGeneration": "6d8f"}}
    world = {**GOOD, CUSTOM.kind: [raw], "Pod": [replica(uid, ready=uid in pods) for uid in ("a", "b")]}
    generations = {CUSTOM.kind: 1, "PodDisruptionBudget": 1}
    kind = WorkloadKind(CUSTOM.kind, ("spec", "count"))
    own = replace(system(), workload=CUSTOM, generations=generations, workload_kind=kind, objects=(BUDGET, CUSTOM))
    assert shortfall(own, lambda asked: world.get(asked, [])) == lacks
