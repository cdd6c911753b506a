"""Start the lab's programs by name, in a group and namespaces of the lab, and remember them."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.network import NAMESPACES
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import Place, Process, record_process, start_process

__all__ = ["Launcher", "in_netns"]


class Launcher:
    """Starts programs; safe to use from several threads."""

    def __init__(self, paths: LabPaths, cgroups: Cgroups, kube: Path) -> None:
        self.paths, self.cgroups, self.kube = paths, cgroups, kube
        self._started: list[Process] = []
        self._lock = threading.Lock()

    @property
    def started(self) -> tuple[Process, ...]:
        """What was started, in order."""
        with self._lock:
            return tuple(self._started)

    def run(self, name: str, argv: Sequence[str | Path], *, group: str, namespaces: Sequence[str] = ()) -> Process:
        """Start `argv` as the component `name`. Raises LabError if it cannot be started."""
        place = Place(self.cgroups.folders(group), tuple(namespaces))
        process = start_process(name, argv, place=place, logs=self.paths.logs)
        record_process(process, self.paths.processes)
        with self._lock:
            self._started.append(process)
        return process

    def run_kube(self, name: str, argv: Sequence[str], *, group: str, namespaces: Sequence[str] = ()) -> Process:
        """Start a component of Kubernetes: `argv` begins with which."""
        return self.run(name, [self.kube, *argv], group=group, namespaces=namespaces)


def in_netns(name: str) -> tuple[str, ...]:
    """The arguments of nsenter for one of the lab's network namespaces."""
    return (f"--net={NAMESPACES / name}",)
