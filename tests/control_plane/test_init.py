"""`gameday init` on a cluster of others: the file works, the printed commands mend, mistakes are told in words."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from plain_service import apply_all as apply_service
from plain_service import service_of
from staging_ground import Staging, audited, staging
from typer.testing import CliRunner

from chaos.cli.app import app
from chaos.trial.config import read_config

__all__ = ["audited", "staging"]  # fixtures

pytest_plugins = ["pytester"]


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")
def test_init_writes_a_file_that_works_and_says_what_is_missing(pytester: pytest.Pytester, staging: Staging) -> None:
    """The file names what was found and reads back; each lack comes with a patch, and the cluster is not changed."""
    file = pytester.path / "gameday.toml"
    since = len(staging.log.read_text())
    words = ["init", "--kube-context", staging.simulated.context, "--kubeconfig", str(staging.simulated.kubeconfig)]
    made = CliRunner().invoke(app, [*words, "--namespace", staging.namespace, "--output", str(file)])
    assert made.exit_code == 0, made.output
    assert staging.written(since) == []
    config = read_config(file)
    assert (config.cluster.uid, config.system.deployment) == (staging.cluster.facts.uid, "chat")
    assert config.system.disruption_budget == "chat-pdb"
    assert "no liveness probe" in made.stdout
    assert "no cpu and memory request" in made.stdout
    assert "no preStop sleep" in made.stdout
    assert run_by_sh(made.stdout, staging).splitlines() == ["deployment.apps/chat patched"] * 3
    another = str(pytester.path / "another.toml")
    once_more = CliRunner().invoke(app, [*words, "--namespace", staging.namespace, "--output", another])
    assert (once_more.exit_code, once_more.stdout) == (0, "")
    again = CliRunner().invoke(app, [*words, "--namespace", staging.namespace, "--output", str(file)])
    assert again.exit_code != 0


@pytest.mark.skipif(shutil.which("kubectl") is None, reason="there is no kubectl on this machine")
def test_what_a_bare_service_lacks_is_mended_by_the_printed_commands(
    pytester: pytest.Pytester, staging: Staging
) -> None:
    """Without disruption budget, with one replica: the commands are run, and a second `gameday init` finds no lack."""
    workload, service, _ = service_of("bare", replicas=1)
    apply_service(staging.cluster, staging.namespace, [workload, service])
    words = ["init", "--kube-context", staging.simulated.context, "--kubeconfig", str(staging.simulated.kubeconfig)]
    words += ["--namespace", staging.namespace, "--deployment", "bare", "--output"]
    made = CliRunner().invoke(app, [*words, str(pytester.path / "one.toml")])
    assert run_by_sh(made.stdout, staging).splitlines() == [
        "poddisruptionbudget.policy/bare created",
        *["deployment.apps/bare patched"] * 4,
    ]
    again = CliRunner().invoke(app, [*words, str(pytester.path / "two.toml")])
    assert (again.exit_code, again.stdout) == (0, "")


def run_by_sh(commands: str, staging: Staging) -> str:
    """What a person sees who pastes them into a shell."""
    environment = {**os.environ, "KUBECONFIG": str(staging.simulated.kubeconfig)}
    done = subprocess.run(
        ["sh", "-e"], input=commands, env=environment, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--namespace", "kube-system"], "namespace kube-system is protected"),
        (["--namespace", "x", "--deployment", "a", "--statefulset", "b"], "a system is one of them"),
        (["--namespace", "{namespace}", "--output", "no/such/folder.toml"], "no/such/folder.toml cannot be written"),
        (["--namespace", "nowhere"], "namespace nowhere has 0 Deployments: none"),
    ],
)
def test_a_mistake_at_init_is_one_line(
    pytester: pytest.Pytester, staging: Staging, words: list[str], told: str
) -> None:
    """Nothing is written, and nobody sees a traceback."""
    told_words = [word.format(namespace=staging.namespace) for word in words]
    command = [str(Path(sys.executable).with_name("gameday")), "init", "--kube-context", staging.simulated.context]
    command += ["--kubeconfig", str(staging.simulated.kubeconfig), *told_words]
    done = subprocess.run(command, cwd=pytester.path, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stdout) == (2, "")
    assert told in done.stderr
    assert "Traceback" not in done.stderr
    assert list(pytester.path.glob("*.toml")) == []
