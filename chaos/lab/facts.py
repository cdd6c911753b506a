"""What a running lab is, in words that its users need; kept in a file from one command to the next."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

__all__ = ["CONTEXT", "LabFacts", "read_facts", "write_facts"]

CONTEXT = "gameday-lab"


@dataclass(frozen=True, slots=True)
class LabFacts:
    """A lab that came up: `timings` are Kubernetes' own as it runs here, `stages` what starting it took, in seconds."""

    kubeconfig: Path
    context: str
    nodes: tuple[str, ...]
    timings: Mapping[str, Any]
    client_netns: str
    stages: tuple[tuple[str, float], ...]


def write_facts(facts: LabFacts, path: Path) -> None:
    """Write the facts, whole or not at all."""
    whole = path.with_suffix(".new")
    whole.write_text(json.dumps(asdict(facts) | {"kubeconfig": str(facts.kubeconfig)}, indent=1) + "\n")
    whole.rename(path)


def read_facts(path: Path) -> LabFacts | None:
    """The facts of the lab that came up and was not taken down, or None."""
    try:
        kept = json.loads(path.read_text())
    except FileNotFoundError:
        return None
    return LabFacts(
        kubeconfig=Path(kept["kubeconfig"]),
        context=kept["context"],
        nodes=tuple(kept["nodes"]),
        timings=kept["timings"],
        client_netns=kept["client_netns"],
        stages=tuple((name, seconds) for name, seconds in kept["stages"]),
    )
