"""What was asked for again and again, as it cannot be watched: the servers' own metrics, the containers' logs.

Shapes follow docs/run-folder.md. All `*_ns` are UTC epoch nanoseconds on the trial's clock.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = [
    "NO_ENGINE",
    "ContainerLog",
    "EngineNames",
    "EngineRecord",
    "EngineSample",
    "SeriesName",
]


SeriesName = tuple[str, str, str]
"""A metric's name; with a label, only its samples with that value of it (label and value are empty otherwise)."""


@dataclass(frozen=True, slots=True)
class EngineNames:
    """Which series of a server's metrics mean what; the first that it exposes counts, and none means that it is untold.

    `finished` counts requests that ended, by `finished_label`, of whose values `cut_reasons` are those of answers that
    are not whole; without a label all of them are cut. `kept`: what gameday.toml names, shown as it is.
    """

    name: str
    title: str = ""
    running: tuple[SeriesName, ...] = ()
    waiting: tuple[SeriesName, ...] = ()
    cache_use: tuple[SeriesName, ...] = ()
    generated_tokens: tuple[SeriesName, ...] = ()
    finished: tuple[SeriesName, ...] = ()
    finished_label: str = ""
    cut_reasons: tuple[str, ...] = ()
    preemptions: tuple[SeriesName, ...] = ()
    kept: tuple[SeriesName, ...] = ()


@dataclass(frozen=True, slots=True)
class EngineSample:
    """What one replica answered when its metrics were asked for, at `asked_ns`; the answer was there at `at_ns`.

    `values` are name, labels and value of each series that is kept. `error` is what came instead, empty if they came.
    """

    at_ns: int
    asked_ns: int
    pod: str
    uid: str
    engine: str = ""
    values: tuple[tuple[str, Mapping[str, str], float], ...] = ()
    error: str = ""


@dataclass(frozen=True, slots=True)
class EngineRecord:
    """The servers' own metrics: what their series mean, by the engine's name, and every answer in order of time."""

    engines: Mapping[str, EngineNames] = field(default_factory=dict)
    samples: tuple[EngineSample, ...] = ()


NO_ENGINE = EngineRecord()


@dataclass(frozen=True, slots=True)
class ContainerLog:
    """What is kept of the log of one run of one container.

    `run` is how often the container had been restarted before, `role` is `init`, `sidecar` or `main`. `tail` are the
    last lines, each with the node's time before it, as they stand in `file`. `cut`: lines in the middle are not kept.
    `ended`: it was read to its end; else `reason` says why not, empty if nobody wrote that down.
    """

    file: str
    pod: str
    uid: str
    container: str
    role: str
    run: int
    began_ns: int
    tail: tuple[str, ...] = ()
    bytes: int = 0
    cut: bool = False
    ended: bool = False
    reason: str = ""
