"""Undo what was done in a container, if it is the same still: let processes go on, send the other signal, say ready.

With that the watchdog ends that was to do it in the container itself.
"""

from chaos.cluster import Command, execute
from chaos.faults.containers import COMMAND_DOG, EXEC_S, Place, look, put_off, same_container, signal
from chaos.faults.context import UndoContext
from chaos.faults.undo.restore_object import Outcome
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry

__all__ = ["continue_process", "run_ready", "signal_process", "thaw_container"]

STOPPED, ENDED = "T", "Z"


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


def run_ready(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Run the command by which the server says that it is ready again. Raises `ClusterRefused`.

    It is this user's own, by the file, never one from the cluster: whoever may write there could have any run.
    """
    place, where = _place(entry)
    if not same_container(context, place):
        return "nothing", f"the container of {where} is gone or was started anew"
    ready = context.infrastructure.own.ready
    if not ready and _ended_by_itself(context, place):
        return "nothing", f"{where} is Ready again, and nothing of ours waits in it"
    if not ready:
        return "left", f"{where} was told that it is not ready, and no command is known that takes it back: name ready"
    command = Command(place.pod, place.container, ready, fault=context.fault, timeout_s=EXEC_S)
    ran = execute(context.cluster, context.executor, context.journal, command)
    if ran.outcome == "ok":
        put_off(context, place, 0.0)
        return "undone", f"{where} was told that it is ready"
    if not same_container(context, place):
        return "nothing", f"the container of {where} was started anew meanwhile"
    return "left", f"{where} was not told that it is ready: {ready[0]}: {ran.reason}"


def _ended_by_itself(context: UndoContext, place: Place) -> bool:
    """Whether the watchdog is gone, and the pod is Ready: it has run the command. Raises `ClusterRefused`."""
    seen = look(context, place, COMMAND_DOG)
    pod = PodView(context.cluster.get("Pod", place.pod.namespace, place.pod.name) or {})
    return seen is not None and all(one.state == ENDED for one in seen) and pod.ready_condition


def thaw_container(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Have its node let a container go on; done when the kernel no longer says that it stands still."""
    place, where = _place(entry)
    node, nodes = str(entry.detail["node"]), context.infrastructure.containers
    if nodes is None:
        return "left", f"{where} may be frozen on node {node}, and nothing here can let it go on"
    if not nodes.frozen(node, place.container_id):
        return "nothing", f"{where} is not frozen"
    reason = context.act("thaw", place.pod, lambda: nodes.thaw(node, place.container_id))
    if reason or nodes.frozen(node, place.container_id):
        return "left", f"{where} is still frozen: {reason or 'the kernel says so'}"
    return "undone", f"{where} goes on"


def _place(entry: UndoEntry) -> tuple[Place, str]:
    pod, detail = entry.target, entry.detail
    place = Place(pod, str(detail["container"]), str(detail["container_id"]), through=str(detail.get("through", "")))
    return place, f"{place.container} of {pod.namespace}/{pod.name}"


def _read(entry: UndoEntry) -> tuple[str, Place, str]:
    pod, process = entry.target, str(entry.detail["process"])
    return process, _place(entry)[0], f"{process} in {pod.namespace}/{pod.name}"


def _stopped(context: UndoContext, place: Place, process: str) -> bool:
    """Whether any is stopped; what could not be looked at counts as stopped, so that it is tried and reported."""
    seen = look(context, place, process)
    return seen is None or any(one.state == STOPPED for one in seen)
