"""Every scenario on a service that others deployed, as the printed identity: it passes or says why it cannot be had."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from asked_systems import System, asked, systems
from cluster_snapshot import snapshot
from plain_model import NAME, consent, deploy_plainly, kubectl, settled, spec_with, spread_again
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, connect, mutations
from chaos.faults import ALL_FAULTS
from chaos.lab import Lab, LabFacts
from chaos.lab.control_plane.pki import with_token
from chaos.objects.base import Ref
from chaos.plugin.terminal import signals_heal
from chaos.progress import Terminal
from chaos.safety.undo_journal import own_namespace
from chaos.system.adopt.drift import differences
from chaos.trial.config import TimingsPart
from chaos.wait import until

pytestmark = [
    pytest.mark.root,
    pytest.mark.slow,
    pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine"),
]

ROOT = Path(__file__).resolve().parents[2]
SESSION_S = 900.0

SHORT, LONG = "max_tokens = 6", "max_tokens = 64\nignore_eos = true\ntimeout_s = 60"
"""What users ask for; for some seconds where a replica must have answers under way whenever it ends."""

GONE_S = 90.0

# The lab's network plugin enforces no NetworkPolicy, which is the only means on a cluster of others.
NOT_ALLOWED = {"network-partition"}
CANNOT_BE_HAD = {
    "test_a_replica_that_is_cut_off_costs_its_share_and_returns",
    "test_an_hour_of_steady_load_with_trouble_every_few_minutes",
}
"""The one for that reason, the other as it takes an hour."""

ON_NODES = [one.name for one in ALL_FAULTS if one.hits_nodes]
ON_PODS = [one.name for one in ALL_FAULTS if one.name not in NOT_ALLOWED]


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
    with signals_heal():
        try:
            with lab.use("the scenarios on an adopted service", nodes=3, progress=Terminal()) as facts:
                yield lab, facts
        finally:
            lab.down(progress=Terminal())


def written(
    admin: Cluster, facts: LabFacts, namespace: str, kubeconfig: Path, *, data: Sequence[str] = (), answers: str = SHORT
) -> str:
    """The text of gameday.toml: which cluster, which service, what must survive, how users reach it, and the bounds."""
    service = admin.get("Service", namespace, NAME) or {}
    url = f"http://{service['spec']['clusterIP']}:{service['spec']['ports'][0]['port']}"
    switch = f"{sys.executable} {ROOT / 'tests/staging/node_command.py'}"
    timings = {
        key: value for key, value in facts.timings.items() if key in TimingsPart.model_fields and value is not None
    }
    told = ", ".join(f"{key} = {json.dumps(value)}" for key, value in timings.items())
    tables: dict[str, dict[str, Any]] = {
        "system": {"namespace": namespace, "deployment": NAME, "data": list(data)},
        "traffic": {
            "url": url,
            "profile": "openai-chat",
        },
        "safety": {"pods_max": 8, "nodes_max": 3},
        "node_infrastructure": {"off": f"{switch} off {{node}}", "on": f"{switch} on {{node}}"},
    }
    cluster = {"context": facts.context, "kubeconfig": str(kubeconfig), "uid": admin.facts.uid}
    lines = ["[cluster]", *(f"{key} = {json.dumps(value)}" for key, value in cluster.items())]
    lines.append(f"timings = {{ {told} }}")
    for name, table in tables.items():
        lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in table.items())]
    lines.append('[traffic.request]\nmodel = "smollm2"\nprompts = ["Say hello.", "Count to three."]')
    lines.append(answers)
    return "\n".join(lines) + "\n"


def identity(facts: LabFacts, file: Path, namespace: str, scenarios: list[str]) -> Path:
    """Apply what `gameday rbac` prints for these scenarios, and give a kubeconfig of that account."""
    printed = CliRunner().invoke(app, ["rbac", "--system", str(file), *scenarios])
    assert printed.exit_code == 0, printed.output
    kubectl(facts.kubeconfig, "apply", "-f", "-", stdin=printed.stdout)
    where = ["-n", own_namespace(namespace), "--duration", "2h"]
    token = kubectl(facts.kubeconfig, "create", "token", "gameday", *where).strip()
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


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Give each system that scenarios ask for its own test."""
    if "stands" in metafunc.fixturenames:
        found = systems(spec_with({}), asked(ROOT))
        metafunc.parametrize("stands", found, ids=[one.name for one in found])


