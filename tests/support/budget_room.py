"""What the tests of disruption budgets share: workloads whose pods nobody schedules; the test says how they are.

The pods wait for a scheduler that does not exist, so no kubelet, real or simulated, ever touches them. Their status is
written through the `status` subresource. All else is real: workload controllers, disruption controller, API server.
"""

import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar

from cluster_room import Room
from simulated_cluster import SimulatedCluster

from chaos.cluster import Done, mutations, ref_of
from chaos.cluster.resources import KINDS

__all__ = [
    "HELD",
    "Obj",
    "budget",
    "frozen_controllers",
    "listed",
    "make_all",
    "patch_status",
    "pod_template",
    "readiness",
    "release",
    "together",
    "workload",
]

Obj = dict[str, Any]
T = TypeVar("T")
R = TypeVar("R")

HELD = "tests.gameday.dev/held"
"""A finalizer that keeps a deleted pod terminating until `release`."""


def together(work: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do many calls at once."""
    with ThreadPoolExecutor(max_workers=12) as pool:
        return list(pool.map(work, items))


def make_all(room: Room, objects: Iterable[Obj]) -> list[Obj]:
    """Create objects at once."""
    return together(room.make, objects)


def listed(room: Room, kind: str) -> list[Obj]:
    """All objects of a kind in the room."""
    return room.cluster.list(kind, room.namespace)


def pod_template(labels: Mapping[str, str], *, held: bool = False) -> Obj:
    """A pod's metadata and spec; `held` pods terminate only when they are released."""
    metadata: Obj = {"labels": dict(labels)}
    if held:
        metadata["finalizers"] = [HELD]
    container = {"name": "model", "image": "lab.local/model"}
    return {"metadata": metadata, "spec": {"schedulerName": "nobody", "containers": [container]}}


def workload(room: Room, kind: str, name: str, replicas: int, *, held: bool = False) -> Obj:
    """A Deployment, ReplicaSet, StatefulSet or Job of pods labelled `app: NAME`."""
    labels = {"app": name}
    spec: Obj = {"template": pod_template(labels, held=held)}
    if kind == "Job":
        spec |= {"parallelism": replicas, "completions": replicas}
        spec["template"]["spec"]["restartPolicy"] = "Never"
    else:
        spec |= {"replicas": replicas, "selector": {"matchLabels": labels}}
    if kind == "StatefulSet":
        spec |= {"podManagementPolicy": "Parallel", "serviceName": name}
    metadata = {"name": name, "namespace": room.namespace}
    return {"apiVersion": KINDS[kind].api_version, "kind": kind, "metadata": metadata, "spec": spec}


def budget(room: Room, name: str, selector: Mapping[str, Any], **spec: Any) -> Obj:
    """A disruption budget; its bounds are given as in the API."""
    return {
        "apiVersion": "policy/v1",
        "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": room.namespace},
        "spec": {"selector": selector, **spec},
    }


def readiness(*, ready: bool, phase: str = "Running") -> Obj:
    """A pod status."""
    return {"phase": phase, "conditions": [{"type": "Ready", "status": "True" if ready else "False"}]}


def patch_status(room: Room, obj: Obj, status: Obj) -> Done:
    """Write an object's status, as its controller or kubelet would."""
    done = room.executor.do(mutations.patch(ref_of(obj), {"status": status}, subresource="status"))
    assert done.outcome == "ok", done
    return done


def release(room: Room) -> None:
    """Let every held pod go, so that the namespace can."""

    def free(pod: Obj) -> None:
        room.executor.do(mutations.patch(ref_of(pod), {"metadata": {"finalizers": None}}))

    together(free, [pod for pod in listed(room, "Pod") if pod["metadata"].get("finalizers")])


@contextmanager
def frozen_controllers(simulated: SimulatedCluster) -> Iterator[None]:
    """Stop the controller manager while the block runs: what is read in it, no controller changes."""
    pid = simulated.pids["kube-controller-manager"]
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)
