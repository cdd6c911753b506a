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

from chaos.checks.judge import Judgement
from chaos.clock import Clock
from chaos.cluster import (
    WATCHED,
    DryRunExecutor,
    Journal,
    LiveExecutor,
    PatientHand,
    Recorder,
    Sampling,
    Scope,
    unrecorded_executor,
)
from chaos.faults import Trouble
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.safety import BlastRadius, ClusterUndoLog, NoUndoLog
from chaos.safety.abort_conditions import Watched
from chaos.semantics import KUBERNETES, Timings
from chaos.system import System, SystemSpec, fill_claims
from chaos.system.adopt.drift import compared
from chaos.system.adopt.find import Adopted, adopt
from chaos.system.adopt.live_spec import serving_container
from chaos.system.deploy.apply import deploy
from chaos.system.deploy.manifest_folder import Manifests, apply_manifests
from chaos.system.deploy.namespace import namespace_of_trial, trial_namespace
from chaos.system.deploy.wait import NeverAvailable, wait_available
from chaos.trial.context import World
from chaos.trial.data_readings import Data
from chaos.trial.environment import Ground
from chaos.trial.load_source import DURATION_MAX_S, LoadWish, load_of
from chaos.trial.traffic import Traffic, allowed
from chaos.trial.trial import Trial
from chaos.trial.trial_json import ScenarioFacts, trial_facts
from loadgen.profiles import Profile

__all__ = ["Callbacks", "Staged", "UnderTest", "in_words", "inert", "staged"]


def _storage(spec: SystemSpec, namespace: str) -> tuple[Scope, ...]:
    """What is watched too where the system has claims: without them nobody needs the right to see volumes."""
    claims = any(volume.storage for volume in spec.volumes)
    return (Scope("PersistentVolumeClaim", namespace), Scope("PersistentVolume", None)) if claims else ()


NO_WORKLOAD = Ref("Deployment", "", "")
NO_BUDGET = Ref("PodDisruptionBudget", "", "")


@dataclass(frozen=True, slots=True)
class UnderTest:
    """The system under test as scenarios and picks see it. Without a recorder nothing can be picked.

    `workload` and `disruption_budget` are what faults change; without a recorder they name nothing.
    """

    spec: SystemSpec
    namespace: str
    words: str
    rng: random.Random
    recorder: Recorder | None = None
    workload: Ref = NO_WORKLOAD
    disruption_budget: Ref = NO_BUDGET
    timings: Timings = KUBERNETES
    workload_kind: WorkloadKind = DEPLOYMENT

    @property
    def inert(self) -> bool:
        """Whether a saved run is judged again, so that nobody is to be picked."""
        return self.recorder is None

    def ready_pods(self) -> Sequence[PodView]:
        """The pods that are Ready and not being deleted, now."""
        return tuple(pod for pod in self.pods() if pod.ready and not pod.deleting)

    def pods(self) -> Sequence[PodView]:
        """All pods, now, also those that are not Ready or on their way out."""
        return tuple(map(PodView, self.recorder.objects("Pod"))) if self.recorder else ()

    def nodes(self) -> Sequence[NodeView]:
        """All nodes of the cluster, now."""
        return tuple(map(NodeView, self.recorder.objects("Node"))) if self.recorder else ()


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
    dry_run: bool,
    pods_max: int | None,
    load_wish: LoadWish = LoadWish(),  # noqa: B008  # frozen
    keep_namespace: bool,
    callbacks: Callbacks,
    adopted: Adopted | None = None,
    manifests: Manifests | None = None,
    nodes_max: int | None = None,
    claim: Callable[[], None] = lambda: None,
    lost: Callable[[], str] = lambda: "",
    consent: Callable[[Trouble], str] = lambda _trouble: "",
) -> Iterator[Staged]:
    """Set a live trial up, hand it out, and take it down.

    `adopted` is a system that already runs: it is not deployed, and neither it nor its namespace is deleted.
    `manifests` are what is deployed instead of what the spec asks for. `claim` is called before anything is done to the
    system. `lost` says why the run may not go on (its lease is another's), `consent` what speaks against a fault; empty
    for nothing. The ground's limits stop the trial as well.
    """
    clock = Clock.start()
    namespace = adopted.system.namespace if adopted else namespace_of_trial(scenario.name, run.name)
    run.mkdir(parents=True)
    known = adopt(manifests, manifests.wish(namespace)) if manifests else adopted
    found = known.system if known else None
    at_work: Callable[[], None] = (lambda: None) if dry_run else claim
    facts = trial_facts(
        ground,
        spec,
        scenario,
        run=run.name,
        namespace=namespace,
        clock=clock,
        dry_run=dry_run,
        connections=profile.connections,
        found=found,
    )
    facts["system"] |= {"adopted": adopted is not None, "origin": load_wish.words or ground.origin_words}
    (run / "trial.json").write_text(json.dumps(facts, indent=1) + "\n")
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(run / "actions.jsonl", clock))
        plain = LiveExecutor(ground.cluster, journal)
        executor = PatientHand(plain)
        if adopted:
            stack.enter_context(compared(ground.cluster, adopted.system, run / "adopted.json", callbacks.say))
        else:
            # The namespace goes last, after the record is closed: what its removal does is no part of the trial.
            tidy = unrecorded_executor(ground.cluster)
            stack.enter_context(
                trial_namespace(ground.cluster, tidy, namespace, run=run.name, keep=keep_namespace, pods_only=True)
            )
        scopes, sampling = _looked_at(ground, known, spec, namespace)
        recorder = stack.enter_context(Recorder(ground.cluster, clock, run / "watch.jsonl", scopes, sampling=sampling))
        unfilled = "" if known else fill_claims(ground.cluster, executor, spec, namespace, run=run.name)
        if manifests:
            apply_manifests(executor, manifests, namespace)
            found = adopt(ground.cluster, manifests.wish(namespace)).system
        if load_wish.in_cluster:
            at_work()
        deployed = found or deploy(executor, spec, namespace, run=run.name)
        load = stack.enter_context(
            load_of(
                load_wish,
                ground,
                deployed,
                executor=executor,
                journal=journal,
                profile=profile,
                seed=scenario.seed,
                run=run,
                clock=clock,
                adopted=adopted is not None,
            )
        )
        traffic = Traffic(
            load.start,
            journal,
            profile=profile.name,
            origin=load.origin.name,
            url=load.origin.url,
            seed=scenario.seed,
            rises=lambda: allowed(consent, at_work),
        )
        stack.callback(traffic.close)
        watched = Watched.of(ground.limits, run, ours=lambda: _pod_names(recorder), clock=clock)
        world = World(
            clock=clock,
            cluster=ground.cluster,
            journal=journal,
            recorder=recorder,
            executor=DryRunExecutor(journal) if dry_run else executor,
            traffic=traffic,
            blast_radius=BlastRadius(
                namespace,
                pods_max=spec.replicas_floor if pods_max is None else pods_max,
                # At least one node stays, or nothing could ever come back.
                nodes_max=nodes_max or max(1, len(ground.cluster.facts.nodes) - 1),
            ),
            workload=deployed.workload.name,
            timings=Timings.of(ground.timings),
            means=ground.means,
            data=_data(spec, profile, deployed),
            workload_kind=deployed.workload_kind,
            adopted=adopted is not None,
            claim=at_work,
            lost=lambda: lost() or watched.objection(),
            consent=consent,
            undo=NoUndoLog() if dry_run else ClusterUndoLog(plain, namespace, run.name, deadline_s=DURATION_MAX_S),
        )
        trial = Trial(run, world, say=callbacks.say, draw=callbacks.draw)
        under_test = _under_test(spec, deployed, recorder, seed=scenario.seed, timings=world.timings)
        callbacks.say(f"{spec.replicas_floor} replicas of {spec.image} in {namespace}")
        unwell = unfilled or _unavailable(ground, recorder, deployed, hpa_sync_s=world.timings.hpa_sync_s)
        if unfit := unwell or load.unfit():
            trial.stop(unfit)
            if load_wish.in_cluster:
                traffic.silence()
        try:
            yield Staged(trial, under_test, traffic)
        except BaseException as error:
            trial.stop(in_words(error))
            raise
        finally:
            trial.abandon("the scenario ended without a verdict")


