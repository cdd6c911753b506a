"""The house itself: how long a module and a function may be, and names. Layers and circles are import-linter's."""

import ast
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODULE_LINES_MAX = 300
FUNCTION_LINES_MAX = 50
MODULES = sorted(
    path for folder in ("chaos", "loadgen", "reports", "scenarios") for path in (ROOT / folder).rglob("*.py")
)


def test_the_modules_are_found() -> None:
    """A wrong folder would make the next test pass over nothing."""
    assert len(MODULES) > 100


@pytest.mark.parametrize("path", MODULES, ids=lambda path: str(path.relative_to(ROOT)))
def test_a_module_and_its_functions_are_short_enough_to_read(path: Path) -> None:
    """A module has at most 300 lines and a function at most 50, with no exception."""
    text = path.read_text()
    assert len(text.splitlines()) <= MODULE_LINES_MAX
    long = {
        node.name: (node.end_lineno or 0) - node.lineno + 1
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or 0) - node.lineno >= FUNCTION_LINES_MAX
    }
    assert not long, f"functions over {FUNCTION_LINES_MAX} lines: {long}"


def test_no_two_files_of_tests_have_one_name() -> None:
    """Pytest imports test modules by their bare names, so two of one name cannot be collected in one run."""
    names = Counter(path.stem for path in (ROOT / "tests").rglob("test_*.py"))
    assert not [name for name, times in names.items() if times > 1]
