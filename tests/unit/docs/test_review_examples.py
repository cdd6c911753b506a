"""What runs the review in other repositories: the hook of pre-commit, and the composite action for GitHub."""

import json
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

ROOT = Path(__file__).parents[3]
HOOKS = ROOT / ".pre-commit-hooks.yaml"
ACTION = ROOT / "docs" / "examples" / "review" / "action.yaml"
RUN_S = 120.0

SOUND, REFUSED = 1, 0
"""A surge with which a release can begin, and one that the API refuses beside maxUnavailable 0."""


def write_manifest(folder: Path, max_surge: int) -> None:
    """A Deployment of two replicas."""
    labels = {"app": "chat"}
    container = {"name": "server", "image": "registry.example/chat:1", "ports": [{"containerPort": 8000}]}
    spec = {
        "replicas": 2,
        "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": max_surge, "maxUnavailable": 0}},
        "selector": {"matchLabels": labels},
        "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
    }
    made = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "chat"}, "spec": spec}
    folder.mkdir(exist_ok=True)
    (folder / "chat.yaml").write_text(yaml.safe_dump(made))


def run(command: Sequence[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run a program as a job does, with the `gameday` of this checkout."""
    usual = {
        "PATH": f"{Path(sys.executable).parent}:/usr/local/bin:/usr/bin:/bin",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
        "LANG": "C.UTF-8",
    }
    return subprocess.run(
        command,
        cwd=folder,
        env=usual | environment,
        capture_output=True,
        text=True,
        check=False,
        timeout=RUN_S,
    )


def hook() -> dict[str, Any]:
    """The only hook."""
    (one,) = yaml.safe_load(HOOKS.read_text())
    found: dict[str, Any] = one
    return found


def test_pre_commit_knows_every_key_of_the_hook(tmp_path: Path) -> None:
    """By its own validation."""
    command = [sys.executable, "-m", "pre_commit", "validate-manifest", str(HOOKS)]
    done = run(command, tmp_path, PRE_COMMIT_HOME=str(tmp_path / "store"))
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(("max_surge", "code"), [(SOUND, 0), (REFUSED, 1)])
def test_the_entry_of_the_hook_takes_files(tmp_path: Path, max_surge: int, code: int) -> None:
    """As arguments, as they may be named in the configuration of a repository."""
    write_manifest(tmp_path, max_surge)
    other = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "other"}}
    (tmp_path / "other.json").write_text(json.dumps(other))
    done = run([*shlex.split(hook()["entry"]), "chat.yaml", "other.json"], tmp_path)
    assert done.returncode == code, done.stdout + done.stderr
    assert ("# error: rollout-impossible, chat.yaml:" in done.stdout) == (code == 1)


def test_pre_commit_runs_the_hook(tmp_path: Path) -> None:
    """On the folder that the configuration names, whichever file was changed; what it found fails the commit."""
    repository, store = tmp_path / "repository", str(tmp_path / "store")
    repository.mkdir()
    # Its language would install the package from an index; all else is as it is published.
    here = {**hook(), "language": "system", "args": ["deploy"], "files": "^deploy/"}
    config = {"repos": [{"repo": "local", "hooks": [here]}]}
    (repository / ".pre-commit-config.yaml").write_text(yaml.safe_dump(config))
    said = []
    for max_surge in (REFUSED, SOUND):
        write_manifest(repository / "deploy", max_surge)
        for command in (["git", "init", "-q"], ["git", "add", "."]):
            assert run(command, repository).returncode == 0
        command = [sys.executable, "-m", "pre_commit", "run", "--all-files", "--color", "never", "--verbose"]
        done = run(command, repository, PRE_COMMIT_HOME=store)
        said.append((done.returncode, "error: rollout-impossible, deploy/chat.yaml:" in done.stdout))
        assert "gameday review" in done.stdout, done.stdout + done.stderr
    assert said == [(1, True), (0, False)]


def test_the_hook_reviews_whole_folders() -> None:
    """Without the files that did not change, a Deployment would seem to lack what is in them; its version is ours."""
    assert hook()["pass_filenames"] is False
    version = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"]
    assert f"rev: v{version}\n" in HOOKS.read_text()


@dataclass(frozen=True, slots=True)
class Job:
    """What a job with the action leaves: the exit code of its last step, its log, its summary, and its SARIF."""

    code: int
    log: str
    summary: str
    sarif: str


def action() -> dict[str, Any]:
    """The action."""
    found: dict[str, Any] = yaml.safe_load(ACTION.read_text())
    return found


def job(repository: Path, **given: str) -> Job:
    """Run the steps of the action as GitHub does, until one fails; what it would install is this checkout."""
    inputs = {name: str(one.get("default", "")) for name, one in action()["inputs"].items()}
    inputs |= {name.replace("_", "-"): value for name, value in given.items()}
    runner = repository.parent / "runner"
    runner.mkdir()
    summary, script = runner / "summary.md", runner / "step.sh"
    log, code = "", 0
    for step in action()["runs"]["steps"]:
        if "run" not in step or step["run"].startswith("pip install") or code:
            continue
        script.write_text(step["run"])
        filled = {
            name: re.sub(r"\$\{\{ inputs\.([\w-]+) \}\}", lambda found: inputs[found[1]], value)
            for name, value in step["env"].items()
        }
        files = {"GITHUB_STEP_SUMMARY": str(summary), "RUNNER_TEMP": str(runner)}
        shell = ["bash", "--noprofile", "--norc", "-eo", "pipefail", str(script)]
        done = run(shell, repository, **files, **filled)
        log, code = f"{log}{done.stdout}{done.stderr}", done.returncode
    written = [summary, runner / "gameday.sarif"]
    return Job(code, log, *(file.read_text() if file.exists() else "" for file in written))


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository whose folder deploy has a Deployment that the API refuses."""
    (folder := tmp_path / "repository").mkdir()
    write_manifest(folder / "deploy", REFUSED)
    return folder


def test_the_action_fails_for_an_error_and_says_where(repository: Path) -> None:
    """An annotation at the file, a summary of the job, and a log for code scanning."""
    done = job(repository, manifests="deploy")
    assert done.code == 1, done.log
    assert re.search(r"^::error file=deploy/chat\.yaml,line=\d+,title=rollout-impossible::", done.log, re.MULTILINE)
    assert "| error | [rollout-impossible](https://kubernetes.io/" in done.summary
    (run_of_tool,) = json.loads(done.sarif)["runs"]
    found = {(one["ruleId"], one["level"]) for one in run_of_tool["results"]}
    assert ("rollout-impossible", "error") in found


def test_the_action_lets_pass_what_is_no_error(repository: Path) -> None:
    """What is worth a warning is shown all the same."""
    write_manifest(repository / "deploy", SOUND)
    done = job(repository, manifests="deploy")
    assert done.code == 0, done.log
    assert "::warning file=deploy/chat.yaml,line=" in done.log
    assert "| warning | " in done.summary


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("note", 1), ("nonsense", 2)])
def test_the_action_fails_from_the_given_severity_on(repository: Path, fail_on: str, code: int) -> None:
    """And for a severity that there is none, as for any mistake."""
    assert job(repository, manifests="deploy", fail_on=fail_on).code == code


