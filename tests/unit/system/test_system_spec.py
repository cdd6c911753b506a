"""What people may write about a system, and how mistakes are told."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from pydantic import ValidationError

from chaos.errors import UsageError
from chaos.objects.quantities import amount
from chaos.system import Autoscale, DisruptionBudget, Keda, ProbeSpec, Rollout, Security, SystemSpec, Toleration, Volume

TRIGGERS = ({"type": "cpu", "metadata": {"value": "60"}},)
MODEL = SystemSpec(name="model", image="registry.example/model:1")


def told(make: Callable[[], Any]) -> str:
    """The words of the `UsageError` that `make` raises."""
    with pytest.raises(UsageError) as raised:
        make()
    return str(raised.value)


MISTAKES: dict[str, tuple[Callable[[], Any], tuple[str, ...]]] = {
    "missing field": (lambda: SystemSpec(name="model"), ("image", "missing")),  # type: ignore[call-arg]
    "name": (lambda: MODEL.having(name="My_Model"), ("SystemSpec.name", "DNS label", "'My_Model'")),
    "image": (lambda: MODEL.having(image="a b"), ("SystemSpec.image", "image reference")),
    "pull policy": (
        lambda: MODEL.having(image_pull_policy="never"),
        ("image_pull_policy", "'IfNotPresent'", "'never'"),
    ),
    "too few": (lambda: MODEL.having(replicas=0), ("SystemSpec.replicas", "greater than or equal to 1", "not 0")),
    "no number": (lambda: MODEL.having(replicas="many"), ("SystemSpec.replicas", "whole number", "'many'")),
    "truth for number": (lambda: MODEL.having(replicas=True), ("SystemSpec.replicas", "whole number", "True")),
    "quantity": (lambda: MODEL.having(memory_limit="1 GB"), ("memory_limit", "512Mi", "'1 GB'")),
    "nothing asked": (lambda: MODEL.having(cpu_request="0"), ("cpu_request", "greater than zero")),
    "over limit": (lambda: MODEL.having(cpu_request="2", cpu_limit="1500m"), ("cpu_request (2)", "cpu_limit (1500m)")),
    "port": (lambda: MODEL.having(port=70000), ("SystemSpec.port", "65535")),
    "profile": (lambda: MODEL.having(profile="grpc"), ("profile", "'openai-chat'", "'rerank' or 'http'", "'grpc'")),
    "inner field": (lambda: MODEL.having(startup={"path": "health"}), ("SystemSpec.startup.path", "begins with /")),
    "inner kind": (lambda: MODEL.having(startup=3), ("SystemSpec.startup", "must be a ProbeSpec", "not 3")),
    "part by itself": (lambda: ProbeSpec(path="/", timeout_s=0), ("ProbeSpec.timeout_s", "greater than or equal to 1")),
    "liveness success": (
        lambda: MODEL.having(liveness=ProbeSpec(path="/health", success_threshold=2)),
        ("liveness.success_threshold must be 1",),
    ),
    "no bound": (DisruptionBudget, ("DisruptionBudget", "min_available", "max_unavailable")),
    "two bounds": (lambda: DisruptionBudget(min_available=1, max_unavailable=1), ("only one",)),
    "share": (lambda: DisruptionBudget(min_available="150%"), ("min_available", "percentage like 50%", "'150%'")),
    "reversed": (lambda: Autoscale(replicas_min=4, replicas_max=2), ("replicas_max", "at least replicas_min (4)")),
    "cpu unknown": (
        lambda: MODEL.having(autoscale=Autoscale(replicas_max=4), cpu_request=None, cpu_limit=None),
        ("autoscale needs a cpu_request",),
    ),
    "two ways": (
        lambda: Autoscale(replicas_max=4, cpu_percent=60, keda=Keda(triggers=TRIGGERS)),
        ("Autoscale: give cpu_percent or keda, not both",),
    ),
    "to none": (lambda: Autoscale(replicas_min=0, replicas_max=4), ("replicas_min must be at least 1", "only keda")),
    "idle": (
        lambda: Autoscale(replicas_min=2, replicas_max=4, keda=Keda(triggers=TRIGGERS, replicas_idle=2)),
        ("keda.replicas_idle must be less than replicas_min (2)",),
    ),
    "no trigger": (lambda: Keda(triggers=()), ("Keda.triggers", "at least 1 item")),
    "trigger without a type": (lambda: Keda(triggers=({"metadata": {}},)), ("triggers have a type and metadata",)),
    "number in a trigger": (
        lambda: Keda(triggers=({"type": "cron", "metadata": {"desiredReplicas": 3}},)),
        ("say all in text", "write desiredReplicas: '3'"),
    ),
    "fallback of nothing": (
        lambda: Keda(triggers=TRIGGERS, fallback_after=2),
        ("fallback_after goes only with fallback_replicas",),
    ),
    "stuck rollout": (lambda: Rollout(max_surge=0, max_unavailable="0%"), ("must not both be zero",)),
    "sleep over grace": (lambda: MODEL.having(grace_s=5, pre_stop_sleep_s=6), ("pre_stop_sleep_s", "grace_s (5)")),
    "tolerance": (
        lambda: MODEL.having(replicas=2, tolerance=2),
        ("tolerance must be less than the fewest replicas (2)",),
    ),
    "root": (lambda: Security(user=0), ("user 0 is root",)),
    "our label": (lambda: MODEL.having(labels={"gameday.dev/run": "x"}), ("gameday.dev/run", "gameday sets it")),
    "bad label": (lambda: MODEL.having(labels={"team": "a b"}), ("SystemSpec.labels", "'a b' is not allowed")),
    "same mount": (
        lambda: MODEL.having(volumes=[Volume(name="a", mount_path="/x"), Volume(name="b", mount_path="/x")]),
        ("volumes must differ in mount_path",),
    ),
    "timed": (lambda: Toleration(key="k", toleration_s=3), ("toleration_s goes only with effect NoExecute",)),
    "class": (
        lambda: Volume(name="a", mount_path="/x", storage_class="fast"),
        ("storage_class goes only with storage",),
    ),
    "no mapping": (lambda: SystemSpec.model_validate("model"), ("must be a SystemSpec", "'model'")),
}


@pytest.mark.parametrize(("make", "words"), MISTAKES.values(), ids=MISTAKES.keys())
def test_a_mistake_names_the_field_and_what_is_allowed(make: Callable[[], Any], words: tuple[str, ...]) -> None:
    """A wrong field raises UsageError, in at most two lines, that name the field, the rule and what was given."""
    text = told(make)
    assert all(word in text for word in words), text
    assert len(text.splitlines()) <= 2


def test_an_unknown_marker_argument_is_answered_with_the_nearest_name() -> None:
    """A misspelt field, as in @pytest.mark.system(replcas=4), is told with the field that was meant and all allowed."""
    text = told(lambda: MODEL.having(replcas=4))
    assert "there is no field replcas" in text
    assert "did you mean replicas?" in text
    assert all(name in text for name in SystemSpec.model_fields)


def test_an_unknown_field_of_a_part_is_answered_with_the_names_of_that_part() -> None:
    """A misspelt field within a part names its whole path and the part's own fields."""
    text = told(lambda: MODEL.having(readiness={"path": "/ready", "periods_s": 2}))
    assert "there is no field readiness.periods_s" in text
    assert "did you mean period_s?" in text
    assert "replicas" not in text


