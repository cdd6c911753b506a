"""What a scenario's author imports: a few names, which stay; each is imported when it is first used."""

import ast
import subprocess
import sys
from pathlib import Path

import chaos

ROOT = Path(__file__).parents[3]
NAMES = ["Autoscale", "Keda", "Slo", "SystemSpec", "checks", "conditions", "faults", "profiles", "shapes", "targets"]
LISTS = "import sys, chaos; print(*[name for name in sys.modules if name.partition('.')[0] in %r])"


def test_the_exported_names_are_these() -> None:
    """Each can be had; another name is an AttributeError that says so."""
    assert chaos.__all__ == NAMES
    assert all(getattr(chaos, name).__name__.rpartition(".")[2] == name for name in NAMES)
    assert set(NAMES) <= set(dir(chaos))
    assert not hasattr(chaos, "Fault")


def test_importing_the_package_imports_nothing_else() -> None:
    """Not even our own modules."""
    heavy = ("chaos", "loadgen", "reports", "polars", "pydantic", "kubernetes")
    done = subprocess.run(
        [sys.executable, "-c", LISTS % (heavy,)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["chaos"]


def test_the_ready_made_scenarios_use_nothing_else_of_ours() -> None:
    """Neither the scenarios nor the conftest of this repository import another name or module of ours."""
    for file in (*(ROOT / "scenarios").glob("*.py"), ROOT / "conftest.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                assert not any(one.name.startswith(("chaos", "loadgen", "reports")) for one in node.names), file
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith(("chaos", "loadgen", "reports")):
                assert node.module == "chaos", file
                assert {one.name for one in node.names} <= set(NAMES), file
