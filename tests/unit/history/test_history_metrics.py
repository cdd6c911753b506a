"""Reading metrics.jsonl: what the metrics API said each time, and when it did not answer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from histories import at

from chaos.errors import UsageError
from chaos.history import PodUsage
from chaos.history.reading.measurements import duration_s, read_metrics

POD: dict[str, Any] = {
    "name": "model-a",
    "timestamp": "2026-01-01T00:00:10Z",
    "window": "10.5s",
    "containers": [{"name": "m", "usage": {"cpu": "12345678n", "memory": "64Ki"}}],
}


def written(folder: Path, *lines: dict[str, Any]) -> Path:
    """The file with these lines, a second apart."""
    path = folder / "metrics.jsonl"
    times = [{"at_ns": at(second), "asked_ns": at(second) - 1000} for second in range(len(lines))]
    path.write_text("".join(json.dumps(time | line) + "\n" for time, line in zip(times, lines, strict=True)))
    return path


def test_answers_the_same_answer_and_none(tmp_path: Path) -> None:
    """An answer is read in thousandths, rounded up; `same` repeats it; an error has no pods and says why."""
    samples, remark = read_metrics(written(tmp_path, {"pods": [POD]}, {"same": True}, {"error": "503 no"}))
    assert remark == ""
    assert samples[0].pods == {"model-a": PodUsage(1767225610.0, 10.5, {"m": {"cpu": 13, "memory": 65536000}})}
    assert samples[1].pods == samples[0].pods
    assert (samples[1].at_ns, samples[1].asked_ns) == (at(1), at(1) - 1000)
    assert (samples[2].pods, samples[2].error) == ({}, "503 no")


def test_a_run_without_an_autoscaler_has_no_file(tmp_path: Path) -> None:
    """Then nothing is known, and nothing is wrong."""
    assert read_metrics(tmp_path / "metrics.jsonl") == ((), "")


@pytest.mark.parametrize("line", [{"same": True}, {"pods": [{**POD, "window": "ten"}]}, {"pods": [{"name": "x"}]}, {}])
def test_a_line_that_is_not_as_described_is_an_error(tmp_path: Path, line: dict[str, Any]) -> None:
    """The file and the line are named."""
    with pytest.raises(UsageError, match=r"metrics\.jsonl, line 1"):
        read_metrics(written(tmp_path, line))


@pytest.mark.parametrize(
    ("text", "seconds"), [("10s", 10), ("9.87s", 9.87), ("1m0.5s", 60.5), ("1h", 3600), ("20ms", 0.02)]
)
def test_durations(text: str, seconds: float) -> None:
    """As Kubernetes writes them."""
    assert duration_s(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "10", "s", "10s 5"])
def test_no_durations(text: str) -> None:
    """Anything else is refused."""
    with pytest.raises(ValueError, match="no duration"):
        duration_s(text)
