"""The account that trials run as: what is printed is enough, and what is missing is named before anything is made."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import yaml
from kwok_program import kwok_program
from simulated_cluster import SimulatedCluster
from trial_room import SPEC, Room, answering
from typer.testing import CliRunner

from chaos import faults
from chaos.checks import Recovered, Witnessed
from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.errors import ClusterRefused
from chaos.faults import targets
from chaos.faults.permissions import ENGINE_METRICS, Right, deploying_rights
from chaos.faults.scenario_analysis import activity_of
from chaos.lab.control_plane.authorization import audit_flags, refused
from chaos.lab.control_plane.build import kube_program
from chaos.lab.control_plane.pki import with_token
from chaos.lab.host.paths import LabPaths
from chaos.objects.base import Ref
from chaos.progress import Terminal
from chaos.trial.preflight.checks import require_to_deploy
from chaos.trial.preflight.service_account import ServiceAccount, least_privileged

pytestmark = pytest.mark.timed

pytest_plugins = ["pytester"]

KILL = deploying_rights([activity_of(faults.PodKill), ENGINE_METRICS], proxied=False, claims=False)

CONFTEST = """
import pytest
from chaos.system import SystemSpec
from loadgen.profiles import HttpProfile

@pytest.fixture(scope="session")
def system_spec():
    return SystemSpec(name="model", image="registry.example/model:1", image_pull_policy="Never", replicas=2, grace_s=1)

@pytest.fixture(scope="session")
def request_profile():
    return HttpProfile(path="/")
"""

SCENARIO = """
from chaos import faults, targets
from chaos.checks import Recovered, Witnessed

