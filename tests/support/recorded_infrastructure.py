"""Machines and links below the API, as files of a folder have them: what is off or cut outlives who did it."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest.mock import patch

from chaos.cluster import Cluster
from chaos.faults import Infrastructure, network_partition
from chaos.faults.undo.restore_object import CUT
from chaos.objects.base import View
from chaos.objects.pod import PodView

__all__ = ["recorded", "seen_by_files", "taken"]


@dataclass(frozen=True, slots=True)
class RecordedMachines:
    """A node is off while there is a file of its name. Its simulated kubelet goes on all the same."""

    folder: Path

    @property
    def words(self) -> str:
        """What it is."""
        return f"the files of {self.folder}"

    def off(self, node: str) -> str:
        """Switch it off."""
        (self.folder / f"off {node}").touch()
        return ""

    def on(self, node: str) -> str:
        """Switch it on."""
        (self.folder / f"off {node}").unlink(missing_ok=True)
        return ""

    def seen_off(self, node: str) -> str:
        """As the file says."""
        return "is off" if (self.folder / f"off {node}").exists() else ""

    def manual_on(self, node: str) -> str:
        """As a person would."""
        return f"rm 'off {node}'"


@dataclass(frozen=True, slots=True)
class RecordedNetwork:
    """A pod is cut off while there is a file of its address on its node."""

    folder: Path

    @property
    def words(self) -> str:
        """What it is."""
        return f"the files of {self.folder}"

    def cut(self, node: str, address: str) -> str:
        """Cut it off."""
        (self.folder / f"cut {node} {address}").touch()
        return ""

    def restore(self, node: str, address: str) -> str:
        """Let it be reached."""
        (self.folder / f"cut {node} {address}").unlink(missing_ok=True)
        return ""


def recorded(folder: Path, *, links: bool = True) -> Infrastructure:
    """What there is below the API; without `links` a NetworkPolicy has to do."""
    return Infrastructure(RecordedMachines(folder), RecordedNetwork(folder) if links else None)


def taken(cluster: Cluster, namespace: str, folder: Path) -> list[str]:
    """What is off, cut, or marked to be cut by a policy."""
    files = [one.name for pattern in ("off *", "cut *") for one in folder.glob(pattern)]
    pods = [f"marked {one.name}" for one in map(View, cluster.list("Pod", namespace)) if CUT in one.labels]
    return sorted(files + pods + [f"policy {View(one).name}" for one in cluster.list("NetworkPolicy", namespace)])


@contextmanager
def seen_by_files(cluster: Cluster, folder: Path) -> Iterator[None]:
    """Pods are reached unless they are cut off: simulated ones answer nobody, and no plugin enforces policies there."""

    def reached(_self: object, pod: PodView, _timeout_s: float = 0.0) -> bool:
        by_file = (folder / f"cut {pod.node} {pod.status.get('podIP', '')}").exists()
        policies = cluster.list("NetworkPolicy", pod.namespace)
        return not by_file and all(one["spec"]["podSelector"]["matchLabels"][CUT] != pod.uid for one in policies)

    with patch.object(network_partition._Partition, "_reached", reached):
        yield
