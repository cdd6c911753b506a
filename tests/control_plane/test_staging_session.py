"""`pytest` with a gameday.toml on a cluster of others: what is refused writes nothing, the rest leaves nothing."""

import json
import subprocess
import sys
from typing import Any

import pytest
from plain_service import snapshot
from staging_ground import Staging, audited, role_kubeconfig, staging
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.wait import until

pytestmark = pytest.mark.timed

__all__ = ["audited", "staging"]  # fixtures

pytest_plugins = ["pytester"]

SCENARIOS = """
import pytest
from chaos import faults, targets
from chaos.checks import Recovered, Witnessed

@pytest.mark.system(replicas=3)
def test_kill(trial, system, traffic):
    '''One pod may be killed.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with trial.fault(faults.PodKill(targets.{pick}(system), grace_s=0)):
            trial.hold(duration_s=1)
        trial.recovery()
    trial.judge(Recovered(), Witnessed("delete-pod"))

@pytest.mark.system(replicas=3, autoscale={{"replicas_min": 2, "replicas_max": 4}})
def test_needs_an_autoscaler(trial, system, traffic):
    '''It cannot be had here.'''

@pytest.mark.needs(nodes=9)
def test_needs_many_nodes(trial, system, traffic):
    '''They cannot be had here.'''
"""


def session(
    pytester: pytest.Pytester, staging: Staging, file: str, *options: str, pick: str = "one", text: str = SCENARIOS
) -> tuple[pytest.RunResult, list[str]]:
    """Run the scenarios with that file; what came of it, and what was written into the cluster."""
    pytester.path.joinpath("gameday.toml").write_text(file)
    pytester.makepyfile(test_scenarios=text.format(pick=pick))
    since = len(staging.log.read_text())
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *options, timeout=120)
    return result, staging.written(since)


@pytest.mark.parametrize(
    ("table", "change", "words"),
    [
        ("cluster", {"uid": "0000"}, "*is another cluster than the one that was written down*"),
        ("system", {"namespace": "kube-system"}, "*namespace kube-system is protected*"),
        ("system", {"deployment": "chap"}, "*no Deployment chap in namespace*"),
        ("cluster", {"context": "production"}, "*no context 'production'*"),
    ],
)
def test_a_wrong_file_ends_the_session_before_any_write(
    pytester: pytest.Pytester, staging: Staging, table: str, change: dict[str, Any], words: str
) -> None:
    """Another cluster, a protected namespace, a wrong name: pytest's usage error, in words, and nothing is written."""
    staging.allow("pod-kill")
    result, written = session(pytester, staging, staging.file(**{table: change}))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert result.stdout.str().count("Traceback") == 0
    (result.stdout if words.strip("*")[:12] in result.stdout.str() else result.stderr).fnmatch_lines([words])
    assert written == []


def test_without_consent_scenarios_are_skipped_with_the_command(pytester: pytest.Pytester, staging: Staging) -> None:
    """Nothing is asked of the service, and the skip says what its owners can do."""
    result, written = session(pytester, staging, staging.file())
    result.assert_outcomes(skipped=3)
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED
    out = " ".join(result.stdout.str().split())
    assert f"kubectl annotate namespace {staging.namespace} gameday.dev/adopt=enabled" in out
    assert "the scenario needs autoscale, which the system does not have" in out
    assert "the cluster has 3 open nodes, the scenario needs 9" in out
    assert written == []


