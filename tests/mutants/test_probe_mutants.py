"""What the probe scenarios must catch: a container that nothing restarts, and a liveness probe with no patience."""

import pytest

from chaos import faults, targets
from chaos.checks import NoNeedlessRestart, RestartedByLiveness, SloMet, UnreadyLeavesEndpoints
from chaos.slo import Slo
from chaos.stage import UnderTest
from chaos.system import ProbeSpec
from chaos.traffic import Traffic
from chaos.trial import Trial

GRACE_S = 10
SERVER = {"STALL_S": "5", "SELF_CHECK_S": "3", "GRACE_S": str(GRACE_S)}
DETECTION_S = 11
SLO = Slo(availability=0.5)
HASTY = ProbeSpec(path="/livez", period_s=1, failure_threshold=1)

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.mark.system(replicas=2, grace_s=GRACE_S, env=SERVER, liveness=None)
@pytest.mark.caught_by("restarted-by-liveness", "FAIL")
def test_without_a_liveness_probe_a_hung_engine_stays_hung(trial: Trial, system: UnderTest, traffic: Traffic) -> None:
    """The replica leaves the traffic, but nothing ever restarts it."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=DETECTION_S + 4)
        trial.recovery()
    trial.judge(SloMet(SLO), RestartedByLiveness(detection_s=DETECTION_S), UnreadyLeavesEndpoints())


@pytest.mark.system(replicas=2, grace_s=GRACE_S, env=SERVER, liveness=HASTY)
@pytest.mark.caught_by("no-needless-restart", "FAIL")
def test_a_hasty_liveness_probe_restarts_what_would_pass(trial: Trial, system: UnderTest, traffic: Traffic) -> None:
    """A hang that the system is meant to sit out ends in a restart, because the first failed probe is the last."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=DETECTION_S + 9)
        trial.recovery()
    trial.judge(SloMet(SLO), UnreadyLeavesEndpoints(), NoNeedlessRestart(restarting=()))
