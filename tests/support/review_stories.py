"""A sound service as manifests, to be broken in one way at a time; and a patch, applied as the API server does."""

import copy
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import yaml

from chaos.review import Finding, review_objects

__all__ = ["Case", "Objects", "found", "merged", "rules_of", "service_of", "workload_of"]

Objects = list[dict[str, Any]]

LABELS = {"app": "chat"}
CONTAINER: dict[str, Any] = {
    "name": "server",
    "image": "registry.example/chat:1",
    "ports": [{"containerPort": 8000, "name": "http"}],
    "resources": {"requests": {"cpu": "4", "memory": "16Gi"}, "limits": {"nvidia.com/gpu": "1"}},
    "startupProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "failureThreshold": 60},
    "readinessProbe": {"httpGet": {"path": "/v1/models", "port": "http"}, "periodSeconds": 5},
    "livenessProbe": {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": 10, "failureThreshold": 3},
    "lifecycle": {"preStop": {"sleep": {"seconds": 10}}},
}
SCALER: dict[str, Any] = {
    "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "chat"},
    "minReplicas": 2,
    "maxReplicas": 6,
    "metrics": [
        {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}
    ],
}
VERSIONS = {
    "Deployment": "apps/v1",
    "StatefulSet": "apps/v1",
    "Service": "v1",
    "PodDisruptionBudget": "policy/v1",
    "HorizontalPodAutoscaler": "autoscaling/v2",
}
MERGED_BY = {
    "containers": "name",
    "initContainers": "name",
    "env": "name",
    "volumes": "name",
    "topologySpreadConstraints": "topologyKey",
}
"""Lists that a strategic merge patch changes row by row (their `patchMergeKey`); others it replaces."""

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """A rule with a set that breaks it, a variant, and a set that does not, by the arguments of `service_of`."""

    rule: str
    broken: dict[str, Any]
    variant: dict[str, Any]
    sound: dict[str, Any] = field(default_factory=dict)
    words: str = ""


def workload_of(
    name: str = "chat",
    *,
    kind: str = "Deployment",
    labels: Fields = LABELS,
    container: Fields | None = None,
    pod: Fields | None = None,
    spec: Fields | None = None,
) -> dict[str, Any]:
    """A workload of three replicas; each argument overrides fields, and None as a value takes one away."""
    inside = _over({"terminationGracePeriodSeconds": 120, "containers": [_over(CONTAINER, container)]}, pod)
    template = {"metadata": {"labels": dict(labels)}, "spec": inside}
    own: dict[str, Any] = {"replicas": 3, "selector": {"matchLabels": dict(labels)}, "template": template}
    own |= {"serviceName": name} if kind == "StatefulSet" else {}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": _over(own, spec)}


def service_of(
    *,
    kind: str = "Deployment",
    budget: Fields | None = None,
    service: Fields | None = None,
    scaler: Fields | None = None,
    spec: Fields | None = None,
    without: Sequence[str] = (),
    versions: Fields | None = None,
    others: Sequence[dict[str, Any]] = (),
    **fields: Fields,
) -> Objects:
    """The workload with its Service and disruption budget, and with an autoscaler if one is given."""
    counted = {"replicas": None, **(spec or {})} if scaler is not None else spec
    selector = {"matchLabels": LABELS}
    specs = {
        "Service": _over({"selector": LABELS, "ports": [{"port": 80, "targetPort": "http"}]}, service),
        "PodDisruptionBudget": _over({"maxUnavailable": 1, "selector": selector}, budget),
        **({"HorizontalPodAutoscaler": _over(SCALER, scaler)} if scaler is not None else {}),
    }
    beside = [
        {"apiVersion": VERSIONS[one], "kind": one, "metadata": {"name": "chat"}, "spec": own}
        for one, own in specs.items()
        if one not in without
    ]
    made = [workload_of(kind=kind, spec=counted, **fields), *beside, *others]
    return copy.deepcopy([{**one, "apiVersion": (versions or {}).get(one["kind"], one["apiVersion"])} for one in made])


def found(objects: Objects, rule: str) -> list[Finding]:
    """The findings of one rule."""
    return [one for one in review_objects(objects).findings if one.rule == rule]


def rules_of(objects: Objects) -> set[str]:
    """The rules that a set breaks."""
    return {one.rule for one in review_objects(objects).findings}


def merged(objects: Objects, patch: str) -> Objects:
    """The set with a patch applied: a strategic merge, or a new object."""
    change = yaml.safe_load(patch)
    place = (change["kind"], change["metadata"]["name"])
    there = [(one["kind"], one["metadata"]["name"]) for one in objects]
    if place not in there:
        return [*objects, change]
    changed = {key: value for key, value in change.items() if key != "apiVersion"}
    return [_merged(one, changed) if own == place else one for one, own in zip(objects, there, strict=True)]


def _over(base: Fields, fields: Fields | None) -> dict[str, Any]:
    return {key: value for key, value in {**base, **(fields or {})}.items() if value is not None}


def _merged(base: Fields, change: Fields) -> dict[str, Any]:
    made = dict(base)
    for key, value in change.items():
        old = base.get(key)
        if value is None:
            made.pop(key, None)
        elif isinstance(value, Mapping):
            replaced = key == "selector" and base.get("maxUnavailable", base.get("minAvailable")) is not None
            made[key] = _merged(old if isinstance(old, Mapping) and not replaced else {}, value)
        elif isinstance(value, list) and (by := _merge_key(key, value)):
            made[key] = _rows(old if isinstance(old, list) else [], value, by)
        else:
            made[key] = value
    return made


def _merge_key(key: str, rows: list[Any]) -> str:
    if key == "ports":
        return "port" if "port" in rows[0] else "containerPort"
    return MERGED_BY.get(key, "")


def _rows(old: list[Any], changes: list[Any], by: str) -> list[Any]:
    by_key = {one[by]: one for one in changes}
    kept = [_merged(one, by_key.pop(one.get(by))) if one.get(by) in by_key else one for one in old]
    return [*kept, *(_merged({}, one) for one in by_key.values())]
