"""A workload read through its scale: its number, its pods, their template, and what is refused in words."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import pytest
from cluster_objects import budget

from chaos.cluster import KINDS, ClusterFacts, Kind
from chaos.errors import ClusterRefused, UsageError
from chaos.objects.workload_kind import WorkloadKind
from chaos.system.adopt.find import SystemQuery, adopt
from chaos.system.adopt.workload import Workload, read_workload, workload_named
from chaos.trial.config_template import file_text

NAME, RESOURCE, API = "Rollout.argoproj.io", "rollouts.argoproj.io", "argoproj.io/v1alpha1"
ROLLOUT = Kind(NAME, API, "rollouts")
CONTAINER = {"name": "server", "image": "registry.example/chat:1"}


@dataclass
class Cluster:
    """Stands for a cluster: objects by kind, and the scale of the one workload."""

    objects: dict[str, list[dict[str, Any]]]
    scale_of_it: Mapping[str, Any] | None = None
    scaled: bool = True
    refused: tuple[str, ...] = ()
    asked: list[str] = field(default_factory=list)

    def kind(self, name: str) -> Kind:
        """The kind, by either name."""
        known = {NAME: ROLLOUT, RESOURCE: ROLLOUT, "statefulsets.apps": KINDS["StatefulSet"]}
        return known[name] if name in known else KINDS[name]

    def has_scale(self, name: str) -> bool:
        """As told."""
        assert name == NAME
        return self.scaled

    def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object."""
        return next((one for one in self.list(kind, namespace) if one["metadata"]["name"] == name), None)

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:  # noqa: ARG002  # the role's names
        """All of a kind."""
        if kind in self.refused:
            raise ClusterRefused(f"list {kind}: the API server refused: 403")
        self.asked.append(kind)
        return self.objects.get(kind, [])

    def scale(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:  # noqa: ARG002  # the role's names
        """The scale."""
        return None if self.scale_of_it is None else dict(self.scale_of_it)


def owned(kind: str, name: str, uid: str, *, api: str = "apps/v1") -> dict[str, Any]:
    """Metadata that says who controls the object."""
    return {"ownerReferences": [{"apiVersion": api, "kind": kind, "name": name, "uid": uid, "controller": True}]}


def pod(name: str, above: dict[str, Any], *, created: str = "2026-01-01T00:00:00Z", **labels: str) -> dict[str, Any]:
    """A pod of the app, as the server completes it."""
    mounts = [{"name": "kube-api-access-x", "mountPath": "/t"}, {"name": "data", "mountPath": "/d"}]
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": name,
            "namespace": "llm",
            "creationTimestamp": created,
            "labels": {"app": "chat", "hash": "1", "pod": name, **labels},
            **above,
        },
        "spec": {
            "nodeName": "n1",
            "containers": [{**CONTAINER, "volumeMounts": mounts}],
            "volumes": [{"name": "kube-api-access-x", "projected": {}}, {"name": "data", "emptyDir": {}}],
            "tolerations": [
                {"key": "node.kubernetes.io/not-ready", "effect": "NoExecute", "tolerationSeconds": 300},
                {"key": "gpu", "operator": "Exists"},
            ],
        },
    }


def definition(path: str = ".spec.size") -> dict[str, Any]:
    """The definition of the kind, in two versions."""
    scale = {"specReplicasPath": path, "statusReplicasPath": ".status.n", "labelSelectorPath": ".status.s"}
    versions = [{"name": "v1"}, {"name": "v1alpha1", "subresources": {"scale": scale} if path else {}}]
    return {"metadata": {"name": RESOURCE}, "spec": {"versions": versions}}


def cluster(
    *, selector: str = "app=chat", through: bool = True, crd: dict[str, Any] | None = None, **spec: Any
) -> Cluster:
    """A Rollout of two pods, below a ReplicaSet if `through`."""
    its = owned("Rollout", "chat", "r-1", api=API)
    below = owned("ReplicaSet", "chat-1", "rs-1") if through else its
    made = {"metadata": {"name": "chat-1", "namespace": "llm", "uid": "rs-1", **its}, "spec": {"replicas": 2}}
    rollout = {
        "apiVersion": API,
        "kind": "Rollout",
        "metadata": {"name": "chat", "namespace": "llm", "uid": "r-1", "generation": 1},
        "spec": {"size": 2, "strategy": {"canary": {}}, **spec},
        "status": {"observedGeneration": "6d8f"},
    }
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "chat", "namespace": "llm"},
        "spec": {"selector": {"app": "chat", "hash": "1"}, "ports": [{"port": 80}]},
    }
    return Cluster(
        {
            NAME: [rollout],
            "Pod": [pod("a", below), pod("b", below, created="2026-01-02T00:00:00Z")],
            "ReplicaSet": [made] if through else [],
            "Service": [service],
            "CustomResourceDefinition": [definition() if crd is None else crd],
        },
        {"spec": {"replicas": 2}, "status": {"replicas": 2, "selector": selector}},
    )


