"""The autoscalers of the system under test, as the watch log shows them."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import zip_longest
from typing import Literal

from chaos.history.cache import once
from chaos.history.coverage import settled_ns
from chaos.history.facts.reported_reasons import pod_reports
from chaos.history.model import History
from chaos.objects.base import Raw, View, kind_in, selector_text
from chaos.objects.quantities import milli

__all__ = ["FOR_ZERO", "KIND", "AutoscalerLife", "AutoscalerView", "MetricView", "autoscalers"]

KIND = "HorizontalPodAutoscaler"

TargetKind = Literal["Utilization", "AverageValue", "Value"]

TARGETS: Mapping[TargetKind, str] = {
    "Utilization": "averageUtilization",
    "AverageValue": "averageValue",
    "Value": "value",
}
"""The field of each kind of value, in a target and in the status."""

RESCALED = "SuccessfulRescale"

NEW_SIZE = re.compile(r"New size: (\d+);")
"""The message of the Event SuccessfulRescale."""

FOR_ZERO = "ScalingDisabled"
"""Kubernetes' word for an autoscaler that is off because no replica is desired, by whomever."""


@dataclass(frozen=True, slots=True)
class MetricView:
    """One metric of an autoscaler: an entry of `spec.metrics`, or of `status.currentMetrics`."""

    raw: Raw

    @property
    def type(self) -> str:
        """`Resource`, `ContainerResource`, `Pods`, `Object` or `External`."""
        return str(self.raw.get("type", ""))

    @property
    def source(self) -> Raw:
        """The part that is named after the type."""
        name = self.type[:1].lower() + self.type[1:]
        return self.raw.get(name) or {}

    @property
    def name(self) -> str:
        """The resource's or the metric's name, with the container where one is named."""
        named = self.source.get("name") or (self.source.get("metric") or {}).get("name") or ""
        container = self.source.get("container")
        return f"{named} of {container}" if container else str(named)

    @property
    def selector(self) -> str:
        """The labels that narrow the metric's series, as the API takes them in a query; empty for all of them."""
        try:
            return selector_text((self.source.get("metric") or {}).get("selector") or {})
        except ValueError:
            return ""

    @property
    def described(self) -> tuple[str, str]:
        """Kind and name of the object that an Object metric is about; empty for other types."""
        ref = self.source.get("describedObject") or {}
        return kind_in(ref.get("apiVersion", ""), ref.get("kind", "")), str(ref.get("name", ""))

    @property
    def key(self) -> str:
        """What tells it from every other metric: its type, the object, the name and the labels."""
        kind, name = self.described
        labels = f"{{{self.selector}}}" if self.selector else ""
        return " ".join(part for part in (self.type, f"{kind}/{name}" if name else "", f"{self.name}{labels}") if part)

    @property
    def custom(self) -> bool:
        """Whether another server than metrics-server has it."""
        return self.type in ("Pods", "Object", "External")

    @property
    def outside(self) -> bool:
        """Whether it is no metric of the pods."""
        return self.type in ("Object", "External")

    @property
    def kind(self) -> TargetKind | None:
        """The kind of value that it is held against; None where there is none that can be read."""
        return next((kind for kind in TARGETS if self.amount(kind)), None)

    def amount(self, kind: TargetKind) -> int | None:
        """The value, desired or measured: percent of the request, else thousandths; None where it is not given."""
        given = self._given(kind)
        if kind == "Utilization":
            return int(given) if given else None
        try:
            return milli(given) if given else None
        except ValueError:
            return None

    def shown(self, kind: TargetKind) -> str:
        """The value for people, e.g. `60 %` or `500m`; empty where it is not given."""
        given = self._given(kind)
        return f"{given} %" if given and kind == "Utilization" else given

    def _given(self, kind: TargetKind) -> str:
        part = self.source.get("target") or self.source.get("current") or {}
        return str(part.get(TARGETS[kind], ""))


