"""What a review takes for a workload, its serving container, and a silence."""

from typing import Any

import pytest
import yaml
from review_cases_objects import CANARY
from review_stories import CONTAINER, Objects, found, rules_of, service_of, workload_of

from chaos.review import SILENCE, manifest_set, review_objects
from chaos.review.shapes import selects

PROXY: dict[str, Any] = {"name": "proxy", "image": "proxy:1", "ports": [{"containerPort": 15000, "name": "admin"}]}
BARE = {"name": "server", "image": "chat:1", "ports": [{"containerPort": 8000, "name": "http"}]}


def annotated(rule: str, reason: str) -> Objects:
    """A service of one replica whose owners have a reason."""
    objects = service_of(spec={"replicas": 1})
    objects[0]["metadata"]["annotations"] = {SILENCE + rule: reason}
    return objects


def test_the_container_that_the_service_leads_to_is_the_server() -> None:
    """A proxy that stands first hides nothing, and is asked for nothing that a server needs."""
    hidden = service_of(pod={"containers": [PROXY, BARE]})
    assert {"probes-missing", "requests-missing"} <= rules_of(hidden)
    (one,) = found(hidden, "probes-missing")
    assert "container server" in one.sentence
    assert rules_of(service_of(pod={"containers": [PROXY, CONTAINER]})) == set()


@pytest.mark.parametrize(
    "server",
    [{"name": "server", "image": "chat:1"}, {**BARE, "name": "model", "resources": {"limits": {"amd.com/gpu": 1}}}],
    ids=["without ports", "with a device"],
)
def test_where_no_container_declares_the_port_a_proxy_is_not_the_server(server: dict[str, Any]) -> None:
    """Injected proxies come first and declare ports of their own; servers often declare none."""
    injected = {**PROXY, "name": "istio-proxy", "image": "istio/proxyv2:1.24.0"}
    undeclared = {"ports": [{"port": 80, "targetPort": 8080}]}
    (one,) = found(service_of(pod={"containers": [injected, server]}, service=undeclared), "probes-missing")
    assert f"container {server['name']}: " in one.sentence
    probe = yaml.safe_load(one.patch)["spec"]["template"]["spec"]["containers"][0]["readinessProbe"]
    assert probe["tcpSocket"] == {"port": 8080}


def test_a_native_sidecar_is_no_server() -> None:
    """An init container that always restarts runs beside the server; only an autoscaler on CPU needs its request."""
    sidecar = {"name": "proxy", "image": "proxy:1", "restartPolicy": "Always"}
    assert rules_of(service_of(pod={"initContainers": [sidecar]})) == set()


@pytest.mark.parametrize(("reason", "left"), [("one tenant, no traffic at night", False), ("", True), (" ", True)])
def test_an_annotation_with_a_reason_silences_its_rule(reason: str, *, left: bool) -> None:
    """Without a reason nobody could tell later whether it still holds."""
    review = review_objects(annotated("replicas-one", reason))
    assert ("replicas-one" in {one.rule for one in review.findings}) is left
    assert [why for _, why in review.silenced] == ([] if left else [reason])


def test_an_annotation_of_an_unknown_rule_is_told() -> None:
    """A slip of the pen would silence nothing, unseen."""
    review = review_objects(annotated("replica-one", "why"))
    assert "replicas-one" in {one.rule for one in review.findings}
    assert any("names no rule" in note for note in review.notes)


def test_a_workload_of_another_kind_is_reviewed_without_patches() -> None:
    """A Rollout has a number of replicas and their template; nobody can merge a patch of its containers."""
    objects = service_of(container={"image": "chat:latest"}, spec={"replicas": 1})
    objects[0] |= {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout"}
    assert {"image-unpinned", "replicas-one"} <= rules_of(objects)
    assert [one.patch for one in found(objects, "replicas-one")] == [""]


def test_a_canary_beside_the_stable_replicas_may_be_one() -> None:
    """Its loss is no outage, as the Service leads to the others, too."""
    canary = {**CANARY, "spec": {**CANARY["spec"], "replicas": 1}}
    assert "replicas-one" not in rules_of(service_of(others=[canary]))


def test_a_limit_range_gives_the_request() -> None:
    """Defaults of the namespace are requests, too."""
    limits = {"apiVersion": "v1", "kind": "LimitRange", "metadata": {"name": "l"}, "spec": {"limits": []}}
    limits["spec"]["limits"].append({"type": "Container", "defaultRequest": {"cpu": "1", "memory": "1Gi"}})
    assert rules_of(service_of(container={"resources": None}, others=[limits])) == set()
    assert "requests-missing" in rules_of(service_of(container={"resources": None}))


def test_what_another_controller_selects_is_not_said_to_be_nobody() -> None:
    """Where pods are made whose labels nobody can read, a budget may well bind them."""
    strange = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": "lws"}}
    other = {"selector": {"matchLabels": {"leaderworkerset.sigs.k8s.io/name": "lws"}}}
    assert "budget-binds-nobody" not in rules_of(service_of(budget=other, others=[strange]))
    assert "budget-binds-nobody" in rules_of(service_of(budget=other))


def test_no_selector_is_held_against_every_workload(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two hundred services in one namespace take as many comparisons each as one does alone."""
    asked = []
    monkeypatch.setattr(
        manifest_set, "selects", lambda selector, labels: asked.append(labels) or selects(selector, labels)
    )
    objects: Objects = []
    for number in range(200):
        labels = {"app": f"chat-{number}", "team": "ml"}
        _, service, budget = service_of(service={"selector": labels}, budget={"selector": {"matchLabels": labels}})
        named = [{**one, "metadata": {"name": f"chat-{number}"}} for one in (service, budget)]
        objects += [workload_of(f"chat-{number}", labels=labels), *named]
    assert rules_of(objects) == set()
    assert len(asked) == 2 * 200


def test_a_new_object_takes_no_name_that_is_taken() -> None:
    """Applied, it would otherwise replace another one."""
    strange = {"apiVersion": "leaderworkerset.x-k8s.io/v1", "kind": "LeaderWorkerSet", "metadata": {"name": "lws"}}
    objects = service_of(budget={"selector": {"matchLabels": {"role": "leader"}}}, others=[strange])
    (one,) = found(objects, "budget-missing")
    assert yaml.safe_load(one.patch)["metadata"]["name"] == "chat-2"


def test_a_budget_for_the_pods_of_others_is_left_in_peace() -> None:
    """A database of another folder has a budget here: it is not said to be meant for the service."""
    spec = {"maxUnavailable": 1, "selector": {"matchLabels": {"cluster": "postgres"}}}
    other = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "db"}, "spec": spec}
    assert rules_of(service_of(others=[other])) == set()
    assert rules_of(service_of(without=["PodDisruptionBudget"], others=[other])) == {"budget-missing"}
