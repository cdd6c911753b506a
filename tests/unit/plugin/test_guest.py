"""The plugin is a guest: it costs a session that does not use it nothing."""

from pathlib import Path

import pytest
from guest_session import session

HEAVY = ("polars", "kubernetes", "pydantic", "rich", "locust", "gevent", "jinja2", "cryptography", "typer", "yaml")

LISTS_MODULES = """
import sys

def pytest_sessionfinish():
    print("IMPORTED", *sys.modules)
"""


def test_a_session_without_scenarios_imports_nothing_of_the_engine(tmp_path: Path) -> None:
    """A trivial test beside a gameday.toml: no library of ours, and of our modules only what declares the options."""
    tmp_path.joinpath("conftest.py").write_text(LISTS_MODULES)
    tmp_path.joinpath("gameday.toml").write_text("[cluster]\n")
    tmp_path.joinpath("test_trivial.py").write_text("def test_nothing():\n    pass\n")
    done = session(tmp_path, "-q", "-s")
    assert done.returncode == 0, done.stdout + done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "IMPORTED" in line]
    imported = set(line.split())
    assert imported.isdisjoint(HEAVY)
    assert {name for name in imported if name.startswith(("chaos.", "loadgen", "reports"))} == {
        *("chaos.errors", "chaos.plugin", "chaos.plugin.fixtures", "chaos.plugin.hooks", "chaos.plugin.options"),
        "chaos.plugin.stash",
    }


def test_every_option_and_fixture_is_marked_as_ours_or_named_by_users(pytestconfig: pytest.Config) -> None:
    """Options begin with --gameday-; fixtures that no scenario or conftest names begin with an underscore."""
    (group,) = [one for one in pytestconfig._parser._groups if one.name == "gameday"]
    assert all(name.startswith("--gameday-") for option in group.options for name in option.names())
    assert "--gameday-config" in {name for option in group.options for name in option.names()}
    from chaos.plugin import fixtures  # noqa: PLC0415  # what it defines, not what we use

    named = {name for name, value in vars(fixtures).items() if type(value).__name__ == "FixtureFunctionDefinition"}
    assert {name for name in named if not name.startswith("_")} == {
        *("trial", "system", "traffic", "slo", "system_spec", "request_profile"),
        *("reference_model", "reference_profile"),
    }
