"""Whether a system that runs is what a scenario asks for: a field at a time."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.system import SystemSpec
from chaos.system.wanted import refuse_fields, unmet

LIVE = SystemSpec(
    name="chat",
    image="registry.example/chat:1",
    replicas=4,
    env={"A": "1", "B": "2"},
    disruption_budget={"max_unavailable": 1},
    rollout={"progress_deadline_s": 15, "max_surge": 2},
    node_selector={"pool": "blue"},
    spread={"hostname": "DoNotSchedule"},
)


@pytest.mark.parametrize(
    "wanted",
    [
        {},
        {"replicas": 4},
        {"replicas": 2},
        {"replicas": 3, "disruption_budget": {"max_unavailable": 1}},
        {"replicas": 4, "disruption_budget": {"min_available": 3}},
        {"rollout": {"progress_deadline_s": 15}},
        {"env": {"A": "1"}},
        {"node_selector": {"pool": "blue"}},
        {"spread": {"hostname": "DoNotSchedule"}},
        {"grace_s": 30},
    ],
)
def test_a_system_that_is_as_wanted_lacks_nothing(wanted: dict[str, Any]) -> None:
    """Equal fields, named parts of fields, more replicas, and a budget of the same effect are as wanted."""
    assert unmet(LIVE, wanted) == ()


@pytest.mark.parametrize(
    ("wanted", "told"),
    [
        ({"replicas": 5}, "the system has 4 replicas, the scenario needs at least 5"),
        (
            {"replicas": 3, "disruption_budget": {"min_available": 2}},
            "the system has 4 replicas, the scenario needs just 3",
        ),
        (
            {"replicas": 4, "disruption_budget": {"min_available": 4}},
            "the disruption budget is max_unavailable 1, the scenario needs min_available 4",
        ),
        (
            {"disruption_budget": {"max_unavailable": 1, "unhealthy_pod_eviction_policy": "AlwaysAllow"}},
            "unhealthyPodEvictionPolicy is None, the scenario needs AlwaysAllow",
        ),
        ({"disruption_budget": None}, "the system has a disruption budget, the scenario needs none"),
        ({"rollout": {"progress_deadline_s": 20}}, "rollout.progress_deadline_s is 15, the scenario needs 20"),
        ({"env": {"C": "3"}}, "env has C=(nothing), the scenario needs 3"),
        ({"node_selector": {"pool": "green"}}, "node_selector has pool=blue, the scenario needs green"),
        (
            {"autoscale": {"replicas_min": 2, "replicas_max": 8}},
            "the scenario needs autoscale, which the system does not have",
        ),
        ({"grace_s": 10}, "grace_s is 30, the scenario needs 10"),
    ],
)
def test_each_difference_is_told_in_words(wanted: dict[str, Any], told: str) -> None:
    """What the system has and what the scenario needs are both named."""
    assert any(told in line for line in unmet(LIVE, wanted))


def test_a_percentage_counts_by_its_effect() -> None:
    """A quarter of four is one: the same budget as one pod."""
    live = LIVE.having(disruption_budget={"max_unavailable": "25%"})
    assert unmet(live, {"replicas": 4, "disruption_budget": {"max_unavailable": 1}}) == ()
    assert unmet(LIVE.having(replicas=8, disruption_budget={"max_unavailable": "25%"}), {"replicas": 4}) == ()


def test_a_field_that_does_not_exist_is_named() -> None:
    """A marker with a slip of the pen is an error, not a difference."""
    with pytest.raises(UsageError, match="there is no field replica"):
        unmet(LIVE, {"replica": 4})


def test_an_adopted_system_is_not_changed_from_the_command_line() -> None:
    """--system-field is refused with the fields that it names."""
    refuse_fields({})
    with pytest.raises(UsageError, match="--system-field replicas: an adopted system is not changed"):
        refuse_fields({"replicas": 1})
