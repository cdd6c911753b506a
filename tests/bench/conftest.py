"""How many faults the trials of the bench inject one after the other."""

import pytest


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option."""
    parser.addoption("--faults", type=int, default=5, metavar="N", help="faults in each trial (default: 5)")


@pytest.fixture
def faults_count(pytestconfig: pytest.Config) -> int:
    """Give the number of faults."""
    return int(pytestconfig.getoption("--faults"))
