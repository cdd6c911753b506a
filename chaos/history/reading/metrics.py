"""Reading metrics.jsonl: what the metrics API said of the pods each time it was asked."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from chaos.history.model import MetricsSample, PodUsage
from chaos.history.reading.jsonl import read_lines
from chaos.objects.quantities import milli

__all__ = ["duration_s", "read_metrics"]

_PARTS = re.compile(r"([0-9.]+)(h|ms|m|s|us|µs|ns)")
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "ns": 1e-9}


def read_metrics(path: Path) -> tuple[tuple[MetricsSample, ...], str]:
    """Read the file, and give a remark, empty if there is none; a run whose metrics nobody asked for has no file.

    Raises `UsageError`, with the line, for a whole line that is not as docs/run-folder.md says.
    """
    samples: list[MetricsSample] = []

    def take(_number: int, line: dict[str, Any]) -> None:
        at_ns, asked_ns = line["at_ns"], line["asked_ns"]
        if "error" in line:
            samples.append(MetricsSample(at_ns, asked_ns, {}, str(line["error"])))
        elif line.get("same"):
            if not samples:
                raise ValueError("the first line says that it is the same as the one before")
            samples.append(MetricsSample(at_ns, asked_ns, samples[-1].pods))
        else:
            samples.append(MetricsSample(at_ns, asked_ns, {one["name"]: _usage(one) for one in line["pods"]}))

    if not path.exists():
        return (), ""
    remark = read_lines(path, take)
    return tuple(samples), remark


def _usage(raw: Mapping[str, Any]) -> PodUsage:
    return PodUsage(
        stamp_s=datetime.fromisoformat(raw["timestamp"]).timestamp(),
        window_s=duration_s(raw["window"]),
        containers={
            one["name"]: {name: milli(str(quantity)) for name, quantity in one["usage"].items()}
            for one in raw["containers"]
        },
    )


def duration_s(text: str) -> float:
    """A duration as Kubernetes writes it, e.g. `10.032s` or `1m0.5s`. Raises `ValueError` for what is none."""
    parts = _PARTS.findall(text)
    if "".join(number + unit for number, unit in parts) != text or not parts:
        raise ValueError(f"{text!r} is no duration")
    return sum(float(number) * _UNITS[unit] for number, unit in parts)
