"""The custom and the external metrics API are asked what the autoscaler's controller asks them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast

import pytest

from chaos.clock import Clock
from chaos.cluster.transport import Answer, Broken, Transport
from chaos.cluster.watch.custom_sampler import CustomSampler, questions_of
from chaos.cluster.watch.metrics_sampler import Sampling
from chaos.history.reading.measurements import read_metric_values

TARGET = {"type": "AverageValue", "averageValue": "5"}
QUEUE = {"name": "queue", "selector": {"matchLabels": {"scaledobject.keda.sh/name": "chat"}}}
EXTERNAL = {"type": "External", "external": {"metric": QUEUE, "target": TARGET}}
PODS = {"type": "Pods", "pods": {"metric": {"name": "waiting"}, "target": TARGET}}
ON_SERVICE = {"apiVersion": "v1", "kind": "Service", "name": "chat"}
ON_ROLLOUT = {"apiVersion": "argoproj.io/v1alpha1", "kind": "Rollout", "name": "chat"}
CPU = {"type": "Resource", "resource": {"name": "cpu"}}
GROUP = {"versions": [{"groupVersion": "custom.metrics.k8s.io/v1beta1"}]}
GROUP["preferredVersion"] = GROUP["versions"][0]  # type: ignore[assignment]  # as discovery has it


def on(described: dict[str, str]) -> dict[str, Any]:
    """A metric of one object."""
    return {"type": "Object", "object": {"describedObject": described, "metric": {"name": "rps"}, "target": TARGET}}


def scaler(*metrics: dict[str, Any]) -> dict[str, Any]:
    """A raw autoscaler."""
    return {"metadata": {"name": "chat", "namespace": "ns"}, "spec": {"metrics": metrics}}


class Wire:
    """Answers by path; whatever else is asked is not there."""

    def __init__(self, answers: dict[str, Any]) -> None:
        self.answers = answers
        self.paths: list[str] = []

    def call(self, _method: str, path: str, **_options: Any) -> Answer:
        """What stands at a path."""
        self.paths.append(path)
        said = self.answers.get(path)
        if isinstance(said, Exception):
            raise said
        return Answer(404, b'{"message": "not found"}') if said is None else Answer(200, json.dumps(said).encode())


def once(folder: Path, answers: dict[str, Any], *metrics: dict[str, Any]) -> tuple[Wire, list[dict[str, Any]]]:
    """What is asked in one round, and what is written of it."""
    wire, path = Wire(answers), folder / "custom-metrics.jsonl"
    sampler: CustomSampler

    def questions() -> Any:
        if wire.paths:
            sampler.stop()
        return questions_of([scaler(*metrics)], "app=chat")

    sampler = CustomSampler(
        questions,
        sampling=Sampling("ns", 0.001),
        transport=cast("Transport", wire),
        clock=Clock.start(),
        path=path,
    )
    sampler.run()
    assert sampler.failure is None
    return wire, [json.loads(line) for line in path.read_text().splitlines()]


EXTERNAL_PATH = (
    "/apis/external.metrics.k8s.io/v1beta1/namespaces/ns/queue?labelSelector=scaledobject.keda.sh%2Fname%3Dchat"
)


def test_an_external_metric_is_asked_for_by_its_labels(tmp_path: Path) -> None:
    """As the controller does; each series is a value."""
    items = [{"metricName": "queue", "timestamp": "2026-01-01T00:00:10Z", "value": one} for one in ("12", "500m")]
    wire, (line, *_) = once(tmp_path, {EXTERNAL_PATH: {"items": items}}, CPU, EXTERNAL)
    assert set(wire.paths) == {EXTERNAL_PATH}
    assert line["metric"] == "External queue{scaledobject.keda.sh/name=chat}"
    samples, _ = read_metric_values(tmp_path / "custom-metrics.jsonl")
    assert samples[0].values == (("", 12_000), ("", 500))
    assert samples[0].stamp_s is not None
    assert samples[0].asked_ns <= samples[0].at_ns


@pytest.mark.parametrize(
    ("metric", "path"),
    [
        (PODS, "pods/%2A/waiting?labelSelector=app%3Dchat"),
        (on(ON_SERVICE), "services/chat/rps"),
        (on(ON_ROLLOUT), "rollouts.argoproj.io/chat/rps"),
    ],
)
def test_custom_metrics_are_asked_in_the_version_that_is_served(
    tmp_path: Path, metric: dict[str, Any], path: str
) -> None:
    """For pods by the workload's selector, for another object by its resource, looked up where it is none of ours."""
    path = f"/apis/custom.metrics.k8s.io/v1beta1/namespaces/ns/{path}".replace("%2A", "*")
    item = {"describedObject": {"kind": "Pod", "name": "a"}, "timestamp": "2026-01-01T00:00:10Z", "value": "3"}
    rollouts = {"resources": [{"name": "rollouts", "kind": "Rollout", "namespaced": True}]}
    answers = {
        "/apis/custom.metrics.k8s.io": GROUP,
        "/apis/argoproj.io": {"versions": [{"groupVersion": "argoproj.io/v1alpha1"}]},
        "/apis/argoproj.io/v1alpha1": rollouts,
        path: {"items": [item]},
    }
    wire, (line, *_) = once(tmp_path, answers, metric)
    assert path in wire.paths
    assert line["values"] == [{"object": "a", "value": "3", "timestamp": item["timestamp"]}]


def test_the_newest_version_is_taken_where_it_is_served(tmp_path: Path) -> None:
    """The controller prefers v1beta2."""
    group = {**GROUP, "versions": [{"groupVersion": f"custom.metrics.k8s.io/v1beta{number}"} for number in (1, 2)]}
    wire, _ = once(tmp_path, {"/apis/custom.metrics.k8s.io": group}, on(ON_SERVICE))
    assert "/apis/custom.metrics.k8s.io/v1beta2/namespaces/ns/services/chat/rps" in wire.paths


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (None, "404 not found"),
        (Broken("it broke"), "it broke"),
        ({"items": [{"value": "much"}]}, "cannot be read"),
        ({"items": [7]}, "cannot be read"),
        ([], "200"),
    ],
)
def test_an_api_that_does_not_answer_is_evidence(tmp_path: Path, answer: Any, words: str) -> None:
    """What it said instead is a line, and that line can be read."""
    _, (line, *_) = once(tmp_path, {EXTERNAL_PATH: answer}, EXTERNAL)
    assert words in line["error"]
    samples, _ = read_metric_values(tmp_path / "custom-metrics.jsonl")
    assert samples[0].error == line["error"]


@pytest.mark.parametrize(
    "described",
    [
        {**ON_SERVICE, "name": "../../../../api/v1/secrets"},
        {**ON_SERVICE, "name": "chat?watch=true"},
        {**ON_ROLLOUT, "apiVersion": "x.example/../../api/v1/secrets?a=/v1"},
        {**ON_ROLLOUT, "kind": "Rollout.x/../../../api/v1/secrets"},
    ],
    ids=["a path", "a query", "a path for a group", "a path for a kind"],
)
def test_what_an_autoscaler_names_leads_nowhere_else(tmp_path: Path, described: dict[str, str]) -> None:
    """Whoever may write one has nothing read by it but metrics."""
    wire, (line,) = once(tmp_path, {"/apis/custom.metrics.k8s.io": GROUP}, on(described))
    assert "error" in line
    assert set(wire.paths) <= {"/apis/custom.metrics.k8s.io"}
