"""What the tests of chaos.system stand on: a connection, a hand, and a namespace with a recorder."""

import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from simulated_cluster import SimulatedCluster

from chaos.clock import Clock
from chaos.cluster import Cluster, Executor, LiveExecutor, NullJournal, Recorder, Scope, connect, mutations
from chaos.objects.base import Ref
from chaos.system import System, SystemSpec, deploy, namespace_of_trial, trial_namespace, wait_available

WATCHED = ("Pod", "Deployment", "ReplicaSet", "EndpointSlice", "PodDisruptionBudget", "Event")

MODEL = SystemSpec(
    name="model", image="registry.example/model:1", image_pull_policy="Never", replicas=3, grace_s=1, pre_stop_sleep_s=0
)


@dataclass(frozen=True, slots=True)
class SystemGround:
    """A namespace of a test's own, watched."""

    cluster: Cluster
    executor: Executor
    namespace: str
    recorder: Recorder

    def deploy(self, spec: SystemSpec, *, run: str = "run-1", force: bool = False) -> System:
        """Apply the system in this namespace."""
        return deploy(self.executor, spec, self.namespace, run=run, force=force)

    def wait(self, system: System, *, deadline_s: float | None = None) -> float:
        """Wait until it is available."""
        return wait_available(self.cluster, self.recorder, system, deadline_s=deadline_s)

    def get(self, kind: str, name: str = "model") -> dict[str, Any]:
        """An object of this namespace, which must be there."""
        found = self.cluster.get(kind, self.namespace, name)
        assert found is not None
        return found

    def make(self, manifest: dict[str, Any]) -> Ref:
        """Create an object in this namespace."""
        manifest["metadata"]["namespace"] = self.namespace
        done = self.executor.do(mutations.create(manifest))
        assert done.outcome == "ok", done.reason
        assert isinstance(done.body, dict)
        return Ref(manifest["kind"], self.namespace, manifest["metadata"]["name"], done.body["metadata"]["uid"])


@contextmanager
def connected(simulated: SimulatedCluster) -> Iterator[tuple[Cluster, Executor]]:
    """A connection to the simulated cluster, and a hand on it."""
    with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as cluster:
        yield cluster, LiveExecutor(cluster, NullJournal())


@contextmanager
def system_ground(simulated: SimulatedCluster, folder: Path, test: str) -> Iterator[SystemGround]:
    """A namespace named after the test, with a recorder that writes into `folder`."""
    run = f"{test}-{uuid.uuid4()}"
    with (
        connected(simulated) as (cluster, executor),
        trial_namespace(cluster, executor, namespace_of_trial(test, run), run=run, pods_only=True) as ref,
    ):
        scopes = [Scope(kind, ref.name) for kind in WATCHED]
        with Recorder(cluster, Clock.start(), folder / "watch.jsonl", scopes) as recorder:
            yield SystemGround(cluster, executor, ref.name, recorder)
