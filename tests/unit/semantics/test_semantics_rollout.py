"""When a workload's release is through, as `kubectl rollout status` decides, and how long it may take."""

from typing import Any

import pytest

from chaos.semantics import LAB, recovery_bound
from chaos.semantics.rollout import is_rolled_out, release_bound

POD = {"containers": [{"name": "server"}], "terminationGracePeriodSeconds": 7}


def workload(spec: dict[str, Any], status: dict[str, Any], *, generation: int = 2) -> dict[str, Any]:
    """Four replicas, and what their controller said last."""
    known = {"observedGeneration": 2, "replicas": 4, "updatedReplicas": 4}
    revisions = {"currentRevision": "b", "updateRevision": "b"}
    return {
        "metadata": {"name": "chat", "generation": generation},
        "spec": {"replicas": 4, **spec},
        "status": {**known, **revisions, **status},
    }


PARTITION = {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": 3}}}
NEW = {"currentRevision": "a", "updateRevision": "b"}


@pytest.mark.parametrize(
    ("kind", "spec", "status", "through"),
    [
        ("Deployment", {}, {}, True),
        ("Deployment", {}, {"updatedReplicas": 3}, False),
        ("Deployment", {}, {"replicas": 5}, False),
        ("Deployment", {}, {"observedGeneration": 1}, False),
        ("Deployment", {"paused": True}, {"updatedReplicas": 0}, True),
        ("Deployment", {"replicas": 0}, {"replicas": 0, "updatedReplicas": None}, True),
        ("StatefulSet", {}, {}, True),
        ("StatefulSet", {}, {**NEW, "updatedReplicas": 3}, False),
        ("StatefulSet", PARTITION, {**NEW, "updatedReplicas": 1}, True),
        ("StatefulSet", PARTITION, {**NEW, "updatedReplicas": 0}, False),
        ("StatefulSet", {"updateStrategy": {"type": "OnDelete"}}, {**NEW, "updatedReplicas": 0}, True),
        ("Rollout", {}, {"updatedReplicas": 0}, True),
    ],
)
def test_a_release_is_through_when_nothing_is_left_to_replace(
    kind: str, spec: dict[str, Any], status: dict[str, Any], *, through: bool
) -> None:
    """Old pods that still stand, a template that its controller has not seen, and members that are due are not."""
    assert is_rolled_out(kind, workload(spec, status)) == through


def test_members_of_a_stateful_set_are_replaced_one_by_one() -> None:
    """Each takes its own grace and start, so four take four times as long as one."""
    bound = release_bound("StatefulSet", {}, POD, LAB, desired=4, former=POD)
    one = recovery_bound(POD, LAB).total_s
    assert bound.total_s == pytest.approx(4 * (one + 7))
