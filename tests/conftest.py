"""What holds for all tests: property tests have no time limit for one example, since a busy machine is no defect."""

import pytest
from hypothesis import settings

settings.register_profile("gameday", deadline=None)
settings.load_profile("gameday")


def pytest_addoption(parser: pytest.Parser) -> None:
    """Which Kubernetes the tests of tests/control_plane start."""
    parser.addoption("--kubernetes", default="", metavar="MINOR", help="the control plane of these tests, e.g. 1.34")
