"""What an autoscaler sees by fails in mid-spike: no replica is taken meanwhile, and then the load is followed."""

import pytest

from chaos import Autoscale, Slo, checks, conditions, faults

QUEUES = {"QUEUE_MAX": "100"}
NONE_LOST = Slo(availability=1.0)

# Shares of the load at which the fewest replicas are all at the autoscaler's target.
USUAL, SPIKE = 0.5, 2.5

# Longer than the API server takes to notice, and than the window after which an autoscaler that saw would scale in.
BLIND_S = 60

ON_CPU = Autoscale(replicas_min=2, replicas_max=8, cpu_percent=60, scale_down_window_s=30)
DEPLOYED = pytest.mark.deployed(cpu_request="200m", cpu_limit="200m", env=QUEUES, autoscale=ON_CPU)


def at_target(system):
    """The load at which the fewest replicas are all at the autoscaler's target."""
    return system.replicas * system.target_load


def spike(system):
    """Five times the usual, or as much as asks for the most replicas that there may be."""
    most = system.spec.autoscale.replicas_max if system.spec.autoscale else 1
    return min(SPIKE * at_target(system), most * system.target_load)


@pytest.mark.needs("autoscaler", "metrics-path:metrics-server")
@DEPLOYED
def test_replicas_are_kept_while_metrics_server_is_down(trial, system, traffic):
    """Without metrics in mid-spike no replica is taken away, also when the load falls; then the autoscaler follows."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=spike(system)):
            trial.hold(until=conditions.scaled_up(system))
            trial.hold(duration_s=20)
            with trial.fault(faults.MetricsDown("metrics-server")):
                trial.hold(duration_s=BLIND_S)
            trial.hold(duration_s=60)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.HeldBlind(),
        checks.ScaledDown(),
        checks.WithinLimits(),
        checks.Witnessed("stop-metrics"),
        checks.Witnessed("continue-metrics"),
    )


@pytest.mark.needs("autoscaler", "metrics-path:metrics-server")
@DEPLOYED
def test_a_load_that_falls_unseen_takes_no_replica(trial, system, traffic):
    """The spike ends while nothing is measured: its replicas stay until somebody sees that they are not needed."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=spike(system)):
            trial.hold(until=conditions.scaled_up(system))
            trial.hold(duration_s=30)
        with trial.fault(faults.MetricsDown("metrics-server")):
            trial.hold(duration_s=BLIND_S)
        trial.hold(until=conditions.scaled_down(system))

    trial.judge(checks.SloMet(NONE_LOST), checks.HeldBlind(), checks.WithinLimits(), checks.Witnessed("stop-metrics"))


@pytest.mark.needs("autoscaler", "metrics-path")
@DEPLOYED
def test_the_autoscaler_is_restarted_in_mid_spike(trial, system, traffic):
    """A controller that has forgotten what it recommended goes on following the spike, and never flaps."""
    with traffic.steady(load=USUAL * at_target(system)):
        trial.baseline(duration_s=20)
        with traffic.spike(load=spike(system)):
            trial.hold(until=conditions.scaled_up(system))
            with trial.fault(faults.AutoscalerRestart()):
                trial.hold(duration_s=60)
        trial.recovery()

    trial.judge(
        checks.SloMet(NONE_LOST),
        checks.NoFlapping(),
        checks.WithinLimits(),
        checks.Witnessed("restart-autoscaler"),
    )
