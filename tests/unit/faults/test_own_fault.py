"""A team's own fault, in its own module, brings its rights, its word of consent and its actions along."""

from pathlib import Path

import pytest
import yaml
from typer.testing import CliRunner

from chaos.checks import Witnessed
from chaos.cli.app import app
from chaos.errors import UsageError
from chaos.trial.preflight.rbac import activities_of_files

MODULE = '''
from dataclasses import dataclass
from typing import ClassVar

from chaos import faults

@dataclass(frozen=True, slots=True)
class FlushCache(faults.Fault):
    """Delete the cache's ConfigMap."""

    name: ClassVar[str] = "flush-cache"
    permissions: ClassVar[tuple[faults.Right, ...]] = faults.rights("get delete", "StatefulSet")
    actions: ClassVar[tuple[str, ...]] = ("flush-the-cache",)

    words = "flush the cache"
    victims = ()

    def inject(self, context):
        return faults.Injection(self, context, lambda: "flushed")

def flushed():
    return FlushCache()
'''

SCENARIO = """
import pytest
from {module} import FlushCache, flushed
from chaos import faults

@pytest.fixture
def killing(system):
    return faults.PodKill(system)

def test_flush(trial):
    with trial.fault(FlushCache()):
        pass

def test_by_a_helper(trial):
    with trial.fault(flushed()):
        pass

def test_by_a_fixture(trial, killing):
    with trial.fault(killing):
        pass

@pytest.mark.parametrize("kind", [faults.Evict, FlushCache])
def test_by_a_parameter(trial, kind):
    with trial.fault(kind()):
        pass

def test_nothing(trial):
    trial.recovery()
"""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A scenario file beside the module of the fault."""
    module = f"own_faults_{tmp_path.name}"
    (tmp_path / f"{module}.py").write_text(MODULE)
    path = tmp_path / "test_flush.py"
    path.write_text(SCENARIO.format(module=module))
    return path


@pytest.mark.parametrize(
    ("test", "names"),
    [
        ("test_flush", ["flush-cache"]),
        ("test_by_a_helper", ["flush-cache"]),
        ("test_by_a_fixture", ["pod-kill"]),
        ("test_by_a_parameter", ["evict", "flush-cache"]),
        ("test_nothing", []),
    ],
)
def test_faults_are_found_wherever_a_scenario_takes_them_from(file: Path, test: str, names: list[str]) -> None:
    """Its own code, a helper of another module, a fixture, a parameter."""
    assert [one.name for one in activities_of_files([f"{file}::{test}"])] == names


def test_the_rights_of_a_teams_own_fault_are_printed(file: Path) -> None:
    """`gameday rbac FILE::TEST` prints what its class names, and for another scenario of the file it does not."""
    verbs = {}
    for test in ("test_flush", "test_nothing"):
        made = CliRunner().invoke(app, ["rbac", "--deploys", "--service-url", "http://x", f"{file}::{test}"])
        assert made.exit_code == 0, made.output
        (role,) = [one for one in yaml.safe_load_all(made.stdout) if one["kind"] == "ClusterRole"]
        verbs[test] = [rule["verbs"] for rule in role["rules"] if rule["resources"] == ["statefulsets"]]
    assert verbs == {"test_flush": [["delete", "get"]], "test_nothing": []}


def test_a_file_that_cannot_be_imported_is_named(file: Path) -> None:
    """The reason is said in one line, and how to see more."""
    file.write_text("import no_such_module_of_anybody\n")
    with pytest.raises(UsageError, match=r"test_flush\.py cannot be imported: ModuleNotFoundError"):
        activities_of_files([str(file)])


def test_the_actions_of_a_teams_own_fault_can_be_witnessed(file: Path) -> None:
    """Names that its class declares are known, once the class is."""
    activities_of_files([str(file)])
    assert Witnessed("flush-the-cache").action == "flush-the-cache"
