"""Our recomputation of an autoscaler's decisions beside the real controller's, on random lives with metrics we feed."""

from __future__ import annotations

import json
import random
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cluster_room import Room, room
from fed_metrics import FLAGS, FedMetrics, Feed
from kwok_program import kwok_program
from metric_stories import Metric, quantity
from simulated_cluster import SimulatedCluster

from chaos.checks import DecisionsRecomputed
from chaos.checks.autoscaling.scaling import rescales
from chaos.checks.verdict import Answer, Finding
from chaos.cluster import Recorder, Sampling, Scope, mutations
from chaos.history import load_history
from chaos.lab.control_plane.build import kube_program
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.progress import Terminal
from chaos.semantics import LAB

BATCH = 25
"""So many lives go on at a time: each question to the metrics APIs is then put once a second."""

LIFE_S, STEP_S = 100, 10
LEAST, MOST, FIRST = 2, 8, 2

KINDS = [
    Metric("Resource", "Utilization", 60),
    Metric("Resource", "AverageValue", 120),
    Metric("ContainerResource", "Utilization", 60),
    Metric("Pods", "AverageValue", 5000),
    Metric("Object", "Value", 20_000),
    Metric("Object", "AverageValue", 7000),
    Metric("External", "Value", 30_000),
    Metric("External", "AverageValue", 5000),
]

BEHAVIOURS: list[dict[str, Any] | None] = [
    None,
    {"scaleDown": {"stabilizationWindowSeconds": 0}},
    {"scaleDown": {"stabilizationWindowSeconds": 20}},
    {"scaleUp": {"stabilizationWindowSeconds": 15}, "scaleDown": {"stabilizationWindowSeconds": 10}},
    {
        "scaleUp": {"selectPolicy": "Min", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]},
        "scaleDown": {"selectPolicy": "Disabled"},
    },
    {
        "scaleUp": {"tolerance": "0", "policies": [{"type": "Percent", "value": 50, "periodSeconds": 10}]},
        "scaleDown": {"tolerance": "300m", "stabilizationWindowSeconds": 15},
    },
    {
        "scaleUp": {"tolerance": "500m"},
        "scaleDown": {
            "stabilizationWindowSeconds": 5,
            "selectPolicy": "Min",
            "policies": [
                {"type": "Pods", "value": 2, "periodSeconds": 20},
                {"type": "Percent", "value": 50, "periodSeconds": 15},
            ],
        },
    },
]


