"""Load pods that are processes of this host, and an API server's proxy that leads to them, honestly or not."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from chaos.cluster.transport import Answer, Broken
from loadgen.pod.contract import FOLDER, TOKEN_DIGEST

TOKEN = "the driver's"  # noqa: S105  # for this test
JOB_UID = "uid-job"
READY = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}

Meddle = Callable[[str, Mapping[str, Any], Answer], Answer]
"""What becomes of an answer on its way: by the action, what was asked, and what the pod said."""


@dataclass(slots=True)
class PodHere:
    """One process that is a pod."""

    process: subprocess.Popen[str]
    port: int
    folder: Path


@dataclass(slots=True)
class ProxyHere:
    """Stands for a cluster of which only pods are asked for: `meddle` sits on the way to them."""

    pods: dict[str, PodHere]
    meddle: Meddle = lambda _deed, _told, answer: answer
    asked: list[str] = field(default_factory=list)
    nodes: Mapping[str, str] = field(default_factory=dict)

    @property
    def transport(self) -> ProxyHere:
        """The same, as a wire."""
        return self

    def call(
        self,
        _method: str,
        path: str,
        *,
        body: Any,
        headers: Mapping[str, str],
        timeout_s: float,
        pod_max_bytes: int,  # noqa: ARG002  # the transport's own matter
    ) -> Answer:
        """A POST through the proxy."""
        name = path.split("/pods/")[1].partition(":")[0]
        self.asked.append(body["do"])
        request = urllib.request.Request(  # of this host
            f"http://127.0.0.1:{self.pods[name].port}/do", data=json.dumps(body).encode(), headers=dict(headers)
        )
        try:
            with urllib.request.urlopen(request, timeout=timeout_s) as said:  # noqa: S310
                answer = Answer(said.status, said.read())
        except urllib.error.HTTPError as refused:
            answer = Answer(refused.code, refused.read())
        except OSError as error:
            raise Broken(f"the way to {name} broke: {error}") from None
        return self.meddle(body["do"], body["arguments"], answer)

    def get(self, _kind: str, _namespace: str, name: str) -> dict[str, Any] | None:
        """A pod that is there as long as its process is."""
        return self._raw(name) if self.pods[name].process.poll() is None else None

    def list(self, kind: str, _namespace: str, *, selector: str = "") -> list[dict[str, Any]]:
        """All the pods that are there, for their own selector."""
        ours = kind == "Pod" and selector.startswith("gameday.dev/load-job")
        return [raw for name in self.pods if (raw := self.get("Pod", "here", name))] if ours else []

    def _raw(self, name: str) -> dict[str, Any]:
        index = name.rpartition("-")[2]
        annotations = {"batch.kubernetes.io/job-completion-index": index}
        owners = [{"kind": "Job", "uid": JOB_UID, "controller": True}]
        metadata = {"name": name, "namespace": "here", "uid": f"uid-{name}", "annotations": annotations}
        metadata |= {"ownerReferences": owners}
        return {
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"nodeName": self.nodes.get(name, "n1")},
            "status": READY,
        }


@contextmanager
def pods_here(folder: Path, count: int) -> Iterator[ProxyHere]:
    """So many pods, ended at the end of the block."""
    pods = {f"load-{number}": _started(folder / f"pod-{number}") for number in range(count)}
    try:
        yield ProxyHere(pods)
    finally:
        for pod in pods.values():
            pod.process.kill()
            pod.process.wait()
            assert pod.process.stdout is not None
            pod.process.stdout.close()


def _started(folder: Path) -> PodHere:
    folder.mkdir()
    digest = hashlib.sha256(TOKEN.encode()).hexdigest()
    process = subprocess.Popen(
        [sys.executable, "-m", "loadgen.pod.server", "0"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, TOKEN_DIGEST: digest, FOLDER: str(folder)},
    )
    assert process.stdout is not None
    return PodHere(process, int(process.stdout.readline().split()[-1]), folder)
