"""A control plane with simulated nodes, started once for all tests of this folder."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from kwok_program import kwok_program
from simulated_cluster import SimulatedCluster
from trial_room import Room, answering

from chaos.cluster import Cluster, connect
from chaos.lab.control_plane.build import Release, kube_program
from chaos.progress import Terminal


@pytest.fixture(scope="session")
def simulated(pytestconfig: pytest.Config) -> Iterator[SimulatedCluster]:
    """A running cluster with three simulated nodes `node-0` … `node-2`; each test uses a namespace of its own."""
    progress = Terminal()
    minor = Release.of(pytestconfig.getoption("kubernetes")).control_plane
    with SimulatedCluster(kube=kube_program(progress, minor), kwok=kwok_program(progress)) as cluster:
        cluster.add_nodes(3)
        yield cluster


@pytest.fixture
def cluster(simulated: SimulatedCluster) -> Iterator[Cluster]:
    """A connection to the simulated cluster."""
    with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as made:
        yield made


@pytest.fixture
def room(simulated: SimulatedCluster, tmp_path: Path) -> Iterator[Room]:
    """Surroundings for trials."""
    with answering() as url:
        made = Room(simulated, url, tmp_path)
        with made.cluster:
            yield made