def read(source: Cluster, *through: str) -> Workload:
    """The workload, which is there."""
    found = read_workload(source, RESOURCE, "llm", "chat", through)
    assert found is not None
    return found


def test_the_scale_says_the_number_and_the_pods_and_the_definition_where_it_stands() -> None:
    """The chain goes up by the controllers; labels are those that all pods have."""
    found = read(cluster())
    assert found.kind == WorkloadKind(NAME, ("spec", "size"), ("ReplicaSet",))
    assert (found.chosen, found.labels) == ({"app": "chat"}, {"app": "chat", "hash": "1"})
    assert (found.resource, found.through, found.loose) == (RESOURCE, (), {"ReplicaSet"})
    assert found.raw["spec"]["replicas"] == 2


def test_it_is_adopted_with_what_stands_around_it() -> None:
    """The Service is found by labels that only the pods have; of a release nothing is known or taken."""
    found = adopt(cluster(), SystemQuery("llm", RESOURCE, "chat"))
    assert (found.system.workload.kind, found.system.service, found.system.spec.replicas) == (NAME, "chat", 2)
    assert (found.system.spec.rollout.max_unavailable, found.system.pods_before) == (1, 2)
    scopes = {scope.kind: scope for scope in found.scopes}
    assert (scopes[NAME].name, scopes["ReplicaSet"].selector, scopes["Pod"].selector) == ("chat", "", "app=chat")


NAMED = SystemQuery("llm", RESOURCE, "chat", disruption_budget="named")
OVER = {"app": {"app": "chat"}, "all": {}, "a label of pods alone": {"pod": "b"}}


@pytest.mark.parametrize("labels", OVER.values(), ids=OVER)
def test_a_budget_that_is_named_is_the_systems(labels: dict[str, str]) -> None:
    """It selects its pods, be it by labels that only they have; so the name decides between several."""
    source = cluster()
    source.objects["PodDisruptionBudget"] = [
        budget("named", selector={"matchLabels": labels}, namespace="llm", maxUnavailable=1),
        budget("found", selector={"matchLabels": {"app": "chat"}}, namespace="llm", maxUnavailable=2),
    ]
    found = adopt(source, NAMED)
    assert found.system.spec.disruption_budget is not None
    assert found.system.spec.disruption_budget.max_unavailable == 1


NEIGHBOURS: dict[str, Any] = {
    "other pods": {"matchLabels": {"app": "web"}},
    "no pod at all": {"matchLabels": {"app": "chat", "pod": "stranger"}},
    "not these": {"matchExpressions": [{"key": "app", "operator": "NotIn", "values": ["chat"]}]},
}


@pytest.mark.parametrize("selector", NEIGHBOURS.values(), ids=NEIGHBOURS)
def test_a_budget_of_a_neighbour_is_none_of_the_systems(selector: dict[str, Any]) -> None:
    """A fault would change it, with the consent of another workload's owners."""
    source = cluster()
    stranger = pod("stranger", owned("ReplicaSet", "web-1", "rs-9"))
    stranger["metadata"]["labels"] = {"app": "web", "pod": "stranger"}
    source.objects["Pod"].append(stranger)
    source.objects["PodDisruptionBudget"] = [budget("named", selector=selector, namespace="llm", maxUnavailable=1)]
    with pytest.raises(UsageError, match="PodDisruptionBudget named in namespace llm selects no pod of chat"):
        adopt(source, NAMED)


def test_a_template_is_the_objects_own_or_that_of_its_newest_pod() -> None:
    """What the API server adds to pods is left out: the node, the account's token, the default tolerations."""
    own = read(cluster(template={"spec": {"containers": [CONTAINER], "nodeSelector": {"pool": "blue"}}}))
    assert own.raw["spec"]["template"]["spec"]["nodeSelector"] == {"pool": "blue"}
    live = read(cluster()).raw["spec"]["template"]["spec"]
    assert "nodeName" not in live
    assert [one["name"] for one in live["volumes"]] == ["data"]
    assert [one["key"] for one in live["tolerations"]] == ["gpu"]
    assert [one["name"] for one in live["containers"][0]["volumeMounts"]] == ["data"]


def test_pods_that_hang_on_it_directly_need_nothing_between() -> None:
    """No other kind is listed."""
    source = cluster(through=False)
    assert read(source).kind.through == ()
    assert "ReplicaSet" not in source.asked


def _scaleless(source: Cluster) -> None:
    source.scaled = False


def _undefined(source: Cluster) -> None:
    source.objects["CustomResourceDefinition"] = []


