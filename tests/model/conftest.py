"""The model server's packages, and servers made of them. Nothing here skips: what cannot be built is an error."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from model_replica import START_WITHIN_S, Replica, running

from chaos.lab.images.recipes import python_packages
from chaos.progress import Terminal


@pytest.fixture(scope="session")
def packages() -> Path:
    """The folder with the pinned packages and the weights."""
    return python_packages(Terminal())


@pytest.fixture(scope="session")
def replica(packages: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Replica]:
    """One ready server, for the tests that leave it as they found it."""
    with running(packages, tmp_path_factory.mktemp("shared")) as server:
        server.until_status("/readyz", 200, deadline_s=START_WITHIN_S)
        yield server


@pytest.fixture
def start(packages: Path, tmp_path: Path) -> Iterator[Callable[..., Replica]]:
    """Call it with settings to start a server of the test's own; it is ready unless `ready=False`."""
    with ExitStack() as stack:

        def starter(*, ready: bool = True, **settings: str) -> Replica:
            server = stack.enter_context(running(packages, tmp_path, **settings))
            if ready:
                server.until_status("/readyz", 200, deadline_s=START_WITHIN_S)
            return server

        yield starter
