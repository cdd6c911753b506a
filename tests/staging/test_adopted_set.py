"""Every scenario on a service that others deployed, as the printed identity: it passes or says why it cannot be had."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cluster_snapshot import snapshot
from plain_model import NAME, consent, deploy_plainly, kubectl, settled, spec_with, spread_again
from typer.testing import CliRunner

from chaos.cli import app
from chaos.cluster import Cluster, NullJournal, OpenHand, connect, mutations
from chaos.config.model import TimingsPart
from chaos.faults.rights import ACTIONS
from chaos.history import Ref
from chaos.lab import Lab, LabFacts
from chaos.lab.kubeconfigs import with_token
from chaos.progress import Terminal
from chaos.system.standing import differences
from chaos.voice import sigterm_interrupts

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

ROOT = Path(__file__).resolve().parents[2]
SESSION_S = 900.0

# The lab's network plugin enforces no NetworkPolicy, which is the only means on a cluster of others.
NOT_ALLOWED = {"network-partition"}
ON_NODES = [one.name for one in ACTIONS.values() if one.nodes]
ON_PODS = [one.name for one in ACTIONS.values() if one.name not in NOT_ALLOWED]

QUEUES = {"QUEUE_MAX": "100"}
SMALL = {"cpu_request": "200m", "cpu_limit": "200m", "env": QUEUES}
SPIKED = {"replicas_min": 2, "replicas_max": 8, "cpu_percent": 60, "scale_down_window_s": 30}

GROUPS: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "pods": ({"replicas": 4}, ("pod_kill", "eviction", "capacity_loss", "partition", "persistence")),
    "nodes": ({"replicas": 4}, ("node_drain", "node_pool", "node_loss")),
    "releases": ({"replicas": 3, "rollout": {"progress_deadline_s": 15}}, ("rollout", "probe_recovery")),
    "streams": ({"replicas": 2, "env": {"SLOTS": "8"}}, ("termination", "soak")),
    "scaled": ({**SMALL, "autoscale": SPIKED}, ("load_spike", "scale_down")),
}
"""Which service which files are tried on: one system cannot be all that the scenarios ask for."""


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one scenario."""

    scenario: str
    result: str
    reason: str
    took_s: float


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[Lab, LabFacts]]:
    """A lab with three nodes for this file; never one that somebody else has up."""
    lab = Lab()
    if lab.status().remains:
        pytest.fail("there is a lab on this host already; first: gameday lab down")
    with sigterm_interrupts():
        try:
            with lab.use("the scenarios on an adopted service", nodes=3, progress=Terminal()) as facts:
                yield lab, facts
        finally:
            lab.down(progress=Terminal())


def written(admin: Cluster, facts: LabFacts, namespace: str, kubeconfig: Path) -> str:
    """The text of gameday.toml: which cluster, which service, how users reach it, and the owners' bounds."""
    service = admin.get("Service", namespace, NAME) or {}
    url = f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"
    power = f"{sys.executable} {ROOT / 'tests/staging/power.py'}"
    timings = {key: value for key, value in facts.timings.items() if key in TimingsPart.model_fields}
    told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in timings.items())
    tables: dict[str, dict[str, Any]] = {
        "system": {"namespace": namespace, "deployment": NAME},
        "traffic": {
            "url": url,
            "profile": "openai-chat",
        },
        "safety": {"pods_max": 8, "nodes_max": 3},
        "node_power": {"off": f"{power} off {{node}}", "on": f"{power} on {{node}}"},
    }
    cluster = {"context": facts.context, "kubeconfig": str(kubeconfig), "uid": admin.facts.uid}
    lines = ["[cluster]", *(f"{key} = {json.dumps(value)}" for key, value in cluster.items())]
    lines.append(f"timings = {{ {told} }}")
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    lines.append('[traffic.request]\nmodel = "smollm2"\nprompts = ["Say hello.", "Count to three."]\nmax_tokens = 6')
    return "\n".join(lines) + "\n"


