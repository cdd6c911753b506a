"""Run one trial: set up the run folder, the record, the system and its traffic; hand them out; take them down.

The order matters: the facts are written before the first mutation, the recorder runs before the system is deployed, and
whatever was set up is taken down in reverse, also after an error or Ctrl-C. A system that does not become available is
evidence, not an error: the trial is stopped, and its verdict says what was in the way.
"""

import json
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from chaos.clock import Clock
from chaos.cluster import (
    WATCHED,
    DryRunExecutor,
    Executor,
    Journal,
    LiveExecutor,
    Recorder,
    RetryingExecutor,
    Sampling,
    Scope,
    selector_of,
    unrecorded_executor,
)
from chaos.errors import UsageError
from chaos.history.writing.jsonl import private_folder, write_private
from chaos.history.writing.redaction import without_secrets
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import ClusterUndoLog, NoUndoLog
from chaos.safety.abort_conditions import AbortConditions
from chaos.system import System, SystemSpec, fill_claims, selector
from chaos.system.adopt.drift import compared
from chaos.system.adopt.find import Adopted, adopt
from chaos.system.adopt.live_spec import serving_container
from chaos.system.adopt.scaled_objects import scaled_object_scopes
from chaos.system.deploy.apply import deploy
from chaos.system.deploy.manifest_folder import Manifests, apply_manifests
from chaos.system.deploy.namespace import journal_namespace, trial_namespace
from chaos.system.deploy.wait import NeverAvailable, wait_available
from chaos.trial.canary import canary_of
from chaos.trial.context import TrialContext
from chaos.trial.data_readings import Data
from chaos.trial.environment import Environment
from chaos.trial.load_source import load_of
from chaos.trial.replica_capacity import ReplicaCapacity, images_of
from chaos.trial.request import Output, TrialRequest, table_in, trial_facts
from chaos.trial.roles import with_roles
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from chaos.trial.witnesses import start_all, witnesses_of

__all__ = ["RunningTrial", "in_words", "rejudge_trial", "run_trial"]


@dataclass(frozen=True, slots=True)
class RunningTrial:
    """What the fixtures hand to a scenario."""

    trial: Trial
    system: SystemUnderTest
    traffic: Traffic
    images: tuple[str, ...] = ()
    """The digests of the images that the containers that serve run from."""


@contextmanager
def run_trial(environment: Environment, request: TrialRequest, output: Output) -> Iterator[RunningTrial]:
    """Set a live trial up, hand it out, and take it down.

    Raises `GamedayError` if it cannot be set up. What a scenario raises ends the trial, which is judged all the same.
    """
    clock, found = Clock.start(), request.found()
    private_folder(request.run)
    facts = trial_facts(environment, request, clock, found.system if found else None)
    write_private(request.run / "trial.json", json.dumps(without_secrets(facts), indent=1) + "\n")
    with ExitStack() as stack:
        journal = stack.enter_context(Journal(request.run / "actions.jsonl", clock))
        setup = _Setup(environment, request, clock, journal)
        stack.enter_context(setup.home(output))
        recorder = stack.enter_context(setup.recorder(found))
        system, unfilled = setup.system()
        context = setup.context(system, recorder)
        stack.enter_context(context.consent)
        start_all(context.witnesses, stack)
        context = with_roles(context, request, stack, output.say)
        load = stack.enter_context(load_of(request, context, setup.executor))
        traffic = Traffic(
            load.start,
            journal,
            profile=request.profile.name,
            origin=load.origin.name,
            url=load.origin.url,
            seed=request.scenario.seed,
            before_rise=context.allow_rising_load,
            capacity=request.capacity,
            most_rps=environment.rps_max,
            requests_max=request.profile.requests_max,
            leaving_share=request.profile.leaving_share,
        )
        stack.callback(traffic.close)
        trial = Trial(request.run, context, traffic, output)
        output.say(f"{request.spec.replicas_floor} replicas of {request.spec.image} in {request.namespace}")
        away, images = unfilled or _unavailable(context), images_of(recorder.objects("Pod"), context.data.container)
        if blocker := away or _unlearned(context, request.capacity, images, output) or load.unfit():
            trial.stop(blocker)
            if request.load.in_cluster:
                traffic.silence()
        elif request.canary and not request.dry_run:
            trial.canary = stack.enter_context(canary_of(context, request.profile))
        try:
            yield RunningTrial(trial, _under_test(request, context), traffic, images)
        except BaseException as error:
            trial.stop(in_words(error))
            raise
        finally:
            trial.abandon("the scenario ended without a verdict")


