"""Undo what a dead run did to a process, if it runs in the same container still: let it go on, or tell it again."""

from __future__ import annotations

from typing import Literal

from chaos.faults.support.containers import Caller, Place, same_container
from chaos.faults.support.process_signals import look, signal
from chaos.safety import Inverse

__all__ = ["continue_process", "tell_process"]

STOPPED = "T"


def continue_process(caller: Caller, inverse: Inverse) -> tuple[Literal["undone", "nothing", "left"], str]:
    """Send SIGCONT, and see that the kernel shows it running. Raises `ClusterRefused` if the pod cannot be read."""
    pod, told = inverse.target, inverse.detail
    process = str(told["process"])
    place = Place(pod, str(told["container"]), str(told["container_id"]), 0)
    where = f"{process} in {pod.namespace}/{pod.name}"
    if not same_container(caller, place):
        return "nothing", f"the container of {where} is gone or was started anew"
    if not _stopped(caller, place, process):
        return "nothing", f"{where} is not stopped"
    sent = signal(caller, place, process, "CONT")
    if not same_container(caller, place):
        return "nothing", f"the container of {where} was started anew meanwhile"
    if _stopped(caller, place, process):
        return "left", f"{where} is still stopped: {sent.reason or 'it was stopped again'}"
    return "undone", f"{where} goes on"


def tell_process(caller: Caller, inverse: Inverse) -> tuple[Literal["undone", "nothing", "left"], str]:
    """Send the signal that takes back what a process was told. Raises `ClusterRefused` if the pod cannot be read.

    A process that was told already takes no harm: the signal says how it is to be, not what is to change.
    """
    pod, told = inverse.target, inverse.detail
    process = str(told["process"])
    place = Place(pod, str(told["container"]), str(told["container_id"]), 0)
    where = f"{process} in {pod.namespace}/{pod.name}"
    if not same_container(caller, place):
        return "nothing", f"the container of {where} is gone or was started anew"
    sent = signal(caller, place, process, str(told["signal"]))
    if sent.reached == "every":
        return "undone", f"{where} was told SIG{told['signal']}"
    if not same_container(caller, place):
        return "nothing", f"the container of {where} was started anew meanwhile"
    return "left", f"{where} was not told SIG{told['signal']}: {sent.reason}"


def _stopped(caller: Caller, place: Place, process: str) -> bool:
    """Whether any is stopped; what could not be looked at is taken for stopped, so that it is tried and told."""
    seen = look(caller, place, process)
    return seen is None or any(one.state == STOPPED for one in seen)
