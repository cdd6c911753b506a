"""The fixtures that scenarios use: `trial`, `system`, `traffic`, `slo`; and those that a conftest gives.

A conftest.py gives `system_spec` (what is to be deployed) and `request_profile` (what one request is), unless
gameday.toml names a system that already runs. Each imports what it needs when it is first used.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import pytest

from chaos.errors import UsageError

if TYPE_CHECKING:
    from chaos.slo import Slo
    from chaos.system import SystemSpec
    from chaos.trial.environment import Environment
    from chaos.trial.run import RunningTrial
    from chaos.trial.system_under_test import SystemUnderTest
    from chaos.trial.traffic import Traffic
    from chaos.trial.trial import Trial
    from loadgen.profiles import Profile

__all__: list[str] = []


@pytest.fixture
def trial(_stage: RunningTrial) -> Trial:  # a value
    """The trial: phases, faults and the judgement."""
    return _stage.trial


@pytest.fixture
def system(_stage: RunningTrial) -> SystemUnderTest:  # a value
    """The system under test, deployed and available."""
    return _stage.system


@pytest.fixture
def traffic(_stage: RunningTrial) -> Traffic:  # a value
    """Users: streams of requests to the system."""
    return _stage.traffic


@pytest.fixture(scope="session")
def slo(pytestconfig: pytest.Config) -> Slo:
    """What users were promised: as gameday.toml says; one in a hundred may fail, and 5 s, where no file says."""
    from chaos.plugin.trial_setup import promised

    return promised(pytestconfig)


@pytest.fixture(scope="session")
def system_spec(request: pytest.FixtureRequest) -> SystemSpec:
    """What is deployed, before a scenario's marker changes it: to be given by your conftest.py.

    For the ready-made scenarios alone it is the reference model, where nobody gives another.
    """
    if _ready_made(request.session):
        model: SystemSpec = request.getfixturevalue("reference_model")
        return model
    raise UsageError("no system to test", "define a fixture system_spec in conftest.py that returns a chaos.SystemSpec")


@pytest.fixture(scope="session")
def request_profile(request: pytest.FixtureRequest) -> Profile:
    """What one request is: to be given by your conftest.py; for the ready-made scenarios as `system_spec`."""
    if _ready_made(request.session):
        profile: Profile = request.getfixturevalue("reference_profile")
        return profile
    raise UsageError(
        "no request to send", "define a fixture request_profile in conftest.py that returns one of chaos.profiles"
    )


def _ready_made(session: pytest.Session) -> bool:
    """Whether all scenarios of the session are ours: one of yours must never try the reference model unawares."""
    scenarios = [item for item in session.items if "_stage" in getattr(item, "fixturenames", ())]
    return all(item.module.__name__.startswith("gameday_scenarios.") for item in scenarios)  # type: ignore[attr-defined]


@pytest.fixture(scope="session")
def reference_model(_environment: Environment) -> SystemSpec:  # a value
    """The reference model, a small language model that each cluster can run, for a conftest that has no other."""
    from chaos.trial.environment import reference_spec

    return reference_spec(_environment)


@pytest.fixture(scope="session")
def reference_profile() -> Profile:
    """One request to the reference model: a short chat, streamed."""
    from chaos.trial.environment import reference_profile as given

    return given()


@pytest.fixture(scope="session")
def _environment(pytestconfig: pytest.Config) -> Iterator[Environment]:
    """The cluster that this session's scenarios run on."""
    from chaos.plugin.trial_setup import environment

    yield from environment(pytestconfig)


@pytest.fixture
def _stage(request: pytest.FixtureRequest) -> Iterator[RunningTrial]:
    """One trial of this scenario, set up."""
    from chaos.plugin.trial_setup import stage

    yield from stage(request)
