"""What a workload kind is: its name among all kinds, where its number stands, what is between its pods and it."""

from __future__ import annotations

from typing import Any

import pytest
from histories import facts

from chaos.history.facts.autoscaler import AutoscalerView
from chaos.objects.base import View, kind_in
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind

KIBANA = WorkloadKind("Kibana.kibana.k8s.elastic.co", ("spec", "count"))


@pytest.mark.parametrize(
    ("api_version", "kind", "name"),
    [
        ("apps/v1", "StatefulSet", "StatefulSet"),
        ("v1", "ReplicationController", "ReplicationController"),
        ("", "ReplicaSet", "ReplicaSet"),
        ("apps.kruise.io/v1beta1", "StatefulSet", "StatefulSet.apps.kruise.io"),
        ("argoproj.io/v1alpha1", "Rollout", "Rollout.argoproj.io"),
        ("argoproj.io/v1alpha1", "", ""),
    ],
)
def test_a_kind_of_others_is_named_with_its_group(api_version: str, kind: str, name: str) -> None:
    """So that a StatefulSet of others is never taken for Kubernetes' own."""
    assert kind_in(api_version, kind) == name
    owner = {"apiVersion": api_version, "kind": kind, "controller": True}
    assert View({"metadata": {"ownerReferences": [owner]}}).controller_kind == name


@pytest.mark.parametrize(
    ("kind", "raw", "wanted"),
    [
        (DEPLOYMENT, {"spec": {"replicas": 3}}, 3),
        (DEPLOYMENT, {"spec": {}}, 1),
        (WorkloadKind.named("ReplicationController"), {}, 1),
        (KIBANA, {"spec": {"count": 2, "replicas": 9}}, 2),
        (KIBANA, {"spec": {"count": 0}}, 0),
        (KIBANA, {"spec": {"replicas": 9}}, None),
        (KIBANA, {"spec": {"count": None}}, None),
        (KIBANA, {"spec": "odd"}, None),
    ],
)
def test_the_number_wanted(kind: WorkloadKind, raw: dict[str, Any], wanted: int | None) -> None:
    """It stands where the kind has it; only Kubernetes' own kinds have a default."""
    assert kind.wanted(raw) == wanted


def test_a_record_that_names_only_a_kind_is_of_kubernetes_own() -> None:
    """Runs from before other kinds were known read as they did; others come back as they were written."""
    assert WorkloadKind.of_plain({"kind": "Deployment"}) == DEPLOYMENT
    assert (DEPLOYMENT.through, DEPLOYMENT.pods_by) == (("ReplicaSet",), "ReplicaSet")
    assert facts(workload_kind="StatefulSet").workload == WorkloadKind("StatefulSet")
    told = WorkloadKind("Rollout.argoproj.io", through=("ReplicaSet",))
    assert WorkloadKind.of_plain(told.plain()) == told
    assert (told.pods_by, told.controllers) == ("ReplicaSet", ("ReplicaSet", "Rollout.argoproj.io"))
    assert KIBANA.pods_by == KIBANA.name


def test_an_autoscalers_target_is_named_with_its_group() -> None:
    """It scales that very kind, not one of the same name."""
    ref = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "chat"}
    assert AutoscalerView({"spec": {"scaleTargetRef": ref}}).target == ("Rollout.argoproj.io", "chat")
    assert AutoscalerView({"spec": {"scaleTargetRef": {"kind": "Deployment", "name": "x"}}}).target[0] == "Deployment"
