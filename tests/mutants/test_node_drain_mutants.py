"""What the drain scenarios must catch: no disruption budget, one too loose, replicas on one node, drains that miss."""

from dataclasses import dataclass

import pytest

from chaos import faults
from chaos.checks import BudgetHeld, Recovered, SloMet, Spread, Witnessed
from chaos.faults import FaultContext, Injection, targets
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

SLO = Slo(availability=0.99)

pytestmark = [pytest.mark.root, pytest.mark.slow]


def drained(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Drain the fullest node under traffic."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=60)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()


@pytest.mark.system(replicas=4, disruption_budget=None)
@pytest.mark.caught_by("budget-held", "FAIL")
def test_without_a_disruption_budget_a_drain_takes_all_at_once(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """Nothing refuses the second eviction, so two of four are lost at once where one was promised."""
    drained(trial, system, traffic)
    trial.judge(BudgetHeld(ready_min=3), Recovered(), Witnessed("evict-pod", outcome="ok", at_least=2))


@pytest.mark.system(replicas=4, disruption_budget={"max_unavailable": "50%"})
@pytest.mark.caught_by("budget-held", "FAIL")
def test_a_disruption_budget_that_is_looser_than_the_claim(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """The disruption budget is kept to the letter, and lets more go than the claim says."""
    drained(trial, system, traffic)
    trial.judge(BudgetHeld(ready_min=3), Recovered(), Witnessed("evict-pod", outcome="ok", at_least=2))


@pytest.mark.system(
    replicas=2, disruption_budget=None, node_selector={"gameday.dev/pool": "green"}, grace_s=5, env={"GRACE_S": "5"}
)
@pytest.mark.caught_by("slo-met", "FAIL")
def test_all_replicas_on_one_node_go_with_it(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Replicas that may live on one node only are all gone while it is drained, and nobody answers."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=20)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
            trial.hold(duration_s=3)
        trial.recovery()
    trial.judge(SloMet(SLO), Recovered(), Witnessed("evict-pod", outcome="ok", at_least=2))


@pytest.mark.system(replicas=3)
@pytest.mark.caught_by("spread", "FAIL")
def test_replicas_packed_on_the_last_node_are_not_spread(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """After every other node gave way all replicas are on one, and nothing moves them when the others come back."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        away = faults.RollingPoolDrain(targets.pool(system, "gameday.dev/pool", "blue"), migrate=True)
        with trial.fault(away):
            trial.hold(until=away.ended)
        trial.recovery()
    trial.judge(Spread(), BudgetHeld(), Witnessed("evict-pod", outcome="ok"))


@dataclass(frozen=True, slots=True)
class DrainThatMisses(faults.NodeDrain):
    """Closes the node, says that it drains, and evicts nobody."""

    @property
    def landing_deadline_s(self) -> float:
        """Not long: nothing will land."""
        return 2.0

    def inject(self, context: FaultContext) -> Injection:
        """Do nothing, and report no error."""
        return Injection(self, context)


@pytest.mark.system(replicas=2)
@pytest.mark.caught_by("fault-landed", "UNKNOWN")
def test_a_drain_that_misses_proves_nothing(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A drain that evicted nobody cannot end in PASS, however well the system looks."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(DrainThatMisses(targets.fullest_node(system))):
            trial.hold(duration_s=3)
        trial.recovery()
    trial.judge(SloMet(SLO), Witnessed("evict-pod", outcome="ok"))
