"""Containers as faults hit them: where they are, what became of them, and how a script is run in one."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chaos.cluster import Cluster, Command, Executor, Journal, Ran, execute
from chaos.faults.base import Field
from chaos.objects.base import Ref
from chaos.objects.pod import ContainerView, PodView

__all__ = [
    "Place",
    "container_now",
    "exit_words",
    "no_shell",
    "not_running",
    "place_of",
    "run_script",
    "same_container",
]


class Caller(Protocol):
    """Whoever calls into containers: a fault's field, or a later process that undoes what a dead one did."""

    @property
    def executor(self) -> Executor:
        """Does what changes something."""

    @property
    def cluster(self) -> Cluster:
        """Where the container runs."""

    @property
    def journal(self) -> Journal:
        """Where it is written down."""

    @property
    def fault(self) -> str:
        """The fault that it belongs to."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs: the container of a pod, as it was before anything was done to it."""

    pod: Ref
    container: str
    container_id: str
    restarts: int


def place_of(field: Field, pod: Ref, container: str) -> Place | None:
    """Find a container by its name, or a pod's first; None if the pod is not there or does not run it."""
    for found in map(PodView, field.recorder.objects("Pod")):
        names = [one["name"] for one in found.spec.get("containers") or ()]
        if found.uid != pod.uid or not names:
            continue
        wanted = container or names[0]
        for one in found.containers:
            if one.name == wanted and one.running_since:
                return Place(pod, wanted, one.id, one.restarts)
    return None


def run_script(field: Caller, place: Place, script: str, *words: str, timeout_s: float) -> Ran:
    """Run a script with the container's own `sh`; `words` are its $1, $2 and so on."""
    argv = ("sh", "-c", script, "sh", *words)
    return execute(
        field.cluster,
        field.executor,
        field.journal,
        Command(place.pod, place.container, argv, fault=field.fault, timeout_s=timeout_s),
    )


def no_shell(ran: Ran) -> bool:
    """Whether a script did not run because the image has no `sh`."""
    return "executable file not found" in ran.reason or "no such file" in ran.reason


def container_now(field: Field, place: Place) -> ContainerView | None:
    """The container as the watch knows it by now; a restart keeps its name. None if its pod is gone."""
    for pod in map(PodView, field.recorder.objects("Pod")):
        if pod.uid == place.pod.uid:
            return next((one for one in pod.containers if one.name == place.container), None)
    return None


def exit_words(ended: object) -> str:
    """How a container ended, from its `terminated` state."""
    told = ended if isinstance(ended, dict) else {}
    return f"{told.get('reason') or 'no reason given'}, exit code {told.get('exitCode', 'unknown')}"


def not_running(ref: Ref, container: str) -> str:
    """Say that there is nothing to do anything to."""
    return f"{ref.name} ({ref.uid[:8]}) has no running container {container}".rstrip()


def same_container(field: Caller, place: Place) -> bool:
    """Whether the container that was hit still runs, as the API server says now, not as the watch knows by now."""
    found = field.cluster.get("Pod", place.pod.namespace, place.pod.name)
    if found is None or found["metadata"]["uid"] != place.pod.uid:
        return False
    return any(one.id == place.container_id and bool(one.running_since) for one in PodView(found).containers)
