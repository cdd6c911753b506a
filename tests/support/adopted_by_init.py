"""A server as a team runs it, adopted by what `gameday init` wrote, with nothing edited; and scenarios on it."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from adopted_session import ON_NODES, ON_PODS, ROOT, SESSION_S, Row, identity, rows
from plain_model import AVAILABLE_S, Change, consent, deploy_plainly, kubectl
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.cluster import connect
from chaos.lab import Lab, LabFacts
from chaos.safety.undo_journal import own_namespace
from chaos.system import SystemSpec

__all__ = ["adopted_by_init", "tried"]


@contextmanager
def adopted_by_init(
    facts: LabFacts,
    namespace: str,
    folder: Path,
    spec: SystemSpec,
    *,
    change: Change = list,
    within_s: float = AVAILABLE_S,
) -> Iterator[Path]:
    """The server, available `within_s`, and the file that `gameday init` writes of it; both are gone afterwards."""
    with connect(kubeconfig=facts.kubeconfig, context=facts.context) as admin:
        try:
            deploy_plainly(facts.kubeconfig, admin, spec, namespace, change=change, within_s=within_s)
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


def tried(
    facts: LabFacts, file: Path, namespace: str, scenarios: Sequence[str], *, lab: Lab | None = None, url: str = ""
) -> list[Row]:
    """What became of these scenarios, as the identity that is printed for them.

    Users ask through the API server's proxy, or from the `lab`'s client at that URL.
    """
    least = identity(facts, file, namespace, list(scenarios))
    argv = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-rs", "--no-header", *scenarios]
    argv += ["--gameday-config", str(file), "--gameday-kubeconfig", str(least)]
    argv += ["--junitxml", str(file.parent / "junit.xml"), "--gameday-runs", str(file.parent / "runs")]
    if lab is not None:
        argv = lab.client_command([*argv, "--gameday-service-url", url])
    subprocess.run(argv, cwd=ROOT, env={**os.environ, "KUBECONFIG": ""}, timeout=4 * SESSION_S, check=False)
    found = rows(file.parent / "junit.xml")
    print()  # noqa: T201  # the table is what a person runs this for
    for row in found:
        print(f"| {row.scenario} | {row.result} | {row.took_s:.0f} s | {row.reason} |")  # noqa: T201
    return found
