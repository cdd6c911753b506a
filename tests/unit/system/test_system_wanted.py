"""Whether a system that runs is what a scenario asks for: a field at a time."""

from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.system import SystemSpec
from chaos.system.spec.compatibility import refuse_fields, unmet

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
    """--gameday-system-field is refused with the fields that it names."""
    refuse_fields({})
    with pytest.raises(UsageError, match="--gameday-system-field replicas: an adopted system is not changed"):
        refuse_fields({"replicas": 1})


FILLED = {"command": ["cp", "a", "b"], "files": ["model.gguf"]}
WEIGHTS = {"name": "weights", "mount_path": "/weights", "storage": "500Mi", "storage_class": "fast", "fill": FILLED}
OWN = {**WEIGHTS, "per_replica": True}
BARE = {"name": "cache", "mount_path": "/cache", "storage": "1Gi"}
SCRATCH = {"name": "tmp", "mount_path": "/tmp"}  # noqa: S108  # in a container
KEPT = {"name": "models", "mount_path": "/models", "storage": "9Gi", "access_mode": "ReadOnlyMany", "files": ["a.gguf"]}
UNTOLD = {**KEPT, "files": []}


@pytest.mark.parametrize(
    ("there", "wanted"),
    [
        ([KEPT], [WEIGHTS]),
        ([SCRATCH, UNTOLD, {**KEPT, "name": "more", "mount_path": "/more"}], [BARE, WEIGHTS]),
        ([{**KEPT, "per_replica": True}], [OWN]),
        ([KEPT], [BARE]),
        ([SCRATCH], [SCRATCH]),
        ([KEPT], []),
    ],
)
def test_volumes_count_by_whose_they_are_and_by_what_must_survive(there: list[Any], wanted: list[Any]) -> None:
    """Another name, path, size, class and mode are as good; what is there beside does no harm."""
    assert unmet(LIVE.having(volumes=there), {"volumes": wanted}) == ()


SENTENCE = "no volume of the system is said to hold files that must survive: name them as system.data"


@pytest.mark.parametrize(
    ("there", "wanted", "told"),
    [
        ([], [WEIGHTS], SENTENCE),
        ([UNTOLD], [WEIGHTS, {**WEIGHTS, "name": "w", "mount_path": "/w"}], SENTENCE),
        (
            [{**KEPT, "per_replica": True}],
            [WEIGHTS],
            "a claim that all replicas share with files that must survive, which the system does not have",
        ),
        ([KEPT], [SCRATCH], "the scenario needs a folder that goes with its pod, which the system does not have"),
        ([UNTOLD], [{**BARE, "per_replica": True}], "a claim for each replica, which the system does not have"),
        ([UNTOLD], [BARE, UNTOLD], "a claim that all replicas share, which the system does not have"),
    ],
)
def test_a_volume_that_is_not_there_is_told_in_one_sentence(there: list[Any], wanted: list[Any], told: str) -> None:
    """What matters of it, and nothing of how we would write it."""
    (line,) = unmet(LIVE.having(volumes=there), {"volumes": wanted})
    assert line.endswith(told)
