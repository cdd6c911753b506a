"""Set one trial up and take it down: run folder, namespace, recorder, system, traffic.

The order matters: the facts are written before the first mutation, the recorder runs before the system is deployed, and
whatever was set up is taken down in reverse, also after an error or Ctrl-C. A system that does not become available is
evidence, not an error: the trial is stopped, and its verdict says what was in the way.
"""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from chaos.clock import Clock
from chaos.cluster import Journal, LeashedHand, OpenHand, Recorder, Scope
from chaos.facts import ScenarioFacts, trial_facts
from chaos.ground import Ground
from chaos.history.views import PodView
from chaos.judgement import Judgement
from chaos.safety import BlastRadius
from chaos.system import NeverAvailable, SystemSpec, deploy, namespace_of_trial
from chaos.traffic import Traffic
from chaos.trial import Trial, World
from loadgen.driver import Generator
from loadgen.profiles import Profile

__all__ = ["Staged", "UnderTest", "inert", "staged"]

WATCHED = ("Pod", "Deployment", "ReplicaSet", "EndpointSlice", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Event")


@dataclass(frozen=True, slots=True)
class UnderTest:
    """The system under test as scenarios and picks see it. Without a recorder nothing can be picked."""

    spec: SystemSpec
    namespace: str
    words: str
    rng: random.Random
    recorder: Recorder | None = None

    @property
    def inert(self) -> bool:
        """Whether a saved run is judged again, so that nobody is to be picked."""
        return self.recorder is None

    def ready_pods(self) -> Sequence[PodView]:
        """The pods that are Ready and not being deleted, now."""
        if self.recorder is None:
            return ()
        pods = (PodView(pod) for pod in self.recorder.objects("Pod"))
        return tuple(pod for pod in pods if pod.ready and not pod.deleting)


@dataclass(frozen=True, slots=True)
class Staged:
    """What the fixtures hand to a scenario."""

    trial: Trial
    system: UnderTest
    traffic: Traffic


@dataclass(frozen=True, slots=True)
class Callbacks:
    """How a trial speaks: `say` a line to the terminal, `draw` the report of a judgement."""

    say: Callable[[str], None]
    draw: Callable[[Judgement], Path]


@contextmanager
def staged(
    ground: Ground,
    spec: SystemSpec,
    profile: Profile,
    scenario: ScenarioFacts,
    *,
    run: Path,
    leashed: bool,
    pods_max: int | None,
    callbacks: Callbacks,
) -> Iterator[Staged]:
    """Set a live trial up, hand it out, and take it down."""
    clock = Clock.start()
    namespace = namespace_of_trial(scenario.name, run.name)
    run.mkdir(parents=True)
    facts = trial_facts(ground, spec, scenario, run=run.name, namespace=namespace, clock=clock, leashed=leashed)
    (run / "trial.json").write_text(json.dumps(facts, indent=1) + "\n")
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(run / "actions.jsonl", clock))
        hand = OpenHand(ground.cluster, journal)
        stack.enter_context(namespace_for(ground, hand, namespace, run.name))
        scopes = [*(Scope(kind, namespace) for kind in WATCHED), Scope("Node", None)]
        recorder = stack.enter_context(Recorder(ground.cluster, clock, run / "watch.jsonl", scopes))
'''
'''
