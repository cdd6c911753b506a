"""What the lab's autoscaler sees by, and the controller in which it runs: stopped by signals, and started anew."""

import signal
from collections.abc import Mapping

from chaos.errors import LabError
from chaos.lab.control_plane.build import kube_program
from chaos.lab.host.cgroups import CONTROL_GROUP, Cgroups
from chaos.lab.host.network import CONTROL
from chaos.lab.host.paths import LabPaths
from chaos.lab.host.processes import Launcher, Process, in_netns, processes_recorded
from chaos.lab.status import read_facts
from chaos.progress import Silent

__all__ = ["LabMetricsPath", "continue_all"]

CONTROLLER = "kube-controller-manager"
END_S = 20.0

PROCESSES: Mapping[str, tuple[str, str]] = {
    "metrics-server": ("metrics-server", ""),
    "prometheus": ("prometheus", "prometheus"),
    "prometheus-adapter": ("prometheus-adapter", "prometheus-adapter"),
    "keda-adapter": ("keda-metrics", "keda"),
}
"""The lab's process of each program, and the add-on that brings it; every lab has the first."""


class LabMetricsPath:
    """The lab's own means. A stopped program keeps its connections, so that whoever asks it waits."""

    def objection(self, program: str) -> str:
        """Why it cannot be stopped; empty if it can."""
        name, addon = PROCESSES[program]
        if any(one.alive() for one in _recorded(name)):
            return ""
        return f"the lab runs no {program}: gameday lab " + (f"add {addon}" if addon else "up")

    def stop(self, program: str) -> str:
        """Stop it; it may be stopped."""
        return _signalled(program, signal.SIGSTOP)

    def go_on(self, program: str) -> str:
        """Let it go on; it may run, and one that has ended has nothing left to go on with."""
        runs = any(one.alive() for one in _recorded(PROCESSES[program][0]))
        return _signalled(program, signal.SIGCONT) if runs else ""

    def stands_still(self, program: str) -> bool:
        """Whether the kernel says so."""
        found = _recorded(PROCESSES[program][0])
        return bool(found) and all(one.stands_still() for one in found)

    def autoscaler(self) -> str:
        """Its process and when that was started."""
        found = [one for one in _recorded(CONTROLLER) if one.alive()]
        return f"{CONTROLLER}, process {found[0].pid} started at tick {found[0].started_ticks}" if found else ""

    def restart_autoscaler(self) -> str:
        """End the controller manager, and start it with the same words.

        Its record stays until the new one's takes its place: a lab that lost it in between reads as broken.
        """
        paths = LabPaths.usual()
        facts = read_facts(paths.facts)
        if facts is None:
            return "there is no lab on this host"
        try:
            (former,) = _recorded(CONTROLLER)
            argv = former.argv()
            program = kube_program(Silent(), facts.release.control_plane)
            former.end(END_S)
            launcher = Launcher(paths, Cgroups(), program, program)
            launcher.run(CONTROLLER, [program, *argv], group=CONTROL_GROUP, namespaces=in_netns(CONTROL))
        except (LabError, OSError, ValueError) as error:
            return str(error)
        return ""


def continue_all() -> tuple[str, ...]:
    """Let every program of the lab's metrics paths go on that was stopped, and return their names. Raises LabError."""
    names = [name for name, _ in PROCESSES.values()]
    stopped = [one for name in names for one in _recorded(name) if one.stands_still()]
    for one in stopped:
        one.signal(signal.SIGCONT)
    return tuple(one.name for one in stopped)


def _recorded(name: str) -> list[Process]:
    return [one for one in processes_recorded(LabPaths.usual().processes) if one.name == name]


def _signalled(program: str, number: int) -> str:
    """Send a program's process a signal. Return an empty string, or why it did not get it."""
    found = _recorded(PROCESSES[program][0])
    try:
        for one in found:
            one.signal(number)
    except (LabError, OSError) as error:
        return str(error)
    return "" if found else f"the lab has no {program}"
