"""Reading a real API server: objects, pages, rights, and patience with a server that is busy."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from cluster_room import Room, config_map, room
from fault_proxy import Answer, Drop, FaultProxy
from simulated_cluster import SimulatedCluster

from chaos.cluster import client, connect
from chaos.errors import ClusterRefused, UsageError


@pytest.fixture
def here(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """A namespace, directly on the server."""
    with room(simulated.kubeconfig, simulated.context, tmp_path) as made:
        yield made


@pytest.fixture
def proxy(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[FaultProxy]:
    """A proxy before the server."""
    with FaultProxy(simulated.kubeconfig, tmp_path) as standing:
        yield standing


def test_an_object_that_is_not_there_is_none(here: Room) -> None:
    """Not finding something is an answer, not an error."""
    assert here.cluster.get("ConfigMap", here.namespace, "never") is None


def test_a_list_comes_in_pages(here: Room, monkeypatch: pytest.MonkeyPatch) -> None:
    """A list longer than a page is whole, and its objects say their kind, as single ones do."""
    monkeypatch.setattr(client, "PAGE", 2)
    for n in range(5):
        here.make(config_map(here, f"map-{n}"))
    found = here.cluster.list("ConfigMap", here.namespace, selector="test=yes")
    assert [obj["metadata"]["name"] for obj in found] == [f"map-{n}" for n in range(5)]
    assert found[0] == here.cluster.get("ConfigMap", here.namespace, "map-0")


def test_rights_are_the_servers_word(here: Room, simulated: SimulatedCluster) -> None:
    """The administrator may evict; the server is asked about the subresource as well."""
    assert here.cluster.may("create", "Pod", here.namespace, subresource="eviction")
    assert here.cluster.may("list", "Node")


def test_an_unknown_kind_is_answered_with_the_known_ones(here: Room) -> None:
    """A kind outside the table is a usage error that lists the table."""
    with pytest.raises(UsageError, match=r"no such kind: Pods[^$]*Pod"):
        here.cluster.list("Pods")


def test_the_log_of_a_pod_that_is_not_there_is_an_error_in_words(here: Room) -> None:
    """What cannot be read is said, not returned as an empty text."""
    with pytest.raises(ClusterRefused, match="404"):
        here.cluster.logs(here.namespace, "never")


def test_a_read_outlives_a_broken_connection_and_a_busy_server(proxy: FaultProxy) -> None:
    """Reading again harms nobody, so a few failures are not passed on."""
    with connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster:
        proxy.trouble(Drop(), path="/namespaces/default$")
        proxy.trouble(Answer(503), path="/namespaces/default$")
        assert cluster.get("Namespace", None, "default") is not None


def test_a_read_gives_up_on_a_server_that_stays_busy(proxy: FaultProxy) -> None:
    """After a few attempts within seconds the server's last answer is passed on."""
    with connect(kubeconfig=proxy.kubeconfig, context=proxy.context) as cluster:
        proxy.trouble(Answer(503, b"overloaded"), path="/namespaces/default$", times=99)
        with pytest.raises(ClusterRefused, match="503 overloaded"):
            cluster.get("Namespace", None, "default")
    assert 2 <= sum(line.endswith("/namespaces/default") for line in proxy.seen) <= 6
