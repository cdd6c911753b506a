"""Lost nodes, against the documented behaviour of the node lifecycle and taint eviction controllers (A.8)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from histories import PROBED

from chaos.semantics import (
    KUBERNETES,
    LAB,
    Detection,
    LostNode,
    Timings,
    eviction_rates,
    node_loss_detection,
    power_loss_bound,
    tainted_within_s,
    toleration_s,
    zone_state,
)

UNREACHABLE, NOT_READY = "node.kubernetes.io/unreachable", "node.kubernetes.io/not-ready"


@pytest.mark.parametrize(
    ("ready", "not_ready", "state"),
    [
        (3, 0, "normal"),
        (0, 0, "normal"),
        (2, 1, "normal"),
        (0, 1, "full"),
        (0, 30, "full"),
        (1, 2, "normal"),  # two thirds, but not more than two nodes
        (1, 3, "partial"),
        (3, 3, "normal"),  # half is less than 55 %
        (9, 11, "partial"),  # 55 % exactly
        (10, 11, "normal"),
    ],
)
def test_a_zone_is_judged_by_number_and_share(ready: int, not_ready: int, state: str) -> None:
    """Full without a Ready node; partial with more than two NotReady that are 55 % or more; else normal."""
    assert zone_state(ready, not_ready) == state


@pytest.mark.parametrize(
    ("zones", "rates"),
    [
        ({"a": (1, 0), "b": (0, 1)}, {"a": 0.1, "b": 0.1}),  # a whole zone lost, others left
        ({"a": (0, 1), "b": (0, 2)}, {"a": 0.0, "b": 0.0}),  # everything lost: nothing is evicted
        ({"": (0, 3)}, {"": 0.0}),
        ({"": (1, 3)}, {"": 0.0}),  # partial, small
        ({"": (20, 31)}, {"": 0.01}),  # partial, more than 50 nodes
        ({"": (20, 30)}, {"": 0.0}),  # 50 are not more than 50
        ({"": (2, 1)}, {"": 0.1}),
        ({}, {}),
    ],
)
def test_eviction_rates_follow_the_state_of_all_zones(
    zones: Mapping[str, tuple[int, int]], rates: Mapping[str, float]
) -> None:
    """0.1 nodes/s; 0.01 or nothing in partial disruption; nothing where every zone is in full disruption."""
    assert eviction_rates(zones) == rates


def test_the_controllers_flags_set_the_rates_and_the_limits_of_a_zone() -> None:
    """Rates, the size of a large zone and the share of lost nodes that makes it ill are flags."""
    timings = Timings(node_eviction_rate=1, secondary_node_eviction_rate=0.5, large_cluster_nodes=3)
    assert eviction_rates({"": (1, 3)}, timings) == {"": 0.5}
    assert eviction_rates({"": (2, 1)}, timings) == {"": 1}
    assert zone_state(1, 3, Timings(unhealthy_zone_share=0.8)) == "normal"


def test_nodes_of_a_zone_are_tainted_one_after_the_other() -> None:
    """At 0.1 nodes/s one node is tainted within 10 s, three within 30 s; at no rate never."""
    assert [tainted_within_s(count, 0.1) for count in (1, 3)] == [10, 30]
    assert tainted_within_s(1, 0.0) is None


def test_detection_lies_between_a_renewal_less_and_two_periods_more_than_the_grace() -> None:
    """Kubernetes' defaults: 40 to 60 s. The lab: 12 to 20 s."""
    assert node_loss_detection(KUBERNETES) == Detection(40, 60)
    assert node_loss_detection(LAB) == Detection(12, 20)


@pytest.mark.parametrize(
    ("tolerations", "seconds"),
    [
        ([], 300),
        ([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}], 5),
        ([{"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 5}], 5),
        ([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": -1}], 0),
        ([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoExecute"}], None),
        ([{"operator": "Exists"}], None),
        ([{"key": UNREACHABLE, "effect": "NoExecute", "tolerationSeconds": 7}], 7),
        ([{"key": UNREACHABLE, "value": "x", "effect": "NoExecute", "tolerationSeconds": 7}], 300),
        ([{"key": UNREACHABLE, "operator": "Exists", "effect": "NoSchedule"}], 300),
        ([{"key": NOT_READY, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}], 300),
        ([{"operator": "Exists"}, {"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 9}], 9),
        (
            [
                {"key": UNREACHABLE, "operator": "Exists", "tolerationSeconds": 60},
                {"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 20},
            ],
            20,
        ),
    ],
)
def test_the_shortest_toleration_that_matches_counts(
    tolerations: Sequence[Mapping[str, Any]], seconds: float | None
) -> None:
    """One that matches without a time is for ever only if no other has a time; without any the default holds."""
    assert toleration_s({"tolerations": tolerations}, KUBERNETES) == seconds


def test_each_taint_has_its_own_toleration() -> None:
    """A node that says itself that it is not ready is tolerated by another toleration than one that is silent."""
    spec = {"tolerations": [{"key": NOT_READY, "operator": "Exists", "tolerationSeconds": 3}]}
    assert toleration_s(spec, LAB, NOT_READY) == 3
    assert toleration_s(spec, LAB) == 10
    assert toleration_s({}, LAB, NOT_READY) == 10


def test_from_the_loss_of_power_to_ready_is_the_sum_of_all() -> None:
    """The lab: 20 s until NotReady, 10 s for each node of the zone, 10 s tolerated, 29 s for the replacement."""
    assert power_loss_bound(PROBED, LAB).total_s == 20 + 10 + 10 + 29
    assert power_loss_bound(PROBED, LAB, lost=LostNode(nodes=3)).total_s == 20 + 30 + 10 + 29
    assert power_loss_bound(PROBED, LAB).parts[0].name == "node monitor"
