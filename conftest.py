"""What the scenarios and mutants of this repository are about: the reference model."""

import pytest


@pytest.fixture(scope="session")
def system_spec(reference_model):
    """Give the reference model."""
    return reference_model


@pytest.fixture(scope="session")
def request_profile(reference_profile):
    """Give a short chat, streamed."""
    return reference_profile
