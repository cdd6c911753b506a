"""Nodes lose their power; their replicas come back elsewhere when Kubernetes' clocks have run out, and not before."""

import pytest

from chaos import faults, targets
from chaos.checks import Recovered, SloMet, Witnessed
from chaos.slo import Slo

pytestmark = pytest.mark.needs("node-power")

# On the lab a lost node is NotReady after 12 to 20 s, and until then takes its replicas' share of the requests with it:
# of four replicas on three nodes two, so half of what arrives in 20 s. The trial lasts 60 s or more.
HALF_FOR_20_OF_60_S = Slo(availability=0.8)


@pytest.mark.system(replicas=4)
def test_replicas_of_a_lost_node_come_back_elsewhere(trial, system, traffic):
    """The fullest node is lost: its replicas leave the traffic when it is NotReady, and are replaced on other nodes."""
    down = faults.NodeDown(targets.fullest_node(system))
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=15)
        with trial.fault(down):
            trial.hold(until=down.replaced)
        trial.recovery()

    trial.judge(
        SloMet(HALF_FOR_20_OF_60_S),
        Recovered(),
        Witnessed("power-off"),
        Witnessed("power-on"),
    )
