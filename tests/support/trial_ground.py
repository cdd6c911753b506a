"""What the tests of a whole trial stand on: a simulated cluster for the pods, and a loopback server that answers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from chaos.checks.judge import Judgement
from chaos.cluster import connect
from chaos.lab.simulated import SimulatedCluster
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.deploy.manifest_folder import Manifests
from chaos.trial.environment import Ground
from chaos.trial.load_source import LoadWish
from chaos.trial.setup import Callbacks, Staged, staged
from chaos.trial.trial_json import ScenarioFacts
from loadgen.origin import HostDirect
from loadgen.profiles import HttpProfile

SPEC = SystemSpec(name="model", image="registry.example/model:1", image_pull_policy="Never", replicas=2, grace_s=1)


class _Answers(BaseHTTPRequestHandler):
    """Answers every request with 200."""

    def do_GET(self) -> None:  # the role's name
        self.send_response(200)
        self.send_header("content-length", "2")
        self.end_headers()
        self.wfile.write(b"ok")

    def log_message(self, *words: object) -> None:
        """Say nothing."""


@contextmanager
def answering() -> Iterator[str]:
    """A server on loopback that answers; its address."""
    with ThreadingHTTPServer(("127.0.0.1", 0), _Answers) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()


class Room:
    """One trial's surroundings: where it writes, and what it said and drew."""

    def __init__(self, simulated: SimulatedCluster, url: str, runs: Path) -> None:
        self.cluster = connect(kubeconfig=simulated.kubeconfig, context=simulated.context)
        self.ground = Ground(
            "context", self.cluster, {"name": "kubernetes"}, "", "this host", lambda _system: HostDirect(url), list
        )
        self.runs = runs
        self.said: list[str] = []
        self.judged: list[Judgement] = []

    @contextmanager
    def trial(
        self,
        name: str,
        spec: SystemSpec = SPEC,
        *,
        dry_run: bool = False,
        adopted: Adopted | None = None,
        manifests: Manifests | None = None,
        lost: Callable[[], str] = lambda: "",
        load_wish: LoadWish = LoadWish(),  # noqa: B008  # frozen
    ) -> Iterator[Staged]:
        """A trial of a scenario called `name`; `lost` tells why the run's lease is not its own any more."""
        callbacks = Callbacks(say=self.said.append, draw=self._draw)
        scenario = ScenarioFacts(name, f"tests/{name}", "a claim", seed=7)
        with staged(
            self.ground,
            adopted.system.spec if adopted else manifests.spec if manifests else spec,
            HttpProfile(path="/"),
            scenario,
            run=self.runs / name,
            dry_run=dry_run,
            pods_max=None,
            keep_namespace=False,
            callbacks=callbacks,
            adopted=adopted,
            manifests=manifests,
            lost=lost,
            load_wish=load_wish,
        ) as ready:
            yield ready

    def run(self, name: str, scenario: Callable[[Staged], None]) -> None:
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
