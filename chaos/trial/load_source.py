"""Where the load of a trial comes from: processes on this host, or pods inside the cluster."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from chaos.clock import Clock
from chaos.cluster import Executor, Journal, LiveExecutor, NullJournal
from chaos.errors import HarnessBroken, UsageError
from chaos.safety import ClusterUndoLog, NoUndoLog, UndoLog
from chaos.system import System
from chaos.system.deploy.namespace import namespace_of_trial, trial_namespace
from chaos.trial.environment import Ground
from chaos.trial.load_pods import MUSTER_S, LoadPods, Orders, PodCrew, pod_crew
from loadgen.driver.reachability import await_reachable
from loadgen.driver.workers import WorkerGroup, refuse_count
from loadgen.origin import InCluster, Origin
from loadgen.profiles import Profile

__all__ = ["DURATION_MAX_S", "Load", "LoadWish", "aliases_of", "in_cluster", "load_of"]

REACH_S = 20.0
"""For the rules that lead to a Service to be in force where traffic comes from; Kubernetes promises no time for it."""

DURATION_MAX_S = 2 * 3600.0
"""A generator that nobody ends stops by itself after this."""


@dataclass(frozen=True, slots=True)
class LoadWish:
    """How many workers send, and whether they are pods, which have `muster_s` seconds to be there."""

    workers: int = 1
    in_cluster: bool = False
    muster_s: float = MUSTER_S

    @property
    def words(self) -> str:
        """Where the load comes from, if it is pods; empty if the ground says it."""
        return (
            f"{self.workers} pods in the cluster, by the Service's name; no ingress, no TLS" if self.in_cluster else ""
        )


class Load(Protocol):
    """The load of one trial."""

    @property
    def origin(self) -> Origin:
        """Where it comes from."""

    def start(self) -> WorkerGroup:
        """The generator, ready to send. Raises `HarnessBroken` if it does not come to it."""

    def unfit(self) -> str:
        """Why nothing can be sent to the system; empty if it can. Asked when the system is available."""


@dataclass(frozen=True, slots=True)
class HostLoad:
    """Processes on this host, started with the first stream."""

    ground: Ground
    origin: Origin
    workers: int
    orders: Orders

    def start(self) -> WorkerGroup:
        """See `Load.start`."""
        orders = self.orders
        return WorkerGroup.start(
            workers=self.workers,
            run_folder=orders.run_folder,
            clock=orders.clock,
            profile=orders.profile,
            url=orders.url,
            seed=orders.seed,
            duration_max_s=orders.duration_max_s,
            wrap=self.ground.wrap,
            credentials=self.origin.credentials,
        )

    def unfit(self) -> str:
        """See `Load.unfit`."""
        why = await_reachable(self.origin.url, self.ground.wrap, deadline_s=REACH_S)
        return f"the Service takes no connection from {self.origin.name}: {why}" if why else ""


@dataclass(slots=True)
class PodLoad:
    """Pods inside the cluster, which are there before the first phase, or there is no trial."""

    pods: PodCrew
    origin: Origin
    orders: Orders
    muster_s: float
    _crew: WorkerGroup | None = None

    def start(self) -> WorkerGroup:
        """See `Load.start`."""
        self._crew = self._crew or self.pods.muster(self.orders, self.muster_s)
        return self._crew

    def unfit(self) -> str:
        """See `Load.unfit`."""
        try:
            self.start()
        except HarnessBroken as broken:
            return broken.what
        why = self.pods.unreached(self.orders.url, REACH_S)
        return f"the Service takes no connection from {self.origin.name}: {why}" if why else ""

    def close(self) -> None:
        """End the generators."""
        if self._crew is not None:
            self._crew.close()


@contextmanager
def load_of(
    wish: LoadWish,
    ground: Ground,
    system: System,
    *,
    executor: Executor,
    journal: Journal,
    profile: Profile,
    seed: int,
    run: Path,
    clock: Clock,
    adopted: bool,
) -> Iterator[Load]:
    """Set the load of a trial up, and take it down when the block ends.

    Pods that send to a system that already runs live beside it in its namespace, and their removal is promised first;
    otherwise they have a namespace of their own, apart from what is watched. Raises as `pod_crew` and
    `Ground.load_image` do.
    """
    refuse_count(wish.workers)
    place = ground.origin(system) if not wish.in_cluster else in_cluster(system, wish.workers)
    orders = Orders(
        run_folder=run,
        clock=clock,
        url=place.url,
        profile=profile,
        seed=seed,
        duration_max_s=DURATION_MAX_S,
    )
    if not wish.in_cluster:
        yield HostLoad(ground, place, wish.workers, orders)
        return
    with ExitStack() as stack:
        tidy = LiveExecutor(ground.cluster, NullJournal())
        namespace = system.namespace
        undo: UndoLog = NoUndoLog()
        if adopted:
            # Its own: the trial's own undo journal writes all of its ConfigMap each time.
            undo = ClusterUndoLog(tidy, namespace, f"{run.name} load", deadline_s=DURATION_MAX_S)
        else:
            namespace = namespace_of_trial("load", f"{run.name} load")
            stack.enter_context(trial_namespace(ground.cluster, tidy, namespace, run=run.name, pods_only=True))
        pods = LoadPods(
            namespace=namespace,
            run=run.name,
            image=ground.load_image(),
            workers=wish.workers,
            lasts_s=DURATION_MAX_S,
            target_namespace=system.namespace,
            target_labels=system.selector,
            aliases=aliases_of(ground, system),
        )
        crew = pod_crew(ground.cluster, pods, executor=executor, tidy=tidy, journal=journal, undo=undo)
        load = PodLoad(stack.enter_context(crew), place, orders, wish.muster_s)
        stack.callback(load.close)
        yield load


def in_cluster(system: System, workers: int) -> InCluster:
    """The origin of pods: the Service by its name."""
    return InCluster(f"http://{service_name(system)}:{system.port}", workers)


def aliases_of(ground: Ground, system: System) -> dict[str, str]:
    """The Service's address by its name, where the cluster has no name service that would tell it."""
    if ground.name_service:
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
