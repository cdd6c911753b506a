"""MetricsDown and AutoscalerRestart on a cluster and a metrics path that are told what to say."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from chaos.clock import Clock
from chaos.cluster import DryRunExecutor, Journal, NullJournal
from chaos.cluster.transport import Answer
from chaos.errors import UsageError
from chaos.faults import AutoscalerRestart, FaultContext, Infrastructure, MetricsDown, metrics_down
from chaos.faults.metrics_down import GROUPS
from chaos.faults.undo import restore_infrastructure
from chaos.safety.undo_rules import METRICS_PROGRAMS, refusal
from chaos.wait import until


@dataclass
class FakePath:
    """A metrics path: which programs stand still, and which controller runs."""

    still: set[str] = field(default_factory=set)
    stuck: bool = False
    absent: str = ""
    controller: int = 1
    calls: list[str] = field(default_factory=list)

    def objection(self, program: str) -> str:
        """What is not there."""
        return self.absent if program != "metrics-server" else ""

    def stop(self, program: str) -> str:
        """Have it stand still."""
        self.calls.append(f"stop {program}")
        self.still.add(program)
        return ""

    def go_on(self, program: str) -> str:
        """Let it go on, unless it is stuck."""
        self.calls.append(f"go on {program}")
        if not self.stuck:
            self.still.discard(program)
        return ""

    def stands_still(self, program: str) -> bool:
        """Whether it does."""
        return program in self.still

    def autoscaler(self) -> str:
        """The controller."""
        return f"process {self.controller}" if self.controller else ""

    def restart_autoscaler(self) -> str:
        """Another one, unless it is stuck."""
        self.controller += not self.stuck
        return "it does not start" if self.stuck else ""


class Api:
    """The APIServices of a cluster, and what its custom metrics API says."""

    def __init__(self, *groups: str) -> None:
        self.services = {
            f"v1beta1.{group}": {
                "metadata": {"name": f"v1beta1.{group}", "uid": f"uid-{group}"},
                "spec": {"group": group, "version": "v1beta1"},
                "status": {"conditions": [{"type": "Available", "status": "True", "reason": "Passed"}]},
            }
            for group in groups
        }
        self.values: Any = [1]
        self.age_s = self.waits_s = 0.0
        self.serves = True
        self.transport = SimpleNamespace(call=self.call)

    def fails(self, group: str) -> None:
        """The API server notices that it is not served."""
        why = {"type": "Available", "status": "False", "reason": "FailedDiscoveryCheck", "message": "timeout"}
        self.services[f"v1beta1.{group}"]["status"] = {"conditions": [why]}

    def list(self, _kind: str) -> list[dict[str, Any]]:
        """All of them."""
        return [*self.services.values()]

    def get(self, _kind: str, _namespace: str | None, name: str) -> dict[str, Any] | None:
        """One of them."""
        return self.services.get(name)

    def call(self, _method: str, path: str, **_: Any) -> Answer:
        """What the custom metrics API says, after a while; of another API that it is there."""
        time.sleep(self.waits_s)
        if path == "/apis/metrics.k8s.io/v1beta1":
            return Answer(200 if self.serves else 503, b"{}")
        if path == "/apis/custom.metrics.k8s.io":
            versions = [{"groupVersion": "custom.metrics.k8s.io/v1beta1"}]
            return Answer(200, json.dumps({"versions": versions, "preferredVersion": versions[0]}).encode())
        if self.values is None:
            return Answer(500, b'{"message": "prometheus: context deadline exceeded"}')
        at = datetime.fromtimestamp(time.time() - self.age_s, UTC).isoformat()
        items = [{"value": str(value), "timestamp": at, "describedObject": {"name": "p"}} for value in self.values]
        return Answer(200, json.dumps({"items": items}).encode())


def scaler() -> dict[str, Any]:
    """An autoscaler on waiting requests."""
    target = {"type": "AverageValue", "averageValue": "4"}
    metric = {"type": "Pods", "pods": {"metric": {"name": "requests_waiting"}, "target": target}}
    spec = {"minReplicas": 1, "maxReplicas": 4, "metrics": [metric], "scaleTargetRef": {"kind": "Deployment"}}
    return {"metadata": {"name": "chat", "namespace": "ns", "uid": "h-1"}, "spec": spec}


@dataclass
class Ground:
    """What a fault is given."""

    api: Api
    path: FakePath | None
    folder: Path
    dry: bool = False
    watched: dict[str, list[dict[str, Any]]] = field(default_factory=lambda: {"HorizontalPodAutoscaler": [scaler()]})

    def __post_init__(self) -> None:
        cluster: Any = self.api
        executor: Any = DryRunExecutor(NullJournal()) if self.dry else SimpleNamespace()
        recorder: Any = SimpleNamespace(objects=lambda kind: tuple(self.watched[kind]))
        below = Infrastructure(metrics=self.path)
        self.context = FaultContext(cluster, executor, NullJournal(), "fault-1", recorder, "ns", infrastructure=below)


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    """A lab with metrics-server and an adapter."""
    return Ground(Api("metrics.k8s.io", "custom.metrics.k8s.io"), FakePath(), tmp_path)


def test_every_program_shows_something_and_no_other_is_known() -> None:
    """The closed set of what may be undone is that of what may be stopped."""
    assert tuple(GROUPS) == METRICS_PROGRAMS
    with pytest.raises(UsageError, match="kube-apiserver"):
        MetricsDown("kube-apiserver")


def test_it_lands_when_the_api_server_says_so_and_is_undone_when_it_is_served(ground: Ground) -> None:
    """Stopping alone is no proof; healing waits until the API is served again, and leaves nothing to undo."""
    injection = MetricsDown().inject(ground.context)
    assert (injection.missed, ground.path and ground.path.still) == ("", {"metrics-server"})
    assert injection.landed() == ""
    (entry,) = ground.context.entries
    assert (entry.kind, entry.detail, refusal(entry, "ns")) == ("continue-metrics", {"program": "metrics-server"}, "")
    ground.api.fails("metrics.k8s.io")
    assert "FailedDiscoveryCheck: timeout" in injection.landed()
    ground.api.services.update(Api("metrics.k8s.io").services)
    assert injection.heal() == ""
    assert (ground.path and ground.path.still, ground.context.entries) == (set(), ())
    assert injection.landed() == ""


def test_what_is_not_served_again_is_left_with_the_command(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """It goes on, and the API server does not reach it: the entry stays."""
    monkeypatch.setattr(restore_infrastructure, "SERVED_S", 0.05)
    monkeypatch.setattr(restore_infrastructure, "LOOK_S", 0.01)
    injection = MetricsDown().inject(ground.context)
    ground.api.fails("metrics.k8s.io")
    assert "APIService v1beta1.metrics.k8s.io to be Available" in injection.heal()
    assert len(ground.context.entries) == 1


def test_what_goes_on_standing_still_is_left(ground: Ground) -> None:
    """A signal that was sent is no proof that it goes on."""
    assert ground.path is not None
    injection = MetricsDown().inject(ground.context)
    ground.path.stuck = True
    assert "metrics-server still stands still; run: gameday lab up" in injection.heal()
    assert len(ground.context.entries) == 1


@pytest.mark.parametrize(
    ("what", "groups", "failing", "words"),
    [
        ("metrics-server", ("custom.metrics.k8s.io",), "", "no API server of metrics.k8s.io is registered"),
        ("metrics-server", ("metrics.k8s.io",), "metrics.k8s.io", "not available even before"),
        ("prometheus", ("custom.metrics.k8s.io",), "values", "was shown a metric that could come from prometheus"),
        ("prometheus-adapter", ("custom.metrics.k8s.io",), "absent", "gameday lab add prometheus-adapter"),
    ],
)
def test_where_nothing_could_be_told_apart_nothing_is_stopped(
    tmp_path: Path, what: str, groups: tuple[str, ...], failing: str, words: str
) -> None:
    """A path that shows nothing even before, or that is not there, is told before anything is done."""
    absent = "gameday lab add prometheus-adapter" if failing == "absent" else ""
    ground = Ground(Api(*groups), FakePath(absent=absent), tmp_path)
    if failing == "values":
        ground.api.values = None
    elif failing in groups:
        ground.api.fails(failing)
    injection = MetricsDown(what).inject(ground.context)
    assert words in injection.missed
    assert (ground.path and ground.path.calls, ground.context.entries) == ([], ())


@pytest.mark.parametrize(
    ("values", "age_s", "words"),
    [
        pytest.param([1], 0.0, "", id="it comes"),
        pytest.param([1, 2], 20.0, "", id="the last scrape"),
        pytest.param([1], 90.0, "is 90 s old", id="old"),
        pytest.param([], 0.0, "has no value", id="none"),
        pytest.param(None, 0.0, "context deadline exceeded", id="an error"),
    ],
)
def test_prometheus_is_down_when_the_metrics_are_gone(ground: Ground, values: Any, age_s: float, words: str) -> None:
    """Its adapter answers all the same, so that the metrics themselves tell."""
    injection = MetricsDown("prometheus").inject(ground.context)
    assert injection.missed == ""
    ground.api.values, ground.api.age_s = values, age_s
    proof = injection.landed()
    assert words in proof
    assert bool(proof) is bool(words)


def test_a_fallback_does_not_hide_that_prometheus_is_down(ground: Ground) -> None:
    """KEDA goes on showing a value, and counts failures of its trigger."""
    injection = MetricsDown("prometheus").inject(ground.context)
    health = {"s0-prometheus": {"numberOfFailures": 4, "status": "Failing"}, "s1-cron": {"status": "Happy"}}
    ground.watched["ScaledObject.keda.sh"] = [{"metadata": {"name": "chat"}, "status": {"health": health}}]
    assert "KEDA counts 4 failures of trigger s0-prometheus" in injection.landed()
    ground.watched["ScaledObject.keda.sh"][0]["status"]["health"]["s0-prometheus"]["status"] = "Happy"
    assert injection.landed() == ""


def test_a_dry_run_stops_nothing(tmp_path: Path) -> None:
    """It is written down, and nothing is left to undo."""
    ground = Ground(Api("metrics.k8s.io"), FakePath(), tmp_path, dry=True)
    injection = MetricsDown().inject(ground.context)
    assert injection.missed
    assert (ground.path and ground.path.calls, ground.context.entries) == ([], ())


def test_elsewhere_than_on_the_lab_both_are_refused_in_words(tmp_path: Path) -> None:
    """Nothing is stopped, nor written down."""
    ground = Ground(Api("metrics.k8s.io"), None, tmp_path)
    for fault in (MetricsDown(), AutoscalerRestart()):
        assert "serves the whole cluster" in fault.inject(ground.context).missed
    assert ground.context.entries == ()


@pytest.mark.parametrize(
    ("controller", "stuck", "missed", "proof"),
    [
        (1, False, "", "process 2 has taken the place of process 1"),
        (1, True, "it does not start", ""),
        (0, False, "does not run", ""),
    ],
)
def test_a_restart_lands_when_another_process_is_there(
    ground: Ground, controller: int, missed: str, proof: str, *, stuck: bool
) -> None:
    """The former one is no proof, nor is none."""
    assert ground.path is not None
    ground.path.controller, ground.path.stuck = controller, stuck
    injection = AutoscalerRestart().inject(ground.context)
    assert missed in injection.missed
    assert bool(injection.missed) is bool(missed)
    assert injection.landed() == proof
    assert injection.heal() == ""


def test_both_are_written_down(ground: Ground, tmp_path: Path) -> None:
    """Each action is in the journal under a name that `Witnessed` knows."""
    with Journal(tmp_path / "journal.jsonl", Clock.start()) as journal:
        context = FaultContext(
            ground.context.cluster,
            ground.context.executor,
            journal,
            "one",
            ground.context.recorder,
            "ns",
            infrastructure=ground.context.infrastructure,
        )
        MetricsDown().inject(context).heal()
        AutoscalerRestart().inject(context)
    names = [json.loads(line).get("action") for line in (tmp_path / "journal.jsonl").read_text().splitlines()]
    assert {"stop-metrics", "continue-metrics", "restart-autoscaler"} <= set(names)


@pytest.mark.parametrize("pause_s", [0, -1, 5, 60])
def test_a_pause_that_reads_as_gone_is_refused(pause_s: float) -> None:
    """The API server gives up on what is silent for 5 s: that is the same fault without pauses."""
    with pytest.raises(UsageError, match="pause_s must be over 0 and under 5"):
        MetricsDown(pause_s=pause_s)


@pytest.mark.parametrize("what", ["metrics-server", "prometheus"])
def test_what_is_slow_lands_by_a_late_answer_and_goes_on_in_turns(
    ground: Ground, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """An answer at once is no proof, one that was late stays one; after the heal nothing stands still, nor is left."""
    monkeypatch.setattr(metrics_down, "RUNS_S", 0.01)
    path = ground.path
    assert path is not None
    injection = MetricsDown(what, pause_s=1.0).inject(ground.context)
    assert injection.missed == ""
    assert injection.landed() == ""
    ground.api.waits_s = 0.5
    until(lambda: f"{what} being slow" in injection.landed(), deadline_s=10, awaited="the proof")
    ground.api.values, ground.api.serves = None, False
    assert f"{what} being slow" in injection.landed()
    until(lambda: path.calls.count(f"stop {what}") > 2, deadline_s=10, awaited="three turns")
    assert injection.heal() == ""
    assert path.calls[-1] == f"go on {what}"
    assert (path.still, ground.context.entries) == (set(), ())


def test_a_late_refusal_is_no_proof_of_slowness(ground: Ground) -> None:
    """An answer has to come: what fails is down, not slow."""
    ground.api.waits_s, ground.api.serves = 0.3, False
    injection = MetricsDown(pause_s=0.5).inject(ground.context)
    assert injection.landed() == ""
    assert injection.heal() == ""


def test_a_program_that_does_not_go_on_in_its_turn_is_told(ground: Ground, monkeypatch: pytest.MonkeyPatch) -> None:
    """As the fault's result; the heal names it, too."""
    assert ground.path is not None
    monkeypatch.setattr(ground.path, "go_on", lambda _: "no such process")
    told: list[str] = []
    monkeypatch.setattr(FaultContext, "result", lambda _, *words: told.append(words[1]))
    injection = MetricsDown(pause_s=0.01).inject(ground.context)
    until(lambda: told, deadline_s=10, awaited="the result")
    assert told == ["metrics-server did not go on: no such process"]
    assert "no such process" in injection.heal()
    assert len(ground.context.entries) == 1


def test_two_programs_behind_one_api_are_two_things_to_undo(ground: Ground) -> None:
    """What is left of one stays when the other goes on."""
    for what in ("prometheus", "prometheus-adapter"):
        assert MetricsDown(what).inject(ground.context).missed == ""
    assert len({entry.identity for entry in ground.context.entries}) == 2
