"""A spec read from live objects: what they say, and Kubernetes' defaults for what they leave out."""

from typing import Any

import pytest

from chaos.errors import UsageError
from chaos.system.adopt.live_spec import spec_of


def deployment(container: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """A Deployment with one container."""
    pod = {"containers": [{"name": "server", "image": "registry.example/chat:1", **(container or {})}]}
    return {
        "kind": "Deployment",
        "metadata": {"name": "chat", "namespace": "llm"},
        "spec": {"replicas": 3, "template": {"spec": pod | spec.pop("pod", {})}, **spec},
    }


def read(workload: dict[str, Any], **others: Any) -> Any:
    """The spec, with neither budget nor autoscaler unless given."""
    given: dict[str, Any] = {"budget": None, "autoscaler": None, "tolerance": None} | others
    return spec_of(workload, port=80, **given)


def test_the_least_object_reads_with_kubernetes_defaults() -> None:
    """No probe is no probe; the grace is 30 s, the progress deadline 600 s, one pod more and none fewer."""
    spec = read(deployment(strategy={"rollingUpdate": {"maxSurge": "25%"}}))
    assert (spec.startup, spec.readiness, spec.liveness) == (None, None, None)
    assert (spec.grace_s, spec.rollout.progress_deadline_s, spec.rollout.max_unavailable) == (30, 600, 0)
    assert (spec.cpu_request, spec.cpu_limit, spec.memory_request) == (None, None, None)
    assert (spec.port, spec.service_port, spec.losses_tolerated) == (80, 80, 1)


def test_what_the_container_says_is_read() -> None:
    """Probes of every kind, amounts, environment, ports and the preStop sleep."""
    spec = read(
        deployment(
            {
                "ports": [{"containerPort": 8000}],
                "resources": {"requests": {"cpu": "250m", "memory": "0"}, "limits": {"cpu": 1}},
                "env": [{"name": "A", "value": "1"}, {"name": "SECRET", "valueFrom": {}}],
                "livenessProbe": {"tcpSocket": {"port": 8000}, "periodSeconds": 7},
                "readinessProbe": {"httpGet": {"path": "/ready?deep=1", "port": 8000}, "failureThreshold": 2},
                "lifecycle": {"preStop": {"sleep": {"seconds": 5}}},
            },
            pod={"terminationGracePeriodSeconds": 60, "nodeSelector": {"pool": "blue"}},
        )
    )
    assert (spec.port, spec.cpu_request, spec.cpu_limit, spec.memory_request) == (8000, "250m", "1", None)
    assert dict(spec.env) == {"A": "1"}
    assert (spec.liveness.period_s, spec.readiness.path, spec.readiness.failure_threshold) == (7, "/ready", 2)
    assert (spec.pre_stop_sleep_s, spec.grace_s, dict(spec.node_selector)) == (5, 60, {"pool": "blue"})


@pytest.mark.parametrize(
    ("hook", "sleep_s"),
    [
        pytest.param(None, 0, id="none"),
        pytest.param({"sleep": {"seconds": 5}}, 5, id="a sleep"),
        pytest.param({"exec": {"command": ["sleep", "15"]}}, None, id="a program"),
        pytest.param({"httpGet": {"path": "/drain", "port": 8000}}, None, id="a call"),
    ],
)
def test_a_hook_that_is_no_sleep_is_not_said_to_take_no_time(hook: dict[str, Any] | None, sleep_s: int | None) -> None:
    """How long a program or a call takes nobody knows beforehand; in trial.json it is null, and not 0."""
    spec = read(deployment({"lifecycle": {"preStop": hook}} if hook else {}))
    assert spec.model_dump(mode="json")["pre_stop_sleep_s"] == sleep_s


def test_the_budget_and_the_autoscaler_are_read() -> None:
    """Their bounds come over; a budget that names none is taken as Kubernetes takes it."""
    scaler = {
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 10,
            "metrics": [{"resource": {"name": "cpu", "target": {"averageUtilization": 80}}}],
            "behavior": {"scaleDown": {"stabilizationWindowSeconds": 60}},
        }
    }
    spec = read(
        deployment({"resources": {"requests": {"cpu": "100m"}}}),
        budget={"spec": {"minAvailable": "50%", "unhealthyPodEvictionPolicy": "AlwaysAllow"}},
        autoscaler=scaler,
    )
    assert (spec.disruption_budget.min_available, spec.disruption_budget.max_unavailable) == ("50%", None)
    assert spec.disruption_budget.unhealthy_pod_eviction_policy == "AlwaysAllow"
    assert (spec.autoscale.replicas_min, spec.autoscale.replicas_max, spec.autoscale.cpu_percent) == (2, 10, 80)
    assert (spec.autoscale.scale_down_window_s, spec.replicas_floor) == (60, 2)
    assert read(deployment(), budget={"spec": {"selector": {}}}).disruption_budget.min_available == 1


def test_an_autoscaler_with_nothing_to_measure_is_read_all_the_same() -> None:
    """That it has no CPU request is a finding about what runs, not an error in reading it."""
    scaler = {"spec": {"minReplicas": 2, "maxReplicas": 10, "metrics": []}}
    assert read(deployment(), autoscaler=scaler).autoscale.replicas_max == 10


def test_what_cannot_be_adopted_is_named() -> None:
    """A workload of no replica, or whose tolerance cannot be, is an error with its name."""
    with pytest.raises(UsageError, match="Deployment llm/chat is scaled to zero"):
        read(deployment(replicas=0))
    with pytest.raises(UsageError, match=r"Deployment llm/chat cannot be adopted.*tolerance must be less"):
        read(deployment(), tolerance=3)
