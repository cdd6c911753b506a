"""The system that this repository's own scenarios are about: the reference model."""

import pytest

from chaos.system import SystemSpec
from chaos.trial.environment import Ground
from chaos.trial.reference_model import reference_profile, reference_spec
from loadgen.profiles import Profile


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the option of the scenario that takes an hour."""
    parser.addoption(
        "--soak-s", type=float, metavar="SECONDS", help="run the soak scenario for so long (make soak: 3600)"
    )


@pytest.fixture(scope="session")
def soak_s(pytestconfig: pytest.Config) -> float:
    """For how long to soak; without --soak-s that scenario is skipped, as it takes an hour."""
    given: float | None = pytestconfig.getoption("soak_s")
    if given is None:
        pytest.skip("takes an hour: give --soak-s 3600, or run make soak")
    return given


@pytest.fixture(scope="session")
def system_spec(ground: Ground) -> SystemSpec:
    """Give the reference model."""
    return reference_spec(ground)


@pytest.fixture(scope="session")
def request_profile() -> Profile:
    """Give a short chat, streamed."""
    return reference_profile()
