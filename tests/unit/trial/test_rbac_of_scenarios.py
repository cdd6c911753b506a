"""Roles for chosen scenarios: no more than they need, as objects to apply."""

from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chaos import faults
from chaos.cli.app import app
from chaos.errors import UsageError
from chaos.faults.permissions import CANARY, rights_of
from chaos.faults.scenario_analysis import activity_of
from chaos.trial.preflight.rbac import activities_of_files, role_objects

SCENARIO = """
from chaos import faults, targets

def test_kill(trial, system):
    with trial.fault(faults.PodKill(targets.one(system))):
        pass

def test_drain(trial, system):
    with trial.fault(faults.NodeDrain(targets.fullest_node(system))):
        pass
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file with two scenarios."""
    path = tmp_path / "test_two.py"
    path.write_text(SCENARIO)
    return path


def test_the_faults_of_files_folders_and_single_scenarios_are_found(file: Path) -> None:
    """A scenario by its name brings only its own fault, whatever its parameters are."""
    assert [one.name for one in activities_of_files([str(file)])] == ["node-drain", "pod-kill"]
    assert [one.name for one in activities_of_files([str(file.parent)])] == ["node-drain", "pod-kill"]
    assert [one.name for one in activities_of_files([f"{file}::test_drain[x]"])] == ["node-drain"]


