"""Sessions of pytest in a process of their own, which a test watches, and sends signals at the moment it is about.

Where each trial deploys its system, they reach the API server through a proxy, which may hold a call up or refuse it.
"""

import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fault_proxy import FaultProxy
from simulated_cluster import SimulatedCluster
from trial_room import answering

from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.trial.preflight.rbac import HOME
from chaos.wait import until

__all__ = ["CONFTEST", "DRAINED", "Child", "Deployed", "child_session", "deployed"]

SESSION_S = 90.0

CONFTEST = """
import pytest
from chaos.system import SystemSpec
from loadgen.profiles import HttpProfile

@pytest.fixture(scope="session")
def system_spec():
    named = {"name": "model", "image": "registry.example/model:1", "image_pull_policy": "Never"}
    return SystemSpec(**named, replicas=2, grace_s=1)

@pytest.fixture(scope="session")
def request_profile():
    return HttpProfile(path="/")
"""

DRAINED = """
import time
from pathlib import Path
from chaos import faults, targets
from chaos.faults import Until

class Look:
    '''A check that may take its time.'''

    name = "look"

    def __call__(self, history):
        Path("judging").touch()
        time.sleep({judging_s})

def test_drain(trial, system, traffic):
    '''A node may be drained.'''
    with traffic.steady(rate_rps=10):
        with trial.fault(faults.NodeDrain(targets.fullest_node(system), leave_foreign=True)):
            trial.hold(until=Until("the test goes on", Path("go").exists, 60))
        trial.recovery(settle_s={settle_s})
    trial.judge(Look())
"""
"""A node is drained until the file `go` is there; then the session recovers and judges for so many seconds."""


@dataclass(frozen=True, slots=True)
class Child:
    """A session under way in its folder, where a file has all that it says."""

    process: subprocess.Popen[bytes]
    folder: Path

    @property
    def said(self) -> str:
        """All that it printed so far."""
        return (self.folder / "session.out").read_text(errors="replace")

    def record(self, name: str = "actions.jsonl") -> str:
        """What is in the files of that name of its run folders."""
        return "".join(path.read_text(errors="replace") for path in sorted(self.folder.glob(f"runs/*/{name}")))

    def reaches(self, awaited: str, seen: Callable[[], object]) -> None:
        """Wait for a moment of it. Fails with what it said if it ends before."""

        def look() -> bool:
            assert self.process.poll() is None, self.said
            return bool(seen())

        until(look, deadline_s=SESSION_S, awaited=awaited, poll_s=0.05, last_seen=lambda: self.said[-2000:])

    def go(self) -> None:
        """Let its scenario go on."""
        (self.folder / "go").touch()

    def terminate(self) -> None:
        """Send it SIGTERM, as a CI system does with a job that is cancelled."""
        self.process.send_signal(signal.SIGTERM)

    def end(self) -> int:
        """Wait for its end; the exit code."""
        return self.process.wait(SESSION_S)


@contextmanager
def child_session(folder: Path, *options: str, **environ: str) -> Iterator[Child]:
    """Run the tests of a folder in a process of their own; it is killed if the block ends before it does."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", *options]
    environment = {**os.environ, "PYTHONUNBUFFERED": "1", **environ}
    with (folder / "session.out").open("wb") as said:
        process = subprocess.Popen(
            argv,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    with process:
        try:
            yield Child(process, folder)
        finally:
            process.kill()


@dataclass(frozen=True, slots=True)
class Deployed:
    """A cluster on which sessions deploy their system, through a proxy; `direct` is a connection past it."""

    proxy: FaultProxy
    direct: Cluster
    url: str
    folder: Path

    def session(
        self, text: str, *options: str, conftest: str = CONFTEST, **environ: str
    ) -> AbstractContextManager[Child]:
        """A session of this scenario, in a folder of its own."""
        folder = Path(tempfile.mkdtemp(dir=self.folder))
        (folder / "conftest.py").write_text(conftest)
        (folder / "test_scenario.py").write_text(text)
        where = ["--gameday-kube-context", self.proxy.context, "--gameday-kubeconfig", str(self.proxy.kubeconfig)]
        where += ["--gameday-cluster-uid", self.direct.facts.uid, "--gameday-service-url", self.url]
        return child_session(folder, *where, *options, **environ)

    def closed(self) -> list[str]:
        """The nodes that are closed."""
        return [node.name for node in map(NodeView, self.direct.list("Node")) if node.unschedulable]

    def namespaces(self) -> set[str]:
        """Namespaces of ours that are not on their way out."""
        found = self.direct.list("Namespace", selector="app.kubernetes.io/managed-by=gameday")
        return {one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]}


@contextmanager
def deployed(simulated: SimulatedCluster, folder: Path, *, url: str = "") -> Iterator[Deployed]:
    """Such a cluster, whose nodes may be drained; users are answered, at that URL if it is given."""
    with (
        answering() as answers,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as direct,
        FaultProxy(simulated.kubeconfig, folder) as proxy,
        _drainable(direct),
    ):
        yield Deployed(proxy, direct, url or answers, folder)


@contextmanager
def _drainable(cluster: Cluster) -> Iterator[None]:
    """Let the nodes' owners allow drains, and let there be the namespace of the lease; nodes are open afterwards."""
    executor = LiveExecutor(cluster, NullJournal())
    home = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": HOME}}
    assert executor.do(mutations.apply(home, field_manager="kubectl")).outcome == "ok"
    nodes = [Ref("Node", "", one["metadata"]["name"]) for one in cluster.list("Node")]

    def write(patch: dict[str, object]) -> None:
        for node in nodes:
            assert executor.do(mutations.patch(node, patch, field_manager="kubectl")).outcome == "ok"

    write({"metadata": {"annotations": {"gameday.dev/allow": "node-drain"}}})
    try:
        yield
    finally:
        write({"metadata": {"annotations": {"gameday.dev/allow": None}}, "spec": {"unschedulable": None}})
