"""Asking the custom and the external metrics API for what autoscalers look at, which only they can tell.

The questions are those of the horizontal controller itself (Kubernetes' k8s.io/metrics, `custom_metrics` and
`external_metrics` clients), so that the answers are what it was given.
"""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode

from typing_extensions import override

from chaos.cluster.resources import KINDS, segment, served_kind
from chaos.cluster.transport import Answer
from chaos.cluster.watch.metrics_sampler import ANSWER_S, ODD, Sampler
from chaos.errors import ClusterRefused, UsageError
from chaos.history.facts.autoscaler import AutoscalerView, MetricView
from chaos.history.writing.redaction import without_secrets
from chaos.objects.quantities import milli

__all__ = ["CustomSampler", "MetricsReader", "Question", "questions_of"]

EXTERNAL = "external.metrics.k8s.io/v1beta1"
CUSTOM = "custom.metrics.k8s.io"
CUSTOM_NEWEST = f"{CUSTOM}/v1beta2"
"""What the controller prefers where the group has it."""

SAMPLED = ("Pods", "Object", "External")
"""The types of metrics that metrics-server does not serve."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for one metric of an autoscaler; `pods` is the selector of the workload's pods."""

    namespace: str
    metric: MetricView
    pods: str

    @property
    def external(self) -> bool:
        """Whether the external metrics API has it; else the custom metrics API."""
        return self.metric.type == "External"

    def path(self, version: str, resource: str = "") -> str:
        """Where the answer is; `resource` is that of the object of an Object metric, with its group."""
        metric, narrowed = quote(self.metric.name, safe=""), self.metric.selector
        if self.external:
            return _with(f"/apis/{EXTERNAL}/namespaces/{self.namespace}/{metric}", labelSelector=narrowed)
        root = f"/apis/{version}/namespaces/{self.namespace}"
        if self.metric.type == "Pods":
            return _with(f"{root}/pods/*/{metric}", labelSelector=self.pods, metricLabelSelector=narrowed)
        kind, name = self.metric.described[0], segment(self.metric.described[1])
        place = f"/apis/{version}/namespaces/{name}/metrics" if kind == "Namespace" else f"{root}/{resource}/{name}"
        return _with(f"{place}/{metric}", metricLabelSelector=narrowed)


def _with(path: str, **query: str) -> str:
    given = {key: value for key, value in query.items() if value}
    return f"{path}?{urlencode(given)}" if given else path


def questions_of(autoscalers: Iterable[Mapping[str, Any]], pods: str) -> tuple[Question, ...]:
    """What to ask for the metrics of these autoscalers, each once."""
    found: dict[tuple[str, str], Question] = {}
    for view in map(AutoscalerView, autoscalers):
        for metric in view.metrics:
            if metric.type in SAMPLED and metric.name:
                found.setdefault((view.namespace, metric.key), Question(view.namespace, metric, pods))
    return tuple(found.values())


class MetricsReader:
    """Puts questions to the metrics APIs. `get` reads a path of the API server."""

    def __init__(self, get: Callable[[str], Answer]) -> None:
        self._get = get
        self._version = ""

    def said(self, question: Question) -> dict[str, Any]:
        """The `values` of one metric, or in words the `error` that came instead."""
        try:
            return self._answered(question)
        except ODD as odd:
            return {"error": f"what the metrics API says cannot be read: {odd!r}"[:500]}
        except (ClusterRefused, UsageError) as refused:
            return {"error": refused.what}

    def _answered(self, question: Question) -> dict[str, Any]:
        resource = ""
        if not question.external:
            self._version = self._version or self._custom_version()
            resource = self._resource(question)
        answer = self._get(question.path(self._version, resource))
        body = answer.json()
        if not answer.ok or not isinstance(body, dict):
            return {"error": answer.words()}
        values = [*_values(body.get("items") or ())]
        json.dumps(values, ensure_ascii=False).encode()
        return {"values": values}

    def _custom_version(self) -> str:
        answer = self._get(f"/apis/{CUSTOM}")
        body = answer.json()
        if not answer.ok or not isinstance(body, dict):
            raise ClusterRefused(f"{CUSTOM} is not served: {answer.words()}")
        versions = [str(one["groupVersion"]) for one in body["versions"]]
        return CUSTOM_NEWEST if CUSTOM_NEWEST in versions else str(body["preferredVersion"]["groupVersion"])

    def _resource(self, question: Question) -> str:
        """The resource of the object that an Object metric is about, with its group: `services`, `deployments.apps`."""
        kind, _ = question.metric.described
        if not kind or kind in KINDS:
            return KINDS[kind].resource if kind else ""

        def read(path: str) -> Mapping[str, Any] | None:
            answer = self._get(path)
            return answer.json() if answer.ok else None

        return served_kind(read, kind)[0].resource


class CustomSampler(Sampler):
    """Writes custom-metrics.jsonl in a thread of its own, while there are questions; a silent API is a line, too."""

    def __init__(self, questions: Callable[[], tuple[Question, ...]], **options: Any) -> None:
        """`options` are those of `Sampler`."""
        super().__init__(wanted=lambda: bool(questions()), **options)
        self._questions = questions
        self._reader = MetricsReader(lambda path: self._transport.call("GET", path, timeout_s=ANSWER_S))

    @override
    def _ask(self) -> None:
        for question in self._questions():
            if self._stopping.is_set():  # each may take as long as a silent API is waited for
                return
            asked_ns = self._clock.now_ns()
            said = without_secrets(self._reader.said(question))
            self._write({"asked_ns": asked_ns, "metric": question.metric.key, **said})


def _values(items: Iterable[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Each value with the object that it is of. Raises one of `ODD` for what nobody could read from the file."""
    for item in items:
        milli(str(item["value"]))
        described = item.get("describedObject") or {}
        named = {"object": str(described["name"])} if described else {}
        yield {**named, "value": str(item["value"]), "timestamp": str(item.get("timestamp") or "")}
