"""Healthy services as teams have them, each the plain one but for one thing: no scenario may fail on any of them."""

from collections.abc import Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from typing import Any

from plain_model import NAME, Change

from chaos.lab.images.recipes import MODEL_IMAGE, PAUSE_IMAGE

__all__ = ["SHELL", "UNPRIVILEGED", "VARIANTS", "Objects", "Variant", "pod_spec", "stateful", "the"]

Objects = list[dict[str, Any]]
SMALL = {"requests": {"cpu": "10m", "memory": "8Mi"}, "limits": {"cpu": "50m", "memory": "32Mi"}}
PAUSE: Mapping[str, Any] = {"name": "proxy", "image": PAUSE_IMAGE, "imagePullPolicy": "Never", "resources": SMALL}
SHELL: Mapping[str, Any] = {**PAUSE, "image": MODEL_IMAGE}
UNPRIVILEGED = {"runAsNonRoot": True, "runAsUser": 65532}


@dataclass(frozen=True, slots=True)
class Variant:
    """What is different in words, the fields of the plain service, what becomes of its objects, and their kind."""

    words: str
    change: Change = list
    fields: Mapping[str, Any] = field(default_factory=dict)
    kind: str = "Deployment"


def the(objects: Objects, kind: str) -> dict[str, Any]:
    """The one object of that kind."""
    (found,) = (one for one in objects if one["kind"] == kind)
    return found


def pod_spec(objects: Objects) -> dict[str, Any]:
    """The spec of the pods."""
    found: dict[str, Any] = the(objects, "Deployment")["spec"]["template"]["spec"]
    return found


def sidecar(objects: Objects) -> Objects:
    """A container without probes, before the one that serves."""
    pod_spec(objects)["containers"].insert(0, dict(PAUSE))
    return objects


def probed_sidecar(objects: Objects) -> Objects:
    """A container that is ready some seconds after the one that serves."""
    ready = {"exec": {"command": ["sh", "-c", "test -e /tmp/ready"]}, "periodSeconds": 1}
    script = "busybox sleep 5; : > /tmp/ready; exec busybox sleep 86400"
    more = {**SHELL, "command": ["sh", "-c", script], "readinessProbe": ready, "securityContext": UNPRIVILEGED}
    pod_spec(objects)["containers"].append(more)
    return objects


def native_sidecar(objects: Objects) -> Objects:
    """An init container that goes on running (KEP-753)."""
    pod_spec(objects)["initContainers"] = [{**PAUSE, "restartPolicy": "Always"}]
    return objects


def init_container(objects: Objects) -> Objects:
    """One that takes some seconds, as those that fetch weights do."""
    fetch = {**SHELL, "name": "fetch", "command": ["sh", "-c", "busybox sleep 3"], "securityContext": UNPRIVILEGED}
    pod_spec(objects)["initContainers"] = [fetch]
    return objects


def stateful(policy: str) -> Change:
    """A StatefulSet with a headless Service beside the one that users take."""

    def change(objects: Objects) -> Objects:
        deployment, service = the(objects, "Deployment"), the(objects, "Service")
        headless = deepcopy(service)
        headless["metadata"]["name"] = f"{NAME}-members"
        headless["spec"]["clusterIP"] = "None"
        wanted = {key: deployment["spec"][key] for key in ("replicas", "selector", "template")}
        for constraint in wanted["template"]["spec"].get("topologySpreadConstraints", ()):
            constraint.pop("matchLabelKeys", None)
        more = {"serviceName": f"{NAME}-members", "podManagementPolicy": policy}
        made = {**deployment, "kind": "StatefulSet", "spec": {**wanted, **more}}
        return [made if one is deployment else one for one in objects] + [headless]

    return change


def two_services(objects: Objects) -> Objects:
    """A second, headless Service that publishes pods before they are ready."""
    second = deepcopy(the(objects, "Service"))
    second["metadata"]["name"] = f"{NAME}-all"
    second["spec"] |= {"clusterIP": "None", "publishNotReadyAddresses": True}
    return [*objects, second]


def affine(objects: Objects) -> Objects:
    """A Service that prefers endpoints near the client."""
    the(objects, "Service")["spec"]["trafficDistribution"] = "PreferClose"
    return objects


