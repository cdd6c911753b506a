"""Rights of faults, and the faults that a scenario's code names."""

from typing import Any

import pytest

from chaos import faults
from chaos.cluster import KINDS
from chaos.faults import targets
from chaos.faults.permissions import rights_of
from chaos.faults.scenario_analysis import activities_of, activity_of, raises_load
from loadgen.shapes import Spike


def scenario() -> tuple[object, ...]:
    """One that kills and, in a function within, drains."""

    def inner() -> object:
        return faults.NodeDrain

    return (faults.PodKill, targets.one, inner)


def test_every_fault_names_its_rights() -> None:
    """A new fault cannot be forgotten in the list of all, and none does without a right but what lies below the API."""
    public = {one for name in faults.__all__ if isinstance(one := getattr(faults, name), type)}
    assert {one for one in public if issubclass(one, faults.Fault)} - {faults.Fault} == set(faults.ALL_FAULTS)
    for fault in faults.ALL_FAULTS:
        assert fault.permissions or fault is faults.AutoscalerRestart, fault.name  # it is done below the API alone
    assert len({fault.name for fault in faults.ALL_FAULTS}) == len(faults.ALL_FAULTS)


def test_faults_are_read_from_the_code() -> None:
    """Also those in functions within; what is not a fault is not one."""
    assert [activity.name for activity in activities_of(scenario)] == ["node-drain", "pod-kill"]
    assert activities_of(steady) == ()


def steady(traffic: Any) -> None:
    """One stream, of one rate."""
    with traffic.steady(rate_rps=1):
        pass


def nested(traffic: Any) -> None:
    """A second stream, in a function within."""

    def more() -> None:
        with traffic.steady(rate_rps=4):
            pass

    with traffic.steady(rate_rps=1):
        more()


def shaped(traffic: Any) -> None:
    """One stream, whose rate changes."""
    with traffic.shape(Spike(1, 5, at_s=1, for_s=1)):
        pass


def by_a_helper(traffic: Any) -> None:
    """The stream is begun by another function of the file."""
    shaped(traffic)


@pytest.mark.parametrize(("function", "rises"), [(steady, False), (nested, True), (shaped, True), (by_a_helper, True)])
def test_a_load_that_rises_is_read_from_the_code(function: Any, rises: bool) -> None:  # noqa: FBT001  # a table
    """A second stream or a shape, wherever it is begun; one stream of one rate is no trouble."""
    assert raises_load(function) is rises


def test_rights_are_those_of_the_faults_and_no_more() -> None:
    """To kill a pod takes deleting pods, not evicting them; only drains patch nodes; each right is told once."""
    kill = rights_of([activity_of(faults.PodKill)], "Deployment", proxied=False)
    words = [right.words for right in kill]
    assert "delete Pod" in words
    assert {"get PodDisruptionBudget", "get HorizontalPodAutoscaler"} <= set(words)
    assert "create Pod/eviction" not in words
    assert "patch Node in all namespaces" not in words
    assert "get Service/proxy" not in words
    assert len(words) == len(set(words))
    drain = {right.words for right in rights_of([activity_of(faults.NodeDrain)], "StatefulSet", proxied=True)}
    assert drain >= {"create Pod/eviction", "patch Node in all namespaces", "get Service/proxy", "watch StatefulSet"}
    assert {right.kind for right in kill} <= set(KINDS)


def test_what_changes_a_deployment_is_for_deployments() -> None:
    """A StatefulSet has no rollout of that kind, so scenarios about one are told apart before they begin."""
    only = {fault.name for fault in faults.ALL_FAULTS if fault.workload_kind == "Deployment"}
    assert only == {"rolling-update", "bad-rollout", "scale"}
