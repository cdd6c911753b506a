"""The cluster is upgraded under the service: its control plane, then its nodes, one after the other."""

import pytest

from chaos import Slo, checks, faults, targets

pytestmark = pytest.mark.needs("cluster-upgrade", nodes=2)

LOAD_EACH = 0.3
"""One replica is away at a time, and the others carry its share."""

ALL_ANSWERED = Slo(availability=1.0)


@pytest.mark.needs(replicas_min=2, evictable_min=1, at_once_min="all", nodes_out="all")
@pytest.mark.deployed(replicas=4, disruption_budget={"max_unavailable": 1})
def test_users_do_not_notice_an_upgrade_of_the_cluster(trial, system, traffic):
    """While API server, controllers and every node become the next version, every request is answered."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        upgrade = faults.ClusterUpgrade(targets.all_nodes(system))
        with trial.fault(upgrade):
            trial.hold(until=upgrade.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Drained(),
        checks.Recovered(),
        checks.NoRestartLoop(),
        checks.Witnessed("upgrade-api-server"),
        checks.Witnessed("upgrade-node", at_least=2),
    )
