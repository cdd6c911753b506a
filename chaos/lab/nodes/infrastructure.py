"""What happens below the API: take a node or a pod's network away, and give it back.

A node that is cut off goes on running, unseen. A frozen one stands still with everything on it, as a machine does whose
hypervisor paused it. A pod is cut off by its node, which drops what it would forward to or from its address: the
kubelet's own requests are not forwarded, so the pod still passes its probes, as with a NetworkPolicy. The lab's
teardown works in any of these states.
"""

import json
import threading
from collections.abc import Callable

from chaos.errors import LabError
from chaos.lab.host.cgroups import Cgroups
from chaos.lab.host.network import CONTROL, PREFIX, Machine, namespaces_left, nft, run_tool, tables

__all__ = [
    "LabNodeInfrastructure",
    "LabPodNetwork",
    "cut_link",
    "freeze",
    "is_cut",
    "is_frozen",
    "reconnect_all",
    "restore_all",
    "restore_link",
    "thaw",
]


class LabNodeInfrastructure:
    """The lab's own means to switch a node off: its link goes, and everything on it stands still.

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
        """The command that a person gives: a lab is taken down, not repaired."""
        return "gameday lab down --force"


def restore_all() -> tuple[str, ...]:
    """Switch every node of the lab on, whoever switched it off, and return which were off. Raises LabError."""
    nodes = [name.removeprefix(f"{PREFIX}-") for name in namespaces_left()]
    off = tuple(n for n in nodes if n.removeprefix("n").isdecimal() and (is_cut(n) or is_frozen(n)))
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


def machine_of(node: str) -> Machine:
    """The lab's machine that stands for a node. Raises LabError if there is no such node."""
    index = node.removeprefix("n")
    machine = Machine(node, int(index) if index.isdecimal() else 0)
    if machine.netns not in namespaces_left() or not machine.index:
        raise LabError(f"the lab has no node {node}", "gameday lab status")
    return machine


def _ip(*words: str) -> str:
    return run_tool(["ip", "-json", "-netns", CONTROL, *words])


TABLE = "gameday-cut"
_table = threading.Lock()

# Before kube-proxy's own chains, and whatever they accept: a drop is final.
DECLARED = f"""
table ip {TABLE} {{
  set cut {{ type ipv4_addr; }}
  chain forward {{
    type filter hook forward priority -10; policy accept;
    ip saddr @cut counter drop
    ip daddr @cut counter drop
  }}
}}
"""


class LabPodNetwork:
    """The lab's own means to cut a pod off."""

    words = "the lab's own packet filter"

    def cut(self, node: str, address: str) -> str:
        """Drop what a node forwards to or from a pod's address. Return an empty string, or why that is not done."""
        return _done(node, lambda node: _cut(machine_of(node).netns, address))

    def restore(self, node: str, address: str) -> str:
        """Forward them again; they may not be cut off. Return an empty string, or why that is not done."""
        return _done(node, lambda node: _reconnect(machine_of(node).netns, address))


def _cut(netns: str, address: str) -> None:
    # Several pods of one node may be cut at once: a table made anew would forget the first.
    with _table:
        if not _cut_addresses(netns):
            nft(netns, f"table ip {TABLE}\ndelete table ip {TABLE}\n{DECLARED}")
        nft(netns, f"add element ip {TABLE} cut {{ {address} }}\n")


def _reconnect(netns: str, address: str) -> None:
    if address in _cut_addresses(netns):
        nft(netns, f"delete element ip {TABLE} cut {{ {address} }}\n")


def reconnect_all() -> tuple[str, ...]:
    """Let every pod of the lab be reached again, and return the addresses that were cut off. Raises LabError."""
    found: list[str] = []
    for netns in namespaces_left():
        if addresses := _cut_addresses(netns):
            found += addresses
            nft(netns, f"delete table ip {TABLE}\n")
    return tuple(found)


def _cut_addresses(netns: str) -> tuple[str, ...]:
    """The addresses that are cut off in a namespace."""
    if TABLE not in tables(netns):
        return ()
    listed = json.loads(nft(netns, "", "-j", "list", "set", "ip", TABLE, "cut"))["nftables"]
    return tuple(str(address) for one in listed for address in one.get("set", {}).get("elem", ()))
