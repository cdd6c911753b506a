"""What scales the system: a HorizontalPodAutoscaler, or the ScaledObject of which KEDA makes one."""

from collections.abc import Mapping
from typing import Any

from chaos.system.manifests.fields import Manifest, unless_empty, unless_none
from chaos.system.spec.parts import Autoscale, Keda
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["autoscaler"]

NAMESPACE = "$namespace"


def autoscaler(spec: SystemSpec, namespace: str) -> Manifest:
    """Give what scales the system, without its metadata; empty where nothing does."""
    if (scale := spec.autoscale) is None:
        return {}
    target = {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": spec.name}}
    if scale.keda is not None:
        wanted = _by_keda(scale, scale.keda, namespace)
        return {"apiVersion": "keda.sh/v1alpha1", "kind": "ScaledObject", "spec": target | wanted}
    wanted = {
        "minReplicas": scale.replicas_min,
        "maxReplicas": scale.replicas_max,
        "metrics": [_metric(scale)],
        **unless_empty(behavior=_behaviour(scale)),
    }
    return {"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "spec": target | wanted}


def _by_keda(scale: Autoscale, keda: Keda, namespace: str) -> Manifest:
    fallback = None
    if keda.fallback_replicas is not None:
        fallback = {"failureThreshold": keda.fallback_after, "replicas": keda.fallback_replicas}
    behaviour = _behaviour(scale)
    return {
        "minReplicaCount": scale.replicas_min,
        "maxReplicaCount": scale.replicas_max,
        "pollingInterval": keda.polling_s,
        "cooldownPeriod": keda.cooldown_s,
        "initialCooldownPeriod": keda.initial_cooldown_s,
        "triggers": [_placed(trigger, namespace) for trigger in keda.triggers],
        **unless_none(idleReplicaCount=keda.replicas_idle, fallback=fallback),
        **({"advanced": {"horizontalPodAutoscalerConfig": {"behavior": behaviour}}} if behaviour else {}),
    }


def _placed(said: Any, namespace: str) -> Any:
    """What a trigger says, in plain JSON, with the trial's namespace in it."""
    if isinstance(said, str):
        return said.replace(NAMESPACE, namespace)
    if isinstance(said, Mapping):
        return {key: _placed(value, namespace) for key, value in said.items()}
    return [_placed(one, namespace) for one in said] if isinstance(said, list | tuple) else said


def _metric(scale: Autoscale) -> Manifest:
    if scale.metric is not None:
        target: Manifest = {"type": "AverageValue", "averageValue": scale.average}
        return {"type": "Pods", "pods": {"metric": {"name": scale.metric}, "target": target}}
    target = {"type": "Utilization", "averageUtilization": scale.cpu_percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}


def _behaviour(scale: Autoscale) -> Manifest:
    def direction(window_s: int | None, pods: int | None) -> Manifest:
        policies = [{"type": "Pods", "value": pods, "periodSeconds": scale.rate_period_s}] if pods else None
        return unless_none(stabilizationWindowSeconds=window_s, policies=policies)

    return unless_empty(
        scaleUp=direction(scale.scale_up_window_s, scale.scale_up_pods),
        scaleDown=direction(scale.scale_down_window_s, scale.scale_down_pods),
    )
