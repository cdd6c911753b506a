"""CONTRIBUTING.md is followed to the letter, in a copy of the repository."""

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
COPIED = ("chaos", "loadgen", "reports", "scenarios", "tests", "conftest.py", "pyproject.toml", "README.md", "LICENSE")
SECTIONS = ("Add a fault", "Add a check", "Add a scenario")
BLOCK = re.compile(r"^```python\n# (new file|add to(?: \w+ in)?): (\S+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
OF_ALL = [
    "tests/unit/faults/test_faults_rights.py",
    "tests/unit/checks/test_check_no_data.py",
    "tests/unit/checks/test_fuzzed_fields.py",
    "tests/unit/checks/test_metamorphic.py",
]
"""The tests that every fault and every check has to pass."""


def section(title: str) -> str:
    """One section of CONTRIBUTING.md, without its heading."""
    text = (ROOT / "CONTRIBUTING.md").read_text()
    return text.split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]


def follow(title: str, copy: Path) -> list[Path]:
    """Do what the section says to the copy; return the files that it makes."""
    made = []
    for what, name, code in BLOCK.findall(section(title)):
        path = copy / name
        if what == "new file":
            assert not path.exists(), f"{name} exists already"
            path.write_text(code)
            made.append(path)
            continue
        text = path.read_text()
        if what != "add to":
            line = re.search(rf"^{what.split()[2]}\b.*[({{]$", text, re.MULTILINE)
            assert line is not None, f"{name}: {what}"
            path.write_text(f"{text[: line.end()]}\n{code.rstrip()}{text[line.end() :]}")
            continue
        (imported,) = code.splitlines()
        exported = imported.rpartition(" import ")[2]
        first = re.search(r"^from ", text, re.MULTILINE)
        assert first is not None
        text = f"{text[: first.start()]}{imported}\n{text[first.start() :]}"
        path.write_text(text.replace("__all__ = [", f'__all__ = [\n    "{exported}",', 1))
    return made


def run(copy: Path, *argv: str) -> None:
    """Run a module in the copy, which is what is imported there. Fails with its output."""
    done = subprocess.run(
        [sys.executable, "-m", *argv],
        cwd=copy,
        env={"PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the repository in which all three sections were followed, one after the other."""
    folder = tmp_path_factory.mktemp("repository")
    for name in COPIED:
        source = ROOT / name
        if source.is_dir():
            shutil.copytree(source, folder / name, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, folder / name)
    return folder


def test_the_sections_work_as_they_are_written(copy: Path) -> None:
    """Each section's files pass the linter, their own tests and those of every fault and check; pytest collects it."""
    made = [path for title in SECTIONS for path in follow(title, copy)]
    assert len(made) == 5
    names = [str(path.relative_to(copy)) for path in made]
    run(copy, "ruff", "check", "--quiet", *names)
    run(copy, "ruff", "format", "--check", "--quiet", *names)
    tests = [name for name in names if name.startswith("tests/")]
    run(copy, "pytest", "-q", "-p", "no:cacheprovider", *tests)
    new = "every_fault_names_its_rights or StartedFromPresentImage"
    run(copy, "pytest", "-q", "-p", "no:cacheprovider", "-k", new, *OF_ALL)
    run(copy, "pytest", "-q", "-p", "no:cacheprovider", "--collect-only", "scenarios/test_quarantine.py")
