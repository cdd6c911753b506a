"""What the lab's nodes do to a container from outside: see its processes, freeze it, kill in it, fill its memory.

A container is found by its control group: containerd gives it the container's id for a name, below that of its pod.
From the host's own process namespace a signal reaches process 1 of a container too (pid_namespaces(7)).
"""

import contextlib
import os
import signal
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path

from chaos.errors import LabError, TimedOut
from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.network import PREFIX, namespaces_left
from chaos.lab.host.processes import ENVIRONMENT, entering
from chaos.lab.nodes.infrastructure import machine_of
from chaos.objects.process import ProcessView
from chaos.wait import until

__all__ = ["LabContainers", "process_of", "thaw_all"]

LOST = 3
"""How a script ends that found no more room: see `chaos.faults.memory_hog`."""

FILL_LOOK_S = 0.05


class LabContainers:
    """The lab's own hand on containers."""

    words = "the lab's own node"

    def processes(self, node: str, container_id: str) -> tuple[ProcessView, ...]:
        """See a container's processes, by their numbers in it; none if it is not there."""
        return tuple(view for _, view in _members(node, container_id))

    def freeze(self, node: str, container_id: str) -> str:
        """Have all its processes stand still at once. Return an empty string, or why they do not."""
        group = _group(node, container_id)
        return _done(lambda: Cgroups().freeze(group)) if group else _not_there(node, container_id)

    def thaw(self, node: str, container_id: str) -> str:
        """Let them go on; a container that is gone needs nothing. Return an empty string, or why they do not."""
        group = _group(node, container_id)
        return _done(lambda: Cgroups().thaw(group)) if group else ""

    def frozen(self, node: str, container_id: str) -> bool:
        """Whether the kernel says that all of them stand still; of what is gone it does not."""
        group = _group(node, container_id)
        try:
            return bool(group) and Cgroups().is_frozen(group)
        except FileNotFoundError:  # it went meanwhile
            return False

    def kill(self, node: str, container_id: str, processes: Sequence[ProcessView], signal: str) -> str:
        """Send these very processes a signal. Return an empty string, or why one did not get it."""
        here = {view.id: (pid, view) for pid, view in _members(node, container_id)}
        return "; ".join(reason for one in processes if (reason := _sent(here.get(one.id), one, signal)))

    def fill(self, node: str, container_id: str, script: str, words: Sequence[str], *, timeout_s: float) -> str:
        """Run a shell script of the host's in the container's control groups alone, so that it pays for the memory.

        It ends as soon as what ran in the container has ended: a runtime cannot remove a group that somebody is in.
        """
        group = _group(node, container_id)
        before = Cgroups().members(group) if group else frozenset()
        if not before:
            return _not_there(node, container_id)
        argv = entering(Cgroups().folders(group), (), ["sh", "-c", script, "sh", *words])
        with subprocess.Popen(
            argv,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            start_new_session=True,
        ) as filling:
            try:
                until(
                    lambda: filling.poll() is not None or not before & Cgroups().members(group),
                    deadline_s=timeout_s,
                    awaited="the memory to be full",
                    poll_s=FILL_LOOK_S,
                )
            except TimedOut as late:
                return late.what
            finally:
                with contextlib.suppress(ProcessLookupError):
                    os.killpg(filling.pid, signal.SIGKILL)
        # What the kernel ends for the container's memory may be the script's own shell, or what ran there.
        fine = (LOST, -signal.SIGKILL)
        return "" if filling.returncode in fine else f"the script ended with status {filling.returncode}"


def thaw_all() -> tuple[str, ...]:
    """Let every container of the lab go on that is frozen by itself, and return their ids. Raises LabError."""
    cgroups, thawed = Cgroups(), []
    for name in namespaces_left():
        node = name.removeprefix(f"{PREFIX}-")
        for group in cgroups.below(f"{node}/pods"):
            if cgroups.holds_itself(group):
                cgroups.thaw(group)
                thawed.append(Path(group).name)
    return tuple(thawed)


def _group(node: str, container_id: str) -> str:
    """The container's control group below the lab's, empty if it is not there. Raises LabError without the node."""
    wanted, cgroups = container_id.rpartition("/")[2], Cgroups()
    machine_of(node)
    return next((group for group in cgroups.below(f"{node}/pods") if wanted and Path(group).name == wanted), "")


def _not_there(node: str, container_id: str) -> str:
    return f"node {node} runs no container {container_id.rpartition('/')[2][:12]}"


def _done(action: Callable[[], None]) -> str:
    try:
        action()
    except LabError as error:
        return error.what
    return ""


def _members(node: str, container_id: str) -> list[tuple[int, ProcessView]]:
    """The processes of a container by their numbers on the host."""
    if not (group := _group(node, container_id)):
        return []
    found = ((pid, process_of(Path("/proc", str(pid)))) for pid in sorted(Cgroups().members(group)))
    return [(pid, view) for pid, view in found if view is not None]


def process_of(folder: Path) -> ProcessView | None:
    """A process by its folder in /proc, with the number that it has in its own namespace; None if it is gone."""
    with contextlib.suppress(OSError, ValueError, KeyError, IndexError):
        lines = (folder / "status").read_text().splitlines()
        told = {key: value.split() for key, _, value in (line.partition(":") for line in lines)}
        state, _, rest = (folder / "stat").read_text().rpartition(")")[2].strip().partition(" ")
        number = int(told["NSpid"][-1])
        name = (folder / "comm").read_text().removesuffix("\n")
        # The number of the parent on the host says nothing in the container: process 1's is outside of it.
        parent = 0 if number == 1 else _number_of(int(told["PPid"][0]), len(told["NSpid"]))
        size_kib = int(told.get("VmRSS", ["0"])[0])
        return ProcessView(number, int(rest.split()[18]), parent, state, size_kib, name)
    return None


def _number_of(pid: int, depth: int) -> int:
    """What a process of the host is called in a namespace so deep; 0 if it is not in one."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
        numbers = next(line for line in lines if line.startswith("NSpid:")).split()[1:]
        return int(numbers[-1]) if len(numbers) == depth else 0
    return 0


def _sent(found: tuple[int, ProcessView] | None, wanted: ProcessView, name: str) -> str:
    """Send a process of the host a signal. Return why it did not get it; one that is gone needs none."""
    if found is None:
        return ""
    pid, view = found
    number = signal.Signals[f"SIG{name}"]
    if view.pid == 1 and number != signal.SIGKILL and not _takes(pid, number):
        return f"{view.name} is process 1 and does not handle SIG{name}, so the kernel drops it; KILL reaches it"
    try:
        # Between the look and the signal the number may become another's: a handle does not.
        handle = os.pidfd_open(pid)
    except ProcessLookupError:
        return ""
    try:
        now = process_of(Path("/proc", str(pid)))
        if now is not None and now.id == wanted.id:
            signal.pidfd_send_signal(handle, number)
    except ProcessLookupError:
        return ""
    finally:
        os.close(handle)
    return ""


def _takes(pid: int, number: signal.Signals) -> bool:
    """Whether a process has a handler for a signal."""
    with contextlib.suppress(OSError, StopIteration):
        lines = Path("/proc", str(pid), "status").read_text().splitlines()
        caught = int(next(line for line in lines if line.startswith("SigCgt:")).split()[1], 16)
        return bool(caught >> (number - 1) & 1)
    return False