def _podless(source: Cluster) -> None:
    source.objects["Pod"] = []


def _stray(source: Cluster) -> None:
    source.objects["Pod"].append(pod("canary", owned("ReplicaSet", "other", "rs-2")))


def _bare(source: Cluster) -> None:
    source.objects["Pod"].append(pod("bare", {}))


def _mixed(source: Cluster) -> None:
    source.objects["Pod"].append(pod("c", owned("Rollout", "chat", "r-1", api=API)))


def _made(source: Cluster) -> None:
    source.objects[NAME][0]["metadata"] |= owned("Fleet", "all", "f-1", api="fleet.example/v1")


@pytest.mark.parametrize(
    ("breaks", "words"),
    [
        (_scaleless, "rollouts.argoproj.io has no scale subresource"),
        (_undefined, "no CustomResourceDefinition says where rollouts.argoproj.io hold their number"),
        (_podless, "Rollout.argoproj.io llm/chat has no pod"),
        (_stray, "so does the owner of canary"),
        (_bare, "so does the owner of bare"),
        (_mixed, "hang on it in different ways"),
        (_made, "is made by Fleet.fleet.example all, which would put it back"),
    ],
)
def test_what_cannot_be_adopted_is_refused_in_words(breaks: Any, words: str) -> None:
    """Nothing is guessed."""
    source = cluster()
    breaks(source)
    with pytest.raises(UsageError) as raised:
        read(source)
    assert words in str(raised.value)


@pytest.mark.parametrize("selector", ["app=chat,tier in (a,b)", "app!=chat", "!app", "app", "app notin (x)"])
def test_a_selector_of_expressions_is_refused(selector: str) -> None:
    """Pods are watched by labels."""
    with pytest.raises(UsageError, match="selects its pods by expressions"):
        read(cluster(selector=selector))


def test_a_scale_without_a_selector_is_refused() -> None:
    """Its pods could be anybody's."""
    with pytest.raises(UsageError, match="names no selector"):
        read(cluster(selector=""))


def test_both_ways_to_write_an_equality_are_read() -> None:
    """As Kubernetes writes label selectors."""
    assert read(cluster(selector="app==chat, hash=1")).chosen == {"app": "chat", "hash": "1"}


def test_a_definition_without_a_path_is_refused() -> None:
    """The version that is served must have it, not another."""
    with pytest.raises(UsageError, match="no CustomResourceDefinition says"):
        read(cluster(crd=definition("")))


def test_one_that_is_not_there_is_none() -> None:
    """Whether the object or its scale is missing."""
    source = cluster()
    source.scale_of_it = None
    assert read_workload(source, RESOURCE, "llm", "chat") is None


def test_what_stands_between_and_may_not_be_listed_is_named() -> None:
    """With what to write so that the right is printed; what was written is all that is climbed."""
    source = cluster()
    above = owned("StatefulSet", "chat", "s-1")
    source.objects["Pod"] = [pod("a", above)]
    source.objects["StatefulSet"] = [
        {"metadata": {"name": "chat", "uid": "s-1", **owned("Rollout", "chat", "r-1", api=API)}}
    ]
    found = read(source, "statefulsets.apps")
    assert (found.kind.through, found.through) == (("StatefulSet",), ("statefulsets.apps",))
    text = file_text(adopt(source, SystemQuery("llm", RESOURCE, "chat")), ClusterFacts("staging", "", "", "u", ()), "")
    assert 'workload = "rollouts.argoproj.io/chat"\nthrough = ["statefulsets.apps"]' in text
    source.refused = ("StatefulSet",)
    with pytest.raises(ClusterRefused, match=r"StatefulSet stand between(.|\n)*system\.through"):
        read(source)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("rollouts.argoproj.io/chat", (RESOURCE, "chat")),
        ("deployments.apps/chat", ("Deployment", "chat")),
        ("deployment/chat", ("Deployment", "chat")),
        ("replicationcontrollers/chat", ("ReplicationController", "chat")),
        ("replicaset.apps/chat", ("ReplicaSet", "chat")),
        ("statefulsets.apps.kruise.io/chat", ("statefulsets.apps.kruise.io", "chat")),
    ],
)
def test_a_workload_is_named_as_kubectl_names_it(text: str, named: tuple[str, str]) -> None:
    """Kubernetes' own in the singular, too, and without their group."""
    assert workload_named(text) == named


@pytest.mark.parametrize("text", ["chat", "rollouts/chat", "rollouts.argoproj.io/", "/chat", "a.b/c/d"])
def test_a_name_that_is_none_is_refused(text: str) -> None:
    """A kind of others needs its group: two may share a name."""
    with pytest.raises(ValueError, match=r"PLURAL\.GROUP"):
        workload_named(text)
