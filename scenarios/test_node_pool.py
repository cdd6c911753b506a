"""Node pools are upgraded, given up or full: replicas move as they may, and stay where they must."""

import pytest

from chaos import Slo, checks, faults, targets

pytestmark = pytest.mark.needs(nodes=2, node_label="gameday.dev/pool")

LOAD_EACH = 0.3
"""One replica is away at a time, and the others carry its share."""

ALL_ANSWERED = Slo(availability=1.0)


def pods_of(drain):
    """How many replicas its nodes held."""
    return len(drain.targets.refs) - len(drain.targets.nodes)


@pytest.mark.needs(replicas_min=2, evictable_min=1, nodes_out="pool")
@pytest.mark.deployed(replicas=4, disruption_budget={"max_unavailable": 1})
@pytest.mark.parametrize("migrate", [False, True], ids=["in-place", "migrate"])
def test_a_pool_is_upgraded_node_by_node(trial, system, traffic, migrate):
    """An upgrade drains every node of a pool in turn; the next one waits until all replicas are back."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        upgrade = faults.RollingPoolDrain(targets.fullest_pool(system, "gameday.dev/pool"), migrate=migrate)
        with trial.fault(upgrade):
            trial.hold(until=upgrade.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Drained(),
        checks.Recovered(),
        checks.Witnessed("evict-pod", outcome="ok", at_least=max(1, pods_of(upgrade))),
    )


@pytest.mark.needs(replicas_min=2, evictable_min=1)
@pytest.mark.deployed(replicas=3, disruption_budget={"max_unavailable": 1})
@pytest.mark.system(node_selector={"gameday.dev/pool": "blue"})
def test_replicas_bound_to_a_pool_stay_in_it(trial, system, traffic):
    """Replicas that belong to a pool move to another node of that pool when theirs is drained, and nowhere else."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        drain = faults.NodeDrain(targets.fullest_node(system))
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Drained(),
        checks.StayedInPool("gameday.dev/pool", "blue"),
        checks.Recovered(),
        checks.Witnessed("evict-pod"),
    )


@pytest.mark.needs(replicas_min=2, evictable_min=1, at_once_min="all", refused_min=1)
@pytest.mark.deployed(replicas=3, disruption_budget={"max_unavailable": 1})
@pytest.mark.system(node_selector={"gameday.dev/pool": "green"})
def test_a_drain_with_nowhere_to_go_stops_at_the_disruption_budget(trial, system, traffic):
    """Where no other node may take the replicas, one is lost and waits, the disruption budget keeps the others."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        drain = faults.NodeDrain(targets.pool(system, "gameday.dev/pool", "green"), deadline_s=12)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Drained(blocked_by=system.disruption_budget.name),
        checks.StayedInPool("gameday.dev/pool", "green"),
        checks.Recovered(),
        checks.Witnessed("evict-pod", outcome="ok"),
        checks.Witnessed("evict-pod", outcome="fail", at_least=system.replicas - system.evictable),
    )
