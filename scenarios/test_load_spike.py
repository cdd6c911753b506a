"""The load rises fivefold and falls back; the autoscaler must follow it both ways, and users must be well again."""

import pytest

from chaos import Autoscale, Slo, checks, conditions, faults, targets

# At its fewest replicas the system cannot carry the spike: requests wait in its queues, and none may be lost.
QUEUES = {"QUEUE_MAX": "100"}
NONE_LOST = Slo(availability=1.0)

# Shares of the load at which the fewest replicas are all at the autoscaler's target.
USUAL, SPIKE = 0.5, 2.5

# What users are owed again before the spike ends.
WELL = Slo(availability=0.99, latency_p99_s=5.0)

# Time to reach the maximum, and to answer what waited meanwhile; then 100 requests and more for a 99th percentile.
AT_MAXIMUM_S = 65
WINDOW_S = 40


def at_target(system):
    """The load at which the fewest replicas are all at the autoscaler's target."""
    return system.replicas * system.target_load


def spike(system):
    """Five times the usual, or as much as asks for the most replicas that there may be."""
    most = system.spec.autoscale.replicas_max if system.spec.autoscale else 1
    return min(SPIKE * at_target(system), most * system.target_load)


def full(system):
    """A load that asks for more replicas than there may be, past the autoscaler's tolerance, and that so many carry."""
    most = system.spec.autoscale.replicas_max if system.spec.autoscale else 1
    return min((most + 1.3) * system.target_load, 0.8 * most)


@pytest.mark.needs("autoscaler")
@pytest.mark.deployed(
    cpu_request="200m",
    cpu_limit="200m",
    env=QUEUES,
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=30),
)
def test_the_autoscaler_follows_a_fivefold_spike(trial, system, traffic):
    """Replicas follow a fivefold spike up until users are well again, then down, and never flap."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=spike(system)):
            trial.hold(duration_s=100, slo=WELL)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.ScaledUp(WELL),
        checks.ScaledDown(),
        checks.NoFlapping(),
        checks.WithinLimits(),
        checks.DecisionsRecomputed(),
        checks.RateOffered(peak_rps=0.99 * traffic.rps(spike(system)), peak_s=90),
        checks.GeneratorHealthy(),
    )


@pytest.mark.needs("autoscaler")
@pytest.mark.deployed(
    cpu_request="200m",
    cpu_limit="200m",
    env=QUEUES,
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=60),
)
def test_two_bursts_do_not_make_the_autoscaler_flap(trial, system, traffic):
    """What was scaled up for one burst is still there for the next one, within the window."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=spike(system)):
            trial.hold(duration_s=45)
        trial.hold(duration_s=40)
        with traffic.spike(load=spike(system)):
            trial.hold(duration_s=20)
        trial.recovery()

    trial.judge(checks.SloMet(NONE_LOST), checks.NoFlapping(), checks.WithinLimits(), checks.DecisionsRecomputed())


@pytest.mark.needs("autoscaler", nodes=2, replicas_min=2, evictable_max=0)
@pytest.mark.deployed(
    cpu_request="200m",
    cpu_limit="200m",
    env=QUEUES,
    disruption_budget={"min_available": 2},
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=30),
)
def test_a_spike_is_followed_while_a_node_drains(trial, system, traffic):
    """A drain in mid-spike waits for the autoscaler's new replicas, leaves never fewer than two, loses no request."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=spike(system)):
            trial.hold(until=conditions.scaled_up(system))
            drain = faults.NodeDrain(targets.fullest_node(system))
            with trial.fault(drain):
                trial.hold(until=drain.ended)
                trial.hold(duration_s=60)
        trial.recovery()

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.ScaledUp(WELL),
        checks.Drained(),
        checks.BudgetHeld(ready_min=system.kept),
        checks.WithinLimits(),
        checks.DecisionsRecomputed(),
        checks.Witnessed("evict-pod"),
        checks.GeneratorHealthy(),
    )


@pytest.mark.needs("autoscaler")
@pytest.mark.deployed(
    cpu_request="200m",
    cpu_limit="200m",
    env=QUEUES,
    autoscale=Autoscale(replicas_min=2, replicas_max=4, cpu_percent=60, scale_down_window_s=30),
)
def test_a_spike_at_the_maximum_is_carried_by_it(trial, system, traffic):
    """A load that asks for more replicas than there may be gets all of them, and users are well with so many."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=full(system)):
            trial.hold(duration_s=AT_MAXIMUM_S)
            trial.hold(duration_s=WINDOW_S, slo=WELL)
        trial.recovery()

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.SloMet(WELL, within=checks.WhileRaised(settle_s=AT_MAXIMUM_S)),
        checks.ScaledUp(WELL),
        checks.HeldAtMaximum(),
        checks.WithinLimits(),
        checks.DecisionsRecomputed(),
        checks.RateOffered(peak_rps=0.99 * traffic.rps(full(system)), peak_s=90),
        checks.GeneratorHealthy(),
    )
