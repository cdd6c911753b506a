"""Sessions on a service that others deployed, as the identity that is printed: what became of each scenario."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from cluster_snapshot import snapshot
from learned_capacity import learned_rps
from plain_model import NAME, kubectl, settled
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import Cluster, LiveExecutor, NullJournal, mutations
from chaos.faults import ALL_FAULTS
from chaos.lab import Lab, LabFacts
from chaos.lab.control_plane.pki import with_token
from chaos.objects.base import Ref
from chaos.plugin.terminal import signals_heal
from chaos.progress import Terminal
from chaos.safety.undo_journal import own_namespace
from chaos.system import SystemSpec
from chaos.system.adopt.drift import differences
from chaos.trial.config import TimingsPart
from chaos.wait import until

__all__ = [
    "LONG",
    "ON_NODES",
    "ON_PODS",
    "ROOT",
    "SHORT",
    "Row",
    "TeamService",
    "identity",
    "lab",
    "own_lab",
    "rows",
    "session",
    "written",
]

ROOT = Path(__file__).resolve().parents[2]
SESSION_S = 900.0

SHORT, LONG = "max_tokens = 6", "max_tokens = 64\nignore_eos = true\ntimeout_s = 60"
"""What users ask for; for some seconds where a replica must have answers under way whenever it ends."""

GONE_S = 90.0

# The lab's network plugin enforces no NetworkPolicy, which is the only means on a cluster of others.
NOT_ALLOWED = {"network-partition"}

ON_NODES = [one.name for one in ALL_FAULTS if one.hits_nodes]
ON_PODS = [one.name for one in ALL_FAULTS if one.name not in NOT_ALLOWED]


@dataclass(frozen=True, slots=True)
class Row:
    """What became of one scenario."""

    scenario: str
    result: str
    reason: str
    took_s: float


@contextmanager
def own_lab(nodes: int, words: str) -> Iterator[tuple[Lab, LabFacts]]:
    """A lab with so many nodes while the block lasts; never one that somebody else has up."""
    lab = Lab()
    if lab.status().remains:
        pytest.fail("there is a lab on this host already; first: gameday lab down")
    with signals_heal():
        try:
            with lab.use(words, nodes=nodes, progress=Terminal()) as facts:
                yield lab, facts
        finally:
            lab.down(progress=Terminal())


@pytest.fixture(scope="module")
def lab() -> Iterator[tuple[Lab, LabFacts]]:
    """A lab with three nodes for this file."""
    with own_lab(3, "the scenarios on an adopted service") as up:
        yield up


def written(
    admin: Cluster,
    facts: LabFacts,
    namespace: str,
    kubeconfig: Path,
    *,
    data: Sequence[str] = (),
    answers: str = SHORT,
    kind: str = "Deployment",
    replica_rps: float | None = None,
    named: Mapping[str, str] | None = None,
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
        "system": {
            "namespace": namespace,
            kind.lower(): NAME,
            "service": NAME,
            "data": list(data),
            **({} if replica_rps is None else {"replica_rps": replica_rps}),
            **(named or {}),
        },
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
                # Of a verdict the message has the first line alone.
                said = told.get("message") if kind == "skipped" else told.text
                result, reason = kind, " ".join((said or "").split())
        found.append(Row(str(case.get("name")), result, reason, float(case.get("time") or 0)))
    return found


def session(running: Lab, config: Path, scenarios: list[str]) -> int:
    """Run these scenarios, and return pytest's exit code."""
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--no-header"]
    argv += ["--gameday-config", str(config)]
    argv += ["--junitxml", str(config.parent / "junit.xml"), "--gameday-runs", str(config.parent / "runs"), *scenarios]
    # From the lab's client: a machine beside the cluster, from which the Service is reached as users reach it.
    command, environment = running.client_command(argv), {**os.environ, "KUBECONFIG": ""}
    return subprocess.run(command, cwd=ROOT, env=environment, timeout=SESSION_S, check=False).returncode


@dataclass(frozen=True, slots=True)
class TeamService:
    """A service that a team has on the lab: which, where, of which kind, and the files on it that must survive.

    `spec` is that of a replica that is well, by which its gameday.toml states what one carries; without it a ramp on
    the service itself learns that. `named` is what else is named there of the system.
    """

    lab: Lab
    facts: LabFacts
    admin: Cluster
    namespace: str
    kind: str = "Deployment"
    data: Sequence[str] = ()
    spec: SystemSpec | None = None
    named: Mapping[str, str] = field(default_factory=dict)

    def run(self, folder: Path, scenarios: list[str], answers: str) -> tuple[int, list[Row]]:
        """Run scenarios on it, as the identity that is printed for them: pytest's exit code, and each outcome."""
        return session(self.lab, self._granted(folder, scenarios, answers), scenarios), rows(folder / "junit.xml")

    def tried(self, folder: Path, scenarios: list[str], answers: str) -> tuple[list[Row], list[str]]:
        """Run scenarios on it: what became of each, and what of the owners' is not as it was, or else went wrong."""
        config = self._granted(folder, scenarios, answers)
        before = self._as_written()
        code = session(self.lab, config, scenarios)
        settled(self.admin, self.namespace, self.kind)
        wrong = [f"{one['object']} {one['path']}" for one in differences(before, self._as_written())]
        if code not in {pytest.ExitCode.OK, pytest.ExitCode.NO_TESTS_COLLECTED}:
            wrong.append(f"pytest ended with {code}")
        wrong += self.lab.refused(f"system:serviceaccount:{own_namespace(self.namespace)}:gameday")
        return rows(folder / "junit.xml"), [f"{folder.name}: {one}" for one in wrong]

    def remove(self) -> None:
        """Remove it, whatever came of it: its replicas would take the next one's room."""
        for name in (self.namespace, own_namespace(self.namespace)):
            LiveExecutor(self.admin, NullJournal()).do(mutations.delete(Ref("Namespace", "", name)))
        until(
            lambda: not self.admin.list("Pod", self.namespace),
            deadline_s=GONE_S,
            awaited=f"the pods of {self.namespace} to be gone",
        )

    def _granted(self, folder: Path, scenarios: list[str], answers: str) -> Path:
        """Its gameday.toml in a new folder, once its owners have given the rights that these scenarios need."""
        folder.mkdir()
        config, least = folder / "gameday.toml", folder / "least.kubeconfig"
        stated = None
        if self.spec is not None:
            stated = learned_rps((self.lab, self.facts, self.admin), self.spec, folder, answers)
        told = {"data": self.data, "answers": answers, "kind": self.kind, "replica_rps": stated, "named": self.named}
        config.write_text(written(self.admin, self.facts, self.namespace, least, **told))
        identity(self.facts, config, self.namespace, scenarios)
        return config

    def _as_written(self) -> dict[str, Any]:
        """What people wrote; the number of replicas is the autoscaler's own where there is one."""
        found = snapshot(self.admin, self.namespace)
        if self.admin.list("HorizontalPodAutoscaler", self.namespace):
            found[f"{self.kind} {NAME}"]["spec"].pop("replicas")
        return found
