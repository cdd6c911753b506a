"""The lab's addresses and its network: a bridge in the control plane's own namespace, and a namespace a machine.

The host takes part by one link, and reaches one address by it: the API server's. Nothing in the lab has a default
route, the control plane forwards nothing, and the host has a blackhole for all other addresses of the lab: no packet
of the lab leaves this machine, and none from outside comes in.
"""

import ipaddress
import json
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.errors import LabError, UsageError

__all__ = [
    "API_ADDRESS",
    "CONTROL",
    "FIRST_SERVICE",
    "HOST_ADDRESS",
    "HOST_LINK",
    "NAMESPACES",
    "NODES_MAX",
    "NODE_RANGE",
    "POD_RANGE",
    "PREFIX",
    "SERVICE_RANGE",
    "Machine",
    "client",
    "conflicts",
    "host_commands",
    "host_routes",
    "make_network",
    "namespaces_left",
    "nft",
    "nodes",
    "remove_network",
    "run_tool",
    "tables",
]

PREFIX = "gameday"
NODE_RANGE, POD_RANGE, SERVICE_RANGE = "10.89.0.0/24", "10.244.0.0/16", "10.96.0.0/16"
FIRST_SERVICE = "10.96.0.1"  # the API server's own Service
HOST_ADDRESS, API_ADDRESS = "10.89.0.1", "10.89.0.2"
# The host's one link into the lab, and the bridge that joins the lab's machines.
HOST_LINK, BRIDGE = "gameday0", "lab0"
CONTROL = f"{PREFIX}-control"
NODES_MAX = 20
FIRST_ADDRESS = 10
ZONES = "abc"
POOLS = ("blue", "green")


@dataclass(frozen=True, slots=True)
class Machine:
    """A network namespace of the lab that stands for a machine: a node (index 1 and up), or the client (index 0)."""

    name: str
    index: int

    @property
    def netns(self) -> str:
        """Its network namespace."""
        return f"{PREFIX}-{self.name}"

    @property
    def port(self) -> str:
        """Its link's end at the bridge, in the control plane's namespace."""
        return f"to-{self.name}"

    @property
    def address(self) -> str:
        """Its address on the bridge."""
        return f"{NODE_RANGE.rsplit('.', 1)[0]}.{FIRST_ADDRESS + self.index}"

    @property
    def pod_range(self) -> str:
        """The addresses of a node's pods."""
        assert self.index, "the client has no pods"
        return f"10.244.{self.index}.0/24"

    @property
    def labels(self) -> dict[str, str]:
        """A node's labels: zones a, b, c in turn, and pools blue and green in turn."""
        return {
            "topology.kubernetes.io/zone": f"zone-{ZONES[(self.index - 1) % len(ZONES)]}",
            "gameday.dev/pool": POOLS[(self.index - 1) % len(POOLS)],
        }


def client() -> Machine:
    """The machine that users' requests come from."""
    return Machine("client", 0)


def nodes(count: int) -> tuple[Machine, ...]:
    """The nodes n1 … n`count`. Raises UsageError unless there are 1 to 20."""
    if not 1 <= count <= NODES_MAX:
        raise UsageError(f"{count} nodes were asked for; the lab has 1 to {NODES_MAX}")
    return tuple(Machine(f"n{index}", index) for index in range(1, count + 1))


NAMESPACES = Path("/run/netns")
TOOL_DEADLINE_S = 20.0
# Our routes on the host are known by this protocol number, so that we never remove another's.
PROTOCOL, METRIC = 189, 4089
FORWARDING = """
echo 1 > /proc/sys/net/ipv4/ip_forward
for group in all default eth0; do echo 0 > "/proc/sys/net/ipv4/conf/$group/rp_filter"; done
"""
# A new namespace starts with the host's own setting, which Docker for one turns on.
NO_FORWARDING = "echo 0 > /proc/sys/net/ipv4/ip_forward"


def make_network(nodes: Sequence[Machine], client: Machine) -> None:
    """Make namespaces, links, addresses and routes. Raises LabError, also if the host already uses our range."""
    if taken := conflicts(host_routes()):
        raise LabError(f"the lab's addresses {NODE_RANGE} are routed on this host: {taken[0]}", "remove that route")
    machines = (*nodes, client)
    _batch([], host_commands(machines))
    _set(CONTROL, NO_FORWARDING)
    _batch(["-netns", CONTROL], control_commands(machines))
    for machine in machines:
        _batch(["-netns", machine.netns], machine_commands(machine, nodes))
        _set(machine.netns, FORWARDING)


def remove_network() -> None:
    """Remove whatever of our network there is on the host."""
    links = json.loads(run_tool(["ip", "-json", "link", "show"]) or "[]")
    if any(link["ifname"] == HOST_LINK for link in links):
        run_tool(["ip", "link", "delete", HOST_LINK])
    for name in namespaces_left():
        run_tool(["ip", "netns", "delete", name])
    routes = json.loads(run_tool(["ip", "-json", "-4", "route", "show", "proto", str(PROTOCOL)]) or "[]")
    for route in routes:
        run_tool(["ip", "route", "delete", "blackhole", route["dst"], "proto", str(PROTOCOL), "metric", str(METRIC)])


