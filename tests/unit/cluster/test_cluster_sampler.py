"""The metrics API is asked while there is an autoscaler, and each answer, or its absence, is a line."""

import json
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

import pytest

from chaos.clock import Clock
from chaos.cluster.transport import Answer, Broken, Transport
from chaos.cluster.watch.metrics_sampler import Sampler, Sampling
from chaos.history.reading.measurements import read_metrics

ITEM = {
    "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:00Z"},
    "timestamp": "2026-01-01T00:00:10Z",
    "window": "10s",
    "containers": [{"name": "m", "usage": {"cpu": "5m"}}],
}


class Said:
    """A wire on which each call gives the next of these answers; with the last the sampler is told to stop."""

    def __init__(self, *answers: Answer | Exception) -> None:
        self.answers = list(answers)
        self.paths: list[str] = []
        self.done: Callable[[], None] = lambda: None

    def call(self, _method: str, path: str, **_options: Any) -> Answer:
        """One answer."""
        self.paths.append(path)
        answer = self.answers.pop(0)
        if not self.answers:
            self.done()
        if isinstance(answer, Exception):
            raise answer
        return answer


def sampled(folder: Path, *answers: Answer | Exception) -> tuple[Said, list[dict[str, Any]]]:
    """What the sampler asked, and what it wrote."""
    said, path = Said(*answers), folder / "metrics.jsonl"
    sampler = Sampler(
        Sampling("ns", 0.001), transport=cast("Transport", said), clock=Clock.start(), path=path, wanted=lambda: True
    )
    said.done = sampler.stop
    sampler.run()
    assert sampler.failure is None
    return said, [json.loads(line) for line in path.read_text().splitlines()]


def listed(*items: dict[str, Any]) -> Answer:
    """An answer of the metrics API."""
    return Answer(200, json.dumps({"items": items}).encode())


def test_answers_are_kept_as_they_were_sent_and_repeats_in_a_word(tmp_path: Path) -> None:
    """What changes with every question (the creation time) is left out, so the same values are the same."""
    later = {**ITEM, "metadata": {"name": "a", "creationTimestamp": "2026-01-01T00:00:01Z"}}
    said, lines = sampled(tmp_path, listed(ITEM), listed(later), listed(), listed(ITEM))
    assert said.paths == ["/apis/metrics.k8s.io/v1beta1/namespaces/ns/pods"] * 4
    kept = {"name": "a", "timestamp": ITEM["timestamp"], "window": "10s", "containers": ITEM["containers"]}
    assert [line.get("pods", line.get("same")) for line in lines] == [[kept], True, [], [kept]]
    assert all(line["asked_ns"] <= line["at_ns"] for line in lines)
    samples, _ = read_metrics(tmp_path / "metrics.jsonl")
    assert [len(sample.pods) for sample in samples] == [1, 1, 0, 1]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(503, b'{"message": "the server is currently unable"}'), "503 the server is currently unable"),
        (Broken("it broke"), "it broke"),
        (Answer(200, b"no json"), "200 no json"),
        (
            Answer(502, b"get https://u:s3cr3t@kubelet with Bearer s3cr3t-s3cr3t"),
            "502 get https://redacted@kubelet with Bearer redacted",
        ),
    ],
)
def test_an_api_that_does_not_answer_is_evidence(tmp_path: Path, answer: Answer | Exception, words: str) -> None:
    """The reason is a line, and the next good answer is whole again."""
    _, lines = sampled(tmp_path, listed(ITEM), answer, listed(ITEM))
    assert lines[1]["error"] == words
    assert "pods" in lines[2]


def test_without_an_autoscaler_nothing_is_asked(tmp_path: Path) -> None:
    """Nor is there a file."""
    looked = threading.Event()

    def wanted() -> bool:
        looked.set()
        return False

    path = tmp_path / "metrics.jsonl"
    sampler = Sampler(
        Sampling("ns", 0.001), transport=cast("Transport", Said()), clock=Clock.start(), path=path, wanted=wanted
    )
    thread = threading.Thread(target=sampler.run)
    thread.start()
    assert looked.wait(10)
    sampler.stop()
    thread.join(10)
    assert not path.exists()


ODD = [
    "no list",
    [7],
    [{**ITEM, "metadata": None}],
    [{key: value for key, value in ITEM.items() if key != "window"}],
    [{**ITEM, "window": "soon"}],
    [{**ITEM, "timestamp": "yesterday"}],
    [{**ITEM, "timestamp": 7}],
    [{**ITEM, "metadata": {"name": ["a"]}}],
    [{**ITEM, "metadata": {"name": "\ud800"}}],
    [{**ITEM, "containers": "m"}],
    [{**ITEM, "containers": [{"name": "m", "usage": {"cpu": "much"}}]}],
    [{**ITEM, "containers": [{"name": "m", "usage": [1]}]}],
]


@pytest.mark.parametrize("items", ODD, ids=range(len(ODD)))
def test_an_answer_of_another_shape_is_evidence(tmp_path: Path, items: Any) -> None:
    """It is a line like any other failure; the sampler goes on, and what it wrote can be read."""
    _, lines = sampled(tmp_path, listed(ITEM), Answer(200, json.dumps({"items": items}).encode()), listed(ITEM))
    assert "error" in lines[1]
    assert len(lines[1]["error"]) <= 500
    assert "pods" in lines[2]
    samples, _ = read_metrics(tmp_path / "metrics.jsonl")
    assert [bool(sample.error) for sample in samples] == [False, True, False]


def test_what_nobody_thought_of_is_told(tmp_path: Path) -> None:
    """The trial hears of it, instead of missing samples."""
    sampler = Sampler(
        Sampling("ns", 0.001),
        transport=cast("Transport", Said()),
        clock=Clock.start(),
        path=tmp_path / "metrics.jsonl",
        wanted=lambda: 1 / 0 > 1,
    )
    sampler.run()
    assert sampler.failure is not None
    assert "ZeroDivisionError" in sampler.failure.what
