"""Rights of trials that deploy their own system: what is printed, what is asked for, what is named when missing."""

import json
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chaos import faults
from chaos.cli.app import app
from chaos.cluster import KINDS
from chaos.errors import ClusterRefused, UsageError
from chaos.faults.permissions import AUTOSCALING, ENGINE_METRICS, Right, deployed_kinds, deploying_rights
from chaos.faults.scenario_analysis import activities_of, activity_of
from chaos.lab.control_plane.authorization import refused
from chaos.lab.control_plane.pki import with_token
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.trial.preflight.checks import require_to_deploy
from chaos.trial.preflight.rbac import activities_of_files, claims_in_files, deploying_objects

KILL = deploying_rights([activity_of(faults.PodKill)], proxied=False, claims=False)


class Api:
    """Stands for a cluster that allows all but one right."""

    facts = SimpleNamespace(context="staging")

    def __init__(self, missing: Right | None = None) -> None:
        self.missing = missing

    def may(self, verb: str, kind: str, _namespace: str | None, *, subresource: str = "", name: str = "") -> bool:
        """Everything but that."""
        assert name == ""
        return Right(verb, kind, subresource, everywhere=True) != self.missing


@pytest.mark.parametrize("missing", KILL, ids=lambda right: right.words.replace(" ", "-"))
def test_each_missing_right_is_named_by_its_verb(missing: Right) -> None:
    """Whichever one is taken away, and only that one."""
    with pytest.raises(ClusterRefused) as told:
        require_to_deploy(Api(missing), KILL)  # type: ignore[arg-type]  # stands in
    assert told.value.what == f"context staging may not: {missing.words}"
    assert "gameday rbac --deploys" in told.value.fix
    require_to_deploy(Api(), KILL)  # type: ignore[arg-type]  # stands in


def words(rights: Sequence[Right]) -> set[str]:
    """The rights as people say them, less that all are for every namespace."""
    assert all(right.everywhere for right in rights)
    return {right.words.removesuffix(" in all namespaces") for right in rights}


def test_a_trial_that_kills_pods_may_not_drain_nor_touch_claims() -> None:
    """Each thing that a trial does not do is no right of its."""
    told = words(KILL)
    assert {"create Namespace", "delete Pod", "patch Deployment", "list PodMetrics", "get Pod/log"} <= told
    assert not {"patch Node", "create Pod/eviction", "create Job", "get Service/proxy", "create Lease"} & told
    assert not {one for one in told if one.partition(" ")[2] in {"Secret", "Pod/exec", "PersistentVolumeClaim"}}
    assert {right.kind for right in KILL} <= set(KINDS)
    claimed = words(deploying_rights([], proxied=True, claims=True))
    assert {"create PersistentVolumeClaim", "delete Job", "get StorageClass", "get Service/proxy"} <= claimed


def test_a_lost_nodes_lease_may_be_read_though_other_leases_go_by_name() -> None:
    """Else the wait for a node's own voice would silently be left out."""
    names = {"Lease": ("gameday",)}
    (lease,) = [right for right in faults.NodeDown.permissions if right.kind == "Lease"]
    assert lease.held_to(names) == ()
    assert Right("get", "Lease").held_to(names) == ("gameday",)
    assert Right("list", "Lease").held_to(names) == ()


def test_whoever_asks_a_nodes_consent_may_read_the_node() -> None:
    """Consent is looked up right before the fault: without that right a lost node would be refused, not asked."""
    for fault in faults.ALL_FAULTS:
        assert not fault.hits_nodes or Right("get", "Node", everywhere=True) in fault.permissions


def test_the_objects_are_an_account_and_one_cluster_role() -> None:
    """A namespace that a trial makes later can have no Role, so all is in the ClusterRole of one account."""
    made = {one["kind"]: one for one in deploying_objects(KILL, account="other")}
    assert list(made) == ["Namespace", "ServiceAccount", "ClusterRole", "ClusterRoleBinding"]
    (subject,) = made["ClusterRoleBinding"]["subjects"]
    assert subject == {"kind": "ServiceAccount", "name": "other", "namespace": made["Namespace"]["metadata"]["name"]}
    assert {verb for rule in made["ClusterRole"]["rules"] for verb in rule["verbs"]} <= {
        "get",
        "list",
        "watch",
        "create",
        "patch",
        "delete",
    }
    assert not [rule for rule in made["ClusterRole"]["rules"] if "resourceNames" in rule]


