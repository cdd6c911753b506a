"""The volumes that running replicas mount, as far as a `SystemSpec` can say them, and what must survive on them. Pure.

A spec can say folders of the pod's own, claims that all replicas share, and claims of each replica's own. What else a
pod may mount (a ConfigMap, a folder of its node) is left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos.errors import UsageError
from chaos.objects.base import Raw
from chaos.objects.kinds import ReplicaSetView
from chaos.system.spec.parts import AccessMode, Volume

__all__ = ["serving_container", "shared_claims", "volumes_of"]

# The widest use is what replicas count on: a claim that many may only read is filled by one who may write.
MODES: tuple[AccessMode, ...] = ("ReadWriteMany", "ReadOnlyMany", "ReadWriteOnce", "ReadWriteOncePod")

Said = dict[str, Any]


def serving_container(pod: Raw) -> Raw:
    """The container that serves: a pod's first, as everywhere here."""
    first: Raw = pod["containers"][0]
    return first


def shared_claims(workload: Raw) -> tuple[str, ...]:
    """The names of the claims that the serving containers of all replicas mount."""
    said = [fields for _, fields in _mounts(workload, {})]
    return tuple(dict.fromkeys(fields["claim"] for fields in said if fields and "claim" in fields))


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
    # Not checked again: these are no wishes of anybody's, but what there is.
    return tuple(
        Volume.model_construct(**fields, mount_path=path, files=tuple(kept.get(path, ())))
        for path, fields in mounts.items()
        if fields is not None
    )


def _mounts(workload: Raw, claims: Mapping[str, Raw]) -> Iterator[tuple[str, Said | None]]:
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


def _source(source: Raw, claims: Mapping[str, Raw]) -> Said | None:
    if "emptyDir" in source:
        return {}
    if claim := (source.get("persistentVolumeClaim") or {}).get("claimName"):
        found = claims.get(claim)
        return {"claim": claim, **(_claimed(found) if found else {"access_mode": None})}
    if template := (source.get("ephemeral") or {}).get("volumeClaimTemplate"):
        return {"per_replica": True, **_claimed(template)}
    return None


def _claimed(claim: Raw) -> Said:
    """What a claim, or the template of one, asks for."""
    spec = claim["spec"]
    modes = spec.get("accessModes") or ()
    return {
        "storage": ((spec.get("resources") or {}).get("requests") or {}).get("storage"),
        "storage_class": spec.get("storageClassName"),
        "access_mode": next((mode for mode in MODES if mode in modes), None),
    }


def _place(path: str, mounts: Mapping[str, Said | None], workload: Raw) -> str:
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
