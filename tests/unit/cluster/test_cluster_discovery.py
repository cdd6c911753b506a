"""A kind that was added to the API is found by what the server serves, in the version that its group prefers."""

from collections.abc import Mapping
from typing import Any

import pytest

from chaos.cluster.resources import Kind, ref_of, resource_of, served_kind
from chaos.errors import UsageError


def resource(name: str, kind: str, **more: Any) -> dict[str, Any]:
    """A row of what a version serves."""
    return {"name": name, "kind": kind, "singularName": kind.lower(), "namespaced": True, **more}


ROLLOUTS = [
    resource("rollouts", "Rollout"),
    resource("rollouts/scale", "Scale"),
    resource("rollouts/status", "Rollout"),
    resource("experiments", "Experiment", namespaced=False),
]
API: Mapping[str, Any] = {
    "/apis/argoproj.io": {
        "preferredVersion": {"groupVersion": "argoproj.io/v1"},
        "versions": [{"groupVersion": "argoproj.io/v1"}, {"groupVersion": "argoproj.io/v1alpha1"}],
    },
    "/apis/argoproj.io/v1": {"resources": [resource("workflows", "Workflow")]},
    "/apis/argoproj.io/v1alpha1": {"resources": ROLLOUTS},
    "/apis/apps": {"versions": [{"groupVersion": "apps/v1"}]},
    "/apis/apps/v1": {"resources": [resource("statefulsets", "StatefulSet"), resource("statefulsets/scale", "Scale")]},
}
ROLLOUT = Kind("Rollout.argoproj.io", "argoproj.io/v1alpha1", "rollouts")


@pytest.mark.parametrize("name", ["rollouts.argoproj.io", "Rollout.argoproj.io"])
def test_a_kind_is_found_by_its_resource_and_by_its_name(name: str) -> None:
    """Also where the version that the group prefers does not have it; with its subresources."""
    kind, parts = served_kind(API.get, name)
    assert (kind, parts) == (ROLLOUT, {"scale", "status"})
    assert kind.resource == "rollouts.argoproj.io"
    assert kind.path("llm", "chat", "scale") == "/apis/argoproj.io/v1alpha1/namespaces/llm/rollouts/chat/scale"


def test_a_resource_of_kubernetes_own_comes_by_its_plain_name() -> None:
    """So that what is recorded under it is what checks know."""
    assert served_kind(API.get, "statefulsets.apps")[0].name == "StatefulSet"


def test_a_kind_without_a_scale_or_a_namespace_says_so() -> None:
    """Nothing is made up for it."""
    kind, parts = served_kind(API.get, "experiments.argoproj.io")
    assert (kind.namespaced, parts) == (False, frozenset())


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rollout.argoproj.io", "write rollouts.argoproj.io"),
        ("rollouts.argo.io", "no group argo.io is served"),
        ("clonesets.argoproj.io", "the group argoproj.io has no such resource"),
        ("clonesets", "no group  is served"),
    ],
)
def test_what_is_not_served_is_named(name: str, words: str) -> None:
    """With the resource that was meant, where that can be told."""
    with pytest.raises(UsageError) as raised:
        served_kind(API.get, name)
    assert words in str(raised.value)


@pytest.mark.parametrize(
    ("api_version", "kind", "named"),
    [
        ("apps/v1", "StatefulSet", "StatefulSet"),
        ("apps.kruise.io/v1beta1", "StatefulSet", "StatefulSet.apps.kruise.io"),
        ("coordination.k8s.io/v1", "Lease", "Lease"),
        ("policy/v1beta1", "PodDisruptionBudget", "PodDisruptionBudget"),
        ("argoproj.io/v1alpha1", "Rollout", "Rollout.argoproj.io"),
    ],
)
def test_an_object_is_named_by_its_kind_among_all(api_version: str, kind: str, named: str) -> None:
    """A kind that we list keeps its plain name, in whatever version; one of the same name elsewhere is another."""
    raw = {"apiVersion": api_version, "kind": kind, "metadata": {"name": "chat"}}
    assert ref_of(raw).kind == named


def test_a_rule_names_a_resource_and_its_group() -> None:
    """Of a kind that we list, or of a resource as people write it."""
    assert resource_of("Deployment") == ("deployments", "apps")
    assert resource_of("rollouts.argoproj.io") == ("rollouts", "argoproj.io")
