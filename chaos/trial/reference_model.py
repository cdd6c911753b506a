"""The reference model as a system under test, and what one request to it is: small enough for several replicas."""

from chaos.errors import UsageError
from chaos.system import SystemSpec
from chaos.trial.environment import Environment
from loadgen.profiles import OpenAiChatProfile, Profile

__all__ = ["reference_profile", "reference_spec"]


def reference_spec(environment: Environment) -> SystemSpec:
    """SmolLM2 on llama.cpp. Raises `UsageError` where the cluster has no image of it."""
    if not environment.reference_image:
        raise UsageError(
            f"context {environment.cluster.facts.context} has no image of the reference model",
            "build chaos/lab/images/model_server with its Dockerfile, push it, and name it: --gameday-image IMAGE",
        )
    on_lab = environment.kind == "lab"
    return SystemSpec(
        name="model",
        image=environment.reference_image,
        image_pull_policy="Never" if on_lab else "IfNotPresent",
        profile="openai-chat",
    )


def reference_profile() -> Profile:
    """Give a short chat, streamed."""
    return OpenAiChatProfile(model="smollm2", prompts=("Say hello.", "Name a colour.", "Count to three."), max_tokens=6)
