"""Let a process that a dead run stopped go on, if it is the same container still."""

from __future__ import annotations

from typing import Literal

from chaos.faults.process_signals import Caller, Place, look, signal
from chaos.history.views import PodView
from chaos.safety import Inverse

__all__ = ["continue_process"]

STOPPED = "T"


def continue_process(caller: Caller, inverse: Inverse) -> tuple[Literal["undone", "nothing", "left"], str]:
    """Send SIGCONT, and see that the kernel shows it running. Raises `ClusterRefused` if the pod cannot be read."""
    pod, told = inverse.target, inverse.detail
    process = str(told["process"])
    place = Place(pod, str(told["container"]), str(told["container_id"]), 0)
    where = f"{process} in {pod.namespace}/{pod.name}"
    if not _same(caller, place):
        return "nothing", f"the container of {where} is gone or was started anew"
    if not _stopped(caller, place, process):
        return "nothing", f"{where} is not stopped"
    sent = signal(caller, place, process, "CONT")
    if not _same(caller, place):
        return "nothing", f"the container of {where} was started anew meanwhile"
    if _stopped(caller, place, process):
        return "left", f"{where} is still stopped: {sent.reason or 'it was stopped again'}"
    return "undone", f"{where} goes on"


def _stopped(caller: Caller, place: Place, process: str) -> bool:
    """Whether any is stopped; what could not be looked at is taken for stopped, so that it is tried and told."""
    seen = look(caller, place, process)
    return seen is None or any(one.state == STOPPED for one in seen)


def _same(caller: Caller, place: Place) -> bool:
    found = caller.cluster.get("Pod", place.pod.namespace, place.pod.name)
    if found is None or found["metadata"]["uid"] != place.pod.uid:
        return False
    return any(one.id == place.container_id and bool(one.running_since) for one in PodView(found).containers)