@dataclass(frozen=True, slots=True)
class AutoscalerView(View):
    """A HorizontalPodAutoscaler."""

    @property
    def target(self) -> tuple[str, str]:
        """Kind and name of what it scales."""
        ref = self.spec.get("scaleTargetRef") or {}
        return kind_in(ref.get("apiVersion", ""), ref.get("kind", "")), str(ref.get("name", ""))

    @property
    def least(self) -> int:
        """`minReplicas`; an absent one is 1."""
        given = self.spec.get("minReplicas")
        return 1 if given is None else int(given)

    @property
    def most(self) -> int:
        """`maxReplicas`."""
        return int(self.spec.get("maxReplicas", 0))

    @property
    def metrics(self) -> tuple[MetricView, ...]:
        """What it looks at."""
        return tuple(MetricView(raw) for raw in self.spec.get("metrics") or ())

    @property
    def readings(self) -> tuple[tuple[MetricView, MetricView], ...]:
        """Each metric with what was last measured of it, which is empty where it could not be read.

        The status has an entry for each metric of the spec, in their order.
        """
        entries = [MetricView(raw or {}) for raw in self.status.get("currentMetrics") or ()]
        pairs = zip_longest(self.metrics, entries[: len(self.metrics)], fillvalue=MetricView({}))
        return tuple((one, seen if seen.name == one.name else MetricView({})) for one, seen in pairs)

    @property
    def desired(self) -> int:
        """How many replicas it last asked for."""
        return int(self.status.get("desiredReplicas", 0))

    @property
    def inactive(self) -> str:
        """Why it cannot compute (`FailedGetResourceMetric: …`), empty while it can or has not looked yet."""
        unable = self.why_false("AbleToScale")
        return self.why_false("ScalingActive") or (unable if unable.startswith("FailedGetScale") else "")

    @property
    def refused(self) -> str:
        """Why the number that it computed was not accepted (`FailedUpdateScale: …`), empty while it is."""
        unable = self.why_false("AbleToScale")
        return unable if unable.startswith("FailedUpdateScale") else ""

    @property
    def blind(self) -> bool:
        """Whether it is metrics that it lacks, of all that may keep it from computing."""
        return self.inactive.startswith("FailedGet") and not self.inactive.startswith("FailedGetScale")

    @property
    def scaled_at(self) -> str:
        """When it last changed the number itself, by the cluster's clock; empty if it never did."""
        return str(self.status.get("lastScaleTime") or "")

    @property
    def limited(self) -> str:
        """Kubernetes' word for what cut its last number (`TooManyReplicas`, `ScaleUpLimit`, …), empty for none."""
        condition = self.condition("ScalingLimited")
        return str(condition.get("reason", "")) if condition.get("status") == "True" else ""


@dataclass(frozen=True, slots=True)
class AutoscalerLife:
    """One autoscaler: its states with the moment from which each was known, and when it was gone, None if never.

    `listed` says that it was in the first list, hence older than the record. `announced` are the numbers that it set,
    by its Events, each with the moment of its receipt.
    """

    name: str
    states: tuple[tuple[int, AutoscalerView], ...]
    listed: bool
    gone_ns: int | None
    announced: tuple[tuple[int, int], ...] = ()

    @property
    def first_ns(self) -> int:
        """When it was first seen."""
        return self.states[0][0]

    def at(self, at_ns: int) -> AutoscalerView:
        """Its state at a moment; the first one for any moment before that."""
        known = [view for since_ns, view in self.states if since_ns <= at_ns]
        return known[-1] if known else self.states[0][1]

    def within(self, begin_ns: int, end_ns: int) -> list[tuple[int, AutoscalerView]]:
        """The state in force when a span begins, and those that came in it."""
        return [(begin_ns, self.at(begin_ns)), *(one for one in self.states if begin_ns < one[0] <= end_ns)]


@once
def autoscalers(history: History) -> tuple[AutoscalerLife, ...]:
    """The autoscalers whose target is the system's workload, in the order in which they were first seen."""
    facts = history.facts
    states: dict[str, list[tuple[int, AutoscalerView]]] = {}
    gone: dict[str, int] = {}
    listed: set[str] = set()
    for event in history.watch:
        if event.kind != KIND:
            continue
        view = AutoscalerView(event.object)
        if view.namespace != facts.namespace or view.target != (facts.workload_kind, facts.workload_name):
            continue
        at_ns = settled_ns(history, KIND, event.at_ns)
        if event.type == "LISTED" and view.uid not in states:
            listed.add(view.uid)
        states.setdefault(view.uid, []).append((at_ns, view))
        if event.gone:
            gone[view.uid] = at_ns
    return tuple(
        AutoscalerLife(seen[-1][1].name, tuple(seen), uid in listed, gone.get(uid), _announced(history, uid))
        for uid, seen in states.items()
    )


def _announced(history: History, uid: str) -> tuple[tuple[int, int], ...]:
    """The numbers that an autoscaler says in its Events that it set."""
    said = ((event.at_ns, text) for event, reason, text in pod_reports(history, uid) if reason == RESCALED)
    sizes = ((at_ns, NEW_SIZE.match(text)) for at_ns, text in said)
    return tuple((at_ns, int(size[1])) for at_ns, size in sizes if size)
