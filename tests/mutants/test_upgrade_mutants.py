"""What the upgrade of a cluster must catch: budgets that let none go, and budgets that let all go."""

import pytest

from chaos import faults
from chaos.checks import BudgetHeld, Drained, Recovered, SloMet
from chaos.faults import targets
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.needs("cluster-upgrade", nodes=2)]


def upgraded(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Upgrade the cluster under traffic."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        upgrade = faults.ClusterUpgrade(targets.all_nodes(system))
        with trial.fault(upgrade):
            trial.hold(until=upgrade.ended)
        trial.recovery()


@pytest.mark.system(replicas=4, disruption_budget={"min_available": 4})
@pytest.mark.caught_by("fault-landed", "UNKNOWN", "nothing was touched")
def test_a_budget_that_lets_none_go_is_told_before_anything_is_touched(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """No node could be drained: neither API server nor node is replaced, and none is closed."""
    upgraded(trial, system, traffic)
    trial.judge(Recovered())


@pytest.mark.system(
    replicas=4,
    disruption_budget={"max_unavailable": "100%"},
    node_selector={"gameday.dev/pool": "green"},
)
@pytest.mark.caught_by("budget-held", "FAIL")
def test_a_budget_that_lets_all_go_fails_the_upgrade(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """All replicas are on one node, and go with it at once where one may be missing."""
    upgraded(trial, system, traffic)
    trial.judge(SloMet(Slo(availability=1.0)), BudgetHeld(ready_min=3), Drained(), Recovered())
