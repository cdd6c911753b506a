"""The request for one trial, and the content of trial.json that follows from it: see docs/run-folder.md."""

import importlib.metadata
import platform
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from chaos.checks.judge import Judgement
from chaos.clock import Clock
from chaos.faults.permissions import LOAD
from chaos.history.reading.run_folder import TRIAL_SCHEMA
from chaos.objects.workload_kind import DEPLOYMENT
from chaos.safety import BlastRadius
from chaos.system import System, SystemSpec, selector
from chaos.system.adopt.find import Adopted, adopt
from chaos.system.deploy.manifest_folder import Manifests
from chaos.system.deploy.namespace import namespace_of_trial
from chaos.trial.environment import Environment
from chaos.trial.replica_capacity import ReplicaCapacity
from loadgen.profiles import Profile

__all__ = ["LoadSettings", "Output", "ScenarioFacts", "TrialRequest", "table_in", "trial_facts"]

CHECKOUT = Path(__file__).parents[2]
"""Where this package lies: our own checkout, or wherever it is installed."""


@dataclass(frozen=True, slots=True)
class ScenarioFacts:
    """The scenario that a trial executes: its test's name and node id, its claim (the docstring), and the seed."""

    name: str
    nodeid: str
    claim: str
    seed: int


@dataclass(frozen=True, slots=True)
class LoadSettings:
    """Where the load comes from.

    Attributes:
        workers: How many processes or pods share it.
        in_cluster: Whether they are pods in the cluster; otherwise they are processes of this host.
        ingress: The address ranges that may reach pods' control port, by a NetworkPolicy; empty for no policy.
        start_deadline_s: How long pods may take to be ready; pulling an image on each node is the longest of it.
    """

    workers: int = 1
    in_cluster: bool = False
    ingress: tuple[str, ...] = ()
    start_deadline_s: float = 120.0

    @property
    def words(self) -> str:
        """Where the load comes from, if it is pods; empty if the environment says it."""
        return (
            f"{self.workers} pods in the cluster, by the Service's name; no ingress, no TLS" if self.in_cluster else ""
        )


@dataclass(frozen=True, slots=True)
class Output:
    """Where a trial reports to: `say` shows a line to people, `draw` writes the report of a judgement."""

    say: Callable[[str], None]
    draw: Callable[[Judgement], Path]


@dataclass(frozen=True, slots=True, kw_only=True)
class TrialRequest:
    """What to run: one trial.

    Attributes:
        scenario: What is executed.
        run: The run folder, which must not be there yet.
        system: What is tried: a spec or manifests to deploy, or a system that already runs and is left there.
        profile: What one request is.
        load: Where the load comes from.
        pods_max: The most pods that may be down at once because of us, None for the usual.
        dry_run: Do nothing to the system; the verdict cannot be PASS then.
        keep_namespace: Leave the trial's namespace there at the end.
        load_action: The action by which owners allow a load that rises.
        engine: What answers, as gameday.toml names it, and its version; empty where nobody says.
        canary: Ask each replica directly.
        roles: The other workloads of a system that already runs, by what they do, e.g. `router`.
        capacity: What a load of 1.0 is, None where the scenario names none.
    """

    scenario: ScenarioFacts
    run: Path
    system: SystemSpec | Manifests | Adopted
    profile: Profile
    load: LoadSettings = LoadSettings()
    pods_max: int | None = None
    dry_run: bool = False
    keep_namespace: bool = False
    load_action: str = LOAD.name
    engine: tuple[str, str] = ("", "")
    canary: bool = False
    roles: Mapping[str, Adopted] = field(default_factory=dict)
    capacity: ReplicaCapacity | None = None

    @property
    def adopted(self) -> Adopted | None:
        """The system that already runs; None if the trial deploys its own."""
        return self.system if isinstance(self.system, Adopted) else None

    @property
    def spec(self) -> SystemSpec:
        """What the system is, whoever deploys it."""
        if isinstance(self.system, SystemSpec):
            return self.system
        return self.system.spec if isinstance(self.system, Manifests) else self.system.system.spec

    @property
    def namespace(self) -> str:
        """Where the system runs: one of the trial's own, unless it runs already."""
        if isinstance(self.system, Adopted):
            return self.system.system.namespace
        return namespace_of_trial(self.scenario.name, self.run.name)

    def radius(self, environment: Environment) -> BlastRadius:
        """How much may be down at once because of us, by what is known before the trial."""
        wanted, nodes = self.spec.replicas_floor, len(environment.cluster.facts.nodes)
        return environment.blast_radius(self.spec, self.namespace, self.pods_max, wanted=wanted, nodes=nodes)

    def found(self) -> Adopted | None:
        """The system as it was written by others, None if our spec says what it is."""
        if isinstance(self.system, Manifests):
            return adopt(self.system, self.system.query(self.namespace))
        return self.adopted


def trial_facts(environment: Environment, request: TrialRequest, clock: Clock, found: System | None) -> dict[str, Any]:
    """The content of trial.json. `found` is a system that no spec of ours describes."""
    spec, scenario = request.spec, request.scenario
    budget = found.disruption_budget if found else None
    own_budget = spec.name if spec.disruption_budget and not found else ""
    return {
        "schema": TRIAL_SCHEMA,
        "run": request.run.name,
        "scenario": scenario.name,
        "nodeid": scenario.nodeid,
        "claim": scenario.claim,
        "seed": scenario.seed,
        "dry_run": request.dry_run,
        "clock": asdict(clock),
        "cluster": {"kind": environment.kind, **asdict(environment.cluster.facts)},
        "timings": asdict(environment.timings),
        "autoscaling": environment.adoption.config.autoscaling.model_dump() if environment.adoption else {},
        "system": {
            "namespace": request.namespace,
            "workload": {**(found.workload_kind if found else DEPLOYMENT).plain(), "name": spec.name},
            "service": found.service if found else spec.name,
            "disruption_budget": budget.name if budget else own_budget,
            "port": spec.service_port,
            "selector": dict(found.selector if found else selector(spec)),
            "profile": spec.profile,
            "connections": request.profile.connections,
            "adopted": request.adopted is not None,
            "origin": request.load.words or environment.origin_name,
            "engine": dict(zip(("name", "version"), request.engine, strict=True)),
            "canary": request.canary,
        },
        "at_once": request.radius(environment).pods_max,
        "capacity": request.capacity.plain() if request.capacity else None,
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
    """The commit of our checkout, with a + if files differ from it; empty where this is none, but installed.

    A virtual environment may lie in a stranger's checkout: that is not our version, and git would run the programs that
    its configuration names (`core.fsmonitor`, hooks, filters).
    """
    if not (CHECKOUT / ".git").exists():
        return ""
    try:
        head = subprocess.run(
            ["git", "describe", "--always", "--dirty=+"],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            check=True,
            timeout=5,
        )
    except (OSError, subprocess.SubprocessError):
        return ""
    return head.stdout.strip()


def table_in(facts: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A part of saved facts that has parts of its own; empty where others wrote something else there."""
    part = facts.get(name)
    return part if isinstance(part, Mapping) else {}
