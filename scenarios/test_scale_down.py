"""Replicas that are no longer needed go while users are being answered; nobody may notice."""

import pytest

from chaos import Autoscale, Slo, checks, conditions

ALL_ANSWERED = Slo(availability=1.0)

# With the usual one a second, which keeps two replicas well below their target, more than two can carry; no more, as
# what waits for the others to come is not what this is about.
SURGE_RPS = 3.5


@pytest.mark.system(
    cpu_request="200m",
    cpu_limit="200m",
    env={"QUEUE_MAX": "100"},
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=80, scale_down_window_s=15),
)
def test_streams_survive_the_scale_in(trial, system, traffic):
    """While the autoscaler takes the extra replicas away, every answer that is being streamed comes to its end."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=20)
        with traffic.steady(rate_rps=SURGE_RPS):
            trial.hold(duration_s=50)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(checks.SloMet(ALL_ANSWERED), checks.ScaledDown(), checks.WithinLimits(), checks.DecisionsRecomputed())
