"""Evictions are granted and refused as the disruption budget and its policy say, for replicas that are well or not."""

import pytest

from chaos import Slo, checks, faults, targets

ALL_ANSWERED = Slo(availability=1.0)

LOAD_EACH = 0.3

ALL = {"min_available": "100%"}
IF_HEALTHY = {**ALL, "unhealthy_pod_eviction_policy": "IfHealthyBudget"}
ALWAYS = {**ALL, "unhealthy_pod_eviction_policy": "AlwaysAllow"}


@pytest.mark.needs(replicas_min=2)
@pytest.mark.deployed(replicas=2)
@pytest.mark.parametrize(
    "granted",
    [
        pytest.param(1, marks=pytest.mark.system(disruption_budget=ALL), id="default"),
        pytest.param(1, marks=pytest.mark.system(disruption_budget=IF_HEALTHY), id="if-healthy-budget"),
        pytest.param(2, marks=pytest.mark.system(disruption_budget=ALWAYS), id="always-allow"),
    ],
)
def test_unready_pods_are_evicted_as_the_policy_says(trial, system, traffic, granted):
    """A needed replica may never go; one that is not Ready may, but where too few are Ready only by AlwaysAllow."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        bad = faults.BadRollout(system.workload, kind="probe")
        with trial.fault(bad):
            with trial.fault(faults.Evict(targets.one(system))), trial.fault(faults.Evict(targets.unready(system))):
                trial.hold(until=bad.shown)
            with (
                trial.fault(faults.BudgetChange(system.disruption_budget, min_available=system.replicas + 1)),
                trial.fault(faults.Evict(targets.one(system))),
                trial.fault(faults.Evict(targets.unready(system))),
            ):
                trial.hold(duration_s=2)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(),
        checks.Witnessed("evict-pod", outcome="ok", at_least=granted),
        checks.Witnessed("evict-pod", outcome="fail", at_least=4 - granted),
    )


@pytest.mark.needs(replicas_min=2, evictable_min=1, refused_min=1)
@pytest.mark.deployed(replicas=4, disruption_budget={"max_unavailable": 1})
def test_of_many_evictions_at_once_only_the_allowed_are_granted(trial, system, traffic):
    """As many replicas as may be asked to leave at the same moment: those go that may, the others are refused."""
    with traffic.steady(load=LOAD_EACH * system.replicas):
        trial.baseline(duration_s=10)
        with trial.fault(faults.Evict(targets.share(system, 1.0))):
            trial.hold(duration_s=5)
        trial.recovery()

    trial.judge(
        checks.SloMet(ALL_ANSWERED),
        checks.BudgetHeld(ready_min=system.kept),
        checks.Recovered(),
        checks.Witnessed("evict-pod", outcome="ok"),
        checks.Witnessed("evict-pod", outcome="fail", at_least=system.share(1.0) - system.evictable),
    )
