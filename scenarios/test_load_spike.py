"""The load rises fivefold and falls back; the autoscaler must follow it both ways, and users must be well again."""

import pytest

from chaos.awaited import scaled_down
from chaos.checks import (
    DecisionsRecomputed,
    GeneratorSound,
    NoFlapping,
    RateOffered,
    ScaledDown,
    ScaledUp,
    SloMet,
    WithinLimits,
)
from chaos.slo import Slo
from chaos.system.parts import Autoscale

# At its fewest replicas the system cannot carry the spike: requests wait in its queues, and none may be lost.
QUEUES = {"QUEUE_MAX": "100"}
NONE_LOST = Slo(availability=1.0)

# What users are owed again before the spike ends.
WELL = Slo(availability=0.99, latency_p99_s=5.0)


@pytest.mark.system(
    cpu_request="200m",
    cpu_limit="200m",
    env=QUEUES,
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=30),
)
def test_the_autoscaler_follows_a_fivefold_spike(trial, system, traffic):
    """Replicas follow a fivefold spike up until users are well again, then down, and never flap."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=20)
        with traffic.steady(rate_rps=4):
            trial.hold(duration_s=100)
        trial.hold(until=scaled_down(system))

    trial.judge(
        SloMet(NONE_LOST),
        ScaledUp(WELL),
        ScaledDown(),
        NoFlapping(),
        WithinLimits(),
        DecisionsRecomputed(),
        RateOffered(peak_rps=5, peak_s=90),
        GeneratorSound(),
    )


@pytest.mark.system(
    cpu_request="200m",
    cpu_limit="200m",
    env=QUEUES,
    autoscale=Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=60),
)
def test_two_bursts_do_not_make_the_autoscaler_flap(trial, traffic):
    """What was scaled up for one burst is still there for the next one, within the window."""
    with traffic.steady(rate_rps=1):
        trial.baseline(duration_s=10)
        with traffic.steady(rate_rps=4):
            trial.hold(duration_s=45)
        trial.hold(duration_s=40)
        with traffic.steady(rate_rps=4):
            trial.hold(duration_s=20)

    trial.judge(SloMet(NONE_LOST), NoFlapping(), WithinLimits(), DecisionsRecomputed())
