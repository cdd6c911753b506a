"""What the hang scenario must catch: probes that only ask whether the front is alive, while the engine behind hangs."""

import pytest

from chaos import faults
from chaos.checks import SloMet, ZombieFound
from chaos.faults import targets
from chaos.slo import Slo
from chaos.system import ProbeSpec
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

SERVER = {"STALL_S": "5", "SELF_CHECK_S": "3", "GRACE_S": "10"}
DETECTION_S = 11
FRONT = ProbeSpec(path="/v1/models", period_s=1)

# Beyond the bound: detection, three readiness periods and a timeout, status report, allowance.
BEYOND_S = DETECTION_S + 4 + 10 + 5 + 4

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.mark.system(replicas=2, grace_s=10, env=SERVER, readiness=FRONT, liveness=FRONT)
@pytest.mark.caught_by("zombie-found", "FAIL")
def test_probes_of_the_front_alone_never_find_a_hung_engine(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """The front answers its probes, the endpoint stays, and half of the users get no token."""
    with traffic.steady(rate_rps=3):
        trial.baseline(duration_s=8)
        with trial.fault(faults.ProcessHang(targets.one(system))):
            trial.hold(duration_s=BEYOND_S)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=0.3)), ZombieFound(detection_s=DETECTION_S))
