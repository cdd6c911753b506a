"""What the metrics APIs said: of the usage of pods, and of whatever else autoscalers look at."""

from collections.abc import Mapping
from dataclasses import dataclass

__all__ = ["MetricValues", "MetricsSample", "PodUsage"]


@dataclass(frozen=True, slots=True)
class PodUsage:
    """What the metrics API said of one pod: usage over the `window_s` seconds up to `stamp_s` (the cluster's clock).

    `containers` gives for each container its amounts by resource, in thousandths of a unit.
    """

    stamp_s: float
    window_s: float
    containers: Mapping[str, Mapping[str, int]]


@dataclass(frozen=True, slots=True)
class MetricsSample:
    """One answer of the metrics API: the pods of the trial's namespace, by name, asked for at `asked_ns`.

    `error` is what it said instead, empty if it answered.
    """

    at_ns: int
    asked_ns: int
    pods: Mapping[str, PodUsage]
    error: str = ""


@dataclass(frozen=True, slots=True)
class MetricValues:
    """One answer of the custom or external metrics API about one metric of an autoscaler, asked for at `asked_ns`.

    `metric` is its key (`MetricView.key`). `values` are thousandths, each with the name of the object that it is of,
    empty for an external metric. `stamp_s` is the newest time that they bear (the cluster's clock), None if none.
    `error` is what the API said instead, empty if it answered.
    """

    at_ns: int
    asked_ns: int
    metric: str
    values: tuple[tuple[str, int], ...] = ()
    stamp_s: float | None = None
    error: str = ""
