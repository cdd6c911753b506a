"""What is known before a trial begins: the content of trial.json, as docs/run-folder.md describes it."""

from __future__ import annotations

import importlib.metadata
import platform
import subprocess
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from chaos.clock import Clock
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.system import System, SystemSpec, selector
from chaos.trial.environment import Ground

__all__ = ["ScenarioFacts", "trial_facts", "versions"]


@dataclass(frozen=True, slots=True)
class ScenarioFacts:
    """The scenario that a trial executes: its test's name and node id, its claim (the docstring), and the seed."""

    name: str
    nodeid: str
    claim: str
    seed: int


def trial_facts(
    ground: Ground,
    spec: SystemSpec,
    scenario: ScenarioFacts,
    *,
    run: str,
    namespace: str,
    clock: Clock,
    dry_run: bool,
    connections: str = "fresh",
    found: System | None = None,
) -> dict[str, Any]:
    """Put the facts together; plain data, ready for JSON.

    `connections` as in the request profile; `found` is a system that no spec of ours describes.
    """
    cluster = ground.cluster.facts
    budget = found.disruption_budget if found else None
    own_budget = spec.name if spec.disruption_budget and not found else ""
    return {
        "schema": 1,
        "run": run,
        "scenario": scenario.name,
        "nodeid": scenario.nodeid,
        "claim": scenario.claim,
        "seed": scenario.seed,
        "dry_run": dry_run,
        "clock": asdict(clock),
        "cluster": {"kind": ground.kind, **asdict(cluster)},
        "timings": dict(ground.timings),
        "system": {
            "namespace": namespace,
            "workload": {**(found.workload_kind if found else DEPLOYMENT).plain(), "name": spec.name},
            "service": found.service if found else spec.name,
            "disruption_budget": budget.name if budget else own_budget,
            "port": spec.service_port,
            "selector": dict(found.selector if found else selector(spec)),
            "profile": spec.profile,
            "connections": connections,
            "origin": ground.origin_words,
        },
        "spec": spec.model_dump(mode="json"),
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Versions of what takes part on this side: ourselves, Python, and the libraries that measure."""
    own = {
        name: importlib.metadata.version(name) for name in ("kube-gameday", "kubernetes", "locust", "pytest", "polars")
    }
    return own | {"python": platform.python_version(), "git": _git_head()}


def _git_head() -> str:
    """The commit of the checkout that this file is in, with a + if files differ from it; empty if there is none."""
    here = Path(__file__).parent
    try:
        head = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=here,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head.stdout.strip()
