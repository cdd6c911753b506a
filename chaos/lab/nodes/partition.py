"""Cut single pods of the lab off: their node drops what it would forward to or from their addresses.

The kubelet's own requests are not forwarded, so a pod that is cut off still passes its probes, as with a NetworkPolicy.
"""

from __future__ import annotations

import json
import subprocess
import threading

from chaos.errors import LabError
from chaos.lab.host.network import namespaces_left
from chaos.lab.host.processes import in_netns
from chaos.lab.nodes.power import machine_of

__all__ = ["LabPodNetwork", "reconnect_all"]

NFT_S = 10.0
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
        try:
            netns = machine_of(node).netns
            # Several pods of one node may be cut at once: a table made anew would forget the first.
            with _table:
                if not _cut_addresses(netns):
                    _nft(netns, f"table ip {TABLE}\ndelete table ip {TABLE}\n{DECLARED}")
                _nft(netns, f"add element ip {TABLE} cut {{ {address} }}\n")
        except LabError as error:
            return error.what
        return ""

    def restore(self, node: str, address: str) -> str:
        """Forward them again; they may not be cut off. Return an empty string, or why that is not done."""
        try:
            if address in _cut_addresses(machine_of(node).netns):
                _nft(machine_of(node).netns, f"delete element ip {TABLE} cut {{ {address} }}\n")
        except LabError as error:
            return error.what
        return ""


def reconnect_all() -> tuple[str, ...]:
    """Let every pod of the lab be reached again, and return the addresses that could not be. Raises LabError."""
    found: list[str] = []
    for netns in namespaces_left():
        if addresses := _cut_addresses(netns):
            found += addresses
            _nft(netns, f"delete table ip {TABLE}\n")
    return tuple(found)


def _cut_addresses(netns: str) -> tuple[str, ...]:
    """The addresses that are cut off in a namespace."""
    tables = json.loads(_nft(netns, "", "-j", "list", "tables"))["nftables"]
    if not any(one.get("table", {}).get("name") == TABLE for one in tables):
        return ()
    listed = json.loads(_nft(netns, "", "-j", "list", "set", "ip", TABLE, "cut"))["nftables"]
    return tuple(str(address) for one in listed for address in one.get("set", {}).get("elem", ()))


def _nft(netns: str, commands: str, *words: str) -> str:
    """Run nft in a namespace with these words, or else with commands from its standard input; return what it prints."""
    argv = ["nsenter", *in_netns(netns), "--", "nft", *(words or ("-f", "-"))]
    try:
        done = subprocess.run(argv, input=commands, capture_output=True, text=True, check=True, timeout=NFT_S)
    except subprocess.CalledProcessError as error:
        raise LabError(f"nft in {netns}: {error.stderr.strip()}", "gameday doctor") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"nft in {netns}: {error}", "gameday doctor") from error
    return done.stdout