def namespaces_left() -> tuple[str, ...]:
    """The lab's network namespaces that exist."""
    return tuple(sorted(path.name for path in NAMESPACES.glob(f"{PREFIX}-*")))


def conflicts(routes: Iterable[Mapping[str, Any]]) -> list[str]:
    """Which of the host's routes (as `ip -json route` tells them) lead to the lab's own addresses, in words."""
    ours = ipaddress.ip_network(NODE_RANGE)
    found = []
    for route in routes:
        destination = route["dst"]
        if destination != "default" and ours.overlaps(ipaddress.ip_network(destination)):
            found.append(f"{destination} by {route.get('dev', route.get('type', 'a route'))}")
    return found


def host_routes() -> list[dict[str, Any]]:
    """All IPv4 routes of the host, as `ip -json route` shows them. Raises LabError."""
    routes: list[dict[str, Any]] = json.loads(run_tool(["ip", "-json", "-4", "route", "show", "table", "all"]) or "[]")
    return routes


def host_commands(machines: Sequence[Machine]) -> list[str]:
    """What `ip -batch` does in the host's namespace."""
    return [
        f"netns add {CONTROL}",
        *[f"netns add {machine.netns}" for machine in machines],
        f"link add {HOST_LINK} type veth peer name host0 netns {CONTROL}",
        # No IPv6 address: the host would listen to router advertisements from the lab.
        f"link set dev {HOST_LINK} addrgenmode none",
        f"address add {HOST_ADDRESS} peer {API_ADDRESS} dev {HOST_LINK}",
        f"link set dev {HOST_LINK} up",
        *[f"route add blackhole {r} proto {PROTOCOL} metric {METRIC}" for r in (NODE_RANGE, POD_RANGE, SERVICE_RANGE)],
        *[f"link add {m.port} netns {CONTROL} type veth peer name eth0 netns {m.netns}" for m in machines],
    ]


def control_commands(machines: Sequence[Machine]) -> list[str]:
    """What `ip -batch` does in the control plane's namespace: the bridge, and a way to the host and to pods."""
    return [
        "link set dev lo up",
        f"link add {BRIDGE} type bridge",
        f"address add {API_ADDRESS}/24 dev {BRIDGE}",
        f"link set dev {BRIDGE} up",
        "link set dev host0 up",
        # The host hangs on a link of its own, not on the bridge: nodes and host do not see each other.
        f"route add {HOST_ADDRESS} dev host0 src {API_ADDRESS}",
        *[f"link set dev {machine.port} master {BRIDGE} up" for machine in machines],
        *[f"route add {node.pod_range} via {node.address}" for node in machines if node.index],
    ]


def machine_commands(machine: Machine, nodes: Sequence[Machine]) -> list[str]:
    """What `ip -batch` does in a machine's namespace."""
    return [
        "link set dev lo up",
        f"address add {machine.address}/24 dev eth0",
        "link set dev eth0 up",
        # A packet to a Service must have some route before kube-proxy's rules see it and change where it goes.
        f"route add {SERVICE_RANGE} dev eth0 scope link src {machine.address}",
        *[f"route add {node.pod_range} via {node.address}" for node in nodes if node != machine],
        "route add unreachable default metric 4278198272",
    ]


def _batch(options: Sequence[str], commands: Sequence[str]) -> None:
    run_tool(["ip", *options, "-batch", "-"], "\n".join(commands) + "\n")


def _set(netns: str, script: str) -> None:
    """Change settings of the kernel in a network namespace."""
    run_tool(["nsenter", f"--net={NAMESPACES / netns}", "sh", "-ec", script])


def run_tool(argv: Sequence[str], given: str = "") -> str:
    """Run `ip` or `nft` with `given` as its standard input, and return what it prints. Raises LabError."""
    try:
        # A session of its own: an interrupt at the terminal is not to end what gives a node back.
        done = subprocess.run(
            argv,
            input=given,
            capture_output=True,
            text=True,
            check=True,
            timeout=TOOL_DEADLINE_S,
            start_new_session=True,
        )
    except subprocess.CalledProcessError as error:
        raise LabError(f"{' '.join(argv)}: {error.stderr.strip()}", "gameday lab doctor") from error
    except (OSError, subprocess.TimeoutExpired) as error:
        raise LabError(f"{' '.join(argv)}: {error}", "gameday lab doctor") from error
    return done.stdout


def nft(netns: str, commands: str, *words: str) -> str:
    """Run nft in a namespace with these words, or else with commands from its standard input; return what it prints."""
    return run_tool(["nsenter", f"--net={NAMESPACES / netns}", "--", "nft", *(words or ("-f", "-"))], commands)


def tables(netns: str) -> list[str]:
    """The names of the tables of a namespace's packet filter."""
    listed = json.loads(nft(netns, "", "-j", "list", "tables"))["nftables"]
    return [str(one["table"]["name"]) for one in listed if "table" in one]
