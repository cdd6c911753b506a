"""Where the load of a trial comes from: processes on this host, or pods inside the cluster."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Protocol

from chaos.cluster import Executor, LiveExecutor, NullJournal
from chaos.errors import HarnessBroken, UsageError
from chaos.safety import ClusterUndoLog, NoUndoLog, UndoLog
from chaos.system import System
from chaos.system.deploy.namespace import namespace_of_trial, trial_namespace
from chaos.trial.context import TrialContext
from chaos.trial.environment import Environment
from chaos.trial.load_pods.job import LoadPods
from chaos.trial.load_pods.workers import LoadJob, load_job
from chaos.trial.request import TrialRequest
from loadgen.driver.reachability import await_reachable
from loadgen.driver.workers import WorkerGroup, refuse_count
from loadgen.origin import InCluster, Origin
from loadgen.plan import Plan

__all__ = ["aliases_of", "in_cluster", "load_of"]

REACH_S = 20.0
"""For the rules that lead to a Service to be in force where traffic comes from; Kubernetes promises no time for it."""

IN_FLIGHT_MAX = 2000

DURATION_MAX_S = 2 * 3600.0
"""A generator that nobody ends stops by itself after this."""


class Load(Protocol):
    """The load of one trial."""

    @property
    def origin(self) -> Origin:
        """Where it comes from."""

    def start(self) -> WorkerGroup:
        """The generator, ready to send. Raises `HarnessBroken` if it does not come to it."""

    def unfit(self) -> str:
        """Why nothing can be sent to the system; empty if it can. Called when the system is available."""


@dataclass(frozen=True, slots=True)
class HostLoad:
    """Processes on this host, started with the first stream."""

    environment: Environment
    origin: Origin
    workers: int
    plan: Plan

    def start(self) -> WorkerGroup:
        """See `Load.start`."""
        plan = self.plan
        return WorkerGroup.start(
            workers=self.workers,
            run_folder=plan.run_folder,
            clock=plan.clock,
            profile=plan.profile,
            url=plan.url,
            seed=plan.seed,
            duration_max_s=plan.duration_max_s,
            wrap=self.environment.client_command,
            credentials=self.origin.credentials,
        )

    def unfit(self) -> str:
        """See `Load.unfit`."""
        why = await_reachable(self.origin.url, self.environment.client_command, deadline_s=REACH_S)
        return f"the Service takes no connection from {self.origin.name}: {why}" if why else ""


@dataclass(slots=True)
class PodLoad:
    """Pods inside the cluster, which are there before the first phase, or there is no trial."""

    pods: LoadJob
    origin: Origin
    plan: Plan
    start_deadline_s: float
    _workers: WorkerGroup | None = None

    def start(self) -> WorkerGroup:
        """See `Load.start`."""
        self._workers = self._workers or self.pods.start(self.plan, self.start_deadline_s)
        return self._workers

    def unfit(self) -> str:
        """See `Load.unfit`."""
        try:
            self.start()
        except HarnessBroken as broken:
            return broken.what
        why = self.pods.unreached(self.plan.url, REACH_S)
        return f"the Service takes no connection from {self.origin.name}: {why}" if why else ""

    def close(self) -> None:
        """End the generators."""
        if self._workers is not None:
            self._workers.close()


@contextmanager
def load_of(request: TrialRequest, context: TrialContext, executor: Executor) -> Iterator[Load]:
    """Set the load of a trial up, and take it down when the block ends. `executor` starts pods, also in a dry run.

    Pods that send to a system that already runs live beside it in its namespace, and the undo entry of their removal is
    written first; otherwise they have a namespace of their own, apart from what is watched. Raises as `load_job` and
    `Environment.load_image` do.
    """
    settings, environment, system = request.load, context.environment, context.front
    refuse_count(settings.workers)
    origin = in_cluster(system, settings.workers) if settings.in_cluster else environment.origin(system)
    plan = Plan(
        clock=context.clock,
        run_folder=request.run,
        url=origin.url,
        profile=request.profile,
        seed=request.scenario.seed,
        in_flight_max=IN_FLIGHT_MAX,
        duration_max_s=DURATION_MAX_S,
    )
    if not settings.in_cluster:
        yield HostLoad(environment, origin, settings.workers, plan)
        return
    context.allow_rising_load()
    with ExitStack() as stack:
        pods = stack.enter_context(_pods(request, context, executor))
        load = PodLoad(pods, origin, plan, settings.start_deadline_s)
        stack.callback(load.close)
        yield load


@contextmanager
def _pods(request: TrialRequest, context: TrialContext, executor: Executor) -> Iterator[LoadJob]:
    """The pods that send, where they may live."""
    environment, system, run = context.environment, context.front, request.run.name
    tidy = LiveExecutor(context.cluster, NullJournal())
    with ExitStack() as stack:
        if context.adopted:
            # Its own: the trial's own undo journal writes all of its ConfigMap each time.
            undo: UndoLog = ClusterUndoLog(tidy, system.namespace, f"{run} load")
            namespace = system.namespace
        else:
            undo, namespace = NoUndoLog(), namespace_of_trial("load", f"{run} load")
            stack.enter_context(trial_namespace(context.cluster, tidy, namespace, run=run, pods_only=True))
        pods = LoadPods(
            namespace=namespace,
            run=run,
            image=environment.load_image(),
            workers=request.load.workers,
            lasts_s=DURATION_MAX_S,
            target_namespace=system.namespace,
            target_labels=system.selector,
            aliases=aliases_of(environment, system),
            ingress=request.load.ingress,
        )
        workers = load_job(context.cluster, pods, executor=executor, tidy=tidy, journal=context.journal, undo=undo)
        yield stack.enter_context(workers)


def in_cluster(system: System, workers: int) -> InCluster:
    """The origin of pods: the Service by its name."""
    return InCluster(f"http://{service_name(system)}:{system.port}", workers)


def aliases_of(environment: Environment, system: System) -> dict[str, str]:
    """The Service's address by its name, where the cluster has no name service that would tell it."""
    if environment.has_dns:
        return {}
    if system.cluster_ip in {"", "None"}:
        raise UsageError(
            f"Service {system.service} has no address of its own, and this cluster has no name service",
            "leave --gameday-load-in-cluster out",
        )
    return {service_name(system): system.cluster_ip}


def service_name(system: System) -> str:
    """The name by which pods of any namespace find a Service."""
    return f"{system.service}.{system.namespace}.svc"
