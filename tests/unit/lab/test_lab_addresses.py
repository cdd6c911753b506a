"""Names and addresses of the lab's machines, and what the network is told of them."""

import ipaddress
from collections.abc import Sequence

import pytest

from chaos.errors import UsageError
from chaos.lab.host import network
from chaos.lab.host.network import (
    API_ADDRESS,
    CONTROL,
    HOST_ADDRESS,
    NODE_RANGE,
    NODES_MAX,
    POD_RANGE,
    SERVICE_RANGE,
    client,
    conflicts,
    control_commands,
    host_commands,
    machine_commands,
    make_network,
    nodes,
)


def test_no_address_is_given_twice() -> None:
    """Host, API server, client and the most nodes have addresses of their own within the lab's range."""
    given = [HOST_ADDRESS, API_ADDRESS, client().address, *[node.address for node in nodes(NODES_MAX)]]
    assert len(set(given)) == len(given)
    assert all(ipaddress.ip_address(address) in ipaddress.ip_network(NODE_RANGE) for address in given)


def test_pod_ranges_do_not_overlap() -> None:
    """Each node has pod addresses of its own, all within the cluster's range."""
    ranges = [ipaddress.ip_network(node.pod_range) for node in nodes(NODES_MAX)]
    assert len(set(ranges)) == NODES_MAX
    assert all(found.subnet_of(ipaddress.ip_network(POD_RANGE)) for found in ranges)


@pytest.mark.parametrize("count", [0, -1, NODES_MAX + 1])
def test_numbers_out_of_range_are_refused(count: int) -> None:
    """A lab has at least one node, and no more than it has addresses for."""
    with pytest.raises(UsageError, match=f"{count} nodes were asked for; the lab has 1 to {NODES_MAX}"):
        nodes(count)


def test_zones_and_pools_take_turns() -> None:
    """Three nodes are in three zones; neighbours are in different pools."""
    labels = [node.labels for node in nodes(4)]
    assert [found["topology.kubernetes.io/zone"] for found in labels] == ["zone-a", "zone-b", "zone-c", "zone-a"]
    assert [found["gameday.dev/pool"] for found in labels] == ["blue", "green", "blue", "green"]


@pytest.mark.parametrize(
    ("destination", "words"),
    [
        ("10.89.0.0/16", "10.89.0.0/16 by br-x"),
        ("10.89.0.7", "10.89.0.7 by br-x"),
        ("10.0.0.0/8", "10.0.0.0/8 by br-x"),
    ],
)
def test_a_route_over_the_labs_addresses_is_a_conflict(destination: str, words: str) -> None:
    """A route of the host that leads to addresses of the lab is named, with its device."""
    assert conflicts([{"dst": "default", "dev": "eth0"}, {"dst": destination, "dev": "br-x"}]) == [words]


def test_other_routes_are_no_conflict() -> None:
    """A default route, neighbouring ranges, broadcasts elsewhere: none of the lab's business."""
    routes = [{"dst": "default"}, {"dst": "10.88.0.0/16", "dev": "a"}, {"dst": "10.89.1.0/24", "dev": "b"}]
    assert conflicts([*routes, {"dst": "192.0.2.255", "type": "broadcast"}]) == []


def test_no_machine_has_a_way_out() -> None:
    """Machines route pods to their nodes and Services to their own rules; their default route leads nowhere."""
    two = nodes(2)
    commands = machine_commands(two[0], two)
    defaults = [command for command in commands if "default" in command]
    assert defaults == [command for command in commands if command.startswith("route add unreachable default")]
    assert f"route add {two[1].pod_range} via {two[1].address}" in commands
    assert not any(two[0].pod_range in command for command in commands)


def test_the_host_routes_nothing_to_the_lab_but_the_api_server() -> None:
    """On the host the ranges of nodes, pods and Services are blackholes."""
    commands = host_commands([*nodes(2), client()])
    routes = [command.split() for command in commands if command.startswith("route add")]
    assert {words[3] for words in routes} == {NODE_RANGE, POD_RANGE, SERVICE_RANGE}
    assert {words[2] for words in routes} == {"blackhole"}


def test_the_control_plane_knows_the_way_to_every_pod() -> None:
    """The API server reaches pods through their nodes; the client has none."""
    commands = control_commands([*nodes(2), client()])
    assert [command for command in commands if "via" in command] == [
        "route add 10.244.1.0/24 via 10.89.0.11",
        "route add 10.244.2.0/24 via 10.89.0.12",
    ]


def test_the_control_plane_forwards_nothing_whatever_the_host_does(monkeypatch: pytest.MonkeyPatch) -> None:
    """A namespace starts with the host's own setting: turned off here before a link is up, and on for each machine."""
    ran: list[tuple[str, ...]] = []

    def run_tool(argv: Sequence[str], given: str = "") -> str:
        ran.append((*argv, given))
        return ""

    monkeypatch.setattr(network, "run_tool", run_tool)
    make_network(nodes(1), client())
    settings = {words[1]: words[4] for words in ran if words[0] == "nsenter"}
    forwards = {place: "echo 1 > /proc/sys/net/ipv4/ip_forward" in script for place, script in settings.items()}
    assert forwards == {f"--net=/run/netns/gameday-{name}": name != "control" for name in ("control", "n1", "client")}
    assert settings["--net=/run/netns/gameday-control"] == "echo 0 > /proc/sys/net/ipv4/ip_forward"
    order = [words[:3] for words in ran]
    assert order.index(("nsenter", "--net=/run/netns/gameday-control", "sh")) < order.index(("ip", "-netns", CONTROL))