def rejudge_trial(run: Path, spec: SystemSpec, output: Output) -> RunningTrial:
    """A trial over a saved run: every `with` does nothing, and `judge` reads what was saved.

    `spec` stands in where the run has none that can be read.
    """
    facts = json.loads((run / "trial.json").read_text())
    recorded = table_in(facts, "system")
    with suppress(UsageError):
        spec = SystemSpec.model_validate(facts.get("spec"))
    capacity = None
    with suppress(ValueError):  # runs from before loads were shares of one
        capacity = ReplicaCapacity.of_plain(facts.get("capacity"))
    # Runs from before it was recorded: what we deploy has one name for all.
    budget = recorded.get("disruption_budget", table_in(recorded, "workload").get("name", ""))
    traffic = Traffic(None, None, profile="", origin="", url="", capacity=capacity)
    rng = random.Random(0)  # noqa: S311  # nothing is chosen
    ref, most = Ref("PodDisruptionBudget", "", budget), facts.get("at_once")
    system = SystemUnderTest(spec, "", "", rng, disruption_budget=ref, at_once=most if isinstance(most, int) else None)
    return RunningTrial(Trial(run, None, traffic, output), system, traffic)


def in_words(error: BaseException) -> str:
    """Why a trial ended early, for its record."""
    if isinstance(error, KeyboardInterrupt):
        return "interrupted"
    return f"{type(error).__name__}: {'; '.join(line.strip() for line in str(error).splitlines())}"


