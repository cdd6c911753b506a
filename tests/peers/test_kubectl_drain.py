"""Our drain beside kubectl's: the same evictions, the same refusals, the same end."""

import shutil
from pathlib import Path

import pytest
from kubectl_drain import KubectlDrain

from chaos import faults
from chaos.checks import BudgetHeld, Drained, Recovered, SloMet
from chaos.faults import targets
from chaos.history import load_history
from chaos.lab import Lab
from chaos.slo import Slo
from chaos.trial.system_under_test import SystemUnderTest
from chaos.trial.traffic import Traffic
from chaos.trial.trial import Trial

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]


def left_on(system: SystemUnderTest, node: str) -> tuple[int, bool]:
    """How many pods of the system a node still has, and whether it is closed."""
    (closed,) = [one.unschedulable for one in system.nodes() if one.name == node]
    return sum(pod.node == node for pod in system.pods()), closed


def statuses(answers: list[tuple[str, int]]) -> dict[int, int]:
    """How many evictions each status answered."""
    return {code: sum(status == code for _, status in answers) for code in {status for _, status in answers}}


@pytest.mark.system(replicas=4)
def test_our_drain_does_what_kubectl_does(
    trial: Trial, system: SystemUnderTest, traffic: Traffic, tmp_path: Path
) -> None:
    """Two drains of a node with two replicas, where one may go at a time: ours, then kubectl's, on the same system."""
    ends = []
    with traffic.steady(rate_rps=2):
        trial.baseline(duration_s=5)
        ours = faults.NodeDrain(targets.fullest_node(system), deadline_s=60)
        with trial.fault(ours):
            trial.hold(until=ours.ended)
            ends.append(left_on(system, ours.victims[0].name))
        trial.recovery()
        theirs = KubectlDrain(
            targets.fullest_node(system),
            deadline_s=60,
            kubeconfig=Lab().facts().kubeconfig,
            log=tmp_path / "kubectl.log",
        )
        with trial.fault(theirs):
            trial.hold(until=theirs.ended)
            ends.append(left_on(system, theirs.victims[0].name))
        trial.recovery()
    trial.judge(SloMet(Slo(availability=1.0)), BudgetHeld(ready_min=3), Drained(), Recovered())

    evictions = [one for one in load_history(trial.run).actions if one.name == "evict-pod"]
    asked = [(one.target.name, 201 if one.outcome == "ok" else one.detail["status"]) for one in evictions]
    assert ends == [(0, True), (0, True)]
    assert theirs.exit_code == 0, theirs.log.read_text()
    assert statuses(asked) == statuses(theirs.answers()) == {201: 2, 429: 1}, (asked, theirs.log.read_text())
