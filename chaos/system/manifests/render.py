"""`SystemSpec` to Kubernetes objects: pure, and the same objects every time.

The objects are what gameday owns by server-side apply, so a field that somebody else owns is absent: `replicas` where
an autoscaler stands. The run's label is on the objects, never in the pod template: a new run must not roll the pods.
"""

from chaos.system.manifests.autoscaler import autoscaler
from chaos.system.manifests.fields import Manifest, unless_empty, unless_none
from chaos.system.manifests.names import RUN_LABEL, label_value, selector
from chaos.system.spec.parts import Fill, ProbeSpec, Volume
from chaos.system.spec.system_spec import SystemSpec

__all__ = [
    "Manifest",
    "claim_manifest",
    "claim_name",
    "fill_container",
    "manifests",
    "object_labels",
    "pod_spec",
    "unless_empty",
]

PORT_NAME = "http"


def manifests(spec: SystemSpec, namespace: str, *, run: str) -> tuple[Manifest, ...]:
    """Give the system's objects in the order in which to create them; the namespace itself is not among them."""
    claims = (claim_manifest(spec, volume, namespace, run=run) for volume in spec.volumes if volume.shared_claim)
    labels = object_labels(spec, run)
    objects = (
        _disruption_budget(spec),
        _service(spec),
        _deployment(spec),
        autoscaler(spec, namespace),
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
        "metadata": {"name": claim_name(spec, volume), "namespace": namespace, "labels": object_labels(spec, run)},
        "spec": _claim_spec(volume),
    }


def object_labels(spec: SystemSpec, run: str) -> dict[str, str]:
    """The labels of every object of the system."""
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
            "template": {"metadata": _pod_metadata(spec), "spec": pod_spec(spec)},
        },
    }


def _pod_metadata(spec: SystemSpec) -> Manifest:
    scraped = spec.autoscale is not None and not spec.autoscale.on_cpu
    asked = {"prometheus.io/scrape": "true", "prometheus.io/port": str(spec.port)} if scraped else {}
    return {"labels": {**spec.labels, **selector(spec)}, **unless_empty(annotations=asked)}


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


def _container_base(spec: SystemSpec) -> Manifest:
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
        **_container_base(spec),
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
        return {"name": volume.name, "ephemeral": {"volumeClaimTemplate": {"spec": _claim_spec(volume)}}}
    if volume.storage:
        return {"name": volume.name, "persistentVolumeClaim": {"claimName": claim_name(spec, volume)}}
    return {"name": volume.name, "emptyDir": {}}


def fill_container(spec: SystemSpec, volume: Volume, fill: Fill) -> Manifest:
    """Give the container that fills a volume, with the volume writable."""
    return {
        **_container_base(spec),
        "name": f"fill-{volume.name}",
        "command": list(fill.command),
        "volumeMounts": [{"name": volume.name, "mountPath": volume.mount_path}],
        **({"image": fill.image} if fill.image else {}),
    }


def _claim_spec(volume: Volume) -> Manifest:
    """Give what a volume's claim asks for."""
    return unless_none(
        accessModes=list(volume.access_modes),
        resources={"requests": {"storage": volume.storage}},
        storageClassName=volume.storage_class,
    )


def claim_name(spec: SystemSpec, volume: Volume) -> str:
    """Give the name of the PersistentVolumeClaim behind a volume."""
    return f"{spec.name}-{volume.name}"
