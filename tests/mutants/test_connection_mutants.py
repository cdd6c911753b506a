"""What the termination scenarios must catch: a server that takes no connection while nodes still send it some."""

import pytest

from chaos import faults
from chaos.checks import SloMet
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial
from loadgen.profiles import HttpProfile

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture(scope="session")
def request_profile() -> HttpProfile:
    """Give requests that are answered at once, so that many connections are made."""
    return HttpProfile(path="/v1/models")


@pytest.mark.system(replicas=3, env={"SETTLE_S": "0"})
@pytest.mark.caught_by("slo-met", "FAIL")
def test_without_pre_stop_connections_are_refused(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """No preStop: the server closes on SIGTERM, before every node knows that the replica ends."""
    with traffic.steady(rate_rps=50):
        trial.baseline(duration_s=10)
        release = faults.RollingUpdate(system.workload)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()
    trial.judge(SloMet(Slo(availability=1.0)))
