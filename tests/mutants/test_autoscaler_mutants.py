"""What the load scenarios must catch: nothing that scales, too little room, a blind autoscaler, flapping, a rival.

Those on a metric of the pods' own need the lab's Prometheus and its adapter or KEDA, and are skipped without.
"""

from typing import Any

import pytest

from chaos.checks import HeldAtMaximum, HeldBlind, NoFlapping, ScaledUp
from chaos.cluster import Executor, mutations
from chaos.faults import MetricsDown
from chaos.lab.addons.prometheus import PROMETHEUS_URL
from chaos.slo import Slo
from chaos.system.spec.parts import Autoscale, Keda
from chaos.trial.conditions import scaled_up
from chaos.trial.run import RunningTrial
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

WELL = Slo(availability=0.99, latency_p99_s=5.0)

QUEUING: dict[str, Any] = {"cpu_request": "200m", "cpu_limit": "200m", "env": {"QUEUE_MAX": "100"}}

pytestmark = [pytest.mark.root, pytest.mark.slow]


def spike(trial: Trial, traffic: Traffic, rate_rps: float = 4) -> None:
    """Five times the load, or more, for longer than the autoscaler may take to begin."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=rate_rps):
            trial.hold(duration_s=60)


def scaler(owner: Executor, stage: RunningTrial, metric: dict[str, Any]) -> None:
    """Put an autoscaler over the system that SystemSpec would not make."""
    spec: dict[str, Any] = {
        "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": stage.system.workload.name},
        "minReplicas": 2,
        "maxReplicas": 8,
        "metrics": [metric],
    }
    made = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "mutant", "namespace": stage.system.namespace},
        "spec": spec,
    }
    act(owner, mutations.create(made))


def on_cpu(most: int, **window: int) -> Autoscale:
    """An autoscaler on what the pods requested."""
    return Autoscale(replicas_min=2, replicas_max=most, cpu_percent=60, **window)


def act(owner: Executor, deed: mutations.Mutation) -> None:
    """Somebody changes the cluster, and may."""
    done = owner.do(deed)
    assert done.outcome == "ok", done.reason


def usage(resource: str, percent: int) -> dict[str, Any]:
    """A metric of an autoscaler: so much of what the pods requested."""
    target = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": resource, "target": target}}


@pytest.fixture
def over_memory(owner: Executor, stage: RunningTrial) -> None:
    """An autoscaler that looks at memory, which the load does not move."""
    scaler(owner, stage, usage("memory", 150))


@pytest.fixture
def over_cpu(owner: Executor, stage: RunningTrial) -> None:
    """The usual autoscaler, over a system that it does not suit."""
    scaler(owner, stage, usage("cpu", 60))


@pytest.fixture
def over_waiting(owner: Executor, stage: RunningTrial) -> None:
    """An autoscaler over a metric of the team's own, which nobody serves: its adapter is down."""
    target = {"type": "AverageValue", "averageValue": "4"}
    scaler(owner, stage, {"type": "Pods", "pods": {"metric": {"name": "requests_waiting"}, "target": target}})


