"""The examples for CI say only what our commands understand."""

import re
import shlex
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from chaos.cli.app import app

FOLDER = Path(__file__).parents[3] / "docs" / "examples" / "workflows"
FILES = sorted(FOLDER.glob("*.yaml"))


def commands(file: Path) -> Iterator[list[str]]:
    """Every command line of a workflow."""
    workflow: dict[str, Any] = yaml.safe_load(file.read_text())
    for job in workflow["jobs"].values():
        for step in job["steps"]:
            if "run" in step:
                yield shlex.split(step["run"])


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_every_option_of_the_examples_exists(file: Path, pytestconfig: pytest.Config) -> None:
    """Each option stands in the help of the command that gets it; both examples run scenarios and undo at the end."""
    known = {option for group in pytestconfig._parser._groups for one in group.options for option in one.names()}
    names = []
    for words in commands(file):
        options = [word for word in words if word.startswith("--")]
        if words[0] == "gameday":
            help_of = CliRunner().invoke(app, [words[1], "--help"], env={"COLUMNS": "200", "NO_COLOR": "1"})
            assert help_of.exit_code == 0
            assert all(option in re.sub(r"\x1b\[[0-9;]*m", "", help_of.stdout) for option in options)
        if words[:2] == ["pip", "install"]:
            project = tomllib.loads((FOLDER.parents[2] / "pyproject.toml").read_text())["project"]
            assert words[2:] == [f"{project['name']}=={project['version']}"]
        if words[0] == "pytest":
            assert set(options) <= known
            assert words[1:3] == ["--pyargs", "gameday_scenarios"]
        names.append(" ".join(words[:2]))
    assert "pytest --pyargs" in names
    assert "gameday undo" in names


def test_there_are_two_examples() -> None:
    """One for a cluster of its own every night, one for a staging cluster."""
    assert [file.stem for file in FILES] == ["nightly-kind", "staging"]