def test_the_scenarios_pass_or_are_skipped_and_leave_all_as_it_was(
    lab: tuple[Lab, LabFacts], stands: System, tmp_path: Path
) -> None:
    """No scenario fails or is refused, and what the owners wrote in namespace and nodes reads as before."""
    running, facts = lab
    namespace = f"team-{stands.name}"
    with ExitStack() as stack:
        admin = stack.enter_context(connect(kubeconfig=facts.kubeconfig, context=facts.context))
        stack.callback(_remove, admin, namespace)
        deploy_plainly(facts.kubeconfig, admin, stands.spec, namespace)
        consent(facts.kubeconfig, namespace, pods=",".join(ON_PODS), nodes=",".join(ON_NODES))
        table, wrong = list[Row](), list[str]()
        for file, scenarios in stands.by_file().items():
            if table:
                spread_again(facts.kubeconfig, admin, namespace)
            (folder := tmp_path / file).mkdir()
            config = folder / "gameday.toml"
            least, answers = folder / "least.kubeconfig", LONG if file == "test_termination" else SHORT
            data = stands.spec.kept_files
            config.write_text(written(admin, facts, namespace, least, data=data, answers=answers))
            identity(facts, config, namespace, scenarios)
            before = _as_written(admin, namespace)
            code = session(running, config, scenarios)
            settled(admin, namespace)
            after = _as_written(admin, namespace)
            table += rows(folder / "junit.xml")
            wrong += [f"{file}: {one['object']} {one['path']}" for one in differences(before, after)]
            wrong += [] if code in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED} else [f"{file}: {code}"]
        print()  # noqa: T201  # the table is what a person runs this for
        for row in table:
            print(f"| {row.scenario} | {row.result} | {row.took_s:.0f} s | {row.reason} |")  # noqa: T201
        assert wrong == []
        assert len(table) == len(stands.scenarios)
        assert {row.result for row in table} <= {"PASS", "skipped"}
        assert {row.scenario for row in table if row.result == "skipped"} <= CANNOT_BE_HAD
        assert running.refused(f"system:serviceaccount:{own_namespace(namespace)}:gameday") == ()


def _remove(admin: Cluster, namespace: str) -> None:
    """Remove a service, whatever came of it: its replicas would take the next one's room."""
    for name in (namespace, own_namespace(namespace)):
        LiveExecutor(admin, NullJournal()).do(mutations.delete(Ref("Namespace", "", name)))
    until(lambda: not admin.list("Pod", namespace), deadline_s=GONE_S, awaited=f"the pods of {namespace} to be gone")


def session(running: Lab, config: Path, scenarios: list[str]) -> int:
    """Run these scenarios, and return pytest's exit code."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--no-header"]
    argv += ["--gameday-config", str(config)]
    argv += ["--junitxml", str(config.parent / "junit.xml"), "--gameday-runs", str(config.parent / "runs"), *scenarios]
    # From the lab's client: a machine beside the cluster, from which the Service is reached as users reach it.
    command, environment = running.client_command(argv), {**os.environ, "KUBECONFIG": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=SESSION_S, check=False).returncode


def _as_written(admin: Cluster, namespace: str) -> dict[str, Any]:
    """What people wrote; the number of replicas is the autoscaler's own where there is one."""
    found = snapshot(admin, namespace)
    if admin.list("HorizontalPodAutoscaler", namespace):
        found[f"Deployment {NAME}"]["spec"].pop("replicas")
    return found
