"""What the tests of chaos.cluster share: a namespace of one's own, a hand, and readers of what was written."""

import json
import ssl
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import urllib3
from simulated_cluster import SimulatedCluster

from chaos.clock import Clock
from chaos.cluster import Cluster, Done, Executor, Journal, LiveExecutor, Recorder, connect, mutations
from chaos.objects.base import Ref
from chaos.wait import until

__all__ = ["Room", "compact_etcd", "config_map", "limit", "pod", "read_lines", "room"]


@dataclass(frozen=True, slots=True)
class Room:
    """A namespace on a cluster, a journal in a folder, and the hand that writes it."""

    cluster: Cluster
    namespace: str
    folder: Path
    clock: Clock
    executor: LiveExecutor

    def make(self, obj: Mapping[str, Any]) -> dict[str, Any]:
        """Create an object and return it as the server has it."""
        done = self.executor.do(mutations.create(obj))
        assert done.outcome == "ok", done
        assert isinstance(done.body, dict)
        return done.body

    def remove(self, obj: Mapping[str, Any]) -> Done:
        """Delete an object at once."""
        ref = Ref(obj["kind"], self.namespace, obj["metadata"]["name"])
        return self.executor.do(mutations.delete(ref, grace_s=0))

    def actions(self) -> list[dict[str, Any]]:
        """The journal so far."""
        return read_lines(self.folder / "actions.jsonl")

    def watched(self) -> list[dict[str, Any]]:
        """The record so far."""
        return read_lines(self.folder / "watch.jsonl")

    def seen(self, recorder: Recorder, kind: str, *names: str) -> bool:
        """Wait until the recorder knows exactly the objects with these names."""
        return recorder.wait_for(lambda: {obj["metadata"]["name"] for obj in recorder.objects(kind)} == set(names), 20)


@contextmanager
def room(kubeconfig: Path, context: str, folder: Path) -> Iterator[Room]:
    """Make a namespace, hand it out, and delete it."""
    clock = Clock.start()
    namespace = f"room-{uuid.uuid4().hex[:8]}"
    with (
        connect(kubeconfig=kubeconfig, context=context) as cluster,
        Journal(folder / "actions.jsonl", clock) as journal,
    ):
        executor = LiveExecutor(cluster, journal)
        made = Room(cluster, namespace, folder, clock, executor)
        made.make({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})
        try:
            yield made
        finally:
            executor.do(mutations.delete(Ref("Namespace", "", namespace)))


def limit(cluster: Cluster, executor: Executor, namespace: str, hard: Mapping[str, str]) -> Ref:
    """A ResourceQuota that the controllers have taken up; until then the API server may admit what it forbids."""
    quota = Ref("ResourceQuota", namespace, "small")
    metadata = {"name": quota.name, "namespace": namespace}
    raw = {"apiVersion": "v1", "kind": quota.kind, "metadata": metadata, "spec": {"hard": hard}}
    assert executor.do(mutations.create(raw)).outcome == "ok"
    until(
        lambda: ((cluster.get(quota.kind, namespace, quota.name) or {}).get("status") or {}).get("hard"),
        deadline_s=30,
        awaited="the quota controller takes up the quota",
    )
    return quota


def compact_etcd(simulated: SimulatedCluster) -> None:
    """Let the cluster's etcd forget all states but the newest, as it does every five minutes by itself."""
    words = Path(f"/proc/{simulated.pids['kube-apiserver']}/cmdline").read_text().split("\0")
    flags = dict(word.split("=", 1) for word in words if word.startswith("--etcd-"))
    tls = ssl.create_default_context(cafile=flags["--etcd-cafile"])
    tls.load_cert_chain(flags["--etcd-certfile"], flags["--etcd-keyfile"])

    with urllib3.PoolManager(ssl_context=tls, timeout=10, retries=False) as pool:
        # A range over no key at all answers with the present revision.
        now = pool.request("POST", f"{flags['--etcd-servers']}/v3/kv/range", json={"key": "AA==", "count_only": True})
        compact = {"revision": now.json()["header"]["revision"], "physical": True}
        assert pool.request("POST", f"{flags['--etcd-servers']}/v3/kv/compaction", json=compact).status == 200


def config_map(room: Room, name: str, **data: str) -> dict[str, Any]:
    """A ConfigMap, which no controller touches."""
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": name, "namespace": room.namespace, "labels": {"test": "yes"}},
        "data": data,
    }


def pod(room: Room, name: str, *, scheduled: bool = True) -> dict[str, Any]:
    """A pod that a simulated node runs, or that stays pending for ever and that nobody but the test touches."""
    spec = {"terminationGracePeriodSeconds": 0, "containers": [{"name": "model", "image": "lab.local/model"}]}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": room.namespace, "labels": {"app": "model"}},
        "spec": spec if scheduled else spec | {"schedulerName": "nobody"},
    }


def read_lines(path: Path) -> list[dict[str, Any]]:
    """The JSON lines of a file."""
    return [json.loads(line) for line in path.read_bytes().splitlines()]
