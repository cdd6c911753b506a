"""A `SystemSpec` read from live objects: what scenarios compare with, and what checks are given. Pure.

Only what a `SystemSpec` can say is taken over; the pods' own template stays the authority on everything else.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos.errors import UsageError
from chaos.objects.base import Raw, View
from chaos.objects.kinds import ReplicaSetView
from chaos.objects.quantities import amount
from chaos.system.spec.parts import AccessMode, Autoscale, Volume
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["serving_container", "shared_claims", "spec_of", "volumes_of"]

HOSTNAME = "kubernetes.io/hostname"
ZONE = "topology.kubernetes.io/zone"


def spec_of(
    workload: Raw,
    *,
    port: int,
    budget: Raw | None,
    autoscaler: Raw | None,
    tolerance: int | None,
    volumes: tuple[Volume, ...] = (),
) -> SystemSpec:
    """Read the spec. `port` is the Service's, `volumes` what `volumes_of` reads.

    Raises `UsageError` for a workload that has no replica to test.
    """
    view = ReplicaSetView(workload)
    if view.replicas < 1:
        raise UsageError(
            f"{workload['kind']} {view.namespace}/{view.name} is scaled to zero",
            "scale it up: there is nothing to test",
        )
    pod = view.pod_spec
    fields: dict[str, Any] = {
        **_of_container(serving_container(pod), port),
        "name": view.name,
        "service_port": port,
        "replicas": view.replicas,
        "tolerance": tolerance,
        "grace_s": pod.get("terminationGracePeriodSeconds", 30),
        "spread": _spread(pod),
        "disruption_budget": _budget(budget),
        "rollout": _rollout(view.spec),
        "node_selector": pod.get("nodeSelector") or {},
        "tolerations": [_toleration(one) for one in pod.get("tolerations") or () if one.get("key")],
    }
    try:
        spec = SystemSpec.model_validate(fields)
        # Afterwards: an autoscaler with nothing to measure against is a finding about what runs, not a slip of a pen,
        # and one volume may well be mounted twice.
        scale = _autoscale(autoscaler)
        found = {"autoscale": Autoscale.model_validate(scale)} if scale else {}
        return spec.model_copy(update={**found, "volumes": volumes})
    except UsageError as wrong:
        raise UsageError(f"{workload['kind']} {view.namespace}/{view.name} cannot be adopted: {wrong.what}") from None


def _of_container(container: Raw, port: int) -> dict[str, Any]:
    ports = container.get("ports") or ()
    return {
        "image": container["image"],
        "image_pull_policy": container.get("imagePullPolicy", "IfNotPresent"),
        "command": container.get("command") or (),
        "args": container.get("args") or (),
        "env": {one["name"]: one["value"] for one in container.get("env") or () if "value" in one},
        "port": ports[0]["containerPort"] if ports else port,
        "startup": _probe(container.get("startupProbe")),
        "readiness": _probe(container.get("readinessProbe")),
        "liveness": _probe(container.get("livenessProbe")),
        "pre_stop_sleep_s": _pre_stop_s(container),
        **_resources(container.get("resources") or {}),
    }


def _probe(raw: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """An HTTP probe; of another kind (exec, TCP, gRPC) the path is unknown, the periods are what they are."""
    if raw is None:
        return None
    path = (raw.get("httpGet") or {}).get("path") or "/"
    return {
        "path": path.partition("?")[0].replace(" ", "%20"),
        "period_s": raw.get("periodSeconds", 10),
        "timeout_s": raw.get("timeoutSeconds", 1),
        "failure_threshold": raw.get("failureThreshold", 3),
        "success_threshold": raw.get("successThreshold", 1),
        "initial_delay_s": raw.get("initialDelaySeconds", 0),
    }


def _resources(raw: Mapping[str, Any]) -> dict[str, Any]:
    given = {
        f"{name}_{kind}": (raw.get(f"{kind}s") or {}).get(name)
        for kind in ("request", "limit")
        for name in ("cpu", "memory")
    }
    # A quantity of zero requests nothing, as an absent one does.
    return {name: one if one is not None and amount(str(one)) > 0 else None for name, one in given.items()}


def _pre_stop_s(container: Raw) -> int | None:
    """How long its preStop hook sleeps, 0 without a hook; None for one that runs something else, however long."""
    hook = (container.get("lifecycle") or {}).get("preStop") or {}
    return int((hook.get("sleep") or {}).get("seconds", 0)) if not hook or "sleep" in hook else None


def _spread(pod: Raw) -> dict[str, Any]:
    rules = {one["topologyKey"]: one for one in pod.get("topologySpreadConstraints") or ()}
    host, zone = rules.get(HOSTNAME, {}), rules.get(ZONE, {})
    skew = host.get("maxSkew") or zone.get("maxSkew") or 1
    return {"hostname": host.get("whenUnsatisfiable"), "zone": zone.get("whenUnsatisfiable"), "max_skew": skew}


def _budget(raw: Raw | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    spec = View(raw).spec
    if ("minAvailable" in spec) == ("maxUnavailable" in spec):
        return {"min_available": 1}  # Kubernetes' own default where the budget names no bound
    return {
        "min_available": spec.get("minAvailable"),
        "max_unavailable": spec.get("maxUnavailable"),
        "unhealthy_pod_eviction_policy": spec.get("unhealthyPodEvictionPolicy"),
    }


def _autoscale(raw: Raw | None) -> dict[str, Any] | None:
    if raw is None:
        return None
    spec = View(raw).spec
    resources = [one.get("resource") or {} for one in spec.get("metrics") or ()]
    cpu: Raw = next((one["target"] for one in resources if one.get("name") == "cpu"), {})
    fields = {
        # One that may go to zero is tried while it has replicas.
        "replicas_min": max(1, spec.get("minReplicas", 1)),
        "replicas_max": spec["maxReplicas"],
        "cpu_percent": cpu.get("averageUtilization"),
        "scale_up_window_s": (spec.get("behavior") or {}).get("scaleUp", {}).get("stabilizationWindowSeconds"),
        "scale_down_window_s": (spec.get("behavior") or {}).get("scaleDown", {}).get("stabilizationWindowSeconds"),
    }
    return {name: value for name, value in fields.items() if value is not None}


def _rollout(spec: Raw) -> dict[str, Any]:
    rolling = (spec.get("strategy") or spec.get("updateStrategy") or {}).get("rollingUpdate") or {}
    surge = rolling.get("maxSurge", 0)
    return {
        "max_surge": surge,
        "max_unavailable": rolling.get("maxUnavailable", 0 if str(surge).rstrip("%") not in ("", "0") else 1),
        "min_ready_s": spec.get("minReadySeconds", 0),
        "progress_deadline_s": spec.get("progressDeadlineSeconds", 600),
    }


def _toleration(raw: Mapping[str, Any]) -> dict[str, Any]:
    return {
        "key": raw["key"],
        "value": raw.get("value"),
        "effect": raw.get("effect") or None,
        "toleration_s": raw.get("tolerationSeconds"),
    }


# The widest use is what replicas count on: a claim that many may only read is filled by one who may write.
MODES: tuple[AccessMode, ...] = ("ReadWriteMany", "ReadOnlyMany", "ReadWriteOnce", "ReadWriteOncePod")

Fields = dict[str, Any]


def serving_container(pod: Raw) -> Raw:
    """The container that serves: a pod's first, as everywhere here."""
    first: Raw = pod["containers"][0]
    return first