@dataclass(frozen=True)
class Life:
    """One autoscaler: its name, metrics and behaviour, and by how much its load is more than it was made for, by step.

    `lag_s` is how old each metric is when it is shown.
    """

    name: str
    metrics: tuple[Metric, ...]
    behaviour: dict[str, Any] | None
    steps: tuple[float, ...]
    lag_s: float

    @classmethod
    def random(cls, number: int, chance: random.Random) -> Life:
        """Any life."""
        chosen = chance.sample(KINDS, chance.choice([1, 1, 1, 2, 3]))
        by_type = {one.type: replace(one, name=f"{one.type.lower()}-{number}") for one in chosen}
        steps = (1.0, *(chance.choice([0.0, 0.3, 0.9, 1.0, 1.12, 2.0, 3.7]) for _ in range(LIFE_S // STEP_S + 2)))
        lag_s = chance.choice([0.0, 0.0, 3.0, 12.0])
        return cls(f"life-{number}", tuple(by_type.values()), chance.choice(BEHAVIOURS), steps, lag_s)

    def amount(self, metric: Metric, age_s: float) -> int:
        """The whole of a metric in thousandths, so long after the life began."""
        step = self.steps[max(0, min(len(self.steps) - 1, int((age_s - self.lag_s) // STEP_S)))]
        full = 120 if metric.type.endswith("Resource") else metric.target
        return int(full * step * (1 if metric.kind == "Value" else FIRST))

    def objects(self, namespace: str) -> list[dict[str, Any]]:
        """The workload and its autoscaler."""
        metadata = {"name": self.name, "namespace": namespace}
        labels = {"app": self.name}
        container = {"name": "m", "image": "none", "resources": {"requests": {"cpu": "200m"}}}
        template = {
            "metadata": {"labels": labels},
            "spec": {
                "containers": [container],
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 0,
            },
        }
        deployment = {"replicas": FIRST, "selector": {"matchLabels": labels}, "template": template}
        target = {"apiVersion": "apps/v1", "kind": "Deployment", "name": self.name}
        scaler: dict[str, Any] = {
            "scaleTargetRef": target,
            "minReplicas": LEAST,
            "maxReplicas": MOST,
            "metrics": [one.spec for one in self.metrics],
        }
        scaler |= {} if self.behaviour is None else {"behavior": self.behaviour}
        return [
            {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": deployment},
            {
                "apiVersion": "autoscaling/v2",
                "kind": "HorizontalPodAutoscaler",
                "metadata": metadata,
                "spec": scaler,
            },
        ]


@dataclass
class Fed:
    """What the metrics APIs say of the lives that go on, from the pods that the record has."""

    lives: dict[str, Life] = field(default_factory=dict)
    recorder: Recorder | None = None
    began: datetime = field(default_factory=lambda: datetime.now(UTC))
    scraped: dict[tuple[str, float], list[dict[str, Any]]] = field(default_factory=dict)

    def age_s(self) -> float:
        """How long the lives have gone on."""
        return (datetime.now(UTC) - self.began).total_seconds()

    def pods(self, name: str) -> list[str]:
        """The names of a life's pods that run."""
        raws = self.recorder.objects("Pod") if self.recorder else ()
        views = [PodView(raw) for raw in raws if PodView(raw).labels.get("app") == name]
        return sorted(view.name for view in views if view.phase == "Running" and not view.deleting)

    def of(self, metric: str) -> tuple[Life, Metric] | None:
        """The life and the metric of a name, which no other has."""
        found = ((life, one) for life in self.lives.values() for one in life.metrics if one.name == metric)
        return next(found, None)

    def usage(self, _namespace: str, selector: str) -> list[dict[str, Any]]:
        """PodMetrics of the life that a selector names, or of all: to everybody the same for ten seconds."""
        fresh_s = self.age_s() // STEP_S * STEP_S
        wanted = [life for life in self.lives.values() if selector in ("", f"app={life.name}")]
        shown = (self.scraped.setdefault((life.name, fresh_s), self.scrape(life, fresh_s)) for life in wanted)
        return [item for items in shown for item in items]

    def scrape(self, life: Life, fresh_s: float) -> list[dict[str, Any]]:
        """PodMetrics of the pods that a life has now, as of a moment after it began."""
        stamp = datetime.fromtimestamp(int(self.began.timestamp() + fresh_s), UTC).isoformat().replace("+00:00", "Z")
        names, items = self.pods(life.name), []
        for name in names:
            used = life.amount(KINDS[0], fresh_s) // len(names)
            item = {"metadata": {"name": name, "labels": {"app": life.name}}, "timestamp": stamp, "window": "10s"}
            items.append({**item, "containers": [{"name": "m", "usage": {"cpu": f"{used}m", "memory": "1Mi"}}]})
        return items

    def of_pods(self, _namespace: str, metric: str) -> dict[str, str] | None:
        """One value a pod."""
        if (found := self.of(metric)) is None or not (names := self.pods(found[0].name)):
            return None
        return dict.fromkeys(names, quantity(found[0].amount(found[1], self.age_s()) // len(names)))

    def whole(self, _namespace: str, metric: str) -> str | None:
        """The value of a metric that is none of the pods'."""
        found = self.of(metric)
        return None if found is None else quantity(found[0].amount(found[1], self.age_s()))

    def feed(self) -> Feed:
        """All of it."""

        def now() -> str:
            return datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")

        return Feed(self.usage, self.of_pods, self.whole, self.whole, now)


@pytest.fixture(scope="module")
def ground(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[SimulatedCluster, Fed]]:
    """A cluster of its own whose metrics APIs are ours, with room for all pods of a batch."""
    progress, fed = Terminal(), Fed()
    cluster = SimulatedCluster(kube=kube_program(progress), kwok=kwok_program(progress), api_server_flags=FLAGS)
    with cluster, FedMetrics(tmp_path_factory.mktemp("fed"), fed.feed()) as served:
        cluster.add_nodes(3, capacity={"cpu": "64", "memory": "64Gi", "pods": "200"})
        served.install(cluster.api)
        yield cluster, fed


@pytest.mark.parametrize(
    "count", [pytest.param(20, marks=pytest.mark.timed), pytest.param(500, marks=pytest.mark.slow)]
)
def test_no_decision_of_the_real_controller_is_called_wrong(
    ground: tuple[SimulatedCluster, Fed], tmp_path: Path, count: int
) -> None:
    """Whatever its metrics, behaviours and delays, each number that it set is one that we compute, or is open."""
    cluster, fed = ground
    chance = random.Random(17)  # noqa: S311  # a story, no secret
    lives = [Life.random(number, chance) for number in range(count)]
    judged: list[tuple[Life, int, Finding]] = []
    for begin in range(0, count, BATCH):
        folder = tmp_path / f"batch-{begin}"
        folder.mkdir()
        with room(cluster.kubeconfig, cluster.context, folder) as made:
            judged += _lived(made, fed, lives[begin : begin + BATCH])
    _tell(judged)
    wrong = [f"{life}: {finding.line()}" for life, _, finding in judged if finding.answer is Answer.FAIL]
    assert not wrong, "\n".join(wrong)
    decided = [finding for _, made_changes, finding in judged if made_changes]
    assert len(decided) >= count / 2, "too few lives in which anything was decided"
    assert sum(one.answer is Answer.PASS for one in decided) >= 0.7 * len(decided), "too many decisions are open"


def _lived(made: Room, fed: Fed, lives: list[Life]) -> Iterator[tuple[Life, int, Finding]]:
    """Let some lives go on side by side, recorded as a trial is, and judge each."""
    kinds = ("Deployment", "ReplicaSet", "Pod", "HorizontalPodAutoscaler", "Event")
    scopes = [*(Scope(kind, made.namespace) for kind in kinds), Scope("Node", None)]
    sampling = Sampling(made.namespace, 1.0, custom_period_s=1.0)
    phase: dict[str, Any] = {"phase": "baseline"}
    with Recorder(made.cluster, made.clock, made.folder / "watch.jsonl", scopes, sampling=sampling) as recorder:
        fed.lives, fed.recorder, fed.began = {life.name: life for life in lives}, recorder, datetime.now(UTC)
        begin_ns = made.clock.now_ns()
        for life in lives:
            for one in life.objects(made.namespace):
                made.make(one)
        # Lives last as long as they last: nothing that could be waited for ends them.
        threading.Event().wait(LIFE_S)
        lines = [{"at_ns": begin_ns, "event": "phase-begin", **phase}]
        lines.append({"at_ns": made.clock.now_ns(), "event": "phase-end", **phase})
    for life in lives:
        for kind in ("HorizontalPodAutoscaler", "Deployment"):
            made.executor.do(mutations.delete(Ref(kind, made.namespace, life.name), grace_s=0))
    (made.folder / "actions.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    system = {"namespace": made.namespace, "workload": {"kind": "Deployment", "name": ""}, "service": ""}
    plain = {"schema": 2, "scenario": "test_lives", "seed": 17, "clock": asdict(made.clock), "system": system}
    # Each flag of the controller is known: as the cluster starts it, or Kubernetes' default.
    timings = {**asdict(LAB), "assumed": []}
    (made.folder / "trial.json").write_text(json.dumps({**plain, "timings": timings}))
    whole = load_history(made.folder)
    for life in lives:
        history = replace(whole, facts=replace(whole.facts, workload_name=life.name))
        yield life, len(rescales(history)), DecisionsRecomputed()(history)


def _tell(judged: list[tuple[Life, int, Finding]]) -> None:
    """The table of answers by the metrics of each life, for who runs it with -s."""
    rows = Counter[tuple[str, str]]()
    for life, changes, finding in judged:
        kinds = " + ".join(sorted(f"{one.type} {one.kind}" for one in life.metrics))
        rows[kinds, finding.answer.name if changes else "nothing decided"] += 1
    text = "".join(f"{count:5} {answer:16} {kinds}\n" for (kinds, answer), count in sorted(rows.items()))
    sys.stdout.write(f"\n{text}")
