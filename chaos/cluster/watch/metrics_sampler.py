"""Asking the metrics API again and again: the one part of the cluster's state that cannot be watched.

What the autoscaler saw can then be computed again. An API that does not answer is evidence too, and is recorded.
"""

import json
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from chaos.clock import Clock
from chaos.cluster.resources import path_of
from chaos.cluster.transport import Transport
from chaos.errors import ClusterRefused, HarnessBroken
from chaos.history.reading.measurements import usage_of
from chaos.history.writing.jsonl import AppendFile
from chaos.history.writing.redaction import redacted_message

__all__ = ["ANSWER_S", "ODD", "Sampler", "Sampling"]

ODD = (AttributeError, KeyError, TypeError, ValueError, ArithmeticError, RecursionError)
"""What reading data of another shape raises."""

ANSWER_S = 5.0
"""How long the metrics API may be silent before that is recorded as its answer."""


@dataclass(frozen=True, slots=True)
class Sampling:
    """Whose metrics to ask for, and how often: at least five times for each new value, to know when it came.

    `always`: also where there is no autoscaler to compute again, for a limit on usage. `custom_period_s`: how often to
    ask the custom and the external metrics API, which may ask its source each time; for Pods metrics of these `pods`.
    """

    namespace: str
    period_s: float
    always: bool = False
    custom_period_s: float = 3.0
    pods: str = ""


class Sampler:
    """Writes metrics.jsonl in a thread of its own, while `wanted` says that there is an autoscaler to compute again."""

    def __init__(
        self, sampling: Sampling, *, transport: Transport, clock: Clock, path: Path, wanted: Callable[[], bool]
    ) -> None:
        self.failure: HarnessBroken | None = None
        """Why it ended early; None as long as it has not."""
        self._sampling = sampling
        self._transport = transport
        self._clock = clock
        self._path = path
        self._wanted = wanted
        self._file: AppendFile | None = None
        self._last: list[Any] | None = None
        self._stopping = threading.Event()

    def run(self) -> None:
        """Ask until `stop`; for a thread."""
        try:
            while not self._stopping.is_set():
                if self._wanted():
                    self._ask()
                self._stopping.wait(self._sampling.period_s)
        except HarnessBroken as broken:
            self.failure = broken
        except Exception as error:  # noqa: BLE001  # unnoticed, its samples would be missing and nobody know
            self.failure = HarnessBroken(f"the metrics API is asked no more: {error!r}")
        finally:
            if self._file is not None:
                self._file.close()

    def stop(self) -> None:
        """Ask no more."""
        self._stopping.set()

    def _ask(self) -> None:
        asked_ns = self._clock.now_ns()
        said: dict[str, Any]
        try:
            answer = self._transport.call("GET", path_of("PodMetrics", self._sampling.namespace), timeout_s=ANSWER_S)
            body = answer.json()
            known = answer.ok and isinstance(body, dict)
            said = self._said(body.get("items") or []) if known else {"error": answer.words()}
        except ODD as odd:
            said = {"error": f"what the metrics API says of pods cannot be read: {odd!r}"[:500]}
        except ClusterRefused as refused:
            said = {"error": refused.what}
        if "error" in said:
            self._last = None
            said = {"error": redacted_message(str(said["error"]))}
        self._write({"asked_ns": asked_ns, **said})

    def _said(self, items: list[dict[str, Any]]) -> dict[str, Any]:
        """The answer without what changes each time it is asked; an answer that is the same as before in a word."""
        pods = sorted((_bare(item) for item in items), key=lambda pod: str(pod["name"]))
        self._refuse(pods)
        if pods == self._last:
            return {"same": True}
        self._last = pods
        return {"pods": pods}

    def _refuse(self, pods: list[Any]) -> None:
        """Raise one of `ODD` for what nobody could read from the file."""
        json.dumps(pods, ensure_ascii=False).encode()
        {pod["name"]: usage_of(pod) for pod in pods}  # as it is read

    def _write(self, fields: dict[str, Any]) -> None:
        if self._file is None:
            self._file = AppendFile(self._path)
        rest = json.dumps(fields, separators=(",", ":")).encode()
        self._file.write(self._clock.now_ns(), rest[1:])


def _bare(item: dict[str, Any]) -> dict[str, Any]:
    return {
        "name": item["metadata"]["name"],
        "timestamp": item["timestamp"],
        "window": item["window"],
        "containers": [{"name": one["name"], "usage": one["usage"]} for one in item.get("containers") or ()],
    }