def shared_claims(workload: Raw) -> tuple[str, ...]:
    """The names of the claims that the serving containers of all replicas mount."""
    mounted = [fields for _, fields in _mounts(workload, {})]
    return tuple(dict.fromkeys(fields["claim"] for fields in mounted if fields and "claim" in fields))


def volumes_of(workload: Raw, claims: Mapping[str, Raw], data: Sequence[str] = ()) -> tuple[Volume, ...]:
    """The volumes that the serving container mounts, one for each mount.

    `claims` are the shared claims that were looked up, by name. `data` are the files that must survive, by their paths
    in the container. Raises `UsageError` for one that lies on no claim.
    """
    mounts = dict(_mounts(workload, claims))
    kept: dict[str, list[str]] = {}
    for path in data:
        place = _place(path, mounts, workload)
        kept.setdefault(place, []).append(path.removeprefix(place.rstrip("/") + "/"))
    # Not validated: these are read, not written by anybody.
    return tuple(
        Volume.model_construct(**fields, mount_path=path, files=tuple(kept.get(path, ())))
        for path, fields in mounts.items()
        if fields is not None
    )


def _mounts(workload: Raw, claims: Mapping[str, Raw]) -> Iterator[tuple[str, Fields | None]]:
    """Each folder at which something is mounted, and what a spec can say of it; None for what it cannot."""
    view = ReplicaSetView(workload)
    pod = view.pod_spec
    sources: dict[str, Raw] = {one["name"]: one for one in pod.get("volumes") or ()}
    # A StatefulSet's templates stand before the pod's own volumes of the same name.
    sources |= {
        one["metadata"]["name"]: {"ephemeral": {"volumeClaimTemplate": one}}
        for one in view.spec.get("volumeClaimTemplates") or ()
    }
    for mount in serving_container(pod).get("volumeMounts") or ():
        source = sources.get(mount["name"], {})
        fields = _source(source, claims)
        if fields is not None:
            read_only = bool(mount.get("readOnly") or (source.get("persistentVolumeClaim") or {}).get("readOnly"))
            fields |= {"name": mount["name"], "read_only": read_only}
        yield "/" + str(mount["mountPath"]).strip("/"), fields


def _source(source: Raw, claims: Mapping[str, Raw]) -> Fields | None:
    if "emptyDir" in source:
        return {}
    if claim := (source.get("persistentVolumeClaim") or {}).get("claimName"):
        found = claims.get(claim)
        return {"claim": claim, **(_claimed(found) if found else {"access_mode": None})}
    if template := (source.get("ephemeral") or {}).get("volumeClaimTemplate"):
        return {"per_replica": True, **_claimed(template)}
    return None


def _claimed(claim: Raw) -> Fields:
    """What a claim, or the template of one, asks for."""
    spec = claim["spec"]
    modes = spec.get("accessModes") or ()
    return {
        "storage": ((spec.get("resources") or {}).get("requests") or {}).get("storage"),
        "storage_class": spec.get("storageClassName"),
        "access_mode": next((mode for mode in MODES if mode in modes), None),
    }


def _place(path: str, mounts: Mapping[str, Fields | None], workload: Raw) -> str:
    """The folder of the claim that a file lies on."""
    view = ReplicaSetView(workload)
    over = [folder for folder in mounts if path.startswith(folder.rstrip("/") + "/")]
    nearest = max(over, key=len, default=None)
    if nearest is not None and (fields := mounts[nearest]) and ("claim" in fields or "per_replica" in fields):
        return nearest
    claimed = [folder for folder, fields in mounts.items() if fields and ("claim" in fields or "per_replica" in fields)]
    where = "lies on no volume" if nearest is None else f"lies in {nearest}, where no claim is mounted"
    raise UsageError(
        f"system.data: {path} of {workload['kind']} {view.namespace}/{view.name} {where}: nothing keeps it",
        f"its claims are mounted at {', '.join(sorted(claimed))}" if claimed else "it mounts no claim at all",
    )