def _slow() -> object:
    return faults.Evict


TROUBLE = {"a": [lambda: faults.NodeDrain, _slow]}


def scenario() -> tuple[object, ...]:
    """One whose faults stand in a table."""
    return (TROUBLE, faults.PodKill)


def test_faults_in_tables_and_helpers_of_the_module_are_found() -> None:
    """What is called by another name is done all the same."""
    assert [one.name for one in activities_of(scenario)] == ["evict", "node-drain", "pod-kill"]


FILE = """
import pytest
from chaos import faults

CLAIM = {"name": "data"}
TROUBLE = [lambda system: faults.Evict(system)]

def helper(system):
    return TROUBLE[0](system)

@pytest.mark.system(volumes=[CLAIM])
def test_kept(trial, system):
    trial.read_data()

def test_evict(trial, system):
    helper(system)
"""


def test_files_are_read_as_scenarios_are(tmp_path: Path) -> None:
    """One scenario of a file brings its own marks and helpers, and none of another's."""
    file = tmp_path / "test_two.py"
    file.write_text(FILE)
    assert [one.name for one in activities_of_files([f"{file}::test_evict"])] == ["evict"]
    assert [one.name for one in activities_of_files([f"{file}::test_kept"])] == ["read-data"]
    assert not claims_in_files([f"{file}::test_evict"])
    assert claims_in_files([f"{file}::test_kept"])
    assert claims_in_files([str(tmp_path)])
    file.write_text(FILE.replace("mark.system(", "mark.deployed("))
    assert claims_in_files([f"{file}::test_kept"])


KEDA_FILE = """
import pytest
from chaos import Autoscale

KEDA = {"triggers": [{"type": "cpu", "metadata": {"value": "60"}}]}

@pytest.mark.deployed(autoscale={"replicas_max": 4, "keda": KEDA})
def test_by_keda(trial):
    pass

@pytest.mark.deployed(autoscale=Autoscale(replicas_max=4))
def test_by_cpu(trial):
    pass
"""


def test_a_scaled_object_is_deployed_only_where_a_scenario_has_one(tmp_path: Path) -> None:
    """Its rights are printed for that scenario, and for the file, and not for the other."""
    file = tmp_path / "test_keda.py"
    file.write_text(KEDA_FILE)
    rights = words(deploying_rights([], deployed_kinds(keda=True), proxied=False, claims=False))
    asked = {f"{verb} {SCALED_OBJECT}" for verb in ("create", "patch", "list", "watch")}
    assert asked == {one for one in rights if SCALED_OBJECT in one}
    for which, writes in (("::test_by_keda", True), ("::test_by_cpu", False), ("", True)):
        rules = printed("--deploys", f"{file}{which}")["ClusterRole"]["rules"]
        verbs = {verb for rule in rules if "scaledobjects" in rule["resources"] for verb in rule["verbs"]}
        assert ({"create", "patch"} <= verbs) is writes
        assert {"get", "list", "watch"} <= verbs


def printed(*words: str) -> dict[str, Any]:
    """What `gameday rbac` prints, by kind."""
    made = CliRunner().invoke(app, ["rbac", *words])
    assert made.exit_code == 0, made.output
    return {one["kind"]: one for one in yaml.safe_load_all(made.stdout)}


def test_the_command_prints_what_a_run_asks_for(tmp_path: Path) -> None:
    """The same rights, from the same tables; what is deployed otherwise is told by options."""
    file = tmp_path / "test_kill.py"
    file.write_text("from chaos import faults\ndef test_kill(trial):\n    faults.PodKill\n")
    asked = deploying_rights([activity_of(faults.PodKill), ENGINE_METRICS], proxied=False, claims=False)
    seen = [replace(right, everywhere=True) for right in AUTOSCALING]
    objects = {one["kind"]: one for one in deploying_objects((*asked, *seen))}
    assert printed("--deploys", "--service-url", "http://{service}", str(file)) == objects
    resources = {rule["resources"][0] for rule in printed("--deploys", "--claims", str(file))["ClusterRole"]["rules"]}
    assert {"persistentvolumeclaims", "jobs", "services/proxy"} <= resources


