"""Where a file of a replica lies: on a claim or another volume from outside its pod, or where it ends with that."""

import json
import re
from collections.abc import Iterable, Iterator

from chaos.history.facts.pod_lifecycles import PodLife
from chaos.objects.base import Raw
from chaos.objects.pod import PodView

__all__ = ["ends_with_pod", "lasting_places", "volume_of"]

OWN = ("emptyDir", "ephemeral")
"""Volumes that end with their pod: scratch space, and a claim of the pod's own."""

VARIABLE = re.compile(r"\$\(([\w.-]+)\)")

OF_MEMBERS = (
    "metadata.labels['apps.kubernetes.io/pod-index']",
    "metadata.labels['statefulset.kubernetes.io/pod-name']",
)
"""Labels by which a StatefulSet tells its members apart; their names do so too."""


def lasting_places(life: PodLife, paths: Iterable[str], container: str) -> Iterator[tuple[str, str]]:
    """Where each file lies that may outlive its pod. A folder of the node is another on each node."""
    for path in paths:
        volume, folder = volume_of(life.spec, path, container) or {}, _folder(life, path, container)
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield path, f"{name}{folder}"
        elif kinds := sorted(set(volume) - {"name", *OWN}):
            on = f" on {life.node}" if "hostPath" in volume else ""
            yield path, f"{kinds[0]} {json.dumps(volume[kinds[0]], sort_keys=True)}{folder}{on}"


def ends_with_pod(spec: Raw, path: str, container: str) -> str:
    """Where a file lies that ends with its pod: the volume that is mounted over it, or the container itself."""
    volume = volume_of(spec, path, container)
    if volume is None:
        return "the container's own layer"
    # A claim of the pod's own goes with it, but its spec says how the next one is filled.
    return f"the pod's own volume {volume.get('name')}" if "emptyDir" in volume else ""


def volume_of(spec: Raw, path: str, container: str) -> Raw | None:
    """The volume on which a file lies, None if none is mounted over it, nor as the file itself."""
    mounted = _mounted(spec, path, container)
    if mounted is None:
        return None
    named = {"name": mounted[1].get("name") or ""}
    return next((one for one in spec.get("volumes") or () if one.get("name") == named["name"]), named)


def _mounted(spec: Raw, path: str, container: str) -> tuple[Raw, Raw] | None:
    """The container and the mount over a file, the nearest one; None if there is none."""
    containers = [one for one in PodView({"spec": spec}).runs if container in ("", one.get("name"))]
    mounts = [(one, mount) for one in containers for mount in one.get("volumeMounts") or () if mount.get("mountPath")]
    over = [pair for pair in mounts if f"{path}/".startswith(pair[1]["mountPath"].rstrip("/") + "/")]
    return max(over, key=lambda pair: len(str(pair[1]["mountPath"])), default=None)


def _folder(life: PodLife, path: str, container: str) -> str:
    """The folder of a volume that each pod has for itself by its `subPathExpr`; empty where all have the same.

    Its variables may stand for what the pod is called, or where it is (Kubernetes documentation, "Volumes", section
    "Using subPath with expanded environment variables"). Whatever else they stand for is the same in all pods.
    """
    mounted = _mounted(life.spec, path, container)
    if mounted is None or not (expression := str(mounted[1].get("subPathExpr") or "")):
        return ""
    apart = {
        "metadata.name": life.name,
        "metadata.uid": life.uid,
        "spec.nodeName": life.node,
        "status.hostIP": life.node,
    }
    apart |= {"status.podIP": life.uid, "status.podIPs": life.uid, **dict.fromkeys(OF_MEMBERS, life.name)}
    fields = {str(one.get("name")): (one.get("valueFrom") or {}).get("fieldRef") for one in mounted[0].get("env") or ()}
    found = (apart.get(str((fields.get(name) or {}).get("fieldPath"))) for name in VARIABLE.findall(expression))
    return "".join(f" of {one}" for one in found if one)
