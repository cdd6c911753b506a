"""KEDA's own operator and Prometheus take a deployed system to zero replicas and back, on simulated nodes.

What stands in front of the system counts requests, also those that it refuses as no replica is Ready.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path

import pytest
from simulated_cluster import SimulatedCluster
from trial_room import SPEC, Room, served

from chaos.checks import ColdStart, ScaledToZero, WithinLimits
from chaos.checks.verdict import Answer
from chaos.lab.addons.addon import Site
from chaos.lab.addons.keda import COLLECTIONS, KEDA, NAMESPACE
from chaos.lab.addons.prometheus import PROMETHEUS
from chaos.lab.control_plane.api import Api
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.lab.host.processes import start_child
from chaos.progress import Terminal
from chaos.semantics import LAB
from chaos.system import Autoscale, Keda
from chaos.trial.conditions import scaled_to_zero
from chaos.wait import until

pytestmark = pytest.mark.slow

DEFINITION = "CustomResourceDefinition"
QUERY = 'sum(rate(service_packets_total{namespace="$namespace"}[6s]))'
STARTS_S, LOOKS_S, COOLS_S, COLD_START_S = 60.0, 2, 5, 20


@dataclass
class Front:
    """A gateway: it answers while `ready`, else refuses with 503, and tells Prometheus how many it was asked."""

    namespace: str = ""
    ready: Callable[[], object] = lambda: True
    asked: int = 0

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = self.path == "/metrics"
                front.asked += not told
                body = f'service_packets_total{{namespace="{front.namespace}",service="model"}} {front.asked}\n'
                self.send_response(200 if told or front.ready() else 503)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        with served(Handler) as url:
            yield url


@contextlib.contextmanager
def prometheus(front: str, folder: Path) -> Iterator[str]:
    """A Prometheus that scrapes the front every second; its address."""
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    jobs = [{"job_name": "front", "static_configs": [{"targets": [front.removeprefix("http://")]}]}]
    (folder / "prometheus.json").write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    argv = [PROMETHEUS.make(Terminal()) / "prometheus", f"--config.file={folder / 'prometheus.json'}"]
    argv += [f"--storage.tsdb.path={folder / 'series'}", f"--web.listen-address=127.0.0.1:{port}"]
    child = start_child("prometheus", argv, folder=folder)
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        child.process.kill()
        child.process.wait()


@contextlib.contextmanager
def operator(simulated: SimulatedCluster, folder: Path) -> Iterator[None]:
    """KEDA's operator, with all its kinds, as the administrator, for as long as it is wanted."""
    made = KEDA.make(Terminal())
    site = Site(made, private_folder(folder / "keda"), Authority(private_folder(folder / "pki"), "ca"), ())
    kinds = [one for one in json.loads((made / "manifests.json").read_text()) if one["kind"] == DEFINITION]
    api: Api = simulated.api
    api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
    for one in kinds:
        api.create(COLLECTIONS[DEFINITION], one)
    program = KEDA.programs(site)[0]
    words = [f"--kubeconfig={simulated.kubeconfig}" if "--kubeconfig=" in str(one) else one for one in program.argv]
    given = [f"{name}={value}" for name, value in program.environment.items()]
    child = start_child("keda-operator", ["env", *given, *words], folder=folder)
    log = folder / "keda-operator.log"
    try:
        until(lambda: "Starting workers" in log.read_text(), deadline_s=STARTS_S, awaited="KEDA's operator to work")
        yield
        assert child.alive(), log.read_text()[-2000:]
    finally:
        child.process.kill()
        child.process.wait()
        for one in kinds:
            api.delete(f"{COLLECTIONS[DEFINITION]}/{one['metadata']['name']}")


@pytest.fixture
def front() -> Front:
    """A front that answers at once."""
    return Front()


@pytest.fixture
def room(simulated: SimulatedCluster, front: Front, tmp_path: Path) -> Iterator[Room]:
    """A room for trials whose traffic goes to the front, on a cluster with KEDA."""
    with front.serving() as url, operator(simulated, tmp_path):
        made = Room(simulated, url, tmp_path)
        made.environment = replace(made.environment, timings=replace(LAB, metric_delay_s=10.0))
        with made.cluster:
            yield made


def test_a_request_at_zero_brings_a_replica_up(room: Room, front: Front, tmp_path: Path) -> None:
    """To zero while nobody asks, by KEDA's own hand; the first request brings one replica, and the checks say PASS."""
    with prometheus(room.environment.service_url, tmp_path) as url:
        asked = {"serverAddress": url, "query": QUERY, "threshold": "1000"}
        keda = Keda(
            triggers=({"type": "prometheus", "metadata": asked},),
            polling_s=LOOKS_S,
            cooldown_s=COOLS_S,
            initial_cooldown_s=120,
        )
        spec = SPEC.having(autoscale=Autoscale(replicas_min=0, replicas_max=3, keda=keda))
        with room.trial("zero", spec) as ready:
            front.namespace, front.ready = ready.system.namespace, ready.system.ready_pods
            with ready.traffic.steady(rate_rps=5):
                ready.trial.baseline(duration_s=8)
            ready.trial.hold(until=scaled_to_zero(ready.system))
            assert not ready.system.ready_pods()
            with ready.traffic.steady(rate_rps=5):
                ready.trial.hold(duration_s=COLD_START_S)
            checks = (ScaledToZero(), ColdStart(within_s=COLD_START_S, at_zero="refused"), WithinLimits())
            ready.trial.judge(*checks, needs_fault=False)
    verdict = room.judged[-1].verdict
    assert verdict.answer is Answer.PASS, verdict.lines()
