"""What the tests of faults stand on: a system of simulated pods, a recorder, a journal, and a context to act in."""

import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cluster_room import read_lines
from simulated_cluster import SimulatedCluster

from chaos.clock import Clock
from chaos.cluster import Cluster, Journal, LiveExecutor, NullJournal, Recorder, Scope, connect, mutations
from chaos.faults import Awaited, Fault, FaultContext, Infrastructure, Injection, Until
from chaos.faults.infrastructure import NO_INFRASTRUCTURE
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.system import System, SystemSpec, deploy, namespace_of_trial, trial_namespace, wait_available
from chaos.system.deploy.namespace import journal_namespace
from chaos.wait import until

WATCHED = ("Pod", "Deployment", "ReplicaSet", "EndpointSlice", "PodDisruptionBudget", "Event")

SIX = SystemSpec(name="model", image="registry.example/model:1", image_pull_policy="Never", replicas=6, grace_s=1)
"""Two replicas on each of the three nodes."""


@dataclass(frozen=True, slots=True)
class FaultGround:
    """A system that runs, watched, and what was journalled about it."""

    cluster: Cluster
    recorder: Recorder
    journal: Journal
    executor: LiveExecutor
    system: System
    folder: Path
    infrastructure: Infrastructure = NO_INFRASTRUCTURE
    injections: list[tuple[Fault, Injection]] = field(default_factory=list)

    @property
    def context(self) -> FaultContext:
        """What a fault gets from its trial."""
        return FaultContext(
            self.cluster,
            self.executor,
            self.journal,
            "fault-1",
            self.recorder,
            self.system.namespace,
            infrastructure=self.infrastructure,
        )

    @property
    def budget(self) -> Ref:
        """The system's disruption budget."""
        return next(ref for ref in self.system.objects if ref.kind == "PodDisruptionBudget")

    def pods(self, node: str = "") -> list[PodView]:
        """The ready pods, on one node or on all, in the order of their names."""
        pods = [pod for pod in map(PodView, self.recorder.objects("Pod")) if pod.ready and node in ("", pod.node)]
        return sorted(pods, key=lambda pod: pod.name)

    def fullest(self) -> Targets:
        """The node with the most ready pods, as a pick would give it."""
        return self.node(Counter(pod.node for pod in self.pods()).most_common(1)[0][0])

    def node(self, name: str) -> Targets:
        """One node."""
        uid = next(node.uid for node in map(NodeView, self.recorder.objects("Node")) if node.name == name)
        return Targets(f"node {name}", (Ref("Node", "", name, uid),))

    def nodes(self) -> list[str]:
        """The names of all nodes that the recorder knows."""
        return [NodeView(raw).name for raw in self.recorder.objects("Node")]

    def deleted_ns(self, uid: str) -> int:
        """When word came that a pod is gone."""
        return next(
            int(line["at_ns"])
            for line in read_lines(self.folder / "watch.jsonl")
            if line["type"] == "DELETED" and line["object"]["metadata"]["uid"] == uid
        )

    def unschedulable(self, name: str) -> bool:
        """Whether a node is closed, as the API server has it."""
        found = self.cluster.get("Node", None, name)
        assert found is not None
        return NodeView(found).unschedulable

    def inject(self, fault: Fault) -> str:
        """Inject a fault. Return why it could not be made."""
        injection = fault.inject(self.context)
        self.injections.append((fault, injection))
        return injection.missed

    def injection(self, fault: Fault) -> Injection:
        """The injection of a fault, the last one if there are several."""
        return next(injection for injected, injection in reversed(self.injections) if injected is fault)

    def land(self, fault: Fault) -> str:
        """Inject a fault and wait for its proof."""
        assert self.inject(fault) == ""
        injection = self.injection(fault)
        return until(injection.landed, deadline_s=injection.landing_deadline_s, awaited="the fault to land")

    def heal(self, fault: Fault) -> str:
        """Heal a fault. Return what could not be undone."""
        return self.injection(fault).heal()

    def until(self, awaited: Awaited) -> Until:
        """What a scenario may wait for."""
        found: Until = getattr(self.injection(awaited.fault), awaited.name)
        return found

    def await_(self, awaited: Awaited) -> None:
        """Wait for what a scenario may wait for. Fails if it does not come true."""
        wanted = self.until(awaited)
        until(wanted.seen, deadline_s=wanted.deadline_s, awaited=wanted.words)

    def result(self) -> dict[str, Any]:
        """The one result that the fault journalled."""
        (line,) = (line for line in self.lines() if line["event"] == "fault-result")
        return line

    def lines(self) -> list[dict[str, Any]]:
        """The journal so far."""
        return read_lines(self.folder / "actions.jsonl")

    def outcomes(self, action: str) -> list[str]:
        """What became of the actions of that name, in the order in which they ended."""
        named = {line["id"] for line in self.lines() if line["event"] == "action-begin" and line["action"] == action}
        return [line["outcome"] for line in self.lines() if line["event"] == "action-end" and line["id"] in named]


@contextmanager
def fault_ground(
    simulated: SimulatedCluster,
    folder: Path,
    spec: SystemSpec = SIX,
    *,
    through: tuple[Path, str] | None = None,
    infrastructure: Infrastructure = NO_INFRASTRUCTURE,
) -> Iterator[FaultGround]:
    """Run the system in a namespace of its own; `through` is the kubeconfig and context of a proxy to act through."""
    run = f"faults-{uuid.uuid4()}"
    clock = Clock.start()
    with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as direct:
        with (
            Journal(folder / "actions.jsonl", clock) as journal,
            Journal(folder / "tidy.jsonl", clock) as tidy,
            journal_namespace(direct, LiveExecutor(direct, tidy), name := namespace_of_trial("faults", run), run=run),
            trial_namespace(direct, LiveExecutor(direct, tidy), name, run=run, pods_only=True) as ref,
        ):
            scopes = [*(Scope(kind, ref.name) for kind in WATCHED), Scope("Node", None)]
            with Recorder(direct, clock, folder / "watch.jsonl", scopes) as recorder:
                system = deploy(LiveExecutor(direct, tidy), spec, ref.name, run=run)
                wait_available(direct, recorder, system, deadline_s=60)
                kubeconfig, context = through or (simulated.kubeconfig, simulated.context)
                with connect(kubeconfig=kubeconfig, context=context) as cluster:
                    executor = LiveExecutor(cluster, journal)
                    yield FaultGround(cluster, recorder, journal, executor, system, folder, infrastructure)
        for node in direct.list("Node"):
            # Whatever a test left closed would be in the way of the next one.
            if NodeView(node).unschedulable:
                LiveExecutor(direct, NullJournal()).do(
                    mutations.patch(Ref("Node", "", node["metadata"]["name"]), {"spec": {"unschedulable": None}})
                )