@dataclass(frozen=True, slots=True)
class _Setup:
    """The parts of a trial, each made from the request."""

    environment: Environment
    request: TrialRequest
    clock: Clock
    journal: Journal

    @property
    def live(self) -> LiveExecutor:
        """Does each mutation once, journalled."""
        return LiveExecutor(self.environment.cluster, self.journal)

    @property
    def executor(self) -> Executor:
        """Does mutations, again where that is safe."""
        return RetryingExecutor(self.live)

    @contextmanager
    def home(self, output: Output) -> Iterator[None]:
        """The trial's own namespace and that of its undo journal, which goes last; or a look at a system that stays."""
        cluster, request = self.environment.cluster, self.request
        if request.adopted:
            with compared(cluster, request.adopted.system, request.run / "adopted.json", output.say):
                yield
            return
        # What the namespaces' removal does is no part of the trial's record.
        executor, run, keep = unrecorded_executor(cluster), request.run.name, request.keep_namespace
        with (
            journal_namespace(cluster, executor, request.namespace, run=run),
            trial_namespace(cluster, executor, request.namespace, run=run, keep=keep, pods_only=True),
        ):
            yield

    def recorder(self, found: Adopted | None) -> Recorder:
        """What is watched, and whose usage is sampled: ten times for each new value, to know when it came."""
        namespace, limits = self.request.namespace, self.environment.limits
        own = found.scopes if found else tuple(Scope(kind, namespace) for kind in ("Deployment", *WATCHED))
        # Without claims nobody needs the right to see volumes.
        claims = not found and any(volume.storage for volume in self.request.spec.volumes)
        storage = (Scope("PersistentVolumeClaim", namespace), Scope("PersistentVolume", None)) if claims else ()
        period_s = self.environment.timings.metrics_resolution_s / 10
        sampling = Sampling(
            namespace,
            period_s,
            always=bool(limits.usage),
            # Five times for each look of the autoscaler; it may cost the metric's source a query each time.
            custom_period_s=self.environment.timings.hpa_sync_s / 5,
            pods=selector_of(found.system.selector if found else selector(self.request.spec)),
        )
        path = self.request.run / "watch.jsonl"
        workload = self.request.adopted.system.workload if self.request.adopted else None
        target = (workload.kind, workload.name) if workload else None
        keda = scaled_object_scopes(self.environment.cluster, namespace, target)
        scopes = [*own, *keda, Scope("Node", None), *storage]
        return Recorder(self.environment.cluster, self.clock, path, scopes, sampling=sampling)

    def system(self) -> tuple[System, str]:
        """The system, deployed unless it runs already; and why its claims could not be filled, empty if they are."""
        wanted, namespace, run = self.request.system, self.request.namespace, self.request.run.name
        cluster = self.environment.cluster
        if isinstance(wanted, Adopted):
            return wanted.system, ""
        if isinstance(wanted, Manifests):
            apply_manifests(self.executor, wanted, namespace)
            return adopt(cluster, wanted.query(namespace)).system, ""
        unfilled = fill_claims(cluster, self.executor, wanted, namespace, run=run)
        return deploy(self.executor, wanted, namespace, run=run), unfilled

    def context(self, system: System, recorder: Recorder) -> TrialContext:
        """What the trial works with."""
        environment, request, namespace = self.environment, self.request, self.request.namespace
        undo = ClusterUndoLog(self.live, namespace, request.run.name)
        # Others call the container that serves as they like.
        container = serving_container(system.template)["name"] if system.template else request.spec.name

        def pod_names() -> frozenset[str]:
            return frozenset(PodView(pod).name for pod in recorder.objects("Pod"))

        return TrialContext(
            executor=DryRunExecutor(self.journal) if request.dry_run else self.executor,
            recorder=recorder,
            cluster=environment.cluster,
            journal=self.journal,
            fault="",
            namespace=namespace,
            timings=environment.timings,
            infrastructure=environment.infrastructure,
            workload_kind=system.workload_kind,
            selector=system.selector,
            adopted=request.adopted is not None,
            undo=NoUndoLog() if request.dry_run else undo,
            run=request.run,
            clock=self.clock,
            environment=environment,
            system=system,
            blast_radius=partial(environment.blast_radius, request.spec, namespace, request.pods_max),
            data=Data(container, request.spec.kept_files, request.spec.port, request.profile),
            consent=environment.consent(request.adopted, load_action=request.load_action),
            abort_conditions=AbortConditions.of(environment.limits, request.run, ours=pod_names, clock=self.clock),
            witnesses=witnesses_of(environment, self.clock, request, system, recorder),
        )


def _under_test(request: TrialRequest, context: TrialContext) -> SystemUnderTest:
    system, radius = context.system, request.radius(context.environment)
    selected = ", ".join(f"{key}={value}" for key, value in system.selector.items())
    under_test = SystemUnderTest(
        spec=system.spec if context.role else request.spec,
        namespace=system.namespace,
        words=f"{selected} in namespace {system.namespace}",
        rng=random.Random(request.scenario.seed),  # noqa: S311  # replayable
        recorder=context.recorder,
        workload=system.workload,
        timings=context.timings,
        workload_kind=system.workload_kind,
        at_once=radius.pods_max,
        nodes_at_once=radius.nodes_max,
        roles={
            role: _under_test(replace(request, system=request.roles[role]), one) for role, one in context.roles.items()
        },
    )
    budget = system.disruption_budget
    return replace(under_test, disruption_budget=budget) if budget else under_test


def _unlearned(context: TrialContext, capacity: ReplicaCapacity | None, images: tuple[str, ...], output: Output) -> str:
    """Tell what a load of 1.0 is, and why that was learned of another system; empty if not. It is forgotten then."""
    if capacity is None:
        return ""
    output.say(capacity.words)
    context.journal.event("note", text=capacity.words)
    if (why := capacity.other_image(images)) and capacity.file is not None:
        capacity.file.unlink(missing_ok=True)
    return f"{why}: run it again, and it is learned anew" if why else ""


def _unavailable(context: TrialContext) -> str:
    """Wait for the system; why it did not become available, empty if it did."""
    try:
        for one in context.all:
            wait_available(one.cluster, one.recorder, one.system, hpa_sync_s=one.timings.hpa_sync_s)
    except NeverAvailable as never:
        return str(never)
    return ""
