"""Systems that KEDA itself scales by what Prometheus itself has, on simulated nodes: all three checks, and the faults.

What stands in front of the system counts requests, also those that it refuses as no replica is Ready.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest
from fed_metrics import FLAGS
from kwok_program import kwok_program
from simulated_cluster import SimulatedCluster
from trial_room import SPEC, Room, served

from chaos import faults
from chaos.checks import ColdStart, HeldBlind, ScaledToZero, WithinLimits, Witnessed
from chaos.checks.verdict import Answer
from chaos.errors import NotProven
from chaos.lab.addons.addon import Site
from chaos.lab.addons.keda import COLLECTIONS, KEDA, NAMESPACE, SERVER
from chaos.lab.addons.prometheus import PROMETHEUS
from chaos.lab.control_plane.aggregated import API_SERVICES
from chaos.lab.control_plane.build import kube_program
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.lab.host.network import API_ADDRESS
from chaos.lab.host.processes import Child, start_child
from chaos.progress import Terminal
from chaos.semantics import LAB
from chaos.system import Autoscale, Keda, SystemSpec
from chaos.trial.conditions import scaled_to_zero, scaled_up
from chaos.trial.run import RunningTrial
from chaos.wait import until

pytestmark = pytest.mark.slow

DEFINITION, LOOPBACK = "CustomResourceDefinition", "127.0.0.1"
SENT = 'sum(rate(service_packets_total{namespace="$namespace"}[6s]))'
WAITING = 'sum(requests_waiting{namespace="$namespace"})'
STARTS_S, COLD_START_S, BLIND_S = 60.0, 20, 60


@dataclass
class Front:
    """A gateway: it answers while `ready`, else refuses with 503, and tells Prometheus who asked, and who waits."""

    namespace: str = ""
    ready: Callable[[], object] = lambda: True
    asked: int = 0
    waiting: int = 1

    @contextlib.contextmanager
    def serving(self) -> Iterator[str]:
        """Its address."""
        front = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                told = self.path == "/metrics"
                front.asked += not told
                whose = f'{{namespace="{front.namespace}"}}'
                body = f"service_packets_total{whose} {front.asked}\nrequests_waiting{whose} {front.waiting}\n"
                self.send_response(200 if told or front.ready() else 503)
                self.send_header("content-type", "text/plain; version=0.0.4")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body.encode())

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        with served(Handler) as url:
            yield url


@dataclass
class Signals:
    """The metrics path of these tests: Prometheus, which is stopped by signals."""

    child: Child

    def objection(self, program: str) -> str:
        """Why another cannot be stopped."""
        return "" if program == "prometheus" else f"there is no {program}"

    def stop(self, _program: str) -> str:
        """Stop it."""
        os.kill(self.child.process.pid, signal.SIGSTOP)
        return ""

    def go_on(self, _program: str) -> str:
        """Let it go on."""
        os.kill(self.child.process.pid, signal.SIGCONT)
        return ""

    def stands_still(self, _program: str) -> bool:
        """Whether the kernel says so."""
        return Path(f"/proc/{self.child.process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"

    def autoscaler(self) -> str:
        """Nobody restarts it here."""
        return ""

    def restart_autoscaler(self) -> str:
        """As above."""
        return "not here"


@contextlib.contextmanager
def running(name: str, argv: list[Any], folder: Path) -> Iterator[Child]:
    """A program, which must still live in the end."""
    child = start_child(name, argv, folder=folder)
    try:
        yield child
        assert child.alive(), child.log.read_text()[-2000:]
    finally:
        child.process.kill()
        child.process.wait()


@contextlib.contextmanager
def prometheus(front: str, folder: Path) -> Iterator[tuple[str, Child]]:
    """A Prometheus that scrapes the front every second: its address, and its process."""
    with socket.create_server((LOOPBACK, 0)) as free:
        port = free.getsockname()[1]
    jobs = [{"job_name": "front", "static_configs": [{"targets": [front.removeprefix("http://")]}]}]
    (folder / "prometheus.json").write_text(json.dumps({"global": {"scrape_interval": "1s"}, "scrape_configs": jobs}))
    argv = [PROMETHEUS.make(Terminal()) / "prometheus", f"--config.file={folder / 'prometheus.json'}"]
    argv += [f"--storage.tsdb.path={folder / 'series'}", f"--web.listen-address={LOOPBACK}:{port}"]
    with running("prometheus", argv, folder) as child:
        yield f"http://{LOOPBACK}:{port}", child


@pytest.fixture(scope="module")
def by_keda(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SimulatedCluster]:
    """A cluster with KEDA's operator and metrics server, both as the administrator."""
    progress, folder, made = Terminal(), tmp_path_factory.mktemp("keda"), KEDA.make(Terminal())
    site = Site(made, private_folder(folder / "own"), Authority(private_folder(folder / "pki"), "ca"), ())
    kinds = [one for one in json.loads((made / "manifests.json").read_text()) if one["kind"] == DEFINITION]
    with (
        SimulatedCluster(kube=kube_program(progress), kwok=kwok_program(progress), api_server_flags=FLAGS) as cluster,
        contextlib.ExitStack() as programs,
    ):
        cluster.add_nodes(2)
        cluster.api.create("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for one in kinds:
            cluster.api.create(COLLECTIONS[DEFINITION], one)
        for program in KEDA.programs(site):
            given = [f"{name}={value}" for name, value in program.environment.items()]
            words = [here(str(one), cluster.kubeconfig) for one in program.argv]
            programs.enter_context(running(program.name, ["env", *given, *words], folder))
        log = folder / "keda-operator.log"
        until(lambda: "Starting workers" in log.read_text(), deadline_s=STARTS_S, awaited="KEDA's operator to work")
        registered(cluster)
        yield cluster


def here(word: str, kubeconfig: Path) -> str:
    """An argument of the lab's, for this cluster."""
    name, given, _ = word.partition("kubeconfig=")
    return f"{name}kubeconfig={kubeconfig}" if given else word.replace(API_ADDRESS, LOOPBACK)


def registered(cluster: SimulatedCluster) -> None:
    """Have the API server ask KEDA's metrics server, and wait until it does."""
    service = {"namespace": NAMESPACE, "name": SERVER.name}
    outside = {"type": "ExternalName", "externalName": "localhost"}
    path = f"/api/v1/namespaces/{NAMESPACE}/services"
    cluster.api.create(path, {"metadata": {"name": SERVER.name}, "spec": outside})
    group, version = SERVER.versions[0].split("/")
    spec = {"group": group, "version": version, "groupPriorityMinimum": 100, "versionPriority": 100}
    spec |= {"service": {**service, "port": SERVER.port}, "insecureSkipTLSVerify": True}
    kind = {"apiVersion": "apiregistration.k8s.io/v1", "kind": "APIService"}
    cluster.api.create(API_SERVICES, {**kind, "metadata": {"name": SERVER.api_services[0]}, "spec": spec})
    served_at = f"/apis/{group}/{version}"
    until(lambda: cluster.api.call("GET", served_at)[0] == 200, deadline_s=STARTS_S, awaited=served_at)


@dataclass
class Place:
    """Where trials are made: what is in front of the system, its Prometheus, and the room."""

    front: Front
    url: str
    room: Room

    @contextlib.contextmanager
    def trial(
        self, name: str, query: str, threshold: str, limits: dict[str, int], **keda: Any
    ) -> Iterator[RunningTrial]:
        """A trial of a system that KEDA scales by this query."""
        asked = {"serverAddress": self.url, "query": query, "threshold": threshold}
        triggers = ({"type": "prometheus", "metadata": asked},)
        said = Keda(triggers=triggers, polling_s=2, cooldown_s=5, initial_cooldown_s=120, **keda)
        spec: SystemSpec = SPEC.having(autoscale=Autoscale(keda=said, scale_down_window_s=0, **limits))
        with self.room.trial(name, spec) as ready:
            self.front.namespace, self.front.ready = ready.system.namespace, ready.system.ready_pods
            with contextlib.suppress(NotProven):
                yield ready

    def says(self, check: str) -> tuple[Answer, str]:
        """What a check says of the last trial."""
        (found,) = [one for one in self.room.judged[-1].verdict.findings if one.check == check]
        return found.answer, found.line()


@pytest.fixture
def place(by_keda: SimulatedCluster, tmp_path: Path) -> Iterator[Place]:
    """Trials whose traffic goes to a front of their own."""
    front = Front()
    with front.serving() as url, prometheus(url, tmp_path) as (server, child):
        room = Room(by_keda, url, tmp_path)
        beside = replace(room.environment.infrastructure, metrics=Signals(child))
        timings = replace(LAB, metric_delay_s=10.0)
        room.environment = replace(room.environment, timings=timings, infrastructure=beside)
        with room.cluster:
            yield Place(front, server, room)


def test_a_request_at_zero_brings_a_replica_up(place: Place) -> None:
    """To zero while nobody asks, by KEDA's own hand; the first request brings one replica, and all checks say PASS."""
    with place.trial("zero", SENT, "1000", {"replicas_min": 0, "replicas_max": 3}) as ready:
        with ready.traffic.steady(rate_rps=5):
            ready.trial.baseline(duration_s=8)
        ready.trial.hold(until=scaled_to_zero(ready.system))
        assert not ready.system.ready_pods()
        with ready.traffic.steady(rate_rps=5):
            ready.trial.hold(duration_s=COLD_START_S)
        checks = (ScaledToZero(), ColdStart(within_s=COLD_START_S, at_zero="refused"), WithinLimits())
        ready.trial.judge(*checks, needs_fault=False)
    verdict = place.room.judged[-1].verdict
    assert verdict.answer is Answer.PASS, verdict.lines()


@pytest.mark.parametrize(
    ("fallback", "answer", "words"),
    [
        (1, Answer.FAIL, "4 to 1 while the autoscaler had no metrics (KEDA showed it the fallback of 1)"),
        (4, Answer.PASS, ""),
    ],
)
def test_a_fallback_takes_replicas_where_it_is_too_low(place: Place, fallback: int, answer: Answer, words: str) -> None:
    """Prometheus stands still in mid-spike: the autoscaler follows what KEDA shows in its place, and that is told."""
    limits, last = {"replicas_min": 1, "replicas_max": 6}, {"fallback_replicas": fallback, "fallback_after": 1}
    with place.trial(f"fallback-{fallback}", WAITING, "2", limits, **last) as ready:
        with ready.traffic.steady(rate_rps=5):
            ready.trial.baseline(duration_s=8)
            place.front.waiting = 8
            ready.trial.hold(until=scaled_up(ready.system))
            ready.trial.hold(duration_s=5)
            with ready.trial.fault(faults.MetricsDown("prometheus")):
                ready.trial.hold(duration_s=BLIND_S)
            ready.trial.hold(duration_s=20)
        ready.trial.judge(HeldBlind(), WithinLimits())
    assert place.says("fault-landed")[0] is Answer.PASS, place.says("fault-landed")
    found, line = place.says("held-blind")
    assert found is answer, line
    assert words in line


def test_a_slow_prometheus_lands_and_takes_nothing(place: Place) -> None:
    """It stands still for two of every three seconds: late answers prove it, and the number stays as it was."""
    with place.trial("slow", WAITING, "2", {"replicas_min": 1, "replicas_max": 6}) as ready:
        with ready.traffic.steady(rate_rps=5):
            ready.trial.baseline(duration_s=8)
            place.front.waiting = 6
            ready.trial.hold(until=scaled_up(ready.system))
            ready.trial.hold(duration_s=5)
            with ready.trial.fault(faults.MetricsDown("prometheus", pause_s=2)):
                ready.trial.hold(duration_s=30)
            ready.trial.hold(duration_s=5)
        ready.trial.judge(WithinLimits(), Witnessed("stop-metrics"), Witnessed("continue-metrics"))
    verdict = place.room.judged[-1].verdict
    assert verdict.answer is Answer.PASS, verdict.lines()