def test_consent_that_is_required_and_not_there_fails_the_session(pytester: pytest.Pytester, staging: Staging) -> None:
    """In a nightly run a withdrawn consent is not green; what the system cannot support is skipped all the same."""
    result, written = session(pytester, staging, staging.file(), "--gameday-require-consent")
    result.assert_outcomes(errors=1, skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert f"kubectl annotate namespace {staging.namespace} gameday.dev/adopt=enabled" in result.stdout.str()
    assert written == []


LOADED = """
def test_spike(trial, system, traffic):
    '''The load rises fivefold.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with traffic.steady(rate_rps=40):
            trial.hold(duration_s=2)
    trial.judge()
"""


def test_a_load_that_rises_takes_consent_and_the_lease(pytester: pytest.Pytester, staging: Staging) -> None:
    """Without the word `load`, or in a freeze, it is skipped; allowed, it runs as the only one at work."""
    staging.allow("pod-kill")
    result, written = session(pytester, staging, staging.file(), text=LOADED)
    result.assert_outcomes(skipped=1)
    assert "gameday.dev/allow=load,pod-kill" in " ".join(result.stdout.str().split())
    assert written == []
    staging.allow("load")
    result, written = session(pytester, staging, staging.file(), text=LOADED)
    result.assert_outcomes(passed=1)
    assert {word.partition(" ")[2].split(" ")[0] for word in written} == {"leases"}


def test_an_allowed_scenario_runs_and_leaves_nothing(pytester: pytest.Pytester, staging: Staging) -> None:
    """It passes; all that was written is the lease and the kill, and every object reads as before."""
    staging.allow("pod-kill")
    before = snapshot(staging.cluster, staging.namespace)
    result, written = session(pytester, staging, staging.file())
    result.assert_outcomes(passed=1, skipped=2)
    assert snapshot(staging.cluster, staging.namespace) == before
    (compared,) = pytester.path.glob("runs/*/adopted.json")
    assert json.loads(compared.read_text())["differences"] == []
    assert {word.partition(" ")[2].split(" ")[0] for word in written} == {"leases", "pods"}


def test_too_many_victims_are_refused(pytester: pytest.Pytester, staging: Staging) -> None:
    """Three pods where one is allowed at once: the fault is refused, and nothing is written, not even the lease."""
    staging.allow("pod-kill")
    result, written = session(pytester, staging, staging.file(), pick="every")
    result.assert_outcomes(failed=1, skipped=2)
    assert "are more than the 1 allowed at once" in result.stdout.str()
    assert written == []


def test_the_printed_role_is_enough(pytester: pytest.Pytester, staging: Staging) -> None:
    """With the identity of `gameday rbac` and no other right, the scenario passes, though the file names the budget."""
    staging.allow("pod-kill")
    scenarios = pytester.makepyfile(test_kills=SCENARIOS.format(pick="one"))
    least = role_kubeconfig(staging, pytester.path, str(scenarios))
    scenarios.unlink()
    named = staging.file(cluster={"kubeconfig": str(least)}, system={"disruption_budget": "chat-pdb"})
    result, _ = session(pytester, staging, named)
    result.assert_outcomes(passed=1, skipped=2)


def test_a_missing_verb_is_named_before_any_write(pytester: pytest.Pytester, staging: Staging) -> None:
    """Without the right to delete pods the scenario is refused with that verb, and nothing is written."""
    staging.allow("pod-kill")
    scenarios = pytester.makepyfile(test_kills=SCENARIOS.format(pick="one"))
    least = role_kubeconfig(staging, pytester.path, str(scenarios), without="delete")
    scenarios.unlink()
    result, written = session(pytester, staging, staging.file(cluster={"kubeconfig": str(least)}))
    result.assert_outcomes(errors=1, skipped=2)
    assert f"may not, in namespace {staging.namespace}: delete Pod" in result.stdout.str()
    assert written == []


HOLDING = """
from chaos import faults

def test_hold(trial, system, traffic):
    '''Somebody changes the disruption budget for a while.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with trial.fault(faults.BudgetChange(system.disruption_budget, max_unavailable=0)):
            trial.hold(duration_s=600)
    trial.judge()
"""


def test_a_killed_session_is_named_while_it_lives_and_healed_when_it_is_dead(
    pytester: pytest.Pytester, staging: Staging
) -> None:
    """A second session names the first; after kill -9 one command heals, twice does no harm, and the next passes."""
    staging.allow("pod-kill,budget-change")
    before = snapshot(staging.cluster, staging.namespace)
    file = pytester.path / "gameday.toml"
    file.write_text(staging.file())
    dying = pytester.makepyfile(test_hold=HOLDING)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(dying)]
    with subprocess.Popen(command, cwd=pytester.path, stdout=subprocess.DEVNULL, start_new_session=True) as run:
        try:
            until(lambda: bound_of(staging) == 0, deadline_s=60, awaited="the fault to stand", poll_s=0.5)
            dying.unlink()
            second, _ = session(pytester, staging, staging.file())
            second.assert_outcomes(errors=1, skipped=2)
            assert f"another run is at work in namespace {staging.namespace}: process {run.pid}" in second.stdout.str()
        finally:
            run.kill()
    assert bound_of(staging) == 0
    assert "dead: gameday undo heals what it left" in CliRunner().invoke(app, ["status", "--system", str(file)]).stdout
    healed = CliRunner().invoke(app, ["undo", "--system", str(file)])
    waits, undone = healed.stdout.splitlines()
    assert (healed.exit_code, undone.split()[0]) == (0, "undone")
    assert waits.startswith(f"process {run.pid} ")
    assert "holds the lease; it is taken over if not renewed within 15 s" in waits
    # The command took the dead run's lease over, and gave it back.
    assert snapshot(staging.cluster, staging.namespace) == before
    again = CliRunner().invoke(app, ["undo", "--system", str(file)])
    assert (again.exit_code, again.stdout) == (0, "nothing is left to undo\n")
    third, _ = session(pytester, staging, staging.file())
    third.assert_outcomes(passed=1, skipped=2)
    assert snapshot(staging.cluster, staging.namespace) == before


def bound_of(staging: Staging) -> int:
    """How many pods the disruption budget lets go."""
    raw = staging.cluster.get("PodDisruptionBudget", staging.namespace, "chat-pdb") or {}
    return int(raw["spec"]["maxUnavailable"])
