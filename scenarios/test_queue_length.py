"""Replicas follow what waits in the servers' own queues, as Prometheus scrapes it and its adapter shows it.

CPU says little of a model server: one that is full is at its limit whether one request waits or a hundred.
"""

import pytest

from chaos import Autoscale, Slo, checks, conditions, faults

QUEUES = {"QUEUE_MAX": "100"}
NONE_LOST = Slo(availability=1.0)

# What users are owed again before the spike ends.
WELL = Slo(availability=0.99, latency_p99_s=5.0)

# Shares of what the fewest replicas carry: nothing waits at the first, and at the second more than they can answer.
USUAL, SPIKE = 0.3, 1.5

# Two waiting requests a replica ask for no other; four ask for as many again. Nothing waits any more as soon as there
# are replicas enough: a window shorter than the spike would take them away in its middle, and call them back.
WAITING = Autoscale(
    replicas_min=2, replicas_max=6, metric="model_requests_waiting", average="2", scale_down_window_s=120
)
DEPLOYED = pytest.mark.deployed(cpu_request="200m", cpu_limit="200m", env=QUEUES, autoscale=WAITING)

SEEN = pytest.mark.needs("metrics-path:prometheus-adapter")


@SEEN
@DEPLOYED
def test_replicas_follow_a_fivefold_spike_of_the_queue(trial, system, traffic):
    """Requests that wait bring new replicas until users are well again, and none flaps."""
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
@DEPLOYED
def test_two_bursts_of_the_queue_do_not_make_it_flap(trial, system, traffic):
    """What was scaled up for one burst is still there for the next one, within the window."""
    with traffic.steady(load=USUAL * system.replicas):
        trial.baseline(duration_s=20)
        with traffic.spike(load=SPIKE * system.replicas):
            trial.hold(duration_s=60)
        trial.hold(duration_s=40)
        with traffic.spike(load=SPIKE * system.replicas):
            trial.hold(duration_s=30)
        trial.recovery()

    trial.judge(checks.SloMet(NONE_LOST), checks.NoFlapping(), checks.WithinLimits(), checks.DecisionsRecomputed())


@SEEN
@DEPLOYED
def test_nobody_notices_the_scale_in_of_a_queue(trial, system, traffic):
    """While the extra replicas go, every request is answered in full."""
    with traffic.steady(load=USUAL * system.replicas):
        trial.baseline(duration_s=20)
        with traffic.spike(load=SPIKE * system.replicas):
            trial.hold(duration_s=60)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(checks.SloMet(NONE_LOST), checks.ScaledDown(), checks.WithinLimits(), checks.DecisionsRecomputed())


@pytest.mark.parametrize("what", ["prometheus", "prometheus-adapter"])
@pytest.mark.needs("metrics-path:prometheus", "metrics-path:prometheus-adapter")
@DEPLOYED
def test_replicas_are_kept_while_the_queue_is_not_seen(trial, system, traffic, what):
    """Prometheus, or the adapter, hangs in mid-spike: no replica is taken away, and then the queue is followed."""
    with traffic.steady(load=USUAL * system.replicas):
        trial.baseline(duration_s=20)
        with traffic.spike(load=SPIKE * system.replicas):
            trial.hold(until=conditions.scaled_up(system))
            with trial.fault(faults.MetricsDown(what)):
                trial.hold(duration_s=60)
            trial.hold(duration_s=30)
        trial.recovery()

    trial.judge(checks.SloMet(NONE_LOST), checks.HeldBlind(), checks.WithinLimits(), checks.Witnessed("stop-metrics"))