def identity(facts: LabFacts, file: Path, namespace: str, scenarios: Path) -> Path:
    """Apply what `gameday rbac` prints for these scenarios, and give a kubeconfig of that account."""
    printed = CliRunner().invoke(app, ["rbac", "--system", str(file), str(scenarios)])
    assert printed.exit_code == 0, printed.output
    kubectl(facts.kubeconfig, "apply", "-f", "-", stdin=printed.stdout)
    token = kubectl(facts.kubeconfig, "create", "token", "gameday", "-n", namespace, "--duration", "2h").strip()
    return with_token(facts.kubeconfig, token, file.parent / "least.kubeconfig")


def rows(junit: Path) -> list[Row]:
    """What pytest wrote of each scenario."""
    found = []
    for case in ET.parse(junit).getroot().iter("testcase"):  # noqa: S314  # written by the test itself
        result, reason = "PASS", ""
        for kind in ("skipped", "failure", "error"):
            if (told := case.find(kind)) is not None:
                result, reason = kind, " ".join((told.get("message") or told.text or "").split())
        found.append(Row(str(case.get("name")), result, reason, float(case.get("time") or 0)))
    return found


@pytest.mark.parametrize("group", GROUPS)
def test_the_scenarios_pass_or_are_skipped_and_leave_all_as_it_was(
    lab: tuple[Lab, LabFacts], group: str, tmp_path: Path
) -> None:
    """No scenario fails or is refused, and what the owners wrote in namespace and nodes reads as before."""
    running, facts = lab
    fields, files = GROUPS[group]
    namespace = f"team-{group}"
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin:
        deploy_plainly(facts.kubeconfig, admin, spec_with(fields), namespace)
        consent(facts.kubeconfig, namespace, pods=",".join(ON_PODS), nodes=",".join(ON_NODES))
        table, wrong = list[Row](), list[str]()
        for name in files:
            if table:
                spread_again(facts.kubeconfig, admin, namespace)
            folder, scenarios = tmp_path / name, ROOT / "scenarios" / f"test_{name}.py"
            folder.mkdir()
            (config := folder / "gameday.toml").write_text(
                written(admin, facts, namespace, folder / "least.kubeconfig")
            )
            identity(facts, config, namespace, scenarios)
            before = _as_written(admin, namespace)
            code = _session(running, config, scenarios)
            settled(admin, namespace)
            after = _as_written(admin, namespace)
            table += rows(folder / "junit.xml")
            wrong += [f"{name}: {one['object']} {one['path']}" for one in differences(before, after)]
            wrong += [] if code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} else [f"{name}: {code}"]
        print()  # noqa: T201  # the table is what a person runs this for
        for row in table:
            print(f"| {row.scenario} | {row.result} | {row.took_s:.0f} s | {row.reason} |")  # noqa: T201
        assert wrong == []
        assert {row.result for row in table} <= {"PASS", "skipped"}
        assert running.refused(f"system:serviceaccount:{namespace}:gameday") == ()
        # Its replicas would take the next service's room.
        OpenHand(admin, NullJournal()).do(mutations.delete(Ref("Namespace", "", namespace)))


def _session(running: Lab, config: Path, scenarios: Path) -> int:
    """Run the scenarios of one file, and return pytest's exit code."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--no-header", "--system", str(config)]
    argv += ["--junitxml", str(config.parent / "junit.xml"), "--runs", str(config.parent / "runs"), str(scenarios)]
    # From the lab's client: a machine beside the cluster, from which the Service is reached as users reach it.
    command, environment = running.client_command(argv), {**os.environ, "KUBECONFIG": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=SESSION_S, check=False).returncode


def _as_written(admin: Cluster, namespace: str) -> dict[str, Any]:
    """What people wrote; the number of replicas is the autoscaler's own where there is one."""
    found = snapshot(admin, namespace)
    if admin.list("HorizontalPodAutoscaler", namespace):
        found[f"Deployment {NAME}"]["spec"].pop("replicas")
    return found
