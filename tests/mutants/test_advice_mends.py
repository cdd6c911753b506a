"""The report's advice, taken at its word: the patch for a broken system applied to it makes the same scenario pass.

Each broken system is judged first and must fail; its mended twin takes the patch from that trial's own report.
"""

from collections.abc import Callable
from typing import Any

import pytest
import yaml

from chaos import faults
from chaos.checks import BudgetHeld, Recovered, SloMet, Witnessed
from chaos.cluster import Executor, mutations
from chaos.cluster.mutations import MERGE, STRATEGIC
from chaos.faults import targets
from chaos.objects.kinds import DeploymentView, PodDisruptionBudgetView
from chaos.plugin.stash import SESSION_REPORT
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

Mend = Callable[[str], None]

ALL_ANSWERED = Slo(availability=1.0)
IN_FORCE_S = 120.0
"""For a rollout of three replicas with the probes of the reference model, or for a controller to count anew."""

pytestmark = [pytest.mark.root, pytest.mark.slow]


@pytest.fixture
def mend(request: pytest.FixtureRequest, owner: Executor, system: SystemUnderTest) -> Mend:
    """Call it with the name of the broken twin: applies the one patch of its report, and waits until it is in force."""

    def mender(broken: str) -> None:
        reports = [one for one in request.config.stash[SESSION_REPORT].reports if one.headline.scenario == broken]
        assert reports, f"{broken} has to run before"
        (advice,) = reports[-1].advice
        patch = yaml.safe_load(advice.patch)
        done = owner.do(_mutation(patch, system))
        assert done.outcome == "ok", done.reason
        recorder = system.recorder
        assert recorder is not None
        assert recorder.wait_for(lambda: _in_force(system, patch), IN_FORCE_S), f"not in force: {advice.patch}"

    return mender


def _mutation(patch: dict[str, Any], system: SystemUnderTest) -> mutations.Mutation:
    """The patch as the advice says: whole objects as they are, strategic for the workload, merge for the rest."""
    if "kind" in patch:
        return mutations.create({**patch, "metadata": {**patch["metadata"], "namespace": system.namespace}})
    if "template" in patch["spec"]:
        return mutations.patch(system.workload, patch, STRATEGIC)
    return mutations.patch(system.disruption_budget, patch, MERGE)


def _in_force(system: SystemUnderTest, patch: dict[str, Any]) -> bool:
    """Whether the controller that the patch speaks to has done what it says."""
    assert system.recorder is not None
    if "template" in patch.get("spec", {}):
        (workload,) = map(DeploymentView, system.recorder.objects("Deployment"))
        return workload.generation > 1 and workload.rolled_out and len(system.pods()) == workload.replicas
    budgets = [PodDisruptionBudgetView(raw) for raw in system.recorder.objects("PodDisruptionBudget")]
    wanted = patch["spec"]["maxUnavailable"]
    return any(one.up_to_date and one.spec.get("maxUnavailable") == wanted and one.allowed for one in budgets)


def drained(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Drain the fullest node under traffic, and claim that three of four stay."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=60)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()
    trial.judge(BudgetHeld(ready_min=3), Recovered(), Witnessed("evict-pod", outcome="ok", at_least=2))


@pytest.mark.system(replicas=4, disruption_budget=None)
@pytest.mark.caught_by("budget-held", "FAIL")
def test_without_a_budget(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Broken: nothing refuses the second eviction."""
    drained(trial, system, traffic)


@pytest.mark.system(replicas=4, disruption_budget=None)
def test_without_a_budget_mended(trial: Trial, system: SystemUnderTest, traffic: Traffic, mend: Mend) -> None:
    """Mended: the disruption budget of the advice keeps three."""
    mend("test_without_a_budget")
    drained(trial, system, traffic)


@pytest.mark.system(replicas=4, disruption_budget={"max_unavailable": "50%"})
@pytest.mark.caught_by("budget-held", "FAIL")
def test_with_a_loose_budget(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Broken: the disruption budget lets two go."""
    drained(trial, system, traffic)


@pytest.mark.system(replicas=4, disruption_budget={"max_unavailable": "50%"})
def test_with_a_loose_budget_mended(trial: Trial, system: SystemUnderTest, traffic: Traffic, mend: Mend) -> None:
    """Mended: the bound of the advice lets one go at a time."""
    mend("test_with_a_loose_budget")
    drained(trial, system, traffic)


def released(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Roll a release out under streaming traffic, and claim that every request is answered."""
    with traffic.steady(rate_rps=6):
        trial.baseline(duration_s=5)
        release = faults.RollingUpdate(system.workload)
        with trial.fault(release):
            trial.hold(until=release.ended)
        trial.recovery()
    trial.judge(SloMet(ALL_ANSWERED), Witnessed("roll-out", outcome="ok"))


@pytest.mark.system(replicas=3, grace_s=1, env={"SETTLE_S": "0", "GRACE_S": "1"})
@pytest.mark.caught_by("slo-met", "FAIL")
def test_without_time_to_leave(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """Broken: a leaving replica stops at once, and its answers are cut short."""
    released(trial, system, traffic)


@pytest.mark.system(replicas=3, grace_s=1, env={"SETTLE_S": "0", "GRACE_S": "1"})
def test_without_time_to_leave_mended(trial: Trial, system: SystemUnderTest, traffic: Traffic, mend: Mend) -> None:
    """Mended: the sleep and the grace of the advice let it end its answers."""
    mend("test_without_time_to_leave")
    released(trial, system, traffic)
