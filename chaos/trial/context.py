"""What a live trial works with, and what it sees of the system there."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.clock import Clock
from chaos.cluster import Cluster, Executor, Journal, Recorder
from chaos.faults import Means, Trouble
from chaos.objects.base import View
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.safety import BlastRadius, NoUndoLog, UndoLog
from chaos.semantics import Timings, recovery_bound
from chaos.trial.data_readings import Data
from chaos.trial.traffic import Traffic

__all__ = ["World", "desired", "recovery_bound_s", "whole"]


@dataclass(frozen=True, slots=True)
class World:
    """What a live trial works with.

    `claim` is called before anything is done to the system, `lost` says why the trial must not go on, `consent` what
    speaks against a fault; empty for nothing.
    """

    clock: Clock
    cluster: Cluster
    journal: Journal
    recorder: Recorder
    executor: Executor
    traffic: Traffic
    blast_radius: BlastRadius
    workload: str
    timings: Timings
    data: Data
    means: Means
    workload_kind: WorkloadKind = DEPLOYMENT
    adopted: bool = False
    undo: UndoLog = field(default_factory=NoUndoLog)
    claim: Callable[[], None] = lambda: None
    lost: Callable[[], str] = lambda: ""
    consent: Callable[[Trouble], str] = lambda _trouble: ""


def desired(world: World) -> int | None:
    """How many replicas the workload asks for, None if it is not there, or does not say."""
    for workload in world.recorder.objects(world.workload_kind.name):
        if View(workload).name == world.workload:
            return world.workload_kind.wanted(workload)
    return None


def recovery_bound_s(world: World) -> float:
    """How long a lost replica may take to be back, as the pods' own spec permits; the longest over all pods."""
    specs = [pod["spec"] for pod in world.recorder.objects("Pod")]
    kind = world.workload_kind.pods_by
    return max((recovery_bound(spec, world.timings, workload_kind=kind).total_s for spec in specs), default=0.0)


def whole(world: World) -> bool:
    """Whether as many pods are Ready as the workload desires."""
    wanted = desired(world)
    pods = [PodView(pod) for pod in world.recorder.objects("Pod")]
    ready = sum(pod.ready and not pod.deleting for pod in pods)
    return wanted is not None and ready >= wanted
