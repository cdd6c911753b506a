"""A kind of others', as they add it to the API, with a small controller of it: it makes pods and nothing more.

The number of replicas stands at `spec.count`, and there is no template: only the `/scale` and the pods say what a
Deployment says itself.
"""

import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations, ref_of
from chaos.objects.base import View
from chaos.wait import until

__all__ = ["KIND", "RESOURCE", "Controller", "controlled", "define", "make_set", "owner_of", "pod_spec", "say_status"]

GROUP = "serving.example.com"
RESOURCE, KIND = f"modelsets.{GROUP}", f"ModelSet.{GROUP}"
LIFE_S = 240.0
LOOK_S = 0.1
MERGE = "application/merge-patch+json"

DEFINITION: Mapping[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": RESOURCE},
    "spec": {
        "group": GROUP,
        "scope": "Namespaced",
        "names": {"plural": "modelsets", "singular": "modelset", "kind": "ModelSet"},
        "versions": [
            {
                "name": "v1beta1",
                "served": True,
                "storage": True,
                "schema": {
                    "openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
                },
                "subresources": {
                    "status": {},
                    "scale": {
                        "specReplicasPath": ".spec.count",
                        "statusReplicasPath": ".status.replicas",
                        "labelSelectorPath": ".status.selector",
                    },
                },
            }
        ],
    },
}


def define(cluster: Cluster) -> None:
    """Add the kind to the API, and wait until it is served."""
    done = LiveExecutor(cluster, NullJournal()).do(mutations.apply(dict(DEFINITION), field_manager="kubectl"))
    assert done.outcome == "ok", done.reason
    path = f"/apis/{GROUP}/v1beta1"
    until(lambda: cluster.read(path).ok, deadline_s=30, awaited=f"{path} to be served")


def make_set(cluster: Cluster, namespace: str, *, replicas: int) -> dict[str, Any]:
    """The ModelSet `chat`."""
    body = {
        "apiVersion": f"{GROUP}/v1beta1",
        "kind": "ModelSet",
        "metadata": {"name": "chat"},
        "spec": {"count": replicas},
    }
    answer = cluster.transport.call("POST", cluster.kind(KIND).path(namespace), body=body)
    assert answer.ok, answer.words()
    made: dict[str, Any] = answer.json()
    return made


def owner_of(owner: Mapping[str, Any]) -> dict[str, Any]:
    """The reference to an object as the controller of another."""
    view = View(owner)
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": view.name,
        "uid": view.uid,
        "controller": True,
    }


def pod_spec() -> dict[str, Any]:
    """A server's pod."""
    container = {
        "name": "server",
        "image": "registry.example/chat:1",
        "imagePullPolicy": "Never",
        "ports": [{"containerPort": 8000}],
        "readinessProbe": {"httpGet": {"path": "/health", "port": 8000}, "periodSeconds": 2},
    }
    return {"terminationGracePeriodSeconds": 1, "containers": [container]}


def say_status(cluster: Cluster, namespace: str, replicas: int) -> None:
    """Write the status of `chat`, as its controller does."""
    status = {"status": {"replicas": replicas, "selector": "app=chat"}}
    path = cluster.kind(KIND).path(namespace, "chat", "status")
    answer = cluster.transport.call("PATCH", path, body=status, content_type=MERGE)
    assert answer.ok, answer.words()


class Controller(threading.Thread):
    """Makes pods until there are as many as wanted, for a few minutes at most; `replaces` may be taken away."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        super().__init__(name="model-sets", daemon=True)
        self.replaces = True
        self.failure: BaseException | None = None
        self._cluster, self._namespace = cluster, namespace
        self._executor = LiveExecutor(cluster, NullJournal())
        self._stopping = threading.Event()
        self._told = -1

    def run(self) -> None:
        """Look, act, and look again."""
        ends = time.monotonic() + LIFE_S
        try:
            while not self._stopping.wait(LOOK_S) and time.monotonic() < ends:
                self._reconcile()
        except BaseException as error:  # noqa: BLE001  # told by `stop`
            self.failure = error

    def stop(self) -> None:
        """End, and say what went wrong."""
        self._stopping.set()
        self.join()
        assert self.failure is None, self.failure

    def _reconcile(self) -> None:
        owner = self._cluster.get(KIND, self._namespace, "chat")
        if owner is None:
            return
        pods = [View(one) for one in self._cluster.list("Pod", self._namespace, selector="app=chat")]
        there = [pod for pod in pods if not pod.deleting]
        if self.replaces:
            for _ in range(int(owner["spec"]["count"]) - len(there)):
                self._make(owner)
        if len(there) != self._told:
            say_status(self._cluster, self._namespace, len(there))
            self._told = len(there)

    def _make(self, owner: Mapping[str, Any]) -> None:
        metadata = {
            "generateName": "chat-",
            "namespace": self._namespace,
            "labels": {"app": "chat"},
            "ownerReferences": [owner_of(owner)],
        }
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod_spec()}
        done = self._executor.do(mutations.create(pod))
        assert done.outcome == "ok", done.reason


@contextmanager
def controlled(cluster: Cluster, namespace: str, *, replicas: int) -> Iterator[Controller]:
    """The ModelSet `chat` with its pods, kept by a controller of the test's own; all gone at the end."""
    made = make_set(cluster, namespace, replicas=replicas)
    controller = Controller(cluster, namespace)
    controller.start()
    try:
        yield controller
    finally:
        controller.stop()
        remove(cluster, namespace, made)


def remove(cluster: Cluster, namespace: str, made: Mapping[str, Any]) -> None:
    """Delete the ModelSet, and its pods, which the garbage collector would come to later."""
    cluster.transport.call("DELETE", cluster.kind(KIND).path(namespace, View(made).name))
    executor = LiveExecutor(cluster, NullJournal())
    for pod in cluster.list("Pod", namespace, selector="app=chat"):
        executor.do(mutations.delete(ref_of(pod), grace_s=0))
