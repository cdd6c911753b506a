"""Nodes are drained under traffic: a drain takes no more replicas at once than the disruption budget lets it."""

import pytest

from chaos import Slo, checks, faults, targets

pytestmark = pytest.mark.needs(nodes=2)

LOAD_EACH = 0.3
"""Those that are left while some are away carry at most twice as much."""

ALL_ANSWERED = Slo(availability=1.0)
ALL_ANSWERED_SOON = Slo(availability=1.0, latency_p99_s=10.0)


def pods_of(drain):
    """How many replicas its node held."""
    return len(drain.targets.refs) - len(drain.targets.nodes)


@pytest.mark.quick
@pytest.mark.needs(replicas_min=2, evictable_min=1)
@pytest.mark.deployed(replicas=4, disruption_budget={"max_unavailable": 1})
def test_a_drained_node_costs_no_request(trial, system, traffic):
    """The fullest node can be drained under traffic: its replicas go one by one, and no request is lost."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=15, slo=ALL_ANSWERED_SOON)
        drain = faults.NodeDrain(targets.fullest_node(system))
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED_SOON),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Drained(),
        checks.Recovered(),
        checks.NoRestartLoop(),
        checks.Witnessed("evict-pod"),
    )


@pytest.mark.needs(evictable_max=0)
@pytest.mark.deployed(replicas=4, disruption_budget={"min_available": 4})
def test_a_drain_that_the_disruption_budget_forbids_is_blocked(trial, system, traffic):
    """Where every replica is needed, a drain evicts nobody, is told so, and the node is open again afterwards."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=12)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.replicas),
        checks.Drained(blocked_by=system.disruption_budget.name),
        checks.Witnessed("evict-pod", outcome="fail", at_least=2),
    )


@pytest.mark.needs(replicas_min=2, evictable_max=0)
@pytest.mark.deployed(replicas=4, disruption_budget={"min_available": 4})
def test_a_blocked_drain_goes_on_when_the_disruption_budget_is_changed(trial, system, traffic):
    """A drain that waits on a disruption budget finishes once that lets one replica go at a time."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        drain = faults.NodeDrain(targets.fullest_node(system))
        with trial.fault(drain):
            trial.hold(until=drain.refused)
            with trial.fault(faults.BudgetChange(system.disruption_budget, max_unavailable=1)):
                trial.hold(until=drain.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.replicas - 1),
        checks.Drained(),
        checks.Recovered(),
        checks.Witnessed("evict-pod", outcome="fail"),
        checks.Witnessed("evict-pod", outcome="ok", at_least=max(1, pods_of(drain))),
    )


@pytest.mark.needs(replicas_min=3, evictable_min=1, at_once_min=2, nodes=3, nodes_out=2)
@pytest.mark.deployed(replicas=4, disruption_budget={"max_unavailable": 1})
def test_two_drains_at_once_share_the_disruption_budget(trial, system, traffic):
    """Two nodes drained at the same time together take no more replicas at once than the disruption budget says."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        first, second = (faults.NodeDrain(node) for node in targets.fullest_nodes(system, 2))
        with trial.fault(first), trial.fault(second):
            trial.hold(until=first.ended)
            trial.hold(until=second.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Drained(),
        checks.Recovered(),
        checks.Witnessed("evict-pod", outcome="ok", at_least=2),
    )
