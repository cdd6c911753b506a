"""llama.cpp's own server, unmodified, adopted by what `gameday init` wrote, with nothing edited: scenarios decide.

None of its answers names a replica, and SIGTERM ends it at once. Behind a preStop sleep that is longer than its answers
users lose nothing; without one it cuts what it has taken, and the scenarios of termination have to say so.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from adopted_session import ON_NODES, ON_PODS, ROOT, SESSION_S, Row, identity, lab, rows
from plain_model import consent, deploy_plainly, kubectl, spec_with
from test_adopted_set import pytestmark
from typer.testing import CliRunner

from chaos.checks.judge import read_verdict
from chaos.checks.verdict import Answer
from chaos.cli.app import app
from chaos.cluster import connect
from chaos.history import load_history
from chaos.lab import Lab, LabFacts
from chaos.safety.undo_journal import own_namespace
from chaos.trial.config import read_config

__all__ = ["lab", "pytestmark"]

PROGRAM = """
import os, signal, xllamacpp
parameters = xllamacpp.CommonParams()
parameters.model.path = os.environ["WEIGHTS"]
parameters.hostnames, parameters.port = ["0.0.0.0"], 8080
parameters.n_parallel, parameters.n_ctx = 4, 2048
parameters.endpoint_metrics = True
parameters.cpuparams.n_threads = parameters.cpuparams_batch.n_threads = 1
server = xllamacpp.Server(parameters)
print(server.listening_address, flush=True)
while True:
    signal.pause()
"""
"""The server as it comes: what SIGTERM does to a program of Python is what it does to any that does not listen."""

HEALTH = {"path": "/health", "period_s": 1}
SERVER = {
    "replicas": 3,
    "command": ["/usr/bin/tini", "--", "/usr/bin/python3.11", "-c", PROGRAM],
    "startup": {**HEALTH, "failure_threshold": 60},
    "readiness": HEALTH,
    "liveness": {**HEALTH, "period_s": 2, "timeout_s": 2, "failure_threshold": 5},
}
PATIENT = {**SERVER, "pre_stop_sleep_s": 5}
BARE = {**SERVER, "grace_s": 60, "env": {"SLOTS": "8", "GRACE_S": "60"}}
"""Without a preStop sleep, and with what the scenario of termination asks for; the variables mean nothing to it."""

OF_TERMINATION = "scenarios/test_termination.py"
NAMELESS = "names the replica"


@contextmanager
def adopted(facts: LabFacts, namespace: str, folder: Path, fields: dict[str, Any]) -> Iterator[Path]:
    """The server as a team runs it, and the file that `gameday init` writes of it."""
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin:
        try:
            deploy_plainly(facts.kubeconfig, admin, spec_with(fields), namespace)
            consent(facts.kubeconfig, namespace, pods=",".join(ON_PODS), nodes=",".join(ON_NODES))
            folder.mkdir()
            file = folder / "gameday.toml"
            words = ["init", "--kube-context", facts.context, "--kubeconfig", str(facts.kubeconfig)]
            made = CliRunner().invoke(app, [*words, "--namespace", namespace, "--output", str(file)])
            assert made.exit_code == 0, made.output
            yield file
        finally:
            names = (namespace, own_namespace(namespace))
            kubectl(facts.kubeconfig, "delete", "namespace", "--ignore-not-found", "--wait=false", *names)


def tried(facts: LabFacts, file: Path, namespace: str, scenarios: list[str]) -> list[Row]:
    """What became of these scenarios, as the identity that is printed for them."""
    least = identity(facts, file, namespace, scenarios)
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--no-header", *scenarios]
    argv += ["--gameday-config", str(file), "--gameday-kubeconfig", str(least)]
    argv += ["--junitxml", str(file.parent / "junit.xml"), "--gameday-runs", str(file.parent / "runs")]
    subprocess.run(argv, cwd=ROOT, env={**os.environ, "KUBECONFIG": ""}, timeout=4 * SESSION_S, check=False)
    found = rows(file.parent / "junit.xml")
    print()  # noqa: T201  # the table is what a person runs this for
    for row in found:
        print(f"| {row.scenario} | {row.result} | {row.took_s:.0f} s | {row.reason} |")  # noqa: T201
    return found


def test_init_leaves_nothing_to_edit(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """The engine, its version and its model are in the file, and that each replica is to be asked directly."""
    _, facts = lab
    with adopted(facts, "team-llama-init", tmp_path / "init", PATIENT) as file:
        traffic = read_config(file).traffic
        assert (traffic.engine, traffic.profile, traffic.canary) == ("llama.cpp", "openai-chat", True)
        assert traffic.engine_version
        assert traffic.request["model"]


def test_every_scenario_that_applies_passes_behind_a_pre_stop_sleep(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """None is UNKNOWN because no answer names its replica; what does not apply is skipped in words."""
    _, facts = lab
    files = sorted(str(path.relative_to(ROOT)) for path in (ROOT / "scenarios").glob("test_*.py"))
    chosen = [file for file in files if file not in (OF_TERMINATION, "scenarios/test_soak.py")]
    with adopted(facts, "team-llama", tmp_path / "set", PATIENT) as file:
        found = tried(facts, file, "team-llama", chosen)
    wrong = [f"{row.scenario}: {row.result} {row.reason}" for row in found if row.result not in {"PASS", "skipped"}]
    assert wrong == []
    assert [row.scenario for row in found if NAMELESS in row.reason] == []
    assert sum(row.result == "PASS" for row in found) >= len(("a kill", "an eviction", "a drain", "a rollout"))


def test_a_server_that_cuts_its_streams_fails_to_end_gracefully(lab: tuple[Lab, LabFacts], tmp_path: Path) -> None:
    """Killed without a preStop sleep, each replica cuts what it was given; the finding says so, and of whom."""
    _, facts = lab
    scenario = f"{OF_TERMINATION}::test_a_killed_replica_ends_its_streams[own-drain]"
    with adopted(facts, "team-llama-bare", tmp_path / "bare", BARE) as file:
        found = tried(facts, file, "team-llama-bare", [scenario])
        runs = [path.parent for path in (file.parent / "runs").glob("*/verdict.json")]
    assert "failure" in {row.result for row in found}
    for run in runs:
        verdict = {one.check: one for one in read_verdict(run).findings}
        ended = verdict["graceful-termination"]
        assert ended.answer is Answer.FAIL, ended.line()
        assert "does not finish what it has taken" in ended.reason, ended.line()
        canary = load_history(run).canary
        assert canary is not None
        assert canary.held
