"""Whole trials on a service of others, with a proxy between the suite and the API server that breaks what it is told.

A trial drains a node under traffic: it reads and watches, writes a lease and an undo journal, changes a node, evicts
and heals. The pods are simulated; what answers users is a server on the loopback: the API's troubles are not theirs.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from fault_proxy import FaultProxy
from plain_service import apply_all, plain_namespace, service_of, snapshot
from simulated_cluster import SimulatedCluster

from chaos import faults
from chaos.checks import BudgetHeld, Drained, Recovered, SloMet, Witnessed
from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Verdict
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.errors import GamedayError, NotProven
from chaos.faults import targets
from chaos.history import History, load_history
from chaos.objects.base import Ref
from chaos.slo import Slo
from chaos.trial.adopted_environment import AdoptedEnvironment, adopted_environment
from chaos.trial.request import Output, ScenarioFacts, TrialRequest
from chaos.trial.run import RunningTrial, run_trial
from loadgen.profiles import HttpProfile

__all__ = ["ApiTrial", "Moments", "Ran", "api_trial"]

REPLICAS = 3
DRAIN_S = 12.0
SLO = Slo(availability=0.99)


@dataclass(frozen=True, slots=True)
class Moments:
    """What is done to the API, or to the service: before the trial begins, and right before each of its later parts.

    `hold_s`: how much longer than the drain the fault is to stand.
    """

    begin: Callable[[ApiTrial], object] = lambda _api: None
    fault: Callable[[ApiTrial], object] = lambda _api: None
    landed: Callable[[ApiTrial], object] = lambda _api: None
    heal: Callable[[ApiTrial], object] = lambda _api: None
    hold_s: float = 0.0


@dataclass(frozen=True, slots=True)
class Ran:
    """What came of a trial: its verdict and record, the error that it ended with if it did, and what it left behind."""

    verdict: Verdict
    history: History
    error: str
    before: Mapping[str, Any]
    after: Mapping[str, Any]

    @property
    def words(self) -> str:
        """All that the findings say."""
        return self.verdict.lines()

    @property
    def left(self) -> list[str]:
        """Names of objects that were not there before, or are otherwise than before, or are gone."""
        names = {*self.before, *self.after}
        return sorted(name for name in names if self.before.get(name) != self.after.get(name))


class Users:
    """A server for users, which may be told to fail."""

    def __init__(self) -> None:
        self.down = False
        users = self

        class Answers(BaseHTTPRequestHandler):
            def do_GET(self) -> None:  # the role's name
                self.send_response(500 if users.down else 200)
                self.send_header("content-length", "2")
                self.end_headers()
                self.wfile.write(b"ok")

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Answers)


@dataclass(slots=True)
class ApiTrial:
    """A service of others, the proxy that leads to its API server, and a connection past it."""

    proxy: FaultProxy
    direct: Cluster
    namespace: str
    users: Users
    folder: Path
    said: list[str] = field(default_factory=list)

    def run(self, moments: Moments, **safety: object) -> Ran:
        """Drain a node under traffic in a session of its own, and judge it; `safety` is more of that table."""
        before = snapshot(self.direct, self.namespace)
        error = ""
        try:
            moments.begin(self)
            with self.opened(safety) as environment:
                adopted = environment.adoption.find()
                environment.begin()
                request = TrialRequest(
                    scenario=ScenarioFacts("drain", "tests/drain", "A node may be drained.", seed=7),
                    run=self.folder / "run",
                    system=adopted,
                    profile=HttpProfile(path="/"),
                )
                output = Output(self.said.append, lambda judged: judged.run / "report.html")
                with run_trial(environment, request, output) as ready:
                    self._scenario(ready, moments)
        except (GamedayError, NotProven) as ended:
            error = str(ended)
        self.proxy.relieve()
        after = snapshot(self.direct, self.namespace)
        run = self.folder / "run"
        return Ran(read_verdict(run), load_history(run), error, before, after)

    def opened(self, safety: Mapping[str, object]) -> AbstractContextManager[AdoptedEnvironment]:
        """A session on the service, through the proxy."""
        file, kubeconfig = self._file(safety), self.proxy.kubeconfig
        return adopted_environment(file, kubeconfig=kubeconfig, context="", service_url="", say=self.said.append)

    def _scenario(self, ready: RunningTrial, moments: Moments) -> None:
        trial, system, traffic = ready.trial, ready.system, ready.traffic
        with traffic.steady(rate_rps=20):
            trial.baseline(duration_s=1.5)
            drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=DRAIN_S, leave_foreign=True)
            moments.fault(self)
            with trial.fault(drain):
                moments.landed(self)
                if not any(line.startswith("missed") for line in self.said):  # else there is no end to wait for
                    trial.hold(until=drain.ended)
                if moments.hold_s:
                    trial.hold(duration_s=moments.hold_s)
                moments.heal(self)
            trial.recovery(settle_s=1)
        trial.judge(SloMet(SLO), BudgetHeld(), Drained(), Recovered(), Witnessed("evict-pod"))

    def _file(self, safety: Mapping[str, object]) -> Path:
        """A gameday.toml that leads through the proxy."""
        port = self.users.server.server_port
        tables = {
            "cluster": {"context": self.proxy.context, "uid": self.direct.facts.uid},
            "system": {"namespace": self.namespace, "deployment": "chat"},
            "traffic": {"url": f"http://127.0.0.1:{port}"},
            "slo": {"availability": SLO.availability},
            "safety": {"pods_max": REPLICAS, **safety},
        }
        lines = [f"[{name}]\n" + "".join(f"{k} = {_toml(v)}\n" for k, v in one.items()) for name, one in tables.items()]
        file = self.folder / "gameday.toml"
        file.write_text("".join(lines))
        return file


def _toml(value: object) -> str:
    """A value as TOML has it; a table in one line."""
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{key} = {json.dumps(one)}" for key, one in value.items()) + " }"
    return json.dumps(value)


@contextmanager
def api_trial(simulated: SimulatedCluster, folder: Path) -> Iterator[ApiTrial]:
    """The service `chat`, whose owners and the nodes' allow drains, behind a proxy."""
    users = Users()
    serving = threading.Thread(target=users.server.serve_forever, daemon=True)
    serving.start()
    with (
        users.server,
        connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as direct,
        plain_namespace(direct, {"gameday.dev/adopt": "enabled"}) as namespace,
        FaultProxy(simulated.kubeconfig, folder) as proxy,
    ):
        apply_all(direct, namespace, service_of("chat", replicas=REPLICAS))
        _allow(direct, Ref("Deployment", namespace, "chat"), "node-drain")
        nodes = [Ref("Node", "", one["metadata"]["name"]) for one in direct.list("Node")]
        for node in nodes:
            _allow(direct, node, "node-drain")
        try:
            yield ApiTrial(proxy, direct, namespace, users, folder)
        finally:
            for node in nodes:
                _allow(direct, node, None)
            users.server.shutdown()
            serving.join()


def _allow(cluster: Cluster, ref: Ref, actions: str | None) -> None:
    patch = {"metadata": {"annotations": {"gameday.dev/allow": actions}}}
    assert LiveExecutor(cluster, NullJournal()).do(mutations.patch(ref, patch, field_manager="kubectl")).outcome == "ok"
