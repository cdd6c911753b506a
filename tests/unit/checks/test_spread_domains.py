"""Spread on clusters that are not the lab: nodes without GPUs, closed nodes, missing labels, few replicas."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import PROBED, Story, deployment, node, pod, replica_set

from chaos.checks import Spread
from chaos.checks.verdict import Answer, Finding

ZONE = "topology.kubernetes.io/zone"
GPU = "nvidia.com/gpu"
ON_GPU: Mapping[str, Any] = {
    **PROBED,
    "containers": [{**PROBED["containers"][0], "resources": {"limits": {GPU: "1"}, "requests": {GPU: "1"}}}],
}


def with_devices(name: str, gpus: int) -> dict[str, Any]:
    """A node with so many GPUs; one without any does not name the resource at all."""
    raw = node(name)
    raw["status"]["allocatable"] = {"cpu": "64", "memory": "256Gi"} | ({GPU: str(gpus)} if gpus else {})
    return raw


def tainted(name: str) -> dict[str, Any]:
    """A node on which somebody put a taint."""
    raw = node(name)
    raw["spec"]["taints"] = [{"key": "maintenance", "effect": "NoSchedule"}]
    return raw


def placed(
    nodes: Sequence[Mapping[str, Any]],
    places: Sequence[str],
    *,
    desired: int | None = None,
    spec: Mapping[str, Any] = PROBED,
) -> Story:
    """One Ready replica on each of the places, from the first moment to the last, under traffic."""
    wanted = len(places) if desired is None else desired
    story = Story().saw(0, "LISTED", deployment(wanted, spec=spec), "Deployment")
    story.saw(0, "LISTED", replica_set(wanted), "ReplicaSet")
    for raw in nodes:
        story.saw(0, "LISTED", raw, "Node")
    for number, place in enumerate(places):
        story.saw(0, "LISTED", pod(f"p{number}", ready=True, node=place, spec=spec))
    return story.traffic()


def spread(story: Story, key: str = "kubernetes.io/hostname") -> Finding:
    """The finding of Spread."""
    return Spread(key)(story.history())


def test_a_node_without_gpus_is_no_domain_of_a_gpu_workload() -> None:
    """Four GPU replicas, two on each of the two GPU nodes, are spread, whatever CPU nodes stand beside."""
    nodes = [with_devices("g1", 8), with_devices("g2", 8), with_devices("c1", 0)]
    finding = spread(placed(nodes, ["g1", "g1", "g2", "g2"], spec=ON_GPU))
    assert finding.answer is Answer.PASS, finding.line()


@pytest.mark.parametrize(
    ("operator", "value", "answer"),
    [
        pytest.param("Gt", "750", Answer.FAIL, id="over what it asks for"),
        pytest.param("Gt", "950", Answer.PASS, id="no more than it asks for"),
        pytest.param("Lt", "951", Answer.FAIL, id="under what it asks for"),
        pytest.param("Lt", "900", Answer.PASS, id="over what it may be"),
        pytest.param("Gt", "0750", Answer.PASS, id="no plain number"),
        pytest.param("Exists", None, Answer.FAIL, id="whatever it is"),
        pytest.param("Equal", "950", Answer.FAIL, id="just that"),
        pytest.param("Equal", "750", Answer.PASS, id="another"),
    ],
)
def test_a_node_whose_taint_is_tolerated_by_its_number_is_a_domain(
    operator: str, value: str | None, answer: Answer
) -> None:
    """Spot nodes of an availability of 950 thousandths are open to whom that is enough, and one of them is empty."""
    sla = {"key": "node.kubernetes.io/sla", "operator": operator, "effect": "NoSchedule"}
    spec = {**PROBED, "tolerations": [{**sla, **({} if value is None else {"value": value})}]}
    spot = node("spot")
    spot["spec"]["taints"] = [{"key": "node.kubernetes.io/sla", "value": "950", "effect": "NoSchedule"}]
    finding = spread(placed([node("n1"), node("n2"), spot], ["n1", "n1", "n2", "n2"], spec=spec))
    assert finding.answer is answer, finding.line()


def test_an_empty_node_with_gpus_is_a_domain() -> None:
    """A third GPU node that holds no replica makes the same placement uneven."""
    nodes = [with_devices("g1", 8), with_devices("g2", 8), with_devices("g3", 8)]
    finding = spread(placed(nodes, ["g1", "g1", "g2", "g2"], spec=ON_GPU))
    assert finding.answer is Answer.FAIL, finding.line()


@pytest.mark.parametrize("closed", [node("n1", cordoned=True), tainted("n1")], ids=["cordoned", "tainted"])
def test_all_replicas_on_one_closed_node_are_not_spread(closed: Mapping[str, Any]) -> None:
    """Four replicas on one node that was closed later, beside two open and empty ones, are never evenly spread."""
    finding = spread(placed([closed, node("n2"), node("n3")], ["n1"] * 4))
    assert finding.answer in {Answer.FAIL, Answer.UNKNOWN}, finding.line()


@pytest.mark.parametrize(
    ("tolerated", "answer"),
    [
        pytest.param({"operator": "Exists"}, Answer.FAIL, id="whatever there is"),
        pytest.param({"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}, Answer.FAIL, id="just that"),
        pytest.param({"key": "maintenance", "operator": "Exists"}, Answer.PASS, id="something else"),
    ],
)
def test_a_cordoned_node_is_a_domain_of_pods_that_tolerate_that(tolerated: Mapping[str, Any], answer: Answer) -> None:
    """Four replicas on two nodes, and a third that was cordoned: the scheduler goes on placing there who says so."""
    nodes = [node("n1"), node("n2"), node("n3", cordoned=True)]
    spec = {**PROBED, "tolerations": [tolerated]}
    finding = spread(placed(nodes, ["n1", "n1", "n2", "n2"], spec=spec))
    assert finding.answer is answer, finding.line()


def test_replicas_on_a_node_without_the_label_stand_in_no_domain() -> None:
    """Nothing is known of the spread over zones of replicas whose node names no zone."""
    zones = [node(name, labels={ZONE: zone}) for name, zone in (("n2", "z2"), ("n3", "z3"))]
    finding = spread(placed([node("n1"), *zones], ["n1"] * 4), ZONE)
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_one_replica_cannot_be_spread() -> None:
    """One replica on one of two nodes proves nothing about spreading."""
    finding = spread(placed([node("n1"), node("n2")], ["n1"]))
    assert finding.answer is Answer.UNKNOWN, finding.line()


@pytest.mark.parametrize("places", [["n1"], ["n1", "n2"]], ids=["one Ready", "two Ready"])
def test_replicas_that_are_missing_leave_the_spread_open(places: Sequence[str]) -> None:
    """Where most of six desired replicas are not Ready, nobody knows how all of them would be spread."""
    finding = spread(placed([node("n1"), node("n2")], places, desired=6))
    assert finding.answer is Answer.UNKNOWN, finding.line()


def test_a_zone_whose_only_node_is_lost_is_no_place_for_a_replica() -> None:
    """Replicas that are even over the zones that stand are spread; the lost zone could take none."""
    zones = [node(name, labels={ZONE: zone}) for name, zone in (("n1", "z1"), ("n2", "z2"))]
    lost = node("n3", labels={ZONE: "z3"}, ready=False)
    assert spread(placed([*zones, lost], ["n1", "n1", "n2", "n2"]), ZONE).answer is Answer.PASS
    assert spread(placed([*zones, lost], ["n1", "n1", "n1", "n2"]), ZONE).answer is Answer.FAIL


def test_replicas_on_a_node_that_is_gone_leave_the_spread_open() -> None:
    """A node that was removed with its replicas still shown Ready says nothing of where they are."""
    story = placed([node("n1"), node("n2"), node("n3")], ["n1", "n2", "n3"]).saw(50, "DELETED", node("n3"), "Node")
    assert spread(story).answer is Answer.UNKNOWN


# --- nodes that could never take a replica -----------------------------------------------------------------------


def asking(**requests: str) -> dict[str, Any]:
    """The spec of a replica that asks for so much."""
    return {**PROBED, "containers": [{**PROBED["containers"][0], "resources": {"requests": requests}}]}


def sized(name: str, cpu: str, memory: str = "512Gi") -> dict[str, Any]:
    """A node of a size."""
    raw = node(name)
    raw["status"]["allocatable"] = {"cpu": cpu, "memory": memory, "pods": "110"}
    return raw


@pytest.mark.parametrize(
    ("other", "spec", "answer"),
    [
        pytest.param(sized("small", "4"), asking(cpu="16"), Answer.PASS, id="too few CPUs"),
        pytest.param(sized("small", "64", "16Gi"), asking(memory="80Gi"), Answer.PASS, id="too little memory"),
        pytest.param(sized("small", "8"), {**asking(cpu="6"), "overhead": {"cpu": "4"}}, Answer.PASS, id="overhead"),
        pytest.param(sized("small", "4"), asking(cpu="3"), Answer.FAIL, id="large enough"),
        pytest.param(sized("small", "4"), PROBED, Answer.FAIL, id="nothing asked for"),
        pytest.param(node("small"), asking(cpu="16"), Answer.FAIL, id="of no known size"),
    ],
)
def test_a_node_that_is_too_small_is_no_domain(other: Mapping[str, Any], spec: dict[str, Any], answer: Answer) -> None:
    """Beside two large nodes stands one of the system's own pool, which no replica would fit on if it were empty."""
    nodes = [sized("l1", "64"), sized("l2", "64"), other]
    finding = spread(placed(nodes, ["l1", "l1", "l2", "l2"], spec=spec))
    assert finding.answer is answer, finding.line()


def test_nodes_may_lack_the_devices_of_a_claim() -> None:
    """Devices that are claimed (DRA) are in no node's list of resources: an empty node may have none of them."""
    claimed = {**PROBED, "resourceClaims": [{"name": "gpu", "resourceClaimTemplateName": "one-gpu"}]}
    nodes = [sized("g1", "64"), sized("g2", "64"), sized("c1", "64")]
    finding = spread(placed(nodes, ["g1", "g1", "g2", "g2"], spec=claimed))
    assert finding.answer is Answer.UNKNOWN, finding.line()
    assert "its claims" in finding.reason
    uneven = spread(placed(nodes, ["g1", "g1", "g1", "g2", "c1"], spec=claimed))
    assert uneven.answer is Answer.FAIL, uneven.line()
    assert spread(placed(nodes, ["g1", "g2", "c1"], spec=claimed)).answer is Answer.PASS
