"""A run that injects a fault and meets its end at a given line of its journal: SIGKILL, or a full disk."""

import multiprocessing
import signal
import tempfile
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any

from deadly_journal import DeadlyJournal, FullJournal
from recorded_infrastructure import recorded, seen_by_files
from simulated_cluster import SimulatedCluster

from chaos import faults
from chaos.clock import Clock
from chaos.cluster import Journal, LiveExecutor, Recorder, Scope, connect
from chaos.errors import HarnessBroken, TimedOut
from chaos.faults import Fault, FaultContext, Injection
from chaos.faults.targets import Targets
from chaos.faults.undo import heal
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.safety import ClusterUndoLog
from chaos.system.adopt.find import Adopted, SystemQuery, adopt
from chaos.wait import until

__all__ = ["BELOW_THE_API", "FAULTS", "IN_CONTAINERS", "die_at", "filled_at"]

SEEN_S = 2.0
"""For the proof of landing or the end of a drain; where none comes in time, healing begins without."""

CHILD_S = 60.0


def _pods(recorder: Recorder, count: int) -> Targets:
    pods = sorted((pod for pod in map(PodView, recorder.objects("Pod")) if pod.ready), key=lambda pod: pod.name)
    return Targets("some pods", tuple(Ref("Pod", pod.namespace, pod.name, pod.uid) for pod in pods[:count]), 1)


def _nodes(recorder: Recorder, count: int) -> Targets:
    held = {pod.node for pod in map(PodView, recorder.objects("Pod"))}
    nodes = sorted(
        (node for node in map(NodeView, recorder.objects("Node")) if node.name in held), key=lambda n: n.name
    )
    return Targets("some nodes", tuple(Ref("Node", "", node.name, node.uid) for node in nodes[:count]))


def _budget(found: Adopted) -> Ref:
    assert found.system.disruption_budget is not None
    return found.system.disruption_budget


FAULTS: Mapping[str, Callable[[Adopted, Recorder], Fault]] = {
    "PodKill": lambda _found, seen: faults.PodKill(_pods(seen, 2), grace_s=0),
    "Evict": lambda _found, seen: faults.Evict(_pods(seen, 1)),
    "NodeDrain": lambda _found, seen: faults.NodeDrain(_nodes(seen, 1), leave_foreign=True),
    "RollingPoolDrain": lambda _found, seen: faults.RollingPoolDrain(_nodes(seen, 2), migrate=True, leave_foreign=True),
    "RollingUpdate": lambda found, _seen: faults.RollingUpdate(found.system.workload, env={"RELEASE": "2"}),
    "BadRollout": lambda found, _seen: faults.BadRollout(found.system.workload, kind="probe"),
    "BudgetChange": lambda found, _seen: faults.BudgetChange(_budget(found), min_available=1),
    "Scale": lambda found, _seen: faults.Scale(found.system.workload, 2),
}
"""Each fault that an API server alone can show undone, and how to aim it at an adopted system."""

BELOW_THE_API: Mapping[str, Callable[[Adopted, Recorder], Fault]] = {
    "NodeDown": lambda _found, seen: faults.NodeDown(_nodes(seen, 2), leave_foreign=True),
    "NetworkPartition": lambda _found, seen: faults.NetworkPartition(_pods(seen, 2)),
    "NetworkPartition by policy": lambda _found, seen: faults.NetworkPartition(_pods(seen, 2)),
}
"""Faults of machines and links, which files stand for: tests/lab kills a run of each with real ones at its steps."""

IN_CONTAINERS: Mapping[str, Callable[[Targets], Fault]] = {
    "ProcessHang": faults.ProcessHang,
    "NotReady": faults.NotReady,
    "ProcessCrash": faults.ProcessCrash,
    "MemoryHog": partial(faults.MemoryHog, piece_mib=32),
}
"""Each fault inside containers, which simulated nodes do not run: tests/lab kills a run of each at its steps."""


def die_at(cluster: SimulatedCluster, namespace: str, fault: str, line: int, folder: Path) -> bool:
    """Inject that fault in a process that dies at that line. Say whether it died; False: it came to its end."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["dying"])
    order = (str(cluster.kubeconfig), cluster.context, namespace, fault, line, str(folder))
    process = context.Process(target=_inject_and_heal, args=(DeadlyJournal, order))
    process.start()
    process.join(CHILD_S)
    assert process.exitcode in (0, -signal.SIGKILL), f"the process ended with {process.exitcode}"
    return process.exitcode != 0


def filled_at(cluster: SimulatedCluster, namespace: str, fault: str, line: int, folder: Path, *, errno: int) -> bool:
    """Inject and heal that fault, while nothing can be written from that line on. Say whether it came to that."""
    order = (str(cluster.kubeconfig), cluster.context, namespace, fault, line, str(folder))
    try:
        _inject_and_heal(partial(FullJournal, errno=errno), order)
    except HarnessBroken:
        return True
    return False


def _inject_and_heal(journal_at: Callable[..., Journal], order: tuple[str, str, str, str, int, str]) -> None:
    kubeconfig, context, namespace, name, line, folder = order
    clock = Clock.start()
    run = Path(tempfile.mkdtemp(dir=folder))
    with connect(kubeconfig=Path(kubeconfig), context=context) as cluster:
        found = adopt(cluster, SystemQuery(namespace=namespace, kind="Deployment", name="chat"))
        with (
            journal_at(run / "actions.jsonl", clock, line) as journal,
            Recorder(cluster, clock, run / "watch.jsonl", [*found.scopes, Scope("Node")]) as recorder,
            seen_by_files(cluster, Path(folder)),
        ):
            executor = LiveExecutor(cluster, journal)
            undo = ClusterUndoLog(executor, namespace, run.name, deadline_s=3600)
            context = FaultContext(
                cluster,
                executor,
                journal,
                "fault-1",
                recorder,
                namespace,
                adopted=True,
                undo=undo,
                infrastructure=recorded(Path(folder), links="by policy" not in name),
            )
            injection: Injection | None = None
            try:
                injection = {**FAULTS, **BELOW_THE_API}[name](found, recorder).inject(context)
                assert injection.missed == ""
                _wait_a_little(injection.landed)
                if "Drain" in name:
                    drain: Any = injection
                    _wait_a_little(drain.ended.seen)
            finally:
                assert (injection.heal() if injection else heal(context)) == ""


def _wait_a_little(seen: Callable[[], object]) -> None:
    try:
        until(seen, deadline_s=SEEN_S, awaited="the fault to be seen")
    except TimedOut:
        return
