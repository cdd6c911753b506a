"""A package of the user's that has the name of one of ours: one line with the remedy, never a traceback."""

from pathlib import Path

import pytest
from guest_session import session

IMPORTS = {"chaos": "from chaos import checks", "loadgen": "from chaos import shapes", "reports": "import chaos"}
"""What a scenario imports that leads to the package of this name."""


@pytest.fixture(params=["chaos", "loadgen", "reports"])
def package(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A package of the user's own in their repository."""
    folder = tmp_path / str(request.param)
    folder.mkdir()
    folder.joinpath("__init__.py").write_text("MINE = 1\n")
    return folder


def test_a_users_own_package_keeps_working(package: Path) -> None:
    """Tests of it pass; where it is named chaos, as the package that pytest loads, one line says so."""
    package.parent.joinpath("test_mine.py").write_text(f"def test_mine():\n    from {package.name} import MINE\n")
    done = session(package.parent)
    assert done.returncode == 0, done.stdout + done.stderr
    said = [line for line in done.stdout.splitlines() if line.startswith("gameday: ")]
    assert len(said) == (package.name == "chaos")
    assert all(str(package) in line and "rename it" in line for line in said)


@pytest.mark.parametrize("module", [True, False], ids=["python -m pytest", "pytest"])
def test_a_scenario_beside_a_package_of_the_same_name_is_refused_in_a_line(
    package: Path,
    module: bool,  # noqa: FBT001  # a column of the table
) -> None:
    """The line names the package and the remedy, and there is no traceback; the remedy helps."""
    scenario = f"{IMPORTS[package.name]}\n\ndef test_claim(trial):\n    pass\n"
    package.parent.joinpath("test_scenario.py").write_text(scenario)
    done = session(package.parent, module=module)
    told = done.stdout + done.stderr
    assert "Traceback" not in told
    if package.name == "chaos" and not module:
        # Python finds ours first, and nothing of theirs was asked for.
        assert "no system to test" in told
    else:
        assert done.returncode in {pytest.ExitCode.INTERRUPTED, pytest.ExitCode.USAGE_ERROR}
        assert "no system to test" not in told
    assert f"{package} has the name of a package of gameday's" in told
    if module:
        assert "no system to test" in session(package.parent, "--import-mode=importlib", module=False).stdout


def test_what_needs_the_plugin_is_refused_where_it_is_hidden(tmp_path: Path) -> None:
    """An option of ours, and a fixture of ours, where `chaos` is the user's."""
    tmp_path.joinpath("chaos.py").write_text("")
    tmp_path.joinpath("test_scenario.py").write_text("def test_claim(trial):\n    pass\n")
    for argv, code in ((["--gameday-seed", "1"], pytest.ExitCode.USAGE_ERROR), ([], pytest.ExitCode.TESTS_FAILED)):
        done = session(tmp_path, *argv)
        assert done.returncode == code
        assert f"{tmp_path / 'chaos.py'} has the name of a package of gameday's" in done.stdout + done.stderr
        assert "Traceback" not in done.stdout + done.stderr


def test_a_module_that_misses_the_users_package_is_told_why(tmp_path: Path) -> None:
    """Where ours is loaded first, a test of theirs cannot import theirs: one line instead of the traceback."""
    tmp_path.joinpath("chaos").mkdir()
    tmp_path.joinpath("chaos", "__init__.py").write_text("MINE = 1\n")
    tmp_path.joinpath("test_mine.py").write_text("from chaos import MINE\n\ndef test_mine():\n    pass\n")
    done = session(tmp_path, module=False)
    assert done.returncode == pytest.ExitCode.INTERRUPTED
    assert f"{tmp_path / 'chaos'} has the name of a package of gameday's" in done.stdout
    assert "Traceback" not in done.stdout
