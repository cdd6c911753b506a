"""What the pod-kill scenario must catch: too few replicas, replicas that never return, kills that miss."""

from dataclasses import dataclass

import pytest

from chaos import faults
from chaos.checks import Recovered, SloMet, Witnessed
from chaos.cluster import Executor, mutations
from chaos.faults import FaultContext, Injection, targets
from chaos.slo import Slo
from chaos.system import ProbeSpec
from chaos.trial.run import RunningTrial
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

SLO = Slo(availability=0.99)
QUICK_START = ProbeSpec(path="/startupz", period_s=1, failure_threshold=15)

pytestmark = pytest.mark.root


@pytest.mark.system(replicas=1)
@pytest.mark.caught_by("slo-met", "FAIL")
def test_a_single_replica_killed_by_force_breaks_the_slo(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """With one replica nobody carries the traffic while it is replaced."""
    with traffic.steady(rate_rps=4):
        trial.baseline(duration_s=5)
        with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
            trial.hold(duration_s=5)
        trial.recovery()
    trial.judge(SloMet(SLO), Recovered(), Witnessed("delete-pod", outcome="ok"))


@pytest.fixture
def no_more_pods(owner: Executor, stage: RunningTrial) -> None:
    """Forbid every new pod in the trial's namespace."""
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "no-more-pods", "namespace": stage.system.namespace},
        "spec": {"hard": {"pods": "0"}},
    }
    done = owner.do(mutations.create(quota))
    assert done.outcome == "ok", done.reason


@pytest.mark.system(replicas=2, startup=QUICK_START)
@pytest.mark.caught_by("recovered", "FAIL")
@pytest.mark.usefixtures("no_more_pods")
def test_replicas_that_never_come_back_are_not_recovered(
    trial: Trial, system: SystemUnderTest, traffic: Traffic
) -> None:
    """A quota refuses the replacement: the dip outlasts the bound, though every request is answered."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
            trial.hold(duration_s=5)
        trial.recovery()
    trial.judge(SloMet(SLO), Recovered(), Witnessed("delete-pod", outcome="ok"))


@dataclass(frozen=True, slots=True)
class KillThatMisses(faults.PodKill):
    """Claims to kill, and does nothing: the commonest defect of tools of this kind."""

    @property
    def landing_deadline_s(self) -> float:
        """Not long: nothing will land."""
        return 2.0

    def inject(self, context: FaultContext) -> Injection:
        """Do nothing, and report no error."""
        return Injection(self, context)


@pytest.mark.system(replicas=2)
@pytest.mark.caught_by("fault-landed", "UNKNOWN")
def test_a_kill_that_misses_proves_nothing(trial: Trial, system: SystemUnderTest, traffic: Traffic) -> None:
    """A fault that never landed cannot end in PASS, however well the system looks."""
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        with trial.fault(KillThatMisses(targets.one(system), grace_s=0)):
            trial.hold(duration_s=5)
        trial.recovery()
    trial.judge(SloMet(SLO), Recovered(), Witnessed("delete-pod", outcome="ok"))
