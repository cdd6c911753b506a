"""What one healthy replica of the reference model carries on this machine: learned once for each spec and request."""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import Any, cast

from chaos.cluster import Cluster
from chaos.lab import Lab, LabFacts
from chaos.lab.images.recipes import MODEL_IMAGE
from chaos.progress import Terminal
from chaos.semantics import Timings
from chaos.slo import Slo
from chaos.system import SystemSpec
from chaos.trial.capacity.ramp import Ramp, learn
from chaos.trial.lab_environment import LAB_INFRASTRUCTURE, LabEnvironment
from chaos.trial.request import ScenarioFacts, TrialRequest
from loadgen.profiles import OpenAiChatProfile

__all__ = ["learned_rps"]

PROMISED = Slo(availability=0.99, latency_p99_s=5.0)
PROMISED_LONG = Slo(availability=0.99, latency_p99_s=30.0)

LONG_TOKENS = 20

_known: dict[str, float] = {}


def learned_rps(place: tuple[Lab, LabFacts, Cluster], spec: SystemSpec, folder: Path, answers: str) -> float:
    """The requests a second that one replica of this spec carries, for a gameday.toml that states it.

    A service that is broken, or that an autoscaler scales, tells none of its own.
    """
    running, facts, admin = place
    name = f"{spec.cpu_request} {spec.cpu_limit} {dict(spec.env)} {answers}"
    if name not in _known:
        fields: dict[str, Any] = tomllib.loads(answers)
        environment = LabEnvironment(
            cluster=admin,
            timings=Timings.of(facts.timings),
            reference_image=MODEL_IMAGE,
            infrastructure=LAB_INFRASTRUCTURE,
            lab=running,
            account=cast("Any", None),  # whoever runs this is the administrator
            progress=Terminal(),
        )
        run = folder / f"ramp-{len(_known)}"
        request = TrialRequest(
            scenario=ScenarioFacts("ramp", "a ramp", "", 1),
            run=run,
            system=spec,
            profile=OpenAiChatProfile(model="smollm2", prompts=("Say hello.", "Count to three."), **fields),
        )
        slo = PROMISED_LONG if fields["max_tokens"] > LONG_TOKENS else PROMISED
        found = learn(environment, request, Ramp(slo, run, 1), say=print, draw=lambda judged: judged.run)
        _known[name] = found.replica_rps
    return _known[name]
