"""What the rollout scenarios must catch: servers that do not drain, strategies that take every replica at once."""

import pytest

from chaos import faults
from chaos.checks import SloMet, Witnessed
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

ALL_ANSWERED = Slo(availability=1.0)

pytestmark = [pytest.mark.root, pytest.mark.slow]


def released(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Roll a release out under streaming traffic."""
    with traffic.steady(rate_rps=6):
        trial.baseline(duration_s=5)
        release = faults.RollingUpdate(system.workload)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()


@pytest.mark.system(replicas=3, grace_s=1, env={"SETTLE_S": "0", "GRACE_S": "1"})
@pytest.mark.caught_by("slo-met", "FAIL")
def test_a_server_that_does_not_drain_loses_requests(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Without time to settle, and with no grace for what is being answered, a release cuts answers short."""
    released(trial, system, traffic)
    trial.judge(SloMet(ALL_ANSWERED), Witnessed("roll-out", outcome="ok"))


@pytest.mark.system(replicas=3, rollout={"max_surge": 0, "max_unavailable": "100%"})
@pytest.mark.caught_by("slo-met", "FAIL")
def test_a_release_that_takes_every_replica_at_once(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A strategy that allows every replica to be missing leaves nobody to answer until the new ones have started."""
    released(trial, system, traffic)
    trial.judge(SloMet(ALL_ANSWERED), Witnessed("roll-out", outcome="ok"))


@pytest.mark.system(replicas=3, rollout={"max_surge": 0, "max_unavailable": "100%", "progress_deadline_s": 10})
@pytest.mark.caught_by("slo-met", "FAIL")
def test_a_bad_release_with_that_strategy_takes_the_service_down(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """The old replicas go before the new ones are known to be bad, and users have nobody until the rollback."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        release = faults.BadRollout(system.workload, kind="image")
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()
    trial.judge(SloMet(ALL_ANSWERED), Witnessed("restore-template", outcome="ok"))
