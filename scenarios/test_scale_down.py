"""Replicas that are no longer needed go while users are being answered; nobody may notice."""

import pytest

from chaos import Autoscale, Slo, checks, conditions

ALL_ANSWERED = Slo(availability=1.0)

# Well below the target of the fewest replicas, and more than these can carry. No more, as what waits for the others to
# come is not what this is about.
USUAL, SURGE = 0.4, 1.5


def surge(system):
    """More than the fewest replicas carry, and no more than the most do."""
    most = system.spec.autoscale.replicas_max if system.spec.autoscale else 1
    return min(SURGE * system.replicas, 0.8 * most)


@pytest.mark.needs("autoscaler")
@pytest.mark.deployed(
    cpu_request="200m",
    cpu_limit="200m",
    env={"QUEUE_MAX": "100"},
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=80, scale_down_window_s=15),
)
def test_streams_survive_the_scale_in(trial, system, traffic):
    """While the autoscaler takes the extra replicas away, every answer that is being streamed comes to its end."""
    with traffic.steady(load=USUAL * system.replicas * system.target_load):
        trial.baseline(duration_s=20)
        with traffic.spike(load=surge(system)):
            trial.hold(duration_s=50)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(checks.SloMet(ALL_ANSWERED), checks.ScaledDown(), checks.WithinLimits(), checks.DecisionsRecomputed())
