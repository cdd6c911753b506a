"""Processes in containers as faults hit them: where they run, what became of them, and how they are sent signals."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from chaos.cluster import Command, Ran, Recorder, execute
from chaos.faults.container_scripts import (
    COMMAND,
    FIRST,
    LOOK,
    NOBODY,
    REFUSED,
    SIGNAL,
    SURVEY,
    UNGUARDED,
    WATCHDOG,
)
from chaos.faults.context import UndoContext
from chaos.objects.base import Ref
from chaos.objects.pod import ContainerView, PodView
from chaos.objects.process import EVERY, NAME_MAX, ProcessView

__all__ = [
    "COMMAND_DOG",
    "EXEC_S",
    "EXIT_SEEN_S",
    "KILLED",
    "Place",
    "Survey",
    "container_now",
    "ended_words",
    "last_end",
    "look",
    "not_running",
    "place_of",
    "put_off",
    "run_script",
    "same_container",
    "signal",
    "survey",
    "watchdog_of",
    "why_not_sent",
]

EXEC_S = 10.0

EXIT_SEEN_S = 11.0
"""The kubelet sees an exit within 1 s, and reports it at the latest with its next status, every 10 s."""

KILLED = 137
"""Exit code of a shell that was killed itself."""

ID = re.compile(r"[0-9]+:[0-9]+")
"""A process by its number and start: see `ProcessView.id`."""

SURVEYED = re.compile(r"([0-9]{1,10}) ([0-9]{1,20}) ([0-9]{1,10}) ([A-Za-z]) ([0-9]{1,15}) (.{1,15})")
"""What `SURVEY` prints of a process."""

COMMAND_DOG = f"{WATCHDOG}command"[:NAME_MAX]
"""What the watchdog is called that runs the user's own command: a later run has to find it."""

SEEN = re.compile(r"([0-9]{1,10}) ([A-Za-z])")
"""What `LOOK` prints of a process; what else a container prints is its own, and stays there."""

