"""What the probe scenarios must catch: probes that are missing, too hasty, or say what is not so."""

import pytest

from chaos import faults
from chaos.checks import NoNeedlessRestart, NoRestartLoop, RestartedByLiveness, SloMet, UnreadyLeavesEndpoints
from chaos.faults import targets
from chaos.slo import Slo
from chaos.system import ProbeSpec
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

GRACE_S = 10
SERVER = {"STALL_S": "5", "SELF_CHECK_S": "3", "GRACE_S": str(GRACE_S)}
DETECTION_S = 11
SLO = Slo(availability=0.5)
HASTY = ProbeSpec(path="/livez", period_s=1, failure_threshold=1)

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.mark.system(replicas=2, grace_s=GRACE_S, env=SERVER, liveness=None)
@pytest.mark.caught_by("restarted-by-liveness", "FAIL")
def test_without_a_liveness_probe_a_hung_engine_stays_hung(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """The replica leaves the traffic, but nothing ever restarts it."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=DETECTION_S + 4)
        trial.recovery()
    trial.judge(SloMet(SLO), RestartedByLiveness(detection_s=DETECTION_S), UnreadyLeavesEndpoints())


@pytest.mark.system(replicas=2, grace_s=GRACE_S, env=SERVER, liveness=HASTY)
@pytest.mark.caught_by("no-needless-restart", "FAIL")
def test_a_hasty_liveness_probe_restarts_what_would_pass(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """A hang that the system is meant to sit out ends in a restart, because the first failed probe is the last."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=DETECTION_S + 9)
        trial.recovery()
    trial.judge(SloMet(SLO), UnreadyLeavesEndpoints(), NoNeedlessRestart(restarting=()))


LIVE_WHEN_STARTED = ProbeSpec(path="/startupz", period_s=1, failure_threshold=3)
LATE = {"LOAD_DELAY_S": "8"}


@pytest.mark.system(replicas=2, startup=None, liveness=LIVE_WHEN_STARTED)
@pytest.mark.caught_by("no-restart-loop", "FAIL")
def test_without_a_startup_probe_a_slow_start_never_ends(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Liveness ends every start before the weights are there, again and again."""
    slow = faults.RollingUpdate(system.workload, env=LATE)
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(slow):
            trial.hold(duration_s=25)
        trial.recovery()
    trial.judge(SloMet(SLO), NoRestartLoop())


@pytest.mark.system(replicas=2, startup=None, readiness=ProbeSpec(path="/livez", period_s=1), disruption_budget=None)
@pytest.mark.caught_by("slo-met", "FAIL")
def test_readiness_that_answers_before_the_weights_loses_requests(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Users are sent to a replica that has no weights yet, and it turns them away."""
    slow = faults.RollingUpdate(system.workload, env=LATE)
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(slow):
            trial.hold(until=slow.ended)
            trial.hold(duration_s=4)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=1.0)), NoRestartLoop())
