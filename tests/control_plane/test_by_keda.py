"""Systems that KEDA itself scales by what Prometheus itself has, on simulated nodes.

What stands in front of the system counts requests, also those that it refuses as no replica is Ready.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from fed_metrics import FLAGS
from keda_ground import LOOPBACK, Front, Signals, prometheus, running
from kwok_program import kwok_program
from simulated_cluster import SimulatedCluster
from trial_room import SPEC, Room

from chaos import faults
from chaos.checks import (
    ColdStart,
    DecisionsRecomputed,
    HeldBlind,
    NoFlapping,
    ScaledDown,
    ScaledToZero,
    ScaledUp,
    WithinLimits,
    Witnessed,
)
from chaos.checks.verdict import Answer
from chaos.errors import NotProven
from chaos.lab.addons.addon import Site
from chaos.lab.addons.keda import COLLECTIONS, KEDA, NAMESPACE, SERVER
from chaos.lab.control_plane.aggregated import API_SERVICES
from chaos.lab.control_plane.build import kube_program
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.lab.host.network import API_ADDRESS
from chaos.progress import Terminal
from chaos.semantics import LAB
from chaos.system import Autoscale, Keda, SystemSpec
from chaos.trial.conditions import scaled_down, scaled_to_zero, scaled_up
from chaos.trial.run import RunningTrial
from chaos.wait import until

pytestmark = pytest.mark.slow

DEFINITION = "CustomResourceDefinition"
SENT = 'sum(rate(service_packets_total{namespace="$namespace"}[6s]))'
WAITING = 'sum(requests_waiting{namespace="$namespace"})'
STARTS_S, COLD_START_S, BLIND_S = 60.0, 20, 60


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


def test_a_spike_is_followed_and_each_decision_recomputed(place: Place) -> None:
    """What KEDA shows of a query is an external metric as any other: up with the spike, down after it, and no flap."""
    with place.trial("spike", WAITING, "2", {"replicas_min": 1, "replicas_max": 6}) as ready:
        with ready.traffic.steady(rate_rps=2):
            ready.trial.baseline(duration_s=8)
            place.front.waiting = 8
            with ready.traffic.steady(rate_rps=8):
                ready.trial.hold(duration_s=40)
            place.front.waiting = 1
            ready.trial.hold(until=scaled_down(ready.system))
        ready.trial.judge(ScaledUp(), ScaledDown(), NoFlapping(), WithinLimits(), DecisionsRecomputed())
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
