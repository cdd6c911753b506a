"""What the ready-made scenarios are about where no gameday.toml names a system: the reference model."""

import pytest


@pytest.fixture(scope="session")
def soak_s(pytestconfig):
    """For how long to soak; without the option that scenario is skipped, as it takes an hour."""
    if (given := pytestconfig.getoption("gameday_soak_s")) is None:
        pytest.skip("takes an hour: give --gameday-soak-s 3600")
    return given


@pytest.fixture(scope="session")
def system_spec(reference_model):
    """Give the reference model."""
    return reference_model


@pytest.fixture(scope="session")
def request_profile(reference_profile):
    """Give a short chat, streamed."""
    return reference_profile