def test_what_deploying_rights_amount_to_is_said_with_them(tmp_path: Path) -> None:
    """In comments, which kubectl skips; and what is offered instead changes other than nodes in one namespace alone."""
    (scenario := tmp_path / "test_none.py").write_text("def test_none() -> None:\n    pass\n")
    (system := tmp_path / "gameday.toml").write_text('[system]\nnamespace = "llm"\ndeployment = "chat"\n')
    wide = CliRunner().invoke(app, ["rbac", "--deploys", str(scenario)]).stdout
    comments = [line for line in wide.splitlines() if line.startswith("#")]
    assert "amount to cluster-admin" in comments[0]
    assert "without --deploys" in " ".join(comments)
    rules = next(one for one in yaml.safe_load_all(wide) if one["kind"] == "ClusterRole")["rules"]
    assert any("deployments" in rule["resources"] and "create" in rule["verbs"] for rule in rules)
    narrow = CliRunner().invoke(app, ["rbac", "--system", str(system)]).stdout
    assert "cluster-admin" not in narrow
    rules = next(one for one in yaml.safe_load_all(narrow) if one["kind"] == "ClusterRole")["rules"]
    changed = {rule["resources"][0] for rule in rules if {"create", "patch", "delete", "update"} & set(rule["verbs"])}
    assert changed == {"nodes"}


@pytest.mark.parametrize("deploys", [False, True])
def test_whose_the_namespace_of_the_account_is_has_to_be_seen(tmp_path: Path, *, deploys: bool) -> None:
    """It may have been made by others before; what is printed names it, in comments that kubectl skips."""
    (system := tmp_path / "gameday.toml").write_text('[system]\nnamespace = "llm"\ndeployment = "chat"\n')
    words, home = (["--deploys"], "gameday") if deploys else (["--system", str(system)], "llm-gameday")
    made = CliRunner().invoke(app, ["rbac", *words])
    comments = [line for line in made.stdout.splitlines() if line.startswith("#")]
    assert f"kubectl get namespace {home})" in " ".join(line.removeprefix("# ") for line in comments)
    assert comments[-1].endswith(f"kubectl get rolebindings -n {home}")
    assert all(one["kind"] for one in yaml.safe_load_all(made.stdout))


def test_options_of_deploying_are_refused_where_a_file_says_it() -> None:
    """Else they would silently mean nothing."""
    result = CliRunner().invoke(app, ["rbac", "--claims"])
    assert isinstance(result.exception, UsageError)


def test_a_token_takes_the_place_of_the_certificate(tmp_path: Path) -> None:
    """The server and whom to trust stay; nothing of the administrator's is left."""
    admin = tmp_path / "admin"
    config = {"clusters": [{"name": "c"}], "users": [{"name": "u", "user": {"client-key-data": "secret"}}]}
    admin.write_text(json.dumps(config))
    own = json.loads(with_token(admin, "abc", tmp_path / "own").read_text())
    assert own["users"] == [{"name": "u", "user": {"token": "abc"}}]
    assert own["clusters"] == config["clusters"]


def event(user: str, decision: str, **about: str) -> str:
    """A line of an API server's audit log."""
    said = {"user": {"username": user}, "verb": "get", "objectRef": about}
    return json.dumps(said | {"annotations": {"authorization.k8s.io/decision": decision}}) + "\n"


def test_who_was_refused_what_is_read_from_the_audit_log(tmp_path: Path) -> None:
    """Each refusal once, of this user only, also from a file that was rotated away; half a line is not read."""
    lease = {"resource": "leases", "namespace": "kube-node-lease", "name": "n1"}
    log = tmp_path / "audit.log"
    (tmp_path / "audit-2026.log").write_text(event("me", "forbid", resource="pods", subresource="exec"))
    log.write_text(
        event("me", "forbid", **lease) * 2
        + event("me", "allow", resource="nodes")
        + event("you", "forbid", resource="secrets")
        + event("me", "forbid", **lease)[:-20]
    )
    assert refused(log, "me") == ("get pods/exec", "get leases (kube-node-lease/n1)")
