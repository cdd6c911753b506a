"""The CronJob that `gameday rbac` prints, as a pod runs it: another host, its account's token, no kubeconfig."""

from __future__ import annotations

import json
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml
from dying import FAULTS, die_at
from plain_service import apply_all, plain_namespace, service_of, snapshot
from simulated_cluster import SimulatedCluster
from typer.testing import CliRunner, Result

from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations, path_of
from chaos.faults.undo import find_left
from chaos.objects.base import Ref
from chaos.safety.owner import Owner
from chaos.wait import until

ACTED = 4
"""The line of the journal after which the entry and the action both are written, and answered."""

IN_FORCE_S = 30.0


@pytest.fixture
def admin(cluster: Cluster) -> Cluster:
    """The cluster as its administrator sees it."""
    return cluster


def applied(admin: Cluster, namespace: str, folder: Path) -> dict[str, Any]:
    """Apply what is printed for every fault in that namespace; the CronJob as the API server would keep it."""
    file = folder / "gameday.toml"
    file.write_text(f'[system]\nnamespace = "{namespace}"\ndeployment = "chat"\n')
    printed = CliRunner().invoke(app, ["rbac", "--system", str(file), "--undo-cronjob", "registry.example/gameday:1"])
    *objects, job = yaml.safe_load_all(printed.stdout)
    executor = LiveExecutor(admin, NullJournal())
    for one in objects:
        done = executor.do(mutations.apply(one, field_manager="kubectl", force=True))
        assert done.outcome == "ok", done.reason
    # Nothing runs an image on simulated nodes.
    path = f"/apis/batch/v1/namespaces/{job['metadata']['namespace']}/cronjobs"
    answer = admin.transport.call("POST", path, query={"dryRun": "All", "fieldValidation": "Strict"}, body=job)
    made: Any = answer.json()
    assert answer.ok, made
    assert made["kind"] == "CronJob"
    return dict(made)


def as_pod(
    admin: Cluster, simulated: SimulatedCluster, job: dict[str, Any], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Have this process see what the kubelet gives the CronJob's pod."""
    pod = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]
    path = path_of("ServiceAccount", job["metadata"]["namespace"], pod["serviceAccountName"], "token")
    wanted = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": 3600}}
    answer: Any = admin.transport.call("POST", path, body=wanted).json()
    account = folder / "serviceaccount"
    account.mkdir()
    (account / "token").write_text(answer["status"]["token"])
    cluster = yaml.safe_load(simulated.kubeconfig.read_text())["clusters"][0]["cluster"]
    (account / "ca.crt").write_text(admin.transport.identity()["ca_pem"] or "")
    server = urlsplit(cluster["server"])
    monkeypatch.setattr(sys.modules["chaos.cluster.connect"], "ACCOUNT", account)
    monkeypatch.setenv("HOME", str(folder))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", str(server.hostname))
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", str(server.port))
    there = replace(Owner.this_process(), host="gameday-undo-29123-abcde", scope="boot-9/pid:[4026532000]")
    monkeypatch.setattr(Owner, "this_process", lambda: there)


def run_once(job: dict[str, Any]) -> Result:
    """One run of the CronJob's container."""
    (container,) = job["spec"]["jobTemplate"]["spec"]["template"]["spec"]["containers"]
    return CliRunner().invoke(app, container["command"][1:])


def let_time_pass(admin: Cluster, namespace: str) -> None:
    """Have the deadlines of what a dead run wrote down be over."""
    executor = LiveExecutor(admin, NullJournal())
    for left in find_left(admin, namespace):
        found = admin.get("ConfigMap", left.where.namespace, left.where.name) or {}
        late = {
            key: json.dumps({**json.loads(text), "deadline_ns": time.time_ns() - 1})
            for key, text in found["data"].items()
        }
        assert executor.do(mutations.patch(left.where, {"data": late})).outcome == "ok"


@pytest.mark.parametrize("fault", ["NodeDrain", "RollingUpdate", "BudgetChange", "Scale"])
def test_a_killed_run_is_healed_though_nobody_comes_back(
    simulated: SimulatedCluster, admin: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    """Left alone until its deadline, without failing; then the cluster is as before, by the printed rights alone."""
    assert fault in FAULTS
    with plain_namespace(admin) as namespace:
        apply_all(admin, namespace, service_of("chat", replicas=3))
        job = applied(admin, namespace, tmp_path)
        before = snapshot(admin, namespace)
        assert die_at(simulated, namespace, fault, ACTED, tmp_path)
        as_pod(admin, simulated, job, tmp_path, monkeypatch)
        until(lambda: run_once(job).exit_code == 0, deadline_s=IN_FORCE_S, awaited="the rights to be in force")
        waiting = run_once(job)
        assert (waiting.exit_code, "nothing is known before its deadline" in waiting.stdout) == (0, True)
        assert snapshot(admin, namespace) != before
        let_time_pass(admin, namespace)
        healed = run_once(job)
        assert (healed.exit_code, "undone" in healed.stdout) == (0, True), healed.output
        assert snapshot(admin, namespace) == before
        again = run_once(job)
        assert (again.exit_code, again.stdout) == (0, "nothing is left to undo\n")
        for kind in ("ClusterRoleBinding", "ClusterRole"):
            LiveExecutor(admin, NullJournal()).do(mutations.delete(Ref(kind, "", f"gameday-{namespace}")))
