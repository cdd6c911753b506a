"""Nodes are switched off; their replicas come back elsewhere when Kubernetes' clocks have run out, and not before."""

import pytest

from chaos import Slo, checks, faults, targets

pytestmark = pytest.mark.needs("node-infrastructure")

# On the lab a lost node is NotReady after 12 to 20 s, and until then takes its replicas' share of the requests with it:
# at most half, of what arrives in 20 s. The trial lasts 60 s or more.
HALF_FOR_20_OF_60_S = Slo(availability=0.8)

# A node that is back before anybody has noticed costs half of what arrives while it is away, 8 of 25 s or more.
HALF_FOR_8_OF_25_S = Slo(availability=0.8)

HALF = 0.5

LOAD_EACH = 0.3
"""While half of the replicas are away the others carry twice as much."""

TOLERATED_S, MONITOR_PERIOD_S = 10, 2


@pytest.mark.needs(replicas_min=2, node_share_max=HALF)
@pytest.mark.deployed(replicas=4)
def test_replicas_of_a_lost_node_come_back_elsewhere(trial, system, traffic):
    """The fullest node is lost: its replicas leave the traffic when it is NotReady, and are replaced on other nodes."""
    down = faults.NodeDown(targets.fullest_node(system, share_max=HALF))
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=15)
        with trial.fault(down):
            trial.hold(until=down.replaced)
        trial.recovery()

    trial.judge(
        checks.SloMet(HALF_FOR_20_OF_60_S), checks.Rescheduled(), checks.Recovered(), checks.Witnessed("node-on")
    )


@pytest.mark.needs(replicas_min=2, node_share_max=HALF)
@pytest.mark.deployed(replicas=4)
def test_a_node_that_is_soon_back_keeps_its_replicas(trial, system, traffic):
    """A node that stands still for less than the monitor's grace goes on as it was: nothing is moved or restarted."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(faults.NodeDown(targets.fullest_node(system, share_max=HALF))):
            trial.hold(duration_s=8)
        trial.recovery(settle_s=10)

    trial.judge(checks.SloMet(HALF_FOR_8_OF_25_S), checks.NoNeedlessRestart(restarting=()), checks.Witnessed("node-on"))


@pytest.mark.needs(replicas_min=2, nodes_out="zone")
@pytest.mark.deployed(replicas=4, spread={"hostname": None, "zone": "ScheduleAnyway"})
def test_a_lost_zone_is_made_good_by_the_others(trial, system, traffic):
    """Every node of the fullest zone is lost at once: the zones that are left take its replicas over."""
    down = faults.NodeDown(targets.fullest_zone(system))
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=15)
        with trial.fault(down):
            trial.hold(until=down.replaced)
        trial.recovery()

    trial.judge(
        checks.SloMet(HALF_FOR_20_OF_60_S), checks.Rescheduled(), checks.Recovered(), checks.Witnessed("node-on")
    )


@pytest.mark.needs(at_once_min="all", nodes_out="all")
@pytest.mark.deployed(replicas=3)
def test_nothing_is_evicted_while_every_node_is_lost(trial, system, traffic):
    """All nodes at once look like a control plane that is cut off: Kubernetes evicts nothing, and all come back."""
    down = faults.NodeDown(targets.all_nodes(system), every_node=True)
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(down):
            trial.hold(until=down.noticed)
            trial.hold(duration_s=TOLERATED_S + 3 * MONITOR_PERIOD_S)
        trial.recovery()

    trial.judge(
        checks.NothingEvicted(),
        checks.NoNeedlessRestart(restarting=()),
        checks.Recovered(),
        checks.Witnessed("node-on", at_least=2),
    )
