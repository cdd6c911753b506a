"""A claim with data on it as a team has it: their own storage class and volume, filled by a Job of theirs."""

from pathlib import Path
from typing import Any

from chaos.system import SystemSpec
from chaos.system.manifests.render import claim_name
from chaos.system.spec.parts import Volume

__all__ = ["DISK_CLASS", "LOADED_S", "disk_objects", "loading_job"]

DISK_CLASS = "team-disk"
LOADED_S = 50


def disk_objects(name: str, folder: Path) -> list[dict[str, Any]]:
    """A storage class of the team's, and a volume of it that every node reaches: a folder of the lab's host."""
    folder.mkdir()
    folder.chmod(0o777)  # written by the user that the Job's pod is
    of_class = {
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": DISK_CLASS},
        "provisioner": "kubernetes.io/no-provisioner",
    }
    volume = {
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name},
        "spec": {
            "storageClassName": DISK_CLASS,
            "capacity": {"storage": "1Gi"},
            "accessModes": ["ReadWriteOnce", "ReadOnlyMany"],
            "persistentVolumeReclaimPolicy": "Retain",
            "hostPath": {"path": str(folder), "type": "Directory"},
        },
    }
    return [of_class, volume]


def loading_job(spec: SystemSpec, volume: Volume, namespace: str) -> dict[str, Any]:
    """The team's Job that puts the data on the claim of a volume."""
    assert volume.fill is not None
    mounts = [{"name": "disk", "mountPath": volume.mount_path}]
    command = list(volume.fill.command)
    container = {"name": "load", "image": spec.image, "imagePullPolicy": "Never", "command": command}
    pod = {
        "restartPolicy": "Never",
        "containers": [{**container, "volumeMounts": mounts}],
        "volumes": [{"name": "disk", "persistentVolumeClaim": {"claimName": claim_name(spec, volume)}}],
    }
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": f"load-{volume.name}", "namespace": namespace},
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": LOADED_S, "template": {"spec": pod}},
    }
