"""Processes in containers as faults hit them: where they run, what became of them, and how they are sent signals.

Signals are sent by a POSIX shell's builtins alone: the image needs nothing but `sh`. One that is to be taken back also
needs `sleep`: before it is sent, a watchdog is left in the container that sends the other signal once its time is over,
whatever became of us.
"""

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chaos.cluster import Command, Ran, Recorder, execute
from chaos.faults.context import UndoContext
from chaos.objects.base import Ref
from chaos.objects.pod import ContainerView, PodView

__all__ = [
    "EXIT_SEEN_S",
    "KILLED",
    "Place",
    "container_now",
    "ended_words",
    "last_end",
    "look",
    "no_shell",
    "not_running",
    "place_of",
    "run_script",
    "same_container",
    "signal",
    "watchdog_of",
    "why_not_sent",
]

EXEC_S = 10.0

EXIT_SEEN_S = 11.0
"""The kubelet sees an exit within 1 s, and reports it at the latest with its next status, every 10 s."""

NOBODY, REFUSED, FIRST, UNGUARDED = 3, 4, 5, 6
"""Exit codes of `SIGNAL`."""

KILLED = 137
"""Exit code of a shell that was killed itself."""

NAME_MAX = 15
"""The kernel keeps that many characters of a process's name (`TASK_COMM_LEN` less its end)."""

WATCHDOG = "gameday-"
"""How the name of a watchdog begins; it has `NAME_MAX` characters in all, so that the kernel drops the line's end."""

LOOK = f"""
for dir in /proc/[0-9]*; do
  name=; {{ read -r name < "$dir/comm"; }} 2>/dev/null || continue
  [ "$name" = "$1" ] && [ "$dir" != "/proc/$$" ] || continue
  state= parent=
  {{ while read -r key value rest; do
    case $key in State:) state=$value;; PPid:) parent=$value;; esac
  done < "$dir/status"; }} 2>/dev/null
  name=; {{ read -r name < "/proc/$parent/comm"; }} 2>/dev/null
  case $name in {WATCHDOG}???????) continue;; esac
  [ -n "$state" ] && echo "${{dir#/proc/}} $state"
done
exit 0
"""
"""Lists the processes of a name with their states, but for this very shell and what a watchdog sleeps in."""

SIGNAL = f"""
begun() {{
  line=; {{ while read -r part; do line="$line $part"; done < "/proc/$1/stat"; }} 2>/dev/null
  set -- ${{line##*) }}
  start=${{20:-}}; [ -n "$start" ]
}}
called() {{
  found=
  for dir in /proc/[0-9]*; do
    name=; {{ read -r name < "$dir/comm"; }} 2>/dev/null || continue
    [ "$name" = "$1" ] && [ "$dir" != "/proc/$$" ] || continue
    begun "${{dir#/proc/}}" && found="$found ${{dir#/proc/}}:$start"
  done
}}
watch() {{
  exec < /dev/null 2> /dev/null
  trap '' HUP
  trap 'kill "$nap"; wait "$nap"; exit' TERM
  echo "$1" > /proc/self/comm && sleep 0 || exit
  echo ready
  exec > /dev/null
  sleep "$3" & nap=$!
  wait "$nap"
  for one in $targets; do
    begun "${{one%:*}}" && [ "$start" = "${{one#*:}}" ] && kill -s "$2" "${{one%:*}}"
  done
}}
earlier=
if [ -n "$3" ]; then called "$3"; earlier=$found; fi
called "$1"; targets=$found
case $targets in *" 1:"*) exit {FIRST};; esac
if [ "$5" != 0 ] && [ -n "$targets" ]; then
  [ -n "$(watch "$3" "$4" "$5" &)" ] || exit {UNGUARDED}
fi
sent=
for one in $targets; do
  if kill -s "$2" "${{one%:*}}"; then sent=yes; echo "${{one%:*}}"; continue; fi
  begun "${{one%:*}}" && exit {REFUSED}
done
for one in $earlier; do kill -s TERM "${{one%:*}}"; done 2> /dev/null
[ -n "$sent" ] || exit {NOBODY}
"""
"""Sends every process of the name $1 the signal $2. Unless $5 is 0, a watchdog called $3 is first left that will send
the signal $4 after $5 seconds, to those of them that still are the same process: numbers are used again, start times
with them are not. Earlier watchdogs of that name end."""


SEEN = re.compile(r"([0-9]{1,10}) ([A-Za-z])")
"""What `LOOK` prints of a process; what else a container prints is its own, and stays there."""

STDERR_MAX = 200


@dataclass(frozen=True, slots=True)
class Place:
    """Where a process runs: the container of a pod, as it was before anything was done to it."""

    pod: Ref
    container: str
    container_id: str
    restarts: int = 0


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
    command = Command(place.pod, place.container, argv, fault=context.fault, timeout_s=timeout_s)
    return execute(context.cluster, context.executor, context.journal, command)


def no_shell(ran: Ran) -> bool:
    """Whether a script did not run because the image has no `sh`."""
    return "executable file not found" in ran.reason or "no such file" in ran.reason


def look(context: UndoContext, place: Place, process: str) -> tuple[Process, ...] | None:
    """See the processes of that name; None if the container could not be looked into."""
    ran = run_script(context, place, LOOK, process[:NAME_MAX], timeout_s=EXEC_S)
    if ran.outcome != "ok":
        return None
    return tuple(Process(*found.groups()) for line in ran.stdout.splitlines() if (found := SEEN.fullmatch(line)))


def signal(
    context: UndoContext, place: Place, process: str, name: str, *, back: str = "", after_s: float = 0.0
) -> Sent:
    """Send a signal to every process of that name.

    With `after_s` they get the signal `back` so much later, whatever becomes of us; without it, what waits for that
    ends. A process that nothing could be left beside is sent nothing.
    """
    watchdog = watchdog_of(process, back) if back else ""
    words = (process[:NAME_MAX], name, watchdog, back, f"{after_s:g}")
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
    if ran.exit_code == NOBODY:
        return f"no process called {process} in {where}"
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
