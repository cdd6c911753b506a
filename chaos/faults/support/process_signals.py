"""Signals to named processes inside containers, by a POSIX shell's builtins alone: the image needs nothing but `sh`."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from chaos.cluster import Ran
from chaos.faults.support.containers import Caller, Place, no_shell, run_script

__all__ = ["Seen", "Sent", "look", "signal", "why"]

EXEC_S = 10.0

NOBODY, REFUSED, FIRST = 3, 4, 5
"""Exit codes of `SIGNAL`."""

KILLED = 137
"""Exit code of a shell that was killed itself."""

NAME_MAX = 15
"""The kernel keeps that many characters of a process's name (`TASK_COMM_LEN` less its end)."""

LOOK = """
for dir in /proc/[0-9]*; do
  name=; { read -r name < "$dir/comm"; } 2>/dev/null || continue
  [ "$name" = "$1" ] || continue
  state=; { while read -r key value rest; do [ "$key" = State: ] && state=$value; done < "$dir/status"; } 2>/dev/null
  [ -n "$state" ] && echo "${dir#/proc/} $state"
done
exit 0
"""

SIGNAL = f"""
found=
for dir in /proc/[0-9]*; do
  name=; {{ read -r name < "$dir/comm"; }} 2>/dev/null || continue
  [ "$name" = "$1" ] || continue
  pid=${{dir#/proc/}}
  [ "$pid" = 1 ] && exit {FIRST}
  kill -s "$2" "$pid" || exit {REFUSED}
  found=yes
  echo "$pid"
done
[ -n "$found" ] || exit {NOBODY}
"""


@dataclass(frozen=True, slots=True)
class Seen:
    """A process as the kernel shows it: `R` runs, `S` sleeps, `D` waits for a device, `T` is stopped, `Z` has ended."""

    pid: str
    state: str


@dataclass(frozen=True, slots=True)
class Sent:
    """Which processes of the name a signal reached, and why not every one."""

    reached: Literal["every", "some", "none", "unknown"] = "every"
    reason: str = ""


def signal(field: Caller, place: Place, process: str, name: str) -> Sent:
    """Send a signal to every process of that name."""
    ran = _shell(field, place, SIGNAL, process[:NAME_MAX], name)
    if ran.outcome == "ok":
        return Sent()
    reason = f"{place.pod.name}: {why(ran, place, process, name)}"
    # The end of a container takes the shell that brought it about along.
    if ran.outcome == "info" or ran.exit_code == KILLED:
        return Sent("unknown", reason)
    return Sent("some" if ran.exit_code == REFUSED else "none", reason)


def look(field: Caller, place: Place, process: str) -> tuple[Seen, ...] | None:
    """See the processes of that name; None if the container could not be looked into."""
    ran = _shell(field, place, LOOK, process[:NAME_MAX])
    return tuple(_seen(ran.stdout)) if ran.outcome == "ok" else None


def _shell(field: Caller, place: Place, script: str, *words: str) -> Ran:
    return run_script(field, place, script, *words, timeout_s=EXEC_S)


def _seen(printed: str) -> Iterator[Seen]:
    for line in printed.splitlines():
        pid, _, state = line.partition(" ")
        yield Seen(pid, state)


def why(ran: Ran, place: Place, process: str, name: str) -> str:
    """Why a signal did not reach a process, for people."""
    where = f"container {place.container}"
    if ran.exit_code == NOBODY:
        return f"no process called {process} in {where}"
    if ran.exit_code == FIRST:
        told = "to which the kernel brings no such signal from inside; give the image an init"
        return f"{name}: {process} is process 1 of {where}, {told}"
    if ran.exit_code == REFUSED:
        return f"{name} to {process} in {where} was not permitted: {ran.stderr.strip()}"
    if no_shell(ran):
        return f"{where} has no shell (sh) to send a signal with"
    return f"{name} to {process} in {where}: {ran.reason}"