@pytest.mark.system(replicas=2, cpu_request="200m", cpu_limit="200m")
@pytest.mark.caught_by("scaled-up", "FAIL", "no autoscaler scales")
def test_without_an_autoscaler_nothing_follows_the_load(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Two replicas stay two, however long users wait."""
    spike(trial, traffic)
    trial.judge(ScaledUp(WELL))


@pytest.mark.system(cpu_request="200m", cpu_limit="200m", autoscale=on_cpu(3))
@pytest.mark.caught_by("scaled-up", "FAIL", "capacity: at its maximum of 3 replicas")
def test_a_maximum_that_is_too_low_is_a_matter_of_capacity(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """The autoscaler does all it may, and users still wait: the finding says capacity.

    Three replicas answer about five a second, as the model takes requests that wait together; eight are too many.
    """
    spike(trial, traffic, rate_rps=7)
    trial.judge(ScaledUp(WELL))


@pytest.mark.system(replicas=2, cpu_request="200m", cpu_limit="200m")
@pytest.mark.caught_by("scaled-up", "FAIL", "the load does not move this metric")
@pytest.mark.usefixtures("over_memory")
def test_an_autoscaler_on_the_wrong_metric_sees_no_load(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Memory stays under its target while users wait."""
    spike(trial, traffic)
    trial.judge(ScaledUp(WELL))


@pytest.mark.system(replicas=2, cpu_request=None, cpu_limit=None)
@pytest.mark.caught_by("scaled-up", "UNKNOWN", "the autoscaler has no metrics")
@pytest.mark.usefixtures("over_cpu")
def test_without_cpu_requests_the_metrics_are_missing(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A share of nothing cannot be computed: the autoscaler says so itself, and nothing is proved."""
    spike(trial, traffic)
    trial.judge(ScaledUp(WELL))


@pytest.mark.system(replicas=2, cpu_request="200m", cpu_limit="200m")
@pytest.mark.caught_by("scaled-up", "UNKNOWN", "requests_waiting")
@pytest.mark.usefixtures("over_waiting")
def test_a_metric_that_nobody_serves_moves_nothing(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Users wait, and the autoscaler cannot know: that it is late cannot be said, that it is well even less."""
    spike(trial, traffic)
    trial.judge(ScaledUp(WELL))


@pytest.mark.system(**QUEUING, autoscale=on_cpu(8, scale_down_window_s=0))
@pytest.mark.caught_by("no-flapping", "FAIL")
def test_a_window_of_zero_flaps(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Without a window every burst is scaled up for, and every calm scaled down."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=4):
            trial.hold(duration_s=30)
        trial.hold(duration_s=45)
        with traffic.steady(rate_rps=4):
            trial.hold(duration_s=30)
    trial.judge(NoFlapping())


@pytest.mark.system(**QUEUING, autoscale=on_cpu(3))
@pytest.mark.caught_by("held-at-maximum", "FAIL", "the autoscaler did not ask for it")
def test_a_rival_takes_a_replica_from_the_maximum(
    trial: Trial, system: SystemUnderTest, traffic: Traffic, owner: Executor
) -> None:
    """Somebody scales down in mid-spike, though the autoscaler wants all that it may have."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=5):
            trial.hold(until=scaled_up(system))
            trial.hold(duration_s=15)
            act(owner, mutations.scale(system.workload, 2))
            trial.hold(duration_s=15)
    trial.judge(HeldAtMaximum())


QUEUE = pytest.mark.needs("metrics-path:prometheus-adapter")


def by_queue(most: int, *, metric: str = "model_requests_waiting", average: str = "2", window_s: int = 60) -> Autoscale:
    """An autoscaler on a metric of the servers' own."""
    return Autoscale(replicas_min=2, replicas_max=most, metric=metric, average=average, scale_down_window_s=window_s)


@QUEUE
@pytest.mark.system(**QUEUING, autoscale=by_queue(6, metric="model_requests_running", average="100"))
@pytest.mark.caught_by("scaled-up", "FAIL", "the load does not move this metric")
def test_a_trigger_on_what_runs_sees_no_queue(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A server has four slots, so that no more than four run however many wait."""
    spike(trial, traffic, rate_rps=7)
    trial.judge(ScaledUp(WELL))


@QUEUE
@pytest.mark.system(**QUEUING, autoscale=by_queue(3))
@pytest.mark.caught_by("scaled-up", "FAIL", "capacity: at its maximum of 3 replicas")
def test_a_maximum_that_is_too_low_for_the_queue(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """What waits asks for more replicas than there may be."""
    spike(trial, traffic, rate_rps=7)
    trial.judge(ScaledUp(WELL))


@QUEUE
@pytest.mark.system(**QUEUING, autoscale=by_queue(6, window_s=0))
@pytest.mark.caught_by("no-flapping", "FAIL")
def test_a_cooldown_of_zero_flaps_with_the_queue(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A queue is empty as soon as there are replicas enough, and long again as soon as they are gone."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=3):
            trial.hold(duration_s=120)
    trial.judge(NoFlapping())


@QUEUE
@pytest.mark.system(
    cpu_request="200m",
    cpu_limit="200m",
    env={"QUEUE_MAX": "100", "LOAD_DELAY_S": "30"},
    startup={"path": "/startupz", "period_s": 1, "failure_threshold": 60},
    autoscale=by_queue(6, window_s=5),
)
@pytest.mark.caught_by("no-flapping", "FAIL")
def test_a_window_shorter_than_the_start_of_a_replica_flaps(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Replicas that take half a minute to start are taken again while the load that called them lasts."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=3):
            trial.hold(duration_s=150)
    trial.judge(NoFlapping())


@pytest.fixture
def few_pods(owner: Executor, stage: RunningTrial) -> None:
    """A quota in the trial's namespace that allows no pod beside those that are there."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "few-pods", "namespace": stage.system.namespace},
        "spec": {"hard": {"pods": "2"}},
    }
    act(owner, mutations.create(quota))


@pytest.mark.system(**QUEUING, autoscale=on_cpu(8))
@pytest.mark.caught_by("scaled-up", "FAIL", "exceeded quota: few-pods")
@pytest.mark.usefixtures("few_pods")
def test_a_quota_that_refuses_the_new_pods(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """The autoscaler does what it should, and no pod comes of it: the quota is named."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=4):
            trial.hold(duration_s=100)
    trial.judge(ScaledUp(WELL))


@pytest.mark.needs("metrics-path:metrics-server")
@pytest.mark.system(**QUEUING, autoscale=on_cpu(8, scale_down_window_s=30))
@pytest.mark.caught_by("held-blind", "UNKNOWN", "while the autoscaler had no metrics")
def test_somebody_who_scales_in_while_nothing_is_measured(
    trial: Trial, system: SystemUnderTest, traffic: Traffic, owner: Executor
) -> None:
    """A script takes replicas away because its metrics read as zero: no PASS, though the autoscaler did not."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=4):
            trial.hold(until=scaled_up(system))
            with trial.fault(MetricsDown("metrics-server")):
                trial.hold(duration_s=30)
                act(owner, mutations.scale(system.workload, 2))
                trial.hold(duration_s=20)
            trial.hold(duration_s=20)
    trial.judge(HeldBlind())


IN_FLIGHT = 'sum(model_requests_running{namespace="$namespace"} + model_requests_waiting{namespace="$namespace"})'


def by_keda(average: str, **keda: Any) -> Autoscale:
    """KEDA's autoscaler on the requests that run or wait, as Prometheus has them."""
    asked = {"serverAddress": PROMETHEUS_URL, "query": IN_FLIGHT, "threshold": average}
    said = Keda(triggers=({"type": "prometheus", "metadata": asked},), polling_s=5, **keda)
    return Autoscale(replicas_min=2, replicas_max=6, keda=said, scale_down_window_s=15)


@pytest.mark.needs("metrics-path:prometheus", "metrics-path:keda-adapter")
@pytest.mark.system(
    cpu_request="200m",
    cpu_limit="200m",
    env={"QUEUE_MAX": "100"},
    autoscale=by_keda("2", fallback_replicas=1, fallback_after=1),
)
@pytest.mark.caught_by("held-blind", "FAIL", "KEDA showed it the fallback of 1")
def test_a_fallback_that_is_too_low(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Prometheus is dead in mid-spike, and KEDA asks for one replica in its place: those of the spike are taken."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=15)
        with traffic.steady(rate_rps=6):
            trial.hold(until=scaled_up(system))
            with trial.fault(MetricsDown("prometheus")):
                trial.hold(duration_s=120)
            trial.hold(duration_s=20)
    trial.judge(HeldBlind())
