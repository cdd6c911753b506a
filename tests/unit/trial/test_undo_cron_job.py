"""The CronJob that heals after dead runs: what `gameday rbac` prints beside the account as which it runs."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import resource_of
from chaos.faults import ALL_FAULTS
from chaos.safety.undo_journal import DEADLINE_S, UndoKind

IMAGE = "registry.example/gameday@sha256:0123"

TAKES: Mapping[UndoKind, tuple[tuple[str, str], ...]] = {
    "uncordon": (("get", "Node"), ("patch", "Node")),
    "node-on": (("get", "Node"),),
    "restore-part": (("get", "Deployment"), ("patch", "Deployment"), ("list", "ReplicaSet")),
    "continue-process": (("get", "Pod"), ("create", "Pod/exec"), ("get", "Pod/exec")),
    "signal-process": (("get", "Pod"), ("create", "Pod/exec"), ("get", "Pod/exec")),
    "thaw-container": (),
    "run-ready": (("get", "Pod"), ("create", "Pod/exec"), ("get", "Pod/exec")),
    "pass-probes": (),
    "delete-policy": (("get", "NetworkPolicy"), ("delete", "NetworkPolicy"), ("patch", "Pod")),
    "reconnect-pod": (),
    "delete-job": (("get", "Job"), ("delete", "Job")),
    "continue-metrics": (("get", "APIService"),),
}
"""The rights that undoing each kind of entry takes; a budget's are those of a part of a Deployment."""

ALWAYS = (
    *((verb, "ConfigMap") for verb in ("list", "patch", "delete")),
    ("get", "Lease"),
    ("get", "Namespace"),
    ("list", "Node"),
    ("get", "PodDisruptionBudget"),
    ("patch", "PodDisruptionBudget"),
)


def printed(tmp_path: Path, *options: str) -> list[dict[str, Any]]:
    """What the command prints for a service in namespace llm, with every fault and load from pods."""
    file = tmp_path / "gameday.toml"
    file.write_text('[system]\nnamespace = "llm"\ndeployment = "chat"\n')
    system = () if "--deploys" in options else ("--system", str(file))
    made = CliRunner().invoke(app, ["rbac", *system, "--load-in-cluster", *options])
    assert made.exit_code == 0, made.output
    return list(yaml.safe_load_all(made.stdout))


def cron_job(objects: list[dict[str, Any]]) -> dict[str, Any]:
    """The one CronJob among them."""
    (found,) = (one for one in objects if one["kind"] == "CronJob")
    return found


def granted(objects: list[dict[str, Any]]) -> set[tuple[str, str]]:
    """Each verb with its resource, wherever it is granted."""
    rules = [rule for one in objects for rule in one.get("rules", ())]
    return {(verb, resource) for rule in rules for resource in rule["resources"] for verb in rule["verbs"]}


HOLDS_LEASE = tuple((verb, "Lease") for verb in ("create", "patch", "delete"))


@pytest.mark.parametrize(("options", "more"), [((), HOLDS_LEASE), (("--deploys",), ())], ids=["adopts", "deploys"])
def test_it_runs_as_the_printed_account_and_may_undo_all_that_a_run_may_do(
    tmp_path: Path, options: tuple[str, ...], more: tuple[tuple[str, str], ...]
) -> None:
    """In the account's own namespace, with no right beside those that are printed for the runs themselves."""
    objects = printed(tmp_path, *options, "--undo-cronjob", IMAGE)
    made = cron_job(objects)
    (account,) = (one["metadata"] for one in objects if one["kind"] == "ServiceAccount")
    pod = made["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    assert made["metadata"]["namespace"] == account["namespace"]
    assert pod["serviceAccountName"] == account["name"]
    assert [one for one in objects if one["kind"] != "CronJob"] == printed(tmp_path, *options)
    assert set(TAKES) == set(get_args(UndoKind))
    for verb, what in (*ALWAYS, *more, *(right for kind in TAKES.values() for right in kind)):
        kind, _, subresource = what.partition("/")
        resource = resource_of(kind)[0] + (f"/{subresource}" if subresource else "")
        assert (verb, resource) in granted(objects)


def test_it_looks_in_time_and_never_beside_itself(tmp_path: Path) -> None:
    """Ten minutes after a run's last sign of life the cluster is as before, and a look that hangs ends by itself."""
    spec = cron_job(printed(tmp_path, "--undo-cronjob", IMAGE))["spec"]
    every_s = 60 * int(spec["schedule"].removeprefix("*/").partition(" ")[0])
    job = spec["jobTemplate"]["spec"]
    assert spec["schedule"] == f"*/{every_s // 60} * * * *"
    assert every_s + DEADLINE_S <= 600
    assert job["activeDeadlineSeconds"] < every_s
    assert (spec["concurrencyPolicy"], job["backoffLimit"]) == ("Forbid", 0)
    assert job["template"]["spec"]["restartPolicy"] == "Never"


@pytest.mark.parametrize(
    ("options", "where"), [((), ["--namespace", "llm"]), (("--deploys",), [])], ids=["adopts", "deploys"]
)
def test_it_undoes_where_the_runs_are(tmp_path: Path, options: tuple[str, ...], where: list[str]) -> None:
    """One service's, or all that were deployed; as what a pod is known by, and without failing beside a run at work."""
    (container,) = cron_job(printed(tmp_path, *options, "--undo-cronjob", IMAGE))["spec"]["jobTemplate"]["spec"][
        "template"
    ]["spec"]["containers"]
    assert container["image"] == IMAGE
    assert container["command"] == ["gameday", "undo", "--kube-context", "in-cluster", *where, "--unattended"]


def test_its_pod_is_admitted_where_restricted_pods_are(tmp_path: Path) -> None:
    """As the restricted Pod Security Standard demands (kubernetes.io/docs/concepts/security/pod-security-standards)."""
    pod = cron_job(printed(tmp_path, "--undo-cronjob", IMAGE))["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    (container,) = pod["containers"]
    assert (pod["securityContext"]["runAsNonRoot"], pod["securityContext"]["runAsUser"] > 0) == (True, True)
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container["securityContext"]["allowPrivilegeEscalation"] is False
    assert container["securityContext"]["capabilities"] == {"drop": ["ALL"]}


def test_nobody_gets_it_unasked(tmp_path: Path) -> None:
    """Rights that stand all year are the owners' to give."""
    assert "CronJob" not in {one["kind"] for one in printed(tmp_path)}


@pytest.mark.parametrize("options", [(), ("--deploys",)], ids=["adopts", "deploys"])
def test_what_outlasts_a_run_is_said_with_the_rights(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Before anything is tried: each fault that leaves something stands in a comment, with what ends it."""
    file = tmp_path / "gameday.toml"
    file.write_text('[system]\nnamespace = "llm"\ndeployment = "chat"\n')
    made = CliRunner().invoke(app, ["rbac", *(options or ("--system", str(file)))])
    comments = [line.removeprefix("# ") for line in made.stdout.splitlines() if line.startswith("# ")]
    told = dict(line.split(": if the run dies, ") for line in comments if ": if the run dies, " in line)
    said = {name: end for names, end in told.items() for name in names.split(", ")}
    assert said == {fault.name: fault.if_run_dies for fault in ALL_FAULTS if fault.if_run_dies}
    assert "gameday rbac --undo-cronjob" in said["node-drain"]
