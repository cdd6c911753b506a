"""`SystemSpec` to Kubernetes objects: pure, and the same objects every time.

The objects are what gameday owns by server-side apply, so a field that somebody else owns is absent: `replicas` where
an autoscaler stands. The run's label is on the objects, never in the pod template: a new run must not roll the pods.
"""

from __future__ import annotations

from chaos.system.manifests.names import RUN_LABEL, label_value, selector
from chaos.system.manifests.pod_template import (
    PORT_NAME,
    Manifest,
    claim_name,
    claim_spec,
    pod_spec,
    unless_empty,
    unless_none,
)
from chaos.system.spec.parts import Autoscale, Volume
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["claim_manifest", "manifests"]


def manifests(spec: SystemSpec, namespace: str, *, run: str) -> tuple[Manifest, ...]:
    """Give the system's objects in the order in which to create them; the namespace itself is not among them."""
    claims = (claim_manifest(spec, volume, namespace, run=run) for volume in spec.volumes if volume.shared_claim)
    labels = _labels(spec, run)
    objects = (
        _disruption_budget(spec),
        _service(spec),
        _deployment(spec),
        _autoscaler(spec),
    )
    others = (
        {**one, "metadata": {"name": spec.name, **one.get("metadata", {}), "namespace": namespace, "labels": labels}}
        for one in objects
        if one
    )
    return (*claims, *others)


def claim_manifest(spec: SystemSpec, volume: Volume, namespace: str, *, run: str) -> Manifest:
    """Give the PersistentVolumeClaim behind a volume."""
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolumeClaim",
        "metadata": {"name": claim_name(spec, volume), "namespace": namespace, "labels": _labels(spec, run)},
        "spec": claim_spec(volume),
    }


def _labels(spec: SystemSpec, run: str) -> dict[str, str]:
    return {**spec.labels, **selector(spec), RUN_LABEL: label_value(run)}


def _deployment(spec: SystemSpec) -> Manifest:
    rollout = {"maxSurge": spec.rollout.max_surge, "maxUnavailable": spec.rollout.max_unavailable}
    owned = {} if spec.autoscale else {"replicas": spec.replicas}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "spec": {
            **owned,
            "selector": {"matchLabels": selector(spec)},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": rollout},
            "minReadySeconds": spec.rollout.min_ready_s,
            "progressDeadlineSeconds": spec.rollout.progress_deadline_s,
            "template": {"metadata": {"labels": {**spec.labels, **selector(spec)}}, "spec": pod_spec(spec)},
        },
    }


def _service(spec: SystemSpec) -> Manifest:
    port = {"name": PORT_NAME, "port": spec.service_port, "targetPort": PORT_NAME, "protocol": "TCP"}
    return {"apiVersion": "v1", "kind": "Service", "spec": {"selector": selector(spec), "ports": [port]}}


def _disruption_budget(spec: SystemSpec) -> Manifest:
    if (bound := spec.disruption_budget) is None:
        return {}
    promise = unless_none(
        minAvailable=bound.min_available,
        maxUnavailable=bound.max_unavailable,
        unhealthyPodEvictionPolicy=bound.unhealthy_pod_eviction_policy,
    )
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "spec": {**promise, "selector": {"matchLabels": selector(spec)}},
    }


def _autoscaler(spec: SystemSpec) -> Manifest:
    if (scale := spec.autoscale) is None:
        return {}
    target = {"type": "Utilization", "averageUtilization": scale.cpu_percent}
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": spec.name},
            "minReplicas": scale.replicas_min,
            "maxReplicas": scale.replicas_max,
            "metrics": [{"type": "Resource", "resource": {"name": "cpu", "target": target}}],
            **unless_empty(behavior=_behaviour(scale)),
        },
    }


def _behaviour(scale: Autoscale) -> Manifest:
    def direction(window_s: int | None, pods: int | None) -> Manifest:
        policies = [{"type": "Pods", "value": pods, "periodSeconds": scale.rate_period_s}] if pods else None
        return unless_none(stabilizationWindowSeconds=window_s, policies=policies)

    return unless_empty(
        scaleUp=direction(scale.scale_up_window_s, scale.scale_up_pods),
        scaleDown=direction(scale.scale_down_window_s, scale.scale_down_pods),
    )
