"""What a cluster does not serve is named before anything is written, with what to do about it."""

import json
from collections.abc import Mapping
from typing import Any

import pytest

from chaos.cluster import KINDS, ClusterFacts
from chaos.cluster.transport import Answer
from chaos.errors import ClusterRefused
from chaos.trial.preflight.checks import (
    ADOPTED_KINDS,
    DEPLOYED_KINDS,
    require_metrics,
    require_served,
    without_metrics,
)


class Serving:
    """Stands for a cluster that serves all kinds, but for those left out, and other answers at given paths."""

    facts = ClusterFacts("staging", "https://api", "v1.20.0", "u", ())

    def __init__(self, *, without: tuple[str, ...] = (), at: Mapping[str, Answer] | None = None) -> None:
        self.asked: list[str] = []
        self._without, self._at = without, dict(at or {})

    def read(self, path: str) -> Answer:
        """The resources of a version, or 404."""
        self.asked.append(path)
        if path in self._at:
            return self._at[path]
        version = path.removeprefix("/apis/").removeprefix("/api/")
        kinds = [kind for kind in KINDS.values() if kind.api_version == version and kind.name not in self._without]
        if not kinds:
            return Answer(404, b'{"message":"not found"}')
        return Answer(200, json.dumps({"resources": [{"name": kind.plural} for kind in kinds]}).encode())


@pytest.mark.parametrize("kinds", [ADOPTED_KINDS, DEPLOYED_KINDS])
def test_a_cluster_that_serves_all_is_asked_once_a_version(kinds: tuple[str, ...]) -> None:
    """Nothing is raised, and no version is asked for twice."""
    cluster = Serving()
    require_served(cluster, kinds)  # type: ignore[arg-type]  # stands in
    assert len(cluster.asked) == len(set(cluster.asked)) == len({KINDS[name].api_version for name in kinds})


def test_all_that_is_missing_is_named_with_the_release_that_has_it() -> None:
    """A version that is not there, and a kind that one lacks, in one error."""
    cluster = Serving(without=("PodDisruptionBudget", "HorizontalPodAutoscaler", "StatefulSet"))
    with pytest.raises(ClusterRefused) as refused:
        require_served(cluster, ADOPTED_KINDS)  # type: ignore[arg-type]  # stands in
    assert "context staging (Kubernetes v1.20.0) does not serve" in refused.value.what
    assert "policy/v1 (PodDisruptionBudget), which Kubernetes 1.21 has first" in refused.value.what
    assert "autoscaling/v2 (HorizontalPodAutoscaler), which Kubernetes 1.23 has first" in refused.value.what
    assert "statefulsets of apps/v1" in refused.value.what
    assert "use a cluster that serves them" in refused.value.fix


def test_a_server_that_refuses_to_say_is_told_as_it_is() -> None:
    """A 403 is no missing version."""
    cluster = Serving(at={"/apis/policy/v1": Answer(403, b'{"message":"forbidden"}')})
    with pytest.raises(ClusterRefused, match="whether policy/v1 is served: the API server refused: 403 forbidden"):
        require_served(cluster, ADOPTED_KINDS)  # type: ignore[arg-type]  # stands in


def metrics(*names: str) -> Answer:
    """What the metrics API says of these pods."""
    items: list[dict[str, Any]] = [{"metadata": {"name": name}} for name in names]
    return Answer(200, json.dumps({"items": items}).encode())


PATH = "/apis/metrics.k8s.io/v1beta1/namespaces/llm/pods"


def test_metrics_of_one_of_the_pods_are_enough() -> None:
    """Another may be too young to have any."""
    require_metrics(Serving(at={PATH: metrics("chat-1")}), "llm", ["chat-1", "chat-2"], why="x")  # type: ignore[arg-type]  # stands in


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (metrics("other-1"), "knows none of the pods in llm"),
        (Answer(503, b'{"message":"unable to handle"}'), "does not answer: 503 unable to handle"),
        (Answer(404, b"404 page not found"), "does not answer: 404"),
    ],
)
def test_missing_metrics_are_named_with_who_needs_them(answer: Answer, words: str) -> None:
    """A metrics API that is away, or that knows none of the pods, is refused with what needs it and what to look at."""
    with pytest.raises(ClusterRefused, match=words) as refused:
        require_metrics(Serving(at={PATH: answer}), "llm", ["chat-1"], why="a scenario of the autoscaler")  # type: ignore[arg-type]  # stands in
    assert refused.value.what.startswith("a scenario of the autoscaler needs the metrics API")
    assert "metrics-server" in refused.value.fix


def test_a_cluster_without_metrics_says_so_before_anything_is_deployed() -> None:
    """The version alone is asked for, as there are no pods yet."""
    assert without_metrics(Serving()) == ""  # type: ignore[arg-type]  # stands in
    away = Serving(without=("PodMetrics", "NodeMetrics"))
    assert "metrics.k8s.io/v1beta1 does not answer (404 not found)" in without_metrics(away)  # type: ignore[arg-type]  # stands in
