"""What the tests of a whole trial stand on: a simulated cluster for the pods, and a loopback server that answers."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

from simulated_cluster import SimulatedCluster
from typing_extensions import override

from chaos.checks.judge import Judgement
from chaos.cluster import connect
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.deploy.manifest_folder import Manifests
from chaos.trial.environment import Environment
from chaos.trial.request import LoadSettings, Output, ScenarioFacts, TrialRequest
from chaos.trial.run import RunningTrial, run_trial
from loadgen.profiles import HttpProfile

SPEC = SystemSpec(name="model", image="registry.example/model:1", image_pull_policy="Never", replicas=2, grace_s=1)


class _Answers(BaseHTTPRequestHandler):
    """Answers every request with 200, after `takes_s`."""

    takes_s: ClassVar[float] = 0.0

    def do_GET(self) -> None:  # the role's name
        time.sleep(self.takes_s)
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def answering(*, takes_s: float = 0.0) -> Iterator[str]:
    """A server on loopback that answers, each request after so many seconds; its address."""
    seconds = takes_s

    class Answers(_Answers):
        takes_s = seconds

    with served(Answers) as url:
        yield url


@contextmanager
def served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    """A server on loopback that answers by that handler; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


@dataclass(frozen=True, slots=True, kw_only=True)
class StoppableEnvironment(Environment):
    """A cluster on which a test may stop the trial, as a lost lease does."""

    lost: Callable[[], str] = lambda: ""

    @override
    def stop_reason(self) -> str:
        return self.lost()


class Room:
    """One trial's surroundings: where it writes, and what it said and drew."""

    def __init__(self, simulated: SimulatedCluster, url: str, runs: Path) -> None:
        self.cluster = connect(kubeconfig=simulated.kubeconfig, context=simulated.context)
        self.environment = StoppableEnvironment(cluster=self.cluster, service_url=url)
        self.runs = runs
        self.said: list[str] = []
        self.judged: list[Judgement] = []

    @contextmanager
    def trial(
        self,
        name: str,
        system: SystemSpec | Adopted | Manifests = SPEC,
        *,
        dry_run: bool = False,
        lost: Callable[[], str] = lambda: "",
        load: LoadSettings = LoadSettings(),  # noqa: B008  # frozen
        roles: Mapping[str, Adopted] | None = None,
    ) -> Iterator[RunningTrial]:
        """A trial of a scenario called `name`; `lost` gives why the run's lease is not its own any more."""
        request = TrialRequest(
            scenario=ScenarioFacts(name, f"tests/{name}", "a claim", seed=7),
            run=self.runs / name,
            system=system,
            profile=HttpProfile(path="/"),
            load=load,
            dry_run=dry_run,
            roles=roles or {},
        )
        environment = replace(self.environment, lost=lost)
        with run_trial(environment, request, Output(say=self.said.append, draw=self._draw)) as ready:
            yield ready

    def run(self, name: str, scenario: Callable[[RunningTrial], None]) -> None:
        """Run a scenario in a trial."""
        with self.trial(name) as ready:
            scenario(ready)

    def _draw(self, judgement: Judgement) -> Path:
        self.judged.append(judgement)
        return judgement.run / "report.html"

    def namespaces(self) -> list[str]:
        """Namespaces of ours that are not on their way out."""
        found = self.cluster.list("Namespace", selector="app.kubernetes.io/managed-by=gameday")
        return [one["metadata"]["name"] for one in found if "deletionTimestamp" not in one["metadata"]]
