"""The system that this repository's own scenarios are about: the reference model."""

import pytest

from chaos.errors import UsageError
from chaos.ground import Ground
from chaos.system import SystemSpec
from loadgen.profiles import OpenAiChatProfile, Profile


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
    """Give the reference model: SmolLM2 on llama.cpp, small enough for several replicas on two cores."""
    if not ground.reference_image:
        raise UsageError(
            f"context {ground.cluster.facts.context} has no image of the reference model",
            "build chaos/system/image with its Dockerfile, push it, and name it with --image",
        )
    on_lab = ground.kind == "lab"
    return SystemSpec(
        name="model",
        image=ground.reference_image,
        image_pull_policy="Never" if on_lab else "IfNotPresent",
        profile="openai-chat",
    )


@pytest.fixture(scope="session")
def request_profile() -> Profile:
    """Give a short chat, streamed."""
    return OpenAiChatProfile(model="smollm2", prompts=("Say hello.", "Name a colour.", "Count to three."), max_tokens=6)
