"""Spread where replicas hold volumes that can be reached from some nodes only."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from histories import PROBED, Story, deployment, node, pod, replica_set
from node_loss_stories import claim

from chaos.checks import Spread
from chaos.checks.verdict import Answer

ZONE = "topology.kubernetes.io/zone"
HOSTNAME = "kubernetes.io/hostname"


def disk(name: str, key: str, places: Sequence[str]) -> dict[str, Any]:
    """A volume that can be reached from these zones or nodes; from everywhere where none is named."""
    term = {"matchExpressions": [{"key": key, "operator": "In", "values": list(places)}]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if places else {}
    return {"metadata": {"uid": name, "name": name}, "spec": affinity}


def holding(*reach: Sequence[str], key: str = ZONE, recorded: bool = True) -> Story:
    """Two replicas on n1 in zone a, each with a claim; n2 in zone b and n3 in zone c are empty.

    `reach`: from where the volume of each can be reached.
    """
    story = Story().saw(0, "LISTED", deployment(2), "Deployment").saw(0, "LISTED", replica_set(2), "ReplicaSet")
    for name, zone in (("n1", "a"), ("n2", "b"), ("n3", "c")):
        story.saw(0, "LISTED", node(name, labels={ZONE: zone}), "Node")
    for number, places in enumerate(reach):
        if recorded:
            story.saw(0, "LISTED", claim(f"weights-{number}", f"disk-{number}"), "PersistentVolumeClaim")
            story.saw(0, "LISTED", disk(f"disk-{number}", key, places), "PersistentVolume")
        volume = {"name": "weights", "persistentVolumeClaim": {"claimName": f"weights-{number}"}}
        story.saw(0, "LISTED", pod(f"p{number}", ready=True, node="n1", spec={**PROBED, "volumes": [volume]}))
    return story.traffic()


@pytest.mark.parametrize(
    ("story", "key", "answer"),
    [
        pytest.param(holding("a", "a"), ZONE, Answer.UNKNOWN, id="disks of one zone"),
        pytest.param(holding(["n1"], ["n1"], key=HOSTNAME), HOSTNAME, Answer.UNKNOWN, id="disks of one node"),
        pytest.param(holding("a", ""), ZONE, Answer.FAIL, id="one of them can be reached from everywhere"),
        pytest.param(holding("a", "ab"), ZONE, Answer.FAIL, id="one of them from the next zone"),
        pytest.param(holding("ac", "a"), ZONE, Answer.FAIL, id="one of them from the last zone"),
        pytest.param(holding("a", "a", recorded=False), ZONE, Answer.FAIL, id="nothing recorded of them"),
    ],
)
def test_replicas_stay_where_their_volumes_are(story: Story, key: str, answer: Answer) -> None:
    """A disk of a cloud is of one zone, a local one of one node: no replica that holds it can be elsewhere."""
    finding = Spread(key)(story.history())
    assert finding.answer is answer, finding.line()
    assert ("their volumes can be reached" in finding.reason) is (answer is Answer.UNKNOWN)
