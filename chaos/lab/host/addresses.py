"""Who has which address and name in the lab. Everything that the lab makes on a host bears one of these names."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.errors import UsageError

__all__ = [
    "API_ADDRESS",
    "BRIDGE",
    "CLIENT",
    "CONTROL",
    "HOST_ADDRESS",
    "HOST_LINK",
    "NODES_MAX",
    "NODE_RANGE",
    "POD_RANGE",
    "PREFIX",
    "SERVICE_RANGE",
    "Machine",
    "client",
    "nodes",
]

PREFIX = "gameday"
NODE_RANGE, POD_RANGE, SERVICE_RANGE = "10.89.0.0/24", "10.244.0.0/16", "10.96.0.0/16"
HOST_ADDRESS, API_ADDRESS = "10.89.0.1", "10.89.0.2"
# The host's one link into the lab, and the bridge that joins the lab's machines.
HOST_LINK, BRIDGE = "gameday0", "lab0"
CONTROL, CLIENT = f"{PREFIX}-control", f"{PREFIX}-client"
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