def test_an_installed_package_is_read_by_its_name(file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The ready-made scenarios come as a package, and their users have no file to name."""
    package = file.parent / "some_scenarios"
    package.mkdir()
    (package / "__init__.py").touch()
    file.rename(package / file.name)
    monkeypatch.syspath_prepend(str(file.parent))
    assert [one.name for one in activities_of_files(["some_scenarios"])] == ["node-drain", "pod-kill"]


def test_a_path_or_a_scenario_that_is_not_there_is_named(file: Path) -> None:
    """Else its rights would silently be left out."""
    with pytest.raises(UsageError, match=r"there is no nowhere\.py"):
        activities_of_files(["nowhere.py"])
    with pytest.raises(UsageError, match="has no scenario test_three"):
        activities_of_files([f"{file}::test_three"])


def objects(*names: str) -> dict[str, Any]:
    """The printed objects for these faults, by kind; what is in the suite's own namespace by `own` and kind."""
    rights = rights_of([activity_of(getattr(faults, name)) for name in names], "Deployment", proxied=False)
    printed = role_objects(rights, namespace="llm", workload_kind="Deployment", workload="chat")
    return {
        f"own {one['kind']}" if one["metadata"].get("namespace") == "llm-gameday" else one["kind"]: one
        for one in printed
    }


def test_each_workload_of_the_system_may_be_read_by_name() -> None:
    """A router beside the engine is found and watched like it, whether it is of its kind or of another."""
    others = (("Deployment", "router"), ("StatefulSet", "decode"))
    rights = rights_of([], "Deployment", proxied=False, others=others)
    printed = role_objects(rights, namespace="llm", workload_kind="Deployment", workload="chat", others=others)
    (role,) = [one for one in printed if one["kind"] == "Role" and one["metadata"]["namespace"] == "llm"]
    for resource, names in (("deployments", ["chat", "router"]), ("statefulsets", ["decode"])):
        held = {
            tuple(rule["verbs"]): rule.get("resourceNames") for rule in role["rules"] if resource in rule["resources"]
        }
        assert held == {("get",): names, ("list", "watch"): None}


def verbs(role: dict[str, Any], resource: str) -> set[str]:
    """What a role may do to a resource, whatever the names."""
    return {verb for rule in role["rules"] if rule["resources"] == [resource] for verb in rule["verbs"]}


def test_a_kill_may_delete_pods_and_no_more_than_look_at_nodes() -> None:
    """Nothing may touch nodes, secrets or other workloads; patching is held to the lease by name."""
    made = objects("PodKill")
    assert verbs(made["Role"], "pods") == {"list", "watch", "get", "delete"}
    assert verbs(made["ClusterRole"], "nodes") == {"list", "watch"}
    assert verbs(made["Role"], "secrets") == set()
    assert verbs(made["Role"], "deployments") == {"get", "list", "watch"}
    (lease,) = [rule for rule in made["Role"]["rules"] if rule["resources"] == ["leases"] and "patch" in rule["verbs"]]
    assert lease["resourceNames"] == ["gameday"]
    assert verbs(made["Role"], "configmaps") == set()


def test_the_account_lives_where_others_have_no_rights() -> None:
    """Its namespace is its own: in the service's, whoever makes pods could run them as it, and write its journal."""
    made = objects("NodeDrain")
    assert made["Namespace"]["metadata"] == {"name": "llm-gameday"}
    assert made["own ServiceAccount"]["metadata"]["namespace"] == "llm-gameday"
    assert [rule["resources"] for rule in made["own Role"]["rules"]] == [["configmaps"]]
    for binding in ("RoleBinding", "own RoleBinding", "ClusterRoleBinding"):
        assert {subject["namespace"] for subject in made[binding]["subjects"]} == {"llm-gameday"}


def test_a_drain_and_a_rollout_may_what_they_do() -> None:
    """A drain patches nodes and evicts; a rollout patches this one Deployment."""
    made = objects("NodeDrain", "RollingUpdate")
    assert "patch" in verbs(made["ClusterRole"], "nodes")
    assert verbs(made["Role"], "pods/eviction") == {"create"}
    patching = [
        rule for rule in made["Role"]["rules"] if rule["resources"] == ["deployments"] and "patch" in rule["verbs"]
    ]
    assert [rule["resourceNames"] for rule in patching] == [["chat"]]


def test_load_from_pods_takes_their_job_and_the_way_to_them() -> None:
    """Instead of the way to the Service through the API server's proxy, not beside it; no exec, no ConfigMaps more."""
    plain = set(rights_of([], "Deployment", proxied=True))
    pods = set(rights_of([], "Deployment", proxied=True, load_pods=True))
    assert {right.words for right in pods - plain} == {
        "create Job",
        "get Job",
        "delete Job",
        "create Pod/proxy",
    }
    assert {right.words for right in plain - pods} == {"get Service/proxy", "create Service/proxy"}


def test_a_canary_takes_the_way_to_each_pod(tmp_path: Path) -> None:
    """Printed where the file wants one; without one only what reads the servers' metrics."""
    plain, asking = (set(rights_of(given, "Deployment", proxied=False)) for given in ([], [CANARY]))
    assert {right.words for right in asking - plain} == {"create Pod/proxy", "get Pod/proxy"}
    assert plain < asking
    file = tmp_path / "gameday.toml"
    for text, told in (("", {"get"}), ("canary = true\n", {"create", "get"})):
        url = '[traffic]\nurl = "http://10.0.0.1"\n'
        file.write_text(f'[system]\nnamespace = "llm"\ndeployment = "chat"\n{url}{text}')
        made = CliRunner().invoke(app, ["rbac", "--system", str(file), "scenarios/test_pod_kill.py"])
        assert made.exit_code == 0, made.output
        role = next(one for one in yaml.safe_load_all(made.stdout) if one["kind"] == "Role")
        assert verbs(role, "pods/proxy") == told
    made = CliRunner().invoke(app, ["rbac", "--deploys", "--canary", "scenarios/test_pod_kill.py"])
    role = next(one for one in yaml.safe_load_all(made.stdout) if one["kind"] == "ClusterRole")
    assert verbs(role, "pods/proxy") == {"create", "get"}


def test_where_data_must_survive_their_claims_may_be_read(tmp_path: Path) -> None:
    """Read and watched in the namespace, their volumes in the cluster, and nothing of either changed; else neither."""
    plain, kept = (set(rights_of([], "Deployment", proxied=False, data=data)) for data in (False, True))
    assert {right.words for right in kept - plain} == {
        "get PersistentVolumeClaim",
        "list PersistentVolumeClaim",
        "watch PersistentVolumeClaim",
        "list PersistentVolume in all namespaces",
        "watch PersistentVolume in all namespaces",
    }
    assert plain < kept
    file, told = tmp_path / "gameday.toml", '[system]\nnamespace = "llm"\ndeployment = "chat"\n'
    for text, verbs_told in ((told, set()), (told + 'data = ["/w/a"]\n', {"get", "list", "watch"})):
        file.write_text(text)
        made = CliRunner().invoke(app, ["rbac", "--system", str(file)])
        printed = {(one["kind"], one["metadata"].get("namespace")): one for one in yaml.safe_load_all(made.stdout)}
        assert verbs(printed["Role", "llm"], "persistentvolumeclaims") == verbs_told
        assert verbs(printed["ClusterRole", None], "persistentvolumes") == verbs_told - {"get"}


def test_a_kind_of_others_takes_its_scale_and_its_definition_by_name() -> None:
    """It may be watched in its group; its scale and definition are held to one name; nothing of it may be changed."""
    rollouts = "rollouts.argoproj.io"
    rights = rights_of([activity_of(faults.PodKill)], rollouts, "StatefulSet", proxied=False)
    printed = role_objects(rights, namespace="llm", workload_kind=rollouts, workload="chat")
    role, wide = (next(one for one in printed if one["kind"] == kind) for kind in ("Role", "ClusterRole"))
    rules = [rule for rule in role["rules"] if rule["apiGroups"] == ["argoproj.io"]]
    assert {(rule["resources"][0], tuple(rule.get("resourceNames", ())), *rule["verbs"]) for rule in rules} == {
        ("rollouts", (), "list", "watch"),
        ("rollouts", ("chat",), "get"),
        ("rollouts/scale", ("chat",), "get"),
    }
    assert verbs(role, "statefulsets") == {"list", "watch"}
    (definition,) = [rule for rule in wide["rules"] if rule["resources"] == ["customresourcedefinitions"]]
    assert (definition["resourceNames"], definition["verbs"]) == ([rollouts], ["get"])


def test_a_bare_replica_set_takes_its_scale() -> None:
    """A kind of Kubernetes' own has no definition to read."""
    rights = rights_of([activity_of(faults.PodKill)], "ReplicaSet", proxied=False)
    printed = role_objects(rights, namespace="llm", workload_kind="ReplicaSet", workload="chat")
    role, wide = (next(one for one in printed if one["kind"] == kind) for kind in ("Role", "ClusterRole"))
    assert verbs(role, "replicasets/scale") == {"get"}
    assert verbs(wide, "customresourcedefinitions") == set()


@pytest.mark.parametrize("fault", [faults.ProcessHang, faults.ProcessCrash, faults.NotReady, faults.PodKill])
def test_ephemeral_containers_may_be_added_where_the_file_names_an_image(fault: type[faults.Fault]) -> None:
    """And only by what runs scripts in containers."""
    in_containers = fault is not faults.PodKill
    for debug in (True, False):
        words = {right.words for right in rights_of([activity_of(fault)], "Deployment", proxied=False, debug=debug)}
        assert ("patch Pod/ephemeralcontainers" in words) == (debug and in_containers)
        assert ("create Pod/exec" in words) == in_containers


def test_the_printed_role_has_it_too(tmp_path: Path) -> None:
    """By the file that names the image."""
    system = '[system]\nnamespace = "llm"\ndeployment = "chat"\ndebug_image = "busybox:1"\n'
    path = tmp_path / "gameday.toml"
    path.write_text(f'[cluster]\ncontext = "staging"\nuid = "1"\n{system}')
    printed = CliRunner().invoke(app, ["rbac", "--system", str(path)])
    assert printed.exit_code == 0, printed.output
    roles = [one for one in yaml.safe_load_all(printed.stdout) if one["kind"] == "Role"]
    granted = {what for one in roles for rule in one["rules"] for what in rule["resources"]}
    assert "pods/ephemeralcontainers" in granted


def test_the_metrics_of_an_autoscaler_may_be_read_and_nothing_else(tmp_path: Path) -> None:
    """`gameday rbac` prints the rights to what it is shown; a trial goes on without them."""
    path = tmp_path / "gameday.toml"
    path.write_text('[cluster]\ncontext = "staging"\n[system]\nnamespace = "llm"\ndeployment = "chat"\n')
    printed = CliRunner().invoke(app, ["rbac", "--system", str(path)])
    assert printed.exit_code == 0, printed.output
    (role,) = [
        one
        for one in yaml.safe_load_all(printed.stdout)
        if one and one["kind"] == "Role" and one["metadata"]["namespace"] == "llm"
    ]
    groups = {rule["apiGroups"][0]: rule for rule in role["rules"] if rule["apiGroups"][0]}
    for group in ("external.metrics.k8s.io", "custom.metrics.k8s.io"):
        assert groups[group]["resources"] == ["*"]
        assert groups[group]["verbs"] == ["get", "list"]
    needed = rights_of([], "Deployment", proxied=False)
    assert not any(right.kind.startswith("*") for right in needed)