def _looked_at(ground: Ground, known: Adopted | None, spec: SystemSpec, namespace: str) -> tuple[list[Scope], Sampling]:
    """What is watched, and whose usage is sampled: ten times for each new value, to know when it came."""
    own = known.scopes if known else tuple(Scope(kind, namespace) for kind in ("Deployment", *WATCHED))
    scopes = [*own, Scope("Node", None), *(() if known else _storage(spec, namespace))]
    period_s = Timings.of(ground.timings).metrics_resolution_s / 10
    return scopes, Sampling(namespace, period_s, always=bool(ground.limits.usage))


def _under_test(spec: SystemSpec, deployed: System, recorder: Recorder, *, seed: int, timings: Timings) -> UnderTest:
    selected = ", ".join(f"{key}={value}" for key, value in deployed.selector.items())
    words = f"{selected} in namespace {deployed.namespace}"
    rng = random.Random(seed)  # noqa: S311  # replayable
    budget = deployed.disruption_budget or NO_BUDGET
    kind = deployed.workload_kind
    return UnderTest(spec, deployed.namespace, words, rng, recorder, deployed.workload, budget, timings, kind)


def _pod_names(recorder: Recorder) -> frozenset[str]:
    return frozenset(PodView(pod).name for pod in recorder.objects("Pod"))


def _unavailable(ground: Ground, recorder: Recorder, deployed: System, *, hpa_sync_s: float) -> str:
    """Wait for the system; why it did not become available, in words."""
    try:
        wait_available(ground.cluster, recorder, deployed, hpa_sync_s=hpa_sync_s)
    except NeverAvailable as unwell:
        return str(unwell)
    return ""


def _data(spec: SystemSpec, profile: Profile, deployed: System) -> Data:
    """What of the system must survive, and where and how it is read."""
    # Others call the container that serves as they like.
    container = serving_container(deployed.template)["name"] if deployed.template else spec.name
    return Data(container, spec.kept_files, spec.port, profile)


def in_words(error: BaseException) -> str:
    """Why a trial ended early, for its record."""
    return "interrupted" if isinstance(error, KeyboardInterrupt) else f"{type(error).__name__}: {error}"


def inert(run: Path, spec: SystemSpec, *, callbacks: Callbacks) -> Staged:
    """Set a trial up over a saved run: every `with` does nothing, and `judge` reads what was saved."""
    traffic = Traffic(None, None, profile="", origin="", url="")
    told = json.loads((run / "trial.json").read_text()).get("system", {})
    # Runs from before it was recorded: what we deploy has one name for all.
    named = told.get("disruption_budget", told.get("workload", {}).get("name", ""))
    rng = random.Random(0)  # noqa: S311  # nothing is picked
    return Staged(
        Trial(run, None, say=callbacks.say, draw=callbacks.draw),
        UnderTest(spec, "", "", rng, disruption_budget=Ref("PodDisruptionBudget", "", named)),
        traffic,
    )
