"""An autoscaler that cannot work is told in one line before the trial, with what to change; nothing is written."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest
from autoscaler_stories import hpa
from zero_stories import scaled_object

from chaos.cluster import Cluster, Scope
from chaos.cluster.transport import Answer
from chaos.errors import ClusterRefused, UsageError
from chaos.objects.base import Ref
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.system.adopt.find import Adopted
from chaos.system.adopt.scaled_objects import scaled_object_scopes
from chaos.trial.preflight.autoscaling import autoscaling_objections, require_autoscaling

PATH = "/apis/external.metrics.k8s.io/v1beta1/namespaces/gameday-1/queue"
EXTERNAL = {"type": "External", "external": {"metric": {"name": "queue"}, "target": {"type": "Value", "value": "5"}}}
VALUE = Answer(200, json.dumps({"items": [{"value": "3"}]}).encode())


SYSTEM = SimpleNamespace(
    namespace="gameday-1", workload=Ref("Deployment", "gameday-1", "model"), selector={"app": "model"}, pods_before=2
)


class Looked:
    """A cluster of which one ScaledObject, or none, is seen; whatever else is asked of it would be a write."""

    def __init__(self, scaled: dict[str, Any] | None, answer: Answer, *, keda: bool = True, may: bool = True) -> None:
        self.scaled, self.answer, self.keda, self.allowed = scaled, answer, keda, may

    def kind(self, name: str) -> None:
        """Only a cluster with KEDA has it."""
        if not self.keda:
            raise UsageError(f"the cluster knows no {name}")

    def may(self, *_right: str) -> bool:
        """All or nothing."""
        return self.allowed

    def list(self, kind: str, _namespace: str | None = None) -> list[dict[str, Any]]:
        """The ScaledObject."""
        assert kind == SCALED_OBJECT
        return [self.scaled] if self.scaled else []

    def get(self, _kind: str, _namespace: str, name: str) -> dict[str, Any] | None:
        """Of the credentials only these are there."""
        return {} if name == "there" else None

    def read(self, path: str) -> Answer:
        """The metric."""
        assert path == PATH
        return self.answer


def objections(scaled: dict[str, Any] | None, *, answer: Answer = VALUE, **options: Any) -> list[tuple[str, str]]:
    """What is said of a system with the autoscaler that KEDA makes."""
    scaler = {"kind": "HorizontalPodAutoscaler", **hpa(2, name="keda-hpa-chat", limits=(2, 8), metrics=[EXTERNAL])}
    scaler.update(options.pop("scaler", {}))
    system = SimpleNamespace(
        namespace="gameday-1",
        workload=Ref("Deployment", "gameday-1", "model"),
        selector={"app": "model"},
        pods_before=2,
    )
    found = cast("Adopted", SimpleNamespace(system=system, raws=(scaler,)))
    return [*autoscaling_objections(cast("Cluster", Looked(scaled, answer, **options)), found)]


def keda(**spec: Any) -> dict[str, Any]:
    """A ScaledObject that goes with its autoscaler."""
    return scaled_object(**{"minReplicaCount": 2, "maxReplicaCount": 8, **spec})


def test_a_healthy_one_is_not_objected_to() -> None:
    """Nor one without KEDA, nor what this user may not see."""
    assert objections(keda()) == []
    assert objections(None, keda=False) == []
    assert objections(keda(annotations={"autoscaling.keda.sh/paused": "true"}), may=False) == []
    assert objections(keda(), answer=Answer(403, b'{"message": "forbidden"}')) == []
    there = [{"type": "prometheus", "authenticationRef": {"name": "there"}}]
    assert objections(keda(triggers=there)) == []


PAUSED_AT = "autoscaling.keda.sh/paused-replicas"
NOT_READY = {"conditions": [{"type": "Ready", "status": "False", "reason": "Failed", "message": "no host given"}]}


@pytest.mark.parametrize(
    ("scaled", "options", "what", "fix"),
    [
        (keda(annotations={PAUSED_AT: "0"}), {}, "ScaledObject chat is paused (", f"{PAUSED_AT}-"),
        (keda(minReplicaCount=9), {}, "minReplicaCount 9 over maxReplicaCount 8", "kubectl edit scaledobject chat"),
        (keda(idleReplicaCount=2), {}, "idleReplicaCount 2", "kubectl edit"),
        (
            keda(triggers=[{"type": "kafka", "authenticationRef": {"name": "gone"}}]),
            {},
            "trigger kafka of ScaledObject chat has no credentials: no TriggerAuthentication gone",
            "make it in namespace gameday-1",
        ),
        ({**keda(), "status": NOT_READY}, {}, "by KEDA's own words: Failed: no host given", "mend"),
        (keda(maxReplicaCount=5), {}, "at most 5 replicas, its autoscaler keda-hpa-chat 8", "operator"),
        (
            {**keda(), "status": {"hpaName": "other"}},
            {},
            "ScaledObject chat and HorizontalPodAutoscaler keda-hpa-chat scale the same workload",
            "kubectl delete hpa keda-hpa-chat",
        ),
        (
            keda(),
            {"answer": Answer(404, b'{"message": "not found"}')},
            "External metric queue, which nobody serves: 404 not found",
            "kubectl get apiservices | grep external.metrics.k8s.io",
        ),
        (keda(), {"answer": Answer(200, b'{"items": []}')}, "nobody serves: it has no value", "adapter"),
        (None, {"scaler": hpa(2, inactive="AmbiguousSelector", metrics=[EXTERNAL])}, "AmbiguousSelector", "labels"),
    ],
)
def test_what_cannot_work_is_named_with_what_to_change(
    scaled: dict[str, Any] | None, options: dict[str, Any], what: str, fix: str
) -> None:
    """One line each; the first of them is what the trial is refused with."""
    found = objections(scaled, **options)
    assert len(found) == 1, found
    assert what in found[0][0]
    assert fix in found[0][1]
    assert "\n" not in "".join(found[0])


def test_scaled_objects_are_watched_where_they_may_be() -> None:
    """That of the workload in a namespace of others, all in our own; none without KEDA, or without the right."""
    ours = Looked(keda(), VALUE)
    named = (Scope(SCALED_OBJECT, "gameday-1", name="chat"),)
    assert scaled_object_scopes(cast("Cluster", ours), "gameday-1", ("Deployment", "model")) == named
    assert scaled_object_scopes(cast("Cluster", ours), "gameday-1", ("Deployment", "other")) == ()
    assert scaled_object_scopes(cast("Cluster", ours), "gameday-1", None) == (Scope(SCALED_OBJECT, "gameday-1"),)
    for blind in (Looked(keda(), VALUE, keda=False), Looked(keda(), VALUE, may=False)):
        assert scaled_object_scopes(cast("Cluster", blind), "gameday-1", None) == ()


def test_a_trial_of_it_is_refused() -> None:
    """Before anything is written."""
    found = cast("Adopted", SimpleNamespace(system=SYSTEM, raws=()))
    cluster = cast("Cluster", Looked(keda(minReplicaCount=9), VALUE))
    with pytest.raises(ClusterRefused, match="minReplicaCount 9 over"):
        require_autoscaling(cluster, found)
