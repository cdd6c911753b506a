"""KEDA follows what runs and waits in the servers, as Prometheus has it, and takes the system to no replica and back.

What waits alone is nothing as soon as there are replicas enough, and calls them back when they are gone; what runs is
in the query, too. At zero replicas only somebody in front of them knows of a request: here Prometheus has what is sent
to the Service. Nobody holds a request meanwhile, so it is refused.
"""

import pytest

from chaos import Autoscale, Keda, Slo, checks, conditions, faults

QUEUES = {"QUEUE_MAX": "100"}
NONE_LOST = Slo(availability=1.0)

# What users are owed again before the spike ends.
WELL = Slo(availability=0.99, latency_p99_s=5.0)

# Shares of what the fewest replicas carry: the second is more than they can answer.
USUAL, SPIKE = 0.3, 1.5

# From the first request at zero replicas to the first token: KEDA's look, the age of the metric, the start of a pod.
COLD_START_S = 60

LAB_PROMETHEUS = "http://10.89.0.2:9090"
IN_FLIGHT = 'sum(model_requests_running{namespace="$namespace"} + model_requests_waiting{namespace="$namespace"})'
SENT = 'sum(rate(service_packets_total{namespace="$namespace"}[10s]))'


def trigger(query, threshold):
    """What KEDA asks the lab's Prometheus, and how much of it is for one replica."""
    asked = {"serverAddress": LAB_PROMETHEUS, "query": query, "threshold": threshold}
    return {"type": "prometheus", "metadata": asked}


def deployed(keda, **limits):
    """A system whose servers let requests wait, scaled by KEDA."""
    scale = Autoscale(keda=keda, **limits)
    return pytest.mark.deployed(cpu_request="200m", cpu_limit="200m", env=QUEUES, autoscale=scale)


SEEN = pytest.mark.needs("metrics-path:prometheus", "metrics-path:keda-adapter")
BY_QUEUE = Keda(triggers=[trigger(IN_FLIGHT, "2")], polling_s=5)
WITH_FALLBACK = Keda(triggers=[trigger(IN_FLIGHT, "2")], polling_s=5, fallback_replicas=6, fallback_after=2)

# A packet wakes it, and asks for no second replica. The first replica stays until the baseline has asked for it.
FROM_ZERO = Keda(
    triggers=[trigger(IN_FLIGHT, "2"), trigger(SENT, "1000")], polling_s=5, cooldown_s=20, initial_cooldown_s=180
)


@SEEN
@deployed(BY_QUEUE, replicas_min=2, replicas_max=6, scale_down_window_s=120)
def test_keda_follows_a_fivefold_spike(trial, system, traffic):
    """Requests in flight bring new replicas until users are well again; then these go, and none flaps."""
    with traffic.steady(load=USUAL * system.replicas):
        trial.baseline(duration_s=20)
        with traffic.spike(load=SPIKE * system.replicas):
            trial.hold(duration_s=120, slo=WELL)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.ScaledUp(WELL),
        checks.ScaledDown(),
        checks.NoFlapping(),
        checks.WithinLimits(),
        checks.DecisionsRecomputed(),
        checks.GeneratorHealthy(),
    )


@SEEN
@deployed(BY_QUEUE, replicas_min=2, replicas_max=6, scale_down_window_s=120)
def test_keda_follows_a_spike_by_a_slow_prometheus(trial, system, traffic):
    """Prometheus stands still for two of every three seconds: its answers come late, and the spike is followed."""
    with traffic.steady(load=USUAL * system.replicas):
        trial.baseline(duration_s=20)
        with trial.fault(faults.MetricsDown("prometheus", pause_s=2)), traffic.spike(load=SPIKE * system.replicas):
            trial.hold(duration_s=120, slo=WELL)
        trial.recovery()

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.ScaledUp(WELL),
        checks.NoFlapping(),
        checks.WithinLimits(),
        checks.Witnessed("stop-metrics"),
    )


@SEEN
@deployed(WITH_FALLBACK, replicas_min=2, replicas_max=6, scale_down_window_s=30)
def test_the_fallback_of_keda_takes_no_replica(trial, system, traffic):
    """Prometheus hangs in mid-spike: the number does not fall, nor rise over the fallback, and then it follows."""
    with traffic.steady(load=USUAL * system.replicas):
        trial.baseline(duration_s=20)
        with traffic.spike(load=SPIKE * system.replicas):
            trial.hold(until=conditions.scaled_up(system))
            with trial.fault(faults.MetricsDown("prometheus")):
                trial.hold(duration_s=90)
            trial.hold(duration_s=30)
        trial.recovery()

    trial.judge(checks.SloMet(NONE_LOST), checks.HeldBlind(), checks.WithinLimits(), checks.Witnessed("stop-metrics"))


@SEEN
@deployed(FROM_ZERO, replicas_min=0, replicas_max=3)
def test_the_first_request_at_zero_brings_a_replica_up(trial, system, traffic):
    """While nobody asks there is no replica; then requests are refused until one answers, within the budget."""
    with traffic.steady(load=USUAL):
        trial.baseline(duration_s=20)
    trial.hold(until=conditions.scaled_to_zero(system))
    with traffic.steady(load=USUAL):
        trial.hold(duration_s=2 * COLD_START_S)

    trial.judge(
        checks.ScaledToZero(),
        checks.ColdStart(within_s=COLD_START_S, at_zero="refused"),
        checks.WithinLimits(),
        checks.GeneratorHealthy(),
        needs_fault=False,
    )
