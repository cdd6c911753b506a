"""A pytest of its own in a repository of a user's, with the plugin as it is installed."""

import subprocess
import sys
from pathlib import Path

__all__ = ["session"]

ROOT = Path(__file__).parents[2]
SESSION_S = 120


def session(folder: Path, *argv: str, module: bool = True) -> subprocess.CompletedProcess[str]:
    """Run pytest in the folder, as `python -m pytest` or as `pytest`."""
    start = [sys.executable, "-m", "pytest"] if module else [str(Path(sys.executable).with_name("pytest"))]
    # Whatever this environment has installed: the plugin of this checkout.
    command = [*start, "-p", "no:gameday", "-p", "pytest_gameday", "-p", "no:cacheprovider", *argv]
    environment = {"PATH": "/usr/bin:/bin", "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1", "COLUMNS": "300"}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=SESSION_S
    )