@pytest.mark.parametrize("name", ["a b; touch hit", "$(touch hit)", "--help", "`touch hit`"])
def test_no_input_of_the_action_is_run(repository: Path, name: str) -> None:
    """A folder may be called what a shell would run, or like an option."""
    (repository / "deploy").rename(repository / name)
    done = job(repository, manifests=name)
    assert done.code == 1, done.log
    assert "rollout-impossible" in done.summary
    assert sorted(one.name for one in repository.iterdir()) == [name]


def test_the_steps_of_the_action_are_those_that_are_known_here() -> None:
    """The version that it installs is this one; no script is built from an input, and each names its shell."""
    steps = action()["runs"]["steps"]
    scripts = [one for one in steps if "run" in one]
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert scripts[0]["run"] == f"pip install {project['name']}=={project['version']}"
    assert all(one["shell"] == "bash" and "${{" not in one["run"] for one in scripts)
    assert [one["uses"] for one in steps if "uses" in one] == [
        "actions/setup-python@v5",
        "github/codeql-action/upload-sarif@v3",
    ]
    (upload,) = [one for one in steps if "if" in one]
    assert upload["if"] == "inputs.code-scanning == 'true'"
    assert upload["with"]["sarif_file"] == "${{ runner.temp }}/gameday.sarif"
