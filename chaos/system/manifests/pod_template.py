"""The pod that a `SystemSpec` asks for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.system.manifests.names import selector
from chaos.system.spec.parts import Fill, ProbeSpec, Volume
from chaos.system.spec.system_spec import SystemSpec

__all__ = [
    "PORT_NAME",
    "Manifest",
    "claim_name",
    "claim_spec",
    "container_base",
    "fill_container",
    "pod_spec",
    "unless_empty",
    "unless_none",
]

Manifest = dict[str, Any]
PORT_NAME = "http"


def pod_spec(spec: SystemSpec) -> Manifest:
    """Give the pod template's spec."""
    return {
        "terminationGracePeriodSeconds": spec.grace_s,
        # The system under test needs no access to the API, and its pods must not be told of other Services.
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "containers": [_container(spec)],
        **unless_empty(
            initContainers=[
                fill_container(spec, volume, volume.fill)
                for volume in spec.volumes
                if volume.per_replica and volume.fill
            ],
            topologySpreadConstraints=_spread(spec),
            nodeSelector=dict(spec.node_selector),
            tolerations=[
                unless_none(
                    key=one.key,
                    operator="Exists" if one.value is None else "Equal",
                    value=one.value,
                    effect=one.effect,
                    tolerationSeconds=one.toleration_s,
                )
                for one in spec.tolerations
            ],
            volumes=[_volume(spec, volume) for volume in spec.volumes],
        ),
    }


def container_base(spec: SystemSpec) -> Manifest:
    """Give what every container that runs the system's image has: the image, its rights and its resources."""
    resources = unless_empty(
        requests=unless_none(cpu=spec.cpu_request, memory=spec.memory_request),
        limits=unless_none(cpu=spec.cpu_limit, memory=spec.memory_limit),
    )
    return {
        "name": spec.name,
        "image": spec.image,
        "imagePullPolicy": spec.image_pull_policy,
        "securityContext": _security(spec),
        **unless_empty(resources=resources),
    }


def _container(spec: SystemSpec) -> Manifest:
    return {
        **container_base(spec),
        "ports": [{"name": PORT_NAME, "containerPort": spec.port, "protocol": "TCP"}],
        **unless_empty(
            command=list(spec.command),
            args=list(spec.args),
            env=[{"name": name, "value": value} for name, value in spec.env.items()],
            volumeMounts=[_mount(volume) for volume in spec.volumes],
            startupProbe=_probe(spec.startup),
            readinessProbe=_probe(spec.readiness),
            livenessProbe=_probe(spec.liveness),
            lifecycle={"preStop": {"sleep": {"seconds": spec.pre_stop_sleep_s}}} if spec.pre_stop_sleep_s else {},
        ),
    }


def _security(spec: SystemSpec) -> Manifest:
    return unless_none(
        runAsNonRoot=spec.security.non_root,
        runAsUser=spec.security.user,
        readOnlyRootFilesystem=spec.security.read_only_root,
        allowPrivilegeEscalation=False,
        capabilities={"drop": ["ALL"]},
        seccompProfile={"type": "RuntimeDefault"},
    )


def _probe(probe: ProbeSpec | None) -> Manifest:
    if probe is None:
        return {}
    return {
        "httpGet": {"path": probe.path, "port": PORT_NAME},
        "periodSeconds": probe.period_s,
        "timeoutSeconds": probe.timeout_s,
        "failureThreshold": probe.failure_threshold,
        "successThreshold": probe.success_threshold,
        "initialDelaySeconds": probe.initial_delay_s,
    }


def _spread(spec: SystemSpec) -> list[Manifest]:
    keys = {"kubernetes.io/hostname": spec.spread.hostname, "topology.kubernetes.io/zone": spec.spread.zone}
    return [
        {
            "maxSkew": spec.spread.max_skew,
            "topologyKey": key,
            "whenUnsatisfiable": otherwise,
            "labelSelector": {"matchLabels": selector(spec)},
            # Pods of one ReplicaSet only: else a rollout leaves the new pods skewed once the old ones are gone.
            "matchLabelKeys": ["pod-template-hash"],
        }
        for key, otherwise in keys.items()
        if otherwise
    ]


def _mount(volume: Volume) -> Manifest:
    mount = {"name": volume.name, "mountPath": volume.mount_path}
    return {**mount, "readOnly": True} if volume.read_only else mount


def _volume(spec: SystemSpec, volume: Volume) -> Manifest:
    if volume.per_replica:
        return {"name": volume.name, "ephemeral": {"volumeClaimTemplate": {"spec": claim_spec(volume)}}}
    if volume.storage:
        return {"name": volume.name, "persistentVolumeClaim": {"claimName": claim_name(spec, volume)}}
    return {"name": volume.name, "emptyDir": {}}


def fill_container(spec: SystemSpec, volume: Volume, fill: Fill) -> Manifest:
    """Give the container that fills a volume, with the volume writable."""
    return {
        **container_base(spec),
        "name": f"fill-{volume.name}",
        "command": list(fill.command),
        "volumeMounts": [{"name": volume.name, "mountPath": volume.mount_path}],
        **({"image": fill.image} if fill.image else {}),
    }


def claim_spec(volume: Volume) -> Manifest:
    """Give what a volume's claim asks for."""
    return unless_none(
        accessModes=list(volume.access_modes),
        resources={"requests": {"storage": volume.storage}},
        storageClassName=volume.storage_class,
    )


def claim_name(spec: SystemSpec, volume: Volume) -> str:
    """Give the name of the PersistentVolumeClaim behind a volume."""
    return f"{spec.name}-{volume.name}"


def unless_none(**fields: Any) -> Manifest:
    """Give the fields that have a value."""
    return {name: value for name, value in fields.items() if value is not None}


def unless_empty(**fields: Mapping[str, Any] | list[Any]) -> Manifest:
    """Give the fields that hold something."""
    return {name: value for name, value in fields.items() if value}
