"""What a router in front of replicas owes: test_router_in_front.py runs these as a user would, with roles in the file.

They are not collected with the other tests.
"""

import pytest

from chaos import Slo, checks, faults, targets
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

# One of two routers, or of three replicas, is lost at once: what it had, and what comes until others notice.
FEW_LOST = Slo(availability=0.9)

AWAY_S = 30
"""Longer than an endpoint's removal, and what routers are given to notice."""


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=3)
def test_a_dead_router_costs_what_it_had(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """One router of two is killed; users lose requests only while it is away, and it comes back."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=15)
        with trial.fault(faults.PodKill(targets.one(system, role="router"), grace_s=0)):
            trial.hold(duration_s=10)
        trial.recovery()

    trial.judge(
        checks.SloMet(FEW_LOST),
        checks.LostWhileAway(role="router"),
        checks.InRole("router", checks.Recovered()),
        checks.Witnessed("delete-pod", outcome="ok"),
    )


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=3)
def test_no_request_goes_to_a_replica_that_has_left(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """One engine is killed; the router sends nothing to it any more, and what comes goes to the others."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=15)
        with trial.fault(faults.PodKill(targets.one(system))):
            trial.hold(duration_s=AWAY_S)
        trial.recovery()

    trial.judge(checks.SloMet(FEW_LOST), checks.RoutedToReady(), checks.Recovered())
