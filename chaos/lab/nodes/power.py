"""Take a node of the lab away and give it back: its cable, or its power.

A node that is cut off goes on running, unseen. A frozen one stands still with everything on it, as a machine does whose
hypervisor paused it. The lab's teardown works in either state.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

from chaos.errors import LabError
from chaos.lab.host.addresses import CONTROL, PREFIX, Machine
from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.network import namespaces_left

__all__ = ["LabPower", "cut_link", "freeze", "is_cut", "is_frozen", "machine_of", "restore_all", "restore_link", "thaw"]

IP_DEADLINE_S = 10.0


class LabPower:
    """The lab's own means to take a node's power away: its link goes, and everything on it stands still.

    Nothing on it says goodbye, and what it had in memory is there when it goes on, as after a hypervisor's pause.
    """

    words = "the lab's own switch"

    def off(self, node: str) -> str:
        """Cut a node's link and freeze it. Return an empty string, or why that did not come about."""
        return _done(node, cut_link, freeze)

    def on(self, node: str) -> str:
        """Restore its link and thaw it. Return an empty string, or why that did not come about."""
        return _done(node, restore_link, thaw)

    def seen_off(self, node: str) -> str:
        """Return in words that the kernel shows a node frozen and its link down; empty if not."""
        return "stands still: its processes are frozen and its link is down" if is_cut(node) and is_frozen(node) else ""

    def manual_on(self, node: str) -> str:  # noqa: ARG002  # one command for any node
        """The command that a person gives; the lab is not worth mending by halves."""
        return "gameday lab down --force"


def restore_all() -> tuple[str, ...]:
    """Give every node of the lab its power back, whoever took it, and return which had none. Raises LabError."""
    nodes = [name.removeprefix(f"{PREFIX}-") for name in namespaces_left()]
    off = tuple(node for node in nodes if _is_node(node) and (is_cut(node) or is_frozen(node)))
    for node in off:
        restore_link(node)
        thaw(node)
    return off


def cut_link(node: str) -> None:
    """Take a node's link down. Raises LabError if there is no such node."""
    _ip("link", "set", "dev", machine_of(node).port, "down")


def restore_link(node: str) -> None:
    """Take a node's link up again; it may be up. Raises LabError if there is no such node."""
    _ip("link", "set", "dev", machine_of(node).port, "up")


def is_cut(node: str) -> bool:
    """Whether a node's link is down. Raises LabError if there is no such node."""
    (link,) = json.loads(_ip("link", "show", "dev", machine_of(node).port))
    return "UP" not in link["flags"]


def freeze(node: str) -> None:
    """Stop every process of a node at once, its pods included. Raises LabError if that does not come about."""
    Cgroups().freeze(machine_of(node).name)


def thaw(node: str) -> None:
    """Let a frozen node go on; it may not be frozen. Raises LabError if that does not come about."""
    Cgroups().thaw(machine_of(node).name)


def is_frozen(node: str) -> bool:
    """Whether a node is frozen. Raises LabError if there is no such node."""
    return Cgroups().is_frozen(machine_of(node).name)


def _done(node: str, *actions: Callable[[str], None]) -> str:
    try:
        for action in actions:
            action(node)
    except LabError as error:
        return error.what
    return ""


def _is_node(name: str) -> bool:
    return name.removeprefix("n").isdecimal()


def machine_of(node: str) -> Machine:
    """The lab's machine that stands for a node. Raises LabError if there is no such node."""
    index = node.removeprefix("n")
    machine = Machine(node, int(index) if index.isdecimal() else 0)
    if machine.netns not in namespaces_left() or not machine.index:
        raise LabError(f"the lab has no node {node}", "gameday lab status")
    return machine


def _ip(*words: str) -> str:
    argv = ["ip", "-json", "-netns", CONTROL, *words]
    try:
        done = subprocess.run(argv, capture_output=True, text=True, check=True, timeout=IP_DEADLINE_S)
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(argv)}: {error.stderr.strip()}") from error
    return done.stdout
