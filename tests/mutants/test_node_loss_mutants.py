"""What the node loss scenarios must catch: replicas with nowhere to go, spread too hard, and far too patient."""

import pytest

from chaos import faults
from chaos.checks import Rescheduled, SloMet
from chaos.faults import targets
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

HALF = Slo(availability=0.5)
NINE_OF_TEN = Slo(availability=0.9)
PROMISE_S = 50
"""Of the mutants: 20 s until a lost node is NotReady, 10 s tolerated, and 20 s for the replacement."""

QUICK_START = {"path": "/startupz", "period_s": 1, "failure_threshold": 15}
UNREACHABLE = "node.kubernetes.io/unreachable"

pytestmark = [pytest.mark.root, pytest.mark.slow, pytest.mark.needs("node-infrastructure")]


def lost(trial: Trial, system: SystemUnderTest, traffic: Traffic, *, hold_s: float = PROMISE_S + 5) -> None:
    """Take the fullest node down under traffic, for longer than the promise."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(faults.NodeDown(targets.fullest_node(system))):
            trial.hold(duration_s=hold_s)
        trial.recovery()


@pytest.mark.system(replicas=2, node_selector={"kubernetes.io/hostname": "n2"})
@pytest.mark.caught_by("slo-met", "FAIL")
def test_replicas_that_are_all_on_one_node_go_together(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Bound to one node, all replicas are lost with it, and nobody answers."""
    lost(trial, system, traffic, hold_s=20)
    trial.judge(SloMet(NINE_OF_TEN))


@pytest.mark.system(replicas=3, spread={"hostname": None, "zone": "DoNotSchedule"}, startup=QUICK_START)
@pytest.mark.caught_by("rescheduled", "FAIL")
def test_a_spread_that_counts_lost_zones_keeps_the_replacement_pending(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """A zone that must not be left out of the spread stays part of it when it is lost: no other zone may take more."""
    lost(trial, system, traffic)
    trial.judge(Rescheduled(within_s=PROMISE_S), SloMet(HALF))


@pytest.mark.system(
    replicas=3,
    startup=QUICK_START,
    tolerations=[{"key": UNREACHABLE, "effect": "NoExecute", "toleration_s": 300}],
)
@pytest.mark.caught_by("rescheduled", "FAIL")
def test_replicas_that_tolerate_a_lost_node_for_long_break_the_promise(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Kubernetes' usual toleration of 300 s, written into the pods, keeps them bound to the lost node."""
    lost(trial, system, traffic)
    trial.judge(Rescheduled(within_s=PROMISE_S), SloMet(HALF))
