"""The wheel in a fresh environment and an empty folder: it brings the ready-made scenarios, one runs on the lab."""

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / ".ci" / "constraints.txt"
INSTALL_S, SESSION_S = 900, 600


@dataclass(frozen=True, slots=True)
class Installed:
    """An environment with nothing but the wheel and what that needs, and an empty folder to work in."""

    programs: Path
    folder: Path

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the environment in the folder."""
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "PYTEST"))}
        return subprocess.run(
            [str(self.programs / command[0]), *command[1:]],
            cwd=self.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
            timeout=SESSION_S,
        )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Installed:
    """The wheel, built and installed as a user would; its dependencies as this project pins them."""
    place = tmp_path_factory.mktemp("wheel")
    programs = place / "venv" / "bin"
    for command in (
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--wheel-dir", str(place), str(ROOT)],
        [sys.executable, "-m", "venv", str(place / "venv")],
        [str(programs / "pip"), "install", "-q", "-c", str(CONSTRAINTS), "--find-links", str(place), "kube-gameday"],
    ):
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=INSTALL_S)
        assert done.returncode == 0, done.stdout + done.stderr
    (folder := place / "empty").mkdir()
    return Installed(programs, folder)


def collected(text: str) -> list[str]:
    """The scenarios that pytest lists, without the folder that they are in."""
    names = [line for line in text.splitlines() if "::" in line]
    return [name.rpartition("/")[2] for name in names]


@pytest.mark.parametrize("choice", [(), ("-m", "quick")], ids=["all", "quick"])
def test_it_has_the_scenarios_of_the_repository(installed: Installed, choice: tuple[str, ...]) -> None:
    """`pytest --pyargs gameday_scenarios` collects what `pytest scenarios` does here; their markers are known."""
    options = ["--collect-only", "-q", "-p", "no:cacheprovider", "--strict-markers", *choice]
    theirs = installed.run("pytest", "--pyargs", "gameday_scenarios", *options)
    assert theirs.returncode == 0, theirs.stdout + theirs.stderr
    ours = subprocess.run(
        [sys.executable, "-m", "pytest", "scenarios", *options], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert collected(theirs.stdout) == collected(ours.stdout)
    assert len(collected(ours.stdout)) > 1


def test_the_command_lists_them(installed: Installed) -> None:
    """With what each needs, and how they are run."""
    done = installed.run("gameday", "scenarios")
    assert done.returncode == 0, done.stderr
    assert "test_pod_kill.py::test_killed_pods_are_replaced_within_the_slo" in done.stdout
    assert "needs: replicas at least 2; consent: pod-kill, load, or a stated replica_rps" in done.stdout
    assert done.stdout.endswith("run them: pytest --pyargs gameday_scenarios\n")


@pytest.mark.root
def test_a_scenario_runs_on_the_lab(installed: Installed) -> None:
    """From the empty folder a replica is killed on the lab, the verdict is PASS, and the run can be judged again."""
    if os.geteuid() != 0:
        pytest.skip("the lab needs root")
    scenario = ["--pyargs", "gameday_scenarios.test_pod_kill", "-k", "one-graceful", "-p", "no:cacheprovider"]
    done = installed.run("pytest", *scenario)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "gameday_scenarios.test_pod_kill::" in (installed.folder / "runs" / "history.jsonl").read_text()
    (run,) = (path.parent for path in installed.folder.glob("runs/*/verdict.json"))
    assert json.loads((run / "verdict.json").read_text())["answer"] == "PASS"
    again = installed.run("pytest", *scenario, "--gameday-rejudge", str(run))
    assert again.returncode == 0, again.stdout + again.stderr
