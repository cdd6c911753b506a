"""Every patch that the review prints, given to a real API server as a dry run: it is taken, and the finding is gone."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
import yaml
from plain_service import plain_namespace
from review_cases_objects import OBJECT_CASES
from review_cases_pods import POD_CASES
from review_stories import Case, Objects, found, merged, service_of
from simulated_cluster import SimulatedCluster

from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.cluster.mutations import STRATEGIC, Mutation
from chaos.objects.base import Ref


@pytest.fixture(scope="module")
def cluster(simulated: SimulatedCluster) -> Iterator[Cluster]:
    """A connection to the simulated cluster."""
    with connect(kubeconfig=simulated.kubeconfig, context=simulated.context) as connected:
        yield connected


@pytest.fixture(scope="module")
def namespace(cluster: Cluster) -> Iterator[str]:
    """A namespace for all cases, one after the other."""
    with plain_namespace(cluster) as name:
        yield name


def dry(mutation: Mutation) -> Mutation:
    """The same, which the server checks and answers but does not keep."""
    return replace(mutation, query={**mutation.query, "dryRun": "All"})


def placed(one: dict[str, Any], namespace: str) -> dict[str, Any]:
    """The object in a namespace."""
    return {**one, "metadata": {**one["metadata"], "namespace": namespace}}


def taken(executor: LiveExecutor, mutation: Mutation) -> dict[str, Any]:
    """What the server makes of it; it must not refuse."""
    done = executor.do(dry(mutation))
    assert done.outcome == "ok", done.reason
    assert isinstance(done.body, dict)
    return done.body


def after(cluster: Cluster, namespace: str, objects: Objects, patch: str) -> Objects:
    """The set with a patch that the server merged, or took once it was merged into a manifest that it refuses."""
    executor, change = LiveExecutor(cluster, NullJournal()), placed(yaml.safe_load(patch), namespace)
    place = (change["kind"], change["metadata"]["name"])
    own = next((one for one in objects if (one["kind"], one["metadata"]["name"]) == place), None)
    if own is None:
        return [*objects, taken(executor, mutations.create(change))]
    if executor.do(mutations.create(placed(own, namespace))).outcome == "ok":
        ref = Ref(place[0], namespace, place[1])
        try:
            result = taken(executor, mutations.patch(ref, change, STRATEGIC))
        finally:
            executor.do(mutations.delete(ref))
    else:
        mended = merged(objects, patch)[objects.index(own)]
        result = taken(executor, mutations.create(placed(mended, namespace)))
    return [result if one is own else one for one in objects]


@pytest.mark.parametrize("case", [*POD_CASES, *OBJECT_CASES], ids=lambda case: case.rule)
def test_a_printed_patch_is_taken_and_its_finding_is_gone(cluster: Cluster, namespace: str, case: Case) -> None:
    """In the set that breaks the rule and in its variant; a rule whose remedy only people know prints none."""
    for given in (case.broken, case.variant):
        objects = service_of(**given)
        for one in found(objects, case.rule):
            if one.patch:
                assert not found(after(cluster, namespace, objects, one.patch), case.rule), one.patch
