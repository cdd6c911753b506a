"""Undo what was done to a process, if it runs in the same container still: let it go on, or send the other signal.

With that the watchdog ends that was to do it in the container itself.
"""

from chaos.faults.containers import Place, look, same_container, signal
from chaos.faults.context import UndoContext
from chaos.faults.undo.restore_object import Outcome
from chaos.safety import UndoEntry

__all__ = ["continue_process", "signal_process"]

STOPPED = "T"


def continue_process(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Send SIGCONT; done when the kernel shows no process of the name stopped. Raises `ClusterRefused`."""
    process, place, where = _read(entry)
    if not same_container(context, place):
        return "nothing", f"the container of {where} is gone or was started anew"
    if not _stopped(context, place, process):
        signal(context, place, process, "0", back="CONT")
        return "nothing", f"{where} is not stopped"
    sent = signal(context, place, process, "CONT", back="CONT")
    if not _stopped(context, place, process):
        return "undone", f"{where} goes on"
    if not same_container(context, place):
        return "nothing", f"the container of {where} was started anew meanwhile"
    return "left", f"{where} is still stopped: {sent.reason or 'it was stopped again'}"


def signal_process(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Send the signal that takes back an earlier one. Raises `ClusterRefused`.

    A process that has it already takes no harm: the signal says how it is to be, not what is to change.
    """
    process, place, where = _read(entry)
    name = str(entry.detail["signal"])
    if not same_container(context, place):
        return "nothing", f"the container of {where} is gone or was started anew"
    sent = signal(context, place, process, name, back=name)
    if sent.reached == "every":
        return "undone", f"{where} has SIG{name}"
    if not same_container(context, place):
        return "nothing", f"the container of {where} was started anew meanwhile"
    return "left", f"{where} did not get SIG{name}: {sent.reason}"


def _read(entry: UndoEntry) -> tuple[str, Place, str]:
    pod, detail = entry.target, entry.detail
    process = str(detail["process"])
    place = Place(pod, str(detail["container"]), str(detail["container_id"]))
    return process, place, f"{process} in {pod.namespace}/{pod.name}"


def _stopped(context: UndoContext, place: Place, process: str) -> bool:
    """Whether any is stopped; what could not be looked at counts as stopped, so that it is tried and reported."""
    seen = look(context, place, process)
    return seen is None or any(one.state == STOPPED for one in seen)