def test_kill(trial, system, traffic):
    '''One pod may be killed.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        with trial.fault(faults.PodKill(targets.one(system), grace_s=0)):
            trial.hold(duration_s=1)
        trial.recovery()
    trial.judge(Recovered(), Witnessed("delete-pod"))
"""


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> LabPaths:
    """Where a lab would keep its audit log."""
    made = LabPaths(state=tmp_path_factory.mktemp("state"))
    made.control.mkdir()
    return made


@pytest.fixture(scope="module")
def simulated(paths: LabPaths) -> Iterator[SimulatedCluster]:
    """A cluster whose API server writes the lab's audit log."""
    progress, flags = Terminal(), audit_flags(paths)
    with SimulatedCluster(kube=kube_program(progress), kwok=kwok_program(progress), api_server_flags=flags) as made:
        made.add_nodes(3)
        yield made


@pytest.fixture
def admin(cluster: Cluster) -> Cluster:
    """The cluster as its administrator sees it."""
    return cluster


@pytest.fixture
def account(simulated: SimulatedCluster, admin: Cluster) -> Iterator[ServiceAccount]:
    """An account of this process."""
    with least_privileged(admin, simulated.kubeconfig) as made:
        yield made


def test_a_trial_runs_with_its_own_rights_alone(
    simulated: SimulatedCluster, account: ServiceAccount, tmp_path: Path
) -> None:
    """A kill and its recovery pass with the rights of a kill, and the account may do nothing else."""
    account.grant(KILL)
    require_to_deploy(account.cluster, KILL)
    assert not account.cluster.may("create", "Pod", None, subresource="eviction")
    assert not account.cluster.may("list", "Secret", None)
    with answering() as url:
        room = Room(simulated, url, tmp_path)
        room.cluster.close()
        room.environment = replace(room.environment, cluster=account.cluster)
        with room.trial("kill", SPEC) as staged:
            with staged.traffic.steady(rate_rps=10):
                staged.trial.baseline(duration_s=2)
                with staged.trial.fault(faults.PodKill(targets.one(staged.system), grace_s=0)):
                    staged.trial.hold(duration_s=1)
                staged.trial.recovery()
            staged.trial.judge(Recovered(), Witnessed("delete-pod", outcome="ok"))
    assert {one.answer for one in read_verdict(tmp_path / "kill").findings} == {Answer.PASS}


@pytest.mark.parametrize("missing", [KILL[0], KILL[-1], Right("get", "Pod", "log", everywhere=True)])
def test_a_right_that_is_taken_away_is_named(account: ServiceAccount, missing: Right) -> None:
    """By its verb and its kind, and that alone."""
    account.grant([right for right in KILL if right != missing])
    with pytest.raises(ClusterRefused) as told:
        require_to_deploy(account.cluster, KILL)
    assert told.value.what == f"context {account.cluster.facts.context} may not: {missing.words}"


def test_what_an_account_was_denied_is_in_the_audit_log(account: ServiceAccount, paths: LabPaths) -> None:
    """Each denial once, in words; what it was allowed, and asked about, is none."""
    account.grant(KILL)
    assert account.cluster.list("Node")
    assert refused(paths.audit, account.user) == ()
    for _ in range(2):
        with pytest.raises(ClusterRefused):
            account.cluster.list("Secret", "default")
    assert refused(paths.audit, account.user) == ("list secrets (default)",)


def test_an_account_that_is_ended_is_nobody(simulated: SimulatedCluster, admin: Cluster) -> None:
    """Nothing of it is left that anybody could use."""
    with least_privileged(admin, simulated.kubeconfig) as made:
        name = made.user.rpartition(":")[2]
        assert admin.get("ClusterRole", None, name) is not None
    assert admin.get("ClusterRole", None, name) is None
    assert admin.get("ClusterRoleBinding", None, name) is None
    assert admin.get("ServiceAccount", "gameday", name) is None


def printed_identity(simulated: SimulatedCluster, admin: Cluster, file: Path, folder: Path, *, without: str) -> Path:
    """Apply what `gameday rbac --deploys` prints, less one verb on pods, and give a kubeconfig of that identity."""
    printed = CliRunner().invoke(app, ["rbac", "--deploys", "--service-url", "http://x", str(file)])
    assert printed.exit_code == 0, printed.output
    executor = LiveExecutor(admin, NullJournal())
    for one in yaml.safe_load_all(printed.stdout):
        for rule in one.get("rules", ()):
            if rule["resources"] == ["pods"] and rule["apiGroups"] == [""] and without:
                rule["verbs"].remove(without)
        assert executor.do(mutations.apply(one, field_manager="kubectl", force=True)).outcome == "ok"
    asked = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    path = "/api/v1/namespaces/gameday/serviceaccounts/gameday/token"
    token = admin.transport.call("POST", path, body=asked).json()["status"]["token"]
    return with_token(simulated.kubeconfig, token, folder / "least.kubeconfig")


@pytest.mark.parametrize("without", ["", "delete"])
def test_a_session_passes_with_the_printed_rights_and_is_refused_without_one(
    pytester: pytest.Pytester, simulated: SimulatedCluster, admin: Cluster, without: str
) -> None:
    """Without one verb: its name, no traceback, and no namespace was made; with all of them the scenario passes."""
    pytester.makeconftest(CONFTEST)
    file = pytester.makepyfile(test_kill=SCENARIO)
    least = printed_identity(simulated, admin, file, pytester.path, without=without)
    with answering() as url:
        where = ["--gameday-kube-context", simulated.context, "--gameday-kubeconfig", str(least)]
        where += ["--gameday-cluster-uid", admin.facts.uid, "--gameday-service-url", url]
        result = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *where, timeout=120)
    out = result.stdout.str()
    if not without:
        result.assert_outcomes(passed=1)
        return
    result.assert_outcomes(errors=1)
    assert "may not: delete Pod in all namespaces" in out
    assert "Traceback" not in out
    assert not (pytester.path / "runs").exists() or not list((pytester.path / "runs").glob("*/watch.jsonl"))


DRAINED = """
from chaos import faults, targets
from chaos.checks import Recovered, Witnessed

def test_drain(trial, system, traffic):
    '''One node may be drained.'''
    with traffic.steady(rate_rps=10):
        trial.baseline(duration_s=2)
        drain = faults.NodeDrain(targets.fullest_node(system), deadline_s=30)
        with trial.fault(drain):
            trial.hold(until=drain.ended)
        trial.recovery()
    trial.judge(Recovered(), Witnessed("evict-pod"))
"""


@pytest.mark.parametrize(
    ("uid", "words"), [([], "give --gameday-cluster-uid"), (["--gameday-cluster-uid", "0000"], "is another cluster")]
)
def test_a_session_on_a_cluster_that_is_not_pinned_makes_nothing(
    pytester: pytest.Pytester, simulated: SimulatedCluster, admin: Cluster, uid: list[str], words: str
) -> None:
    """It ends with one line and pytest's usage error, before any namespace is made."""
    pytester.makeconftest(CONFTEST)
    pytester.makepyfile(test_kill=SCENARIO)
    where = ["--gameday-kube-context", simulated.context, "--gameday-kubeconfig", str(simulated.kubeconfig), *uid]
    before = {one["metadata"]["name"] for one in admin.list("Namespace")}
    result = pytester.runpytest_subprocess("-p", "no:cacheprovider", *where, timeout=120)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in result.stdout.str() + result.stderr.str()
    assert {one["metadata"]["name"] for one in admin.list("Namespace")} <= before


def test_a_node_of_others_is_drained_by_consent_and_under_the_lease(
    pytester: pytest.Pytester, simulated: SimulatedCluster, admin: Cluster
) -> None:
    """Without the owners' word the scenario is skipped with the command; with it it passes, and the lease is gone."""
    pytester.makeconftest(CONFTEST)
    file = pytester.makepyfile(test_drain=DRAINED)
    least = printed_identity(simulated, admin, file, pytester.path, without="")
    executor = LiveExecutor(admin, NullJournal())
    nodes = [Ref("Node", "", one["metadata"]["name"]) for one in admin.list("Node")]

    def allow(word: str | None) -> None:
        for node in nodes:
            patch = {"metadata": {"annotations": {"gameday.dev/allow": word}}}
            assert executor.do(mutations.patch(node, patch, field_manager="kubectl")).outcome == "ok"

    with answering() as url:
        where = ["--gameday-kube-context", simulated.context, "--gameday-kubeconfig", str(least)]
        where += ["--gameday-cluster-uid", admin.facts.uid, "--gameday-service-url", url]
        skipped = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *where, timeout=120)
        skipped.assert_outcomes(skipped=1)
        skipped.stdout.fnmatch_lines(["*kubectl annotate node *gameday.dev/allow=node-drain*"])
        allow("node-drain")
        try:
            passed = pytester.runpytest_subprocess("-p", "no:cacheprovider", "-rs", *where, timeout=180)
        finally:
            allow(None)
    passed.assert_outcomes(passed=1)
    assert admin.get("Lease", "gameday", "gameday") is None
