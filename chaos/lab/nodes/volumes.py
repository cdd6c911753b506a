"""The lab's storage: static volumes in two classes, one that every node reaches and one that is bound to its node.

All nodes of the lab stand on one host, so a folder of the host is to them what a network file system is to machines.
Volumes are there from the start, and are emptied and given out again once the claim on one is gone.
"""

import shutil
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from chaos.errors import LabError
from chaos.lab.control_plane.api import Api
from chaos.lab.host.network import Machine

__all__ = ["LOCAL_CLASS", "SHARED_CLASS", "reclaim_volumes", "storage_objects"]

SHARED_CLASS, LOCAL_CLASS = "gameday-shared", "gameday-local"
SHARED_COUNT, LOCAL_COUNT = 12, 4
CAPACITY = "1Gi"
CLASSES, VOLUMES = "/apis/storage.k8s.io/v1/storageclasses", "/api/v1/persistentvolumes"


def storage_objects(folder: Path, nodes: Sequence[Machine]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Make the folders below `folder`, and give the objects to create: each with the collection that it belongs to."""
    yield CLASSES, _class(SHARED_CLASS, "Immediate")
    # Bound when a pod is scheduled: only then is it known on which node the volume has to be.
    yield CLASSES, _class(LOCAL_CLASS, "WaitForFirstConsumer")
    for number in range(1, SHARED_COUNT + 1):
        name = f"shared-{number}"
        modes = ["ReadWriteOnce", "ReadOnlyMany", "ReadWriteMany"]
        yield VOLUMES, _volume(name, SHARED_CLASS, modes, _folder(folder / name))
    for node in nodes:
        for number in range(1, LOCAL_COUNT + 1):
            name = f"local-{node.name}-{number}"
            yield VOLUMES, _volume(name, LOCAL_CLASS, ["ReadWriteOnce"], _folder(folder / name), node=node.name)


def reclaim_volumes(folder: Path, api: Api) -> tuple[str, ...]:
    """Empty the lab's volumes whose claims are gone, offer them again, and return their names. Raises LabError."""
    found = api.get(VOLUMES) or {}
    released = [
        one["metadata"]["name"]
        for one in found.get("items") or ()
        if one["spec"].get("storageClassName") in (SHARED_CLASS, LOCAL_CLASS) and one["status"]["phase"] == "Released"
    ]
    for name in released:
        try:
            shutil.rmtree(folder / name)
        except OSError as error:
            raise LabError(f"volume {name} cannot be emptied: {error}", "gameday lab down") from error
        _folder(folder / name)
        api.patch(f"{VOLUMES}/{name}", {"spec": {"claimRef": None}})
    return tuple(released)


def _folder(folder: Path) -> Path:
    folder.mkdir(parents=True)
    folder.chmod(0o777)  # pods fill it as the user that they are, whom the host does not know
    return folder


def _class(name: str, binding: str) -> Mapping[str, Any]:
    return {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": name},
        "provisioner": "kubernetes.io/no-provisioner",
        "volumeBindingMode": binding,
        "reclaimPolicy": "Retain",
    }


def _volume(name: str, storage_class: str, modes: list[str], folder: Path, *, node: str = "") -> Mapping[str, Any]:
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": [node]}]}
    return {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": storage_class,
            "capacity": {"storage": CAPACITY},
            "accessModes": modes,
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder), "type": "Directory"},
            **({"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if node else {}),
        },
    }
