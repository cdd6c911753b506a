"""Which objects of a set belong together, and which only look as if they were workloads."""

import copy
from typing import Any

import pytest
import yaml
from review_cases_objects import OWNER, SCALER, another
from review_stories import Objects, found, rules_of, service_of

from chaos.review import review_objects

MONITOR: dict[str, Any] = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "ServiceMonitor",
    "metadata": {"name": "chat", "namespace": "monitoring"},
    "spec": {"selector": {"matchLabels": {"app": "chat"}}},
}
RIGHTS: dict[str, Any] = {
    "apiVersion": "rbac.authorization.k8s.io/v1",
    "kind": "RoleBinding",
    "metadata": {"name": "reader", "namespace": "kube-system"},
}


@pytest.mark.parametrize("other", [MONITOR, RIGHTS], ids=["monitoring", "rights"])
def test_only_a_service_s_own_objects_name_its_namespace(other: dict[str, Any]) -> None:
    """A patch for the namespace of its monitoring would find nothing, or change what is not meant."""
    (one,) = found(service_of(without=["PodDisruptionBudget"], others=[other]), "budget-missing")
    assert one.object == "Deployment chat"
    assert yaml.safe_load(one.patch)["metadata"] == {"name": "chat"}


def test_what_names_no_namespace_is_meant_for_that_of_the_others() -> None:
    """A budget in which the only named namespace is left out binds the pods all the same."""
    workload, *others = service_of()
    workload["metadata"]["namespace"] = "prod"
    assert rules_of([workload, *others]) == set()


def test_replica_sets_of_an_export_are_no_workloads_of_their_own() -> None:
    """`kubectl get all -o yaml` shows what a Deployment has made: the pods would count twice, and old ones as zero."""
    objects = service_of(budget={"maxUnavailable": None, "minAvailable": 3})
    owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat", "controller": True}
    made: Objects = []
    for name, replicas in (("chat-new", 3), ("chat-old", 0)):
        one = copy.deepcopy(objects[0]) | {"kind": "ReplicaSet", "metadata": {"name": name, "ownerReferences": [owner]}}
        one["spec"]["replicas"] = replicas
        made.append(one)
    assert rules_of([*objects, *made]) == {"budget-blocks-drains"}
    assert "replicas-zero" in rules_of([*objects[1:], *made])


SEALED: dict[str, Any] = {
    "apiVersion": "bitnami.com/v1alpha1",
    "kind": "SealedSecret",
    "metadata": {"name": "token"},
    "spec": {"template": {"metadata": {"name": "token"}, "type": "Opaque"}},
}
KNATIVE: dict[str, Any] = {
    "apiVersion": "serving.knative.dev/v1",
    "kind": "Service",
    "metadata": {"name": "embed"},
    "spec": {"template": {"spec": {"containers": [{"image": "registry.example/embed:1"}]}}},
}


def test_a_template_of_no_pods_makes_none() -> None:
    """A sealed secret has a template, too; only one with containers may make pods that nobody can read."""
    stray = {"selector": {"matchLabels": {"app.kubernetes.io/name": "chat"}}}
    sealed = review_objects(service_of(budget=stray, others=[SEALED]))
    assert [one.rule for one in sealed.findings] == ["budget-binds-nobody"]
    assert sealed.notes == ("passed over 1 object that no rule is about: 1 SealedSecret",)
    knative = review_objects(service_of(budget=stray, others=[KNATIVE]))
    assert [one.rule for one in knative.findings] == ["budget-missing"]
    assert knative.notes[0].startswith("Service embed is not reviewed")


def test_a_deployment_whose_template_a_rollout_borrows_keeps_no_pods() -> None:
    """It is at zero, as the Rollout keeps the pods: what follows from their number is not known here."""
    ref = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"}
    rollout = {
        "apiVersion": "argoproj.io/v1alpha1",
        "kind": "Rollout",
        "metadata": {"name": "chat"},
        "spec": {"replicas": 4, "workloadRef": ref},
    }
    budget = {"maxUnavailable": None, "minAvailable": "50%"}
    assert rules_of(service_of(spec={"replicas": 0}, budget=budget, others=[rollout])) == set()
    assert rules_of(service_of(spec={"replicas": 0}, budget=budget)) == {"replicas-zero", "budget-blocks-drains"}
    bare = service_of(spec={"replicas": 0}, container={"image": "chat:latest"}, others=[rollout])
    assert rules_of(bare) == {"image-unpinned"}


def test_an_autoscaler_of_keda_decides_also_where_only_it_is_seen() -> None:
    """A cluster shows it beside the workload: the number is not the workload's own, and KEDA undoes a patch of it."""
    alone = another("HorizontalPodAutoscaler", "autoscaling/v2", {**SCALER, "minReplicas": 1}, ownerReferences=[OWNER])
    (one,) = found(service_of(spec={"replicas": None}, others=[alone]), "replicas-one")
    assert "HorizontalPodAutoscaler other keeps one replica" in one.sentence
    assert one.patch == ""


def test_what_a_controller_made_is_not_patched() -> None:
    """It makes it again as it was: only its owner can be changed."""
    objects = service_of(container={"livenessProbe": None})
    owner = {"apiVersion": "serving.kserve.io/v1beta1", "kind": "InferenceService", "name": "chat", "controller": True}
    objects[0]["metadata"]["ownerReferences"] = [owner]
    (one,) = found(objects, "liveness-probe-missing")
    assert (one.patch, one.apply) == ("", "")
