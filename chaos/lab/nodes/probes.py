"""The lab's own means to keep a kubelet's probes from a pod, and nothing that users send.

A kubelet sends its probes itself, so they leave its node by the output hook; what others send to a pod is forwarded and
never comes there. Which probe it is the first bytes of its request say: a method and a path.
"""

import re
from collections.abc import Iterator

from chaos.errors import LabError
from chaos.lab.host.network import namespaces_left, nft, tables
from chaos.lab.nodes.infrastructure import machine_of

__all__ = ["LabProbes", "pass_all_probes", "rules"]

TABLE = "gameday-probes-"
"""How the names of the tables begin, one for each port of a pod: each is made and removed at once."""

OURS = re.compile(rf"{TABLE}(?P<address>[0-9.]+)-(?P<port>[0-9]+)")
CHUNK_BYTES = 16
"""The kernel compares so many bytes of a packet at once (NFT_REG_SIZE)."""


class LabProbes:
    """The lab's own filter of probes."""

    words = "the lab's own packet filter"

    def drop(self, node: str, address: str, port: int, head: str) -> str:
        """Drop the node's own requests to a port that begin so. Return an empty string, or why that is not done."""
        try:
            nft(machine_of(node).netns, rules(address, port, head))
        except LabError as error:
            return error.what
        return ""

    def let_pass(self, node: str, address: str, port: int) -> str:
        """Drop none any more; none may be dropped. Return an empty string, or why some still are."""
        name = _table(address, port)
        try:
            netns = machine_of(node).netns
            nft(netns, _removed(name))
            return f"{name} is still in force" if name in tables(netns) else ""
        except LabError as error:
            return error.what


def rules(address: str, port: int, head: str) -> str:
    """What nft is told, so that a node drops what it sends itself to a pod's port and that begins with `head`.

    The bytes are those after the header of TCP, of whatever length that is (`@ih`, Linux 5.16). Without a head it is
    every packet that opens a connection.
    """
    name = _table(address, port)
    seen = "".join(f" {part}" for part in _bytes(head.encode())) if head else " tcp flags & (syn | ack) == syn"
    return f"""{_removed(name)}table ip {name} {{
  chain output {{
    type filter hook output priority -10; policy accept;
    ip daddr {address} tcp dport {port}{seen} counter drop
  }}
}}
"""


def _bytes(head: bytes) -> Iterator[str]:
    for begin in range(0, len(head), CHUNK_BYTES):
        part = head[begin : begin + CHUNK_BYTES]
        yield f"@ih,{begin * 8},{len(part) * 8} 0x{part.hex()}"


def _table(address: str, port: int) -> str:
    return f"{TABLE}{address}-{port}"


def _removed(name: str) -> str:
    return f"table ip {name}\ndelete table ip {name}\n"


def pass_all_probes() -> tuple[str, ...]:
    """Let every kubelet of the lab ask again, and return which pods' ports it could not. Raises LabError."""
    found: list[str] = []
    for netns in namespaces_left():
        for name in tables(netns):
            if ours := OURS.fullmatch(name):
                nft(netns, _removed(name))
                found.append(f"probes of {ours['address']}:{ours['port']}")
    return tuple(found)
