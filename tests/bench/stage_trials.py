"""Trials of many faults in turn, for the table of stages: `python tests/bench/recovery_stages.py` runs them."""

import pytest

from chaos import faults
from chaos.checks import RecoveredInTime
from chaos.faults import targets
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

SERVER = {"STALL_S": "5", "SELF_CHECK_S": "3", "GRACE_S": "10"}
DETECTION_S = 11

# So that chance leaves hardly one replica unasked: 24 requests to three, 15 to two, the last five for latency's band.
KILL_SETTLE_S, HANG_SETTLE_S, LOSS_SETTLE_S = 6, 5, 6


@pytest.mark.system(replicas=3)
def test_kills(trial: Trial, system: SystemUnderTest, traffic: Traffic, faults_count: int) -> None:
    """One replica after the other is killed by force; each recovers stage by stage within its bounds."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=8)
        for _ in range(faults_count):
            with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
                trial.hold(duration_s=1)
            trial.recovery(settle_s=KILL_SETTLE_S)
    trial.judge(RecoveredInTime())


@pytest.mark.system(replicas=2, grace_s=10, env=SERVER)
def test_hangs(trial: Trial, system: SystemUnderTest, traffic: Traffic, faults_count: int) -> None:
    """One engine after the other hangs; each is found and restarted by its probes within the bounds of its stages."""
    with traffic.steady(rate_rps=3):
        trial.baseline(duration_s=8)
        for _ in range(faults_count):
            hang = faults.ProcessHang(targets.one(system))
            with trial.fault(hang):
                trial.hold(until=hang.restarted)
            trial.recovery(settle_s=HANG_SETTLE_S)
    trial.judge(RecoveredInTime(detection_s=DETECTION_S))


@pytest.mark.needs("node-infrastructure")
@pytest.mark.system(replicas=4)
def test_losses(trial: Trial, system: SystemUnderTest, traffic: Traffic, faults_count: int) -> None:
    """The fullest node is lost time and again; its replicas come back elsewhere within the bounds of their stages."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=8)
        for _ in range(faults_count):
            down = faults.NodeDown(targets.fullest_node(system))
            with trial.fault(down):
                trial.hold(until=down.replaced)
            trial.recovery(settle_s=LOSS_SETTLE_S)
    trial.judge(RecoveredInTime())
