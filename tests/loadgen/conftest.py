"""One server for all tests that do not harm it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from loopback import Served, serving


@pytest.fixture(scope="session")
def server() -> Iterator[Served]:
    """A server that misbehaves as the path says."""
    with serving() as served:
        yield served


@pytest.fixture
def own_server() -> Iterator[Served]:
    """A server for a test that freezes or kills it."""
    with serving() as served:
        yield served