def test_several_mistakes_are_all_named() -> None:
    """One mistake is explained, the other fields that are wrong are named beside it."""
    assert "(also wrong: grace_s, replicas)" in told(lambda: MODEL.having(port=0, replicas=0, grace_s=-1))


def test_having_changes_only_what_it_is_given() -> None:
    """A changed copy keeps every other field, and the original stays as it was."""
    changed = MODEL.having(replicas=5)
    assert changed == SystemSpec(name="model", image="registry.example/model:1", replicas=5)
    assert MODEL.replicas == 3


def test_a_spec_is_frozen() -> None:
    """No field of a spec can be set after it was made."""
    with pytest.raises(ValidationError, match="frozen"):
        MODEL.replicas = 4


def test_a_spec_survives_as_plain_data() -> None:
    """What trial.json keeps of a spec makes the same spec again."""
    spec = MODEL.having(autoscale=Autoscale(replicas_max=4), volumes=[Volume(name="cache", mount_path="/cache")])
    assert SystemSpec.model_validate(spec.model_dump(mode="json")) == spec


def test_numbers_are_taken_as_the_quantities_that_they_mean() -> None:
    """A file's bare number is a quantity: 1.5 is 1.5 CPUs."""
    assert MODEL.having(cpu_limit=1.5, cpu_request=1).cpu_limit == "1.5"


@pytest.mark.parametrize(
    ("quantity", "means"),
    [
        ("250m", "0.25"),
        ("1.5", "1.5"),
        (".5", "0.5"),
        ("1Ki", "1024"),
        ("2Gi", "2147483648"),
        ("1E", "1e18"),
        ("1e3", "1000"),
        ("1E3", "1000"),
        ("100n", "1e-7"),
    ],
)
def test_quantities_mean_what_kubernetes_says(quantity: str, means: str) -> None:
    """Decimal and binary suffixes and exponents scale as in Kubernetes' resource.Quantity."""
    assert amount(quantity) == Decimal(means)


@pytest.mark.parametrize("text", ["", "m", "1x", "1 Gi", "-1", "1mi", "0x10", "1e", "1ki"])
def test_what_is_no_quantity_is_refused(text: str) -> None:
    """Text that Kubernetes would not take for a positive quantity is refused here already."""
    with pytest.raises(ValueError, match="Kubernetes quantity"):
        amount(text)


@pytest.mark.parametrize(
    ("changes", "floor", "tolerated"),
    [
        ({"replicas": 4}, 4, 2),
        ({"replicas": 3}, 3, 1),
        ({"replicas": 1}, 1, 0),
        ({"replicas": 5, "tolerance": 4}, 5, 4),
        ({"replicas": 9, "autoscale": Autoscale(replicas_min=2, replicas_max=8)}, 2, 1),
    ],
)
def test_the_tolerance_is_half_of_the_fewest_replicas_unless_given(
    changes: dict[str, Any], floor: int, tolerated: int
) -> None:
    """With an autoscaler its minimum counts; without a stated tolerance half of that may be lost, rounded down."""
    spec = MODEL.having(**changes)
    assert (spec.replicas_floor, spec.losses_tolerated) == (floor, tolerated)


def test_a_system_that_keda_may_take_to_none_has_a_floor_of_one() -> None:
    """It is tried while it has replicas, and what the pods request of CPU is nothing to it."""
    spec = MODEL.having(
        autoscale=Autoscale(replicas_min=0, replicas_max=4, keda=Keda(triggers=TRIGGERS)),
        cpu_request=None,
        cpu_limit=None,
    )
    assert (spec.replicas_floor, spec.losses_tolerated, spec.by_keda) == (1, 0, True)