def neighbours(objects: Objects) -> Objects:
    """Another workload, a Job that is done, and a pod that failed, in the same namespace."""
    namespace = the(objects, "Deployment")["metadata"]["namespace"]

    def pod(name: str, command: str) -> dict[str, Any]:
        container = {**SHELL, "name": name, "command": ["sh", "-c", command], "securityContext": UNPRIVILEGED}
        return {"restartPolicy": "Never", "containers": [container]}

    def of(kind: str, version: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        metadata = {"name": name, "namespace": namespace, "labels": {"app": name}}
        return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}

    other = {"metadata": {"labels": {"app": "cache"}}, "spec": {"containers": [dict(PAUSE)]}}
    wanted = {"replicas": 2, "selector": {"matchLabels": {"app": "cache"}}, "template": other}
    return [
        *objects,
        of("Deployment", "apps/v1", "cache", wanted),
        of("Job", "batch/v1", "done", {"template": {"spec": pod("done", "exit 0")}}),
        of("Pod", "v1", "failed", pod("failed", "exit 1")),
    ]


def others_label(objects: Objects) -> Objects:
    """Fields that a GitOps tool writes, on every object."""
    for one in objects:
        labels = {"app.kubernetes.io/managed-by": "Helm", "argocd.argoproj.io/instance": NAME}
        one["metadata"].setdefault("labels", {}).update(labels)
        one["metadata"]["annotations"] = {"meta.helm.sh/release-name": NAME}
    return objects


def on_another_metric(objects: Objects) -> Objects:
    """An autoscaler on a metric that nobody serves just now: it keeps what there is."""
    deployment = the(objects, "Deployment")
    metric = {"metric": {"name": "requests_waiting"}, "target": {"type": "AverageValue", "averageValue": "4"}}
    spec = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": NAME},
        "minReplicas": 2,
        "maxReplicas": 6,
        "metrics": [{"type": "Pods", "pods": metric}],
    }
    metadata = {"name": NAME, "namespace": deployment["metadata"]["namespace"]}
    return [
        *objects,
        {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": metadata, "spec": spec},
    ]


def patient(objects: Objects) -> Objects:
    """Available only some seconds after Ready."""
    the(objects, "Deployment")["spec"]["minReadySeconds"] = 5
    return objects


def unhealthy_may_go(objects: Objects) -> Objects:
    """A disruption budget that lets pods go that are not ready."""
    the(objects, "PodDisruptionBudget")["spec"]["unhealthyPodEvictionPolicy"] = "AlwaysAllow"
    return objects


VARIANTS: Mapping[str, Variant] = {
    "plain": Variant("as our own scenarios deploy it, but by kubectl"),
    "sidecar": Variant("a sidecar before the container that serves", sidecar),
    "probed-sidecar": Variant("a sidecar that is ready later than the model", probed_sidecar),
    "native-sidecar": Variant("a native sidecar", native_sidecar),
    "init-container": Variant("an init container of 3 s", init_container),
    "stateful": Variant("a StatefulSet, in order", stateful("OrderedReady"), kind="StatefulSet"),
    "stateful-parallel": Variant("a StatefulSet, in parallel", stateful("Parallel"), kind="StatefulSet"),
    "two-services": Variant("a second Service that publishes unready pods", two_services),
    "near": Variant("a Service that prefers near endpoints", affine),
    "neighbours": Variant("neighbours in the namespace", neighbours),
    "percent-budget": Variant("a budget in percent", fields={"disruption_budget": {"max_unavailable": "25%"}}),
    "least-budget": Variant("a budget of least available", fields={"disruption_budget": {"min_available": 3}}),
    "unhealthy-may-go": Variant("a budget that lets unready pods go", unhealthy_may_go),
    "custom-metric": Variant("an autoscaler on a metric that is not served", on_another_metric),
    "others-labels": Variant("labels and annotations of Helm and Argo CD", others_label),
    "patient": Variant("minReadySeconds", patient),
    "pre-stop": Variant("a preStop sleep", fields={"pre_stop_sleep_s": 3}),
}
