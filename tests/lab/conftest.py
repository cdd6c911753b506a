"""The real lab for tests: root only, and never over a lab that somebody else has up."""

import os
from collections.abc import Iterator

import pytest
from exec_room import exec_room

from chaos.cluster import Cluster
from chaos.lab import Lab, LabFacts
from chaos.progress import Terminal


@pytest.fixture(scope="session")
def no_lab() -> Lab:
    """The lab of this host, which is down."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    lab = Lab()
    if lab.status().remains:
        pytest.fail("there is a lab on this host already, and these tests would end it; first: gameday lab down")
    return lab


@pytest.fixture(scope="module")
def lab(no_lab: Lab) -> Iterator[Lab]:
    """A lab with two nodes that is up, and in use, for the tests of one file."""
    with no_lab.use("the tests of the lab", nodes=2, progress=Terminal()):
        yield no_lab
    no_lab.down(progress=Terminal())


@pytest.fixture(scope="module")
def facts(lab: Lab) -> LabFacts:
    """The facts of that lab."""
    return lab.facts()


@pytest.fixture(scope="module")
def cluster() -> Iterator[Cluster]:
    """The lab, with a namespace of our own."""
    with exec_room() as cluster:
        yield cluster