STDERR_MAX = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs: the container of a pod, as it was before anything was done to it.

    `through` is another container that sees its processes and has a shell, where that one has none.
    """

    pod: Ref
    container: str
    container_id: str
    restarts: int = 0
    through: str = ""


@dataclass(frozen=True, slots=True)
class Process:
    """A process as the kernel shows it: `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped, `Z` has ended."""

    pid: str
    state: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Which processes of the name a signal reached, and why not every one."""

    reached: Literal["every", "some", "none", "unknown"] = "every"
    reason: str = ""


def place_of(recorder: Recorder, pod: Ref, container: str) -> Place | None:
    """Find a container by its name, or a pod's first; None if the pod is not there or does not run it.

    None also if it sees all processes of its node (`hostPID`): whatever there has the name would be hit.
    """
    for found in map(PodView, recorder.objects("Pod")):
        names = [one["name"] for one in found.spec.get("containers") or ()]
        if found.uid != pod.uid or not names or found.spec.get("hostPID"):
            continue
        wanted = container or names[0]
        for one in found.containers:
            if one.name == wanted and one.running_since:
                return Place(pod, wanted, one.id, one.restarts)
    return None


def not_running(ref: Ref, container: str) -> str:
    """Say that there is nothing to do anything to."""
    no_such = f"{ref.name} ({ref.uid[:8]}) has no running container {container}".rstrip()
    return f"{no_such} with processes of its own (where hostPID is set, those of the node are not touched)"


def container_now(recorder: Recorder, place: Place) -> ContainerView | None:
    """The container as the watch shows it; a restart keeps its name. None if its pod is gone."""
    for pod in map(PodView, recorder.objects("Pod")):
        if pod.uid == place.pod.uid:
            return next((one for one in pod.containers if one.name == place.container), None)
    return None


def same_container(context: UndoContext, place: Place) -> bool:
    """Whether the container that was hit still runs, as the API server has it now. Raises `ClusterRefused`."""
    found = context.cluster.get("Pod", place.pod.namespace, place.pod.name)
    if found is None or found["metadata"]["uid"] != place.pod.uid or found["spec"].get("hostPID"):
        return False
    return any(one.id == place.container_id and bool(one.running_since) for one in PodView(found).containers)


def last_end(now: ContainerView, place: Place) -> Mapping[str, Any]:
    """How the container ended since it was hit, as its `terminated` state; empty if it did not."""
    ended = (now.raw.get("state") or {}).get("terminated")
    return ended or (now.last_exit if now.id != place.container_id else {}) or {}


def ended_words(place: Place, ended: Mapping[str, Any]) -> str:
    """How a container ended, for people."""
    how = f"{ended.get('reason') or 'no reason given'}, exit code {ended.get('exitCode', 'unknown')}"
    return f"container {place.container} of {place.pod.name} ({place.pod.uid[:8]}) ended: {how}"


def run_script(context: UndoContext, place: Place, script: str, *words: str, timeout_s: float) -> Ran:
    """Run a script with the container's own `sh`; `words` are its $1, $2 and so on."""
    argv = ("sh", "-c", script, "sh", *words)
    command = Command(place.pod, place.through or place.container, argv, fault=context.fault, timeout_s=timeout_s)
    return execute(context.cluster, context.executor, context.journal, command)


def no_shell(ran: Ran) -> bool:
    """Whether a script did not run because the image has no `sh`."""
    return "executable file not found" in ran.reason or "no such file" in ran.reason


def look(context: UndoContext, place: Place, process: str) -> tuple[Process, ...] | None:
    """See the processes of that name; None if the container could not be looked into."""
    ran = run_script(context, place, LOOK, word_of(process), timeout_s=EXEC_S)
    if ran.outcome != "ok":
        return None
    return tuple(Process(*found.groups()) for line in ran.stdout.splitlines() if (found := SEEN.fullmatch(line)))


@dataclass(frozen=True, slots=True)
class Survey:
    """What a container's own shell shows: whether the image has `sleep` beside it, and the processes."""

    sleep: bool
    processes: tuple[ProcessView, ...]


def survey(context: UndoContext, place: Place) -> Survey | str:
    """See all processes of a container; why that could not be is said in words, and empty where it has no shell."""
    ran = run_script(context, place, SURVEY, timeout_s=EXEC_S)
    if ran.outcome != "ok":
        return "" if no_shell(ran) else f"container {place.container} of {place.pod.name}: {ran.reason}"
    lines = ran.stdout.splitlines()
    seen = (found.groups() for line in lines if (found := SURVEYED.fullmatch(line)))
    views = tuple(
        ProcessView(int(pid), int(start), int(parent), state, int(size), name)
        for pid, start, parent, state, size, name in seen
    )
    return Survey("sleep" in lines, views)


def word_of(process: str) -> str:
    """How a script is told which processes: a name as the kernel keeps it, or a word that is no name."""
    return process if process == EVERY or ID.fullmatch(process) else process[:NAME_MAX]


def put_off(context: UndoContext, place: Place, after_s: float, command: Sequence[str] = ()) -> str:
    """Have a watchdog run a command in the container so much later, unless it is put off again; earlier ones end.

    Return why none could be left. With 0 s none is.
    """
    words = (COMMAND_DOG, f"{after_s:g}", *command)
    ran = run_script(context, place, COMMAND, *words, timeout_s=EXEC_S)
    return "" if ran.outcome == "ok" else why_not_sent(ran, place, " ".join(command), "the command")


def signal(
    context: UndoContext, place: Place, process: str, name: str, *, back: str = "", after_s: float = 0.0
) -> Sent:
    """Send a signal to every process of that name.

    With `after_s` they get the signal `back` so much later, whatever becomes of us; without it, what waits for that
    ends. A process that nothing could be left beside is sent nothing.
    """
    watchdog = watchdog_of(process, back) if back else ""
    words = (word_of(process), name, watchdog, back, f"{after_s:g}")
    ran = run_script(context, place, SIGNAL, *words, timeout_s=EXEC_S)
    if ran.outcome == "ok":
        return Sent()
    reason = f"{place.pod.name}: {why_not_sent(ran, place, process, name)}"
    # The end of a container takes the shell that brought it about along.
    if ran.outcome == "info" or ran.exit_code == KILLED:
        return Sent("unknown", reason)
    return Sent("some" if ran.exit_code == REFUSED else "none", reason)


def watchdog_of(process: str, back: str) -> str:
    """What the watchdog is called that sends these processes that signal: a later run has to find it."""
    return (WATCHDOG + hashlib.sha256(f"{process} {back}".encode()).hexdigest())[:NAME_MAX]


def why_not_sent(ran: Ran, place: Place, process: str, name: str) -> str:
    """Why a signal did not reach a process, for people."""
    where = f"container {place.container}"
    process = f"process {process.partition(':')[0]}" if ID.fullmatch(process) else process
    if ran.exit_code == NOBODY:
        return (
            f"no process of {where} could be sent {name}"
            if process == EVERY
            else f"no process called {process} in {where}"
        )
    if ran.exit_code == FIRST:
        cause = "to which the kernel delivers no such signal from inside; give the image an init"
        return f"{name}: {process} is process 1 of {where}, {cause}"
    if ran.exit_code == REFUSED:
        return f"{name} to {process} in {where} was not permitted: {' '.join(ran.stderr.split())[:STDERR_MAX]}"
    if ran.exit_code == UNGUARDED:
        return (
            f"{name} is not sent to {process}: nothing can be left in {where} that takes it back if this run dies, "
            "which needs `sleep` and room for two small processes"
        )
    if no_shell(ran):
        return f"{where} has no shell (sh) to send a signal with"
    return f"{name} to {process} in {where}: {ran.reason}"
