"""What the installed plugin costs a trivial test: `python tests/bench/plugin_cost.py`, on a machine that is idle."""

import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from tempfile import TemporaryDirectory

TIMES = 7


def took_s(folder: str, *argv: str) -> tuple[float, float]:
    """Seconds of one session, and of its processor time."""
    before, began = os.times(), time.monotonic()
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *argv]
    subprocess.run(command, cwd=folder, check=True, capture_output=True)
    after = os.times()
    used = after.children_user + after.children_system - before.children_user - before.children_system
    return time.monotonic() - began, used


def main() -> None:
    """Run a trivial test without and with the plugin in turn, and print the medians."""
    with TemporaryDirectory() as folder:
        Path(folder, "test_trivial.py").write_text("def test_nothing():\n    pass\n")
        took_s(folder)
        pairs = [(took_s(folder, "-p", "no:gameday"), took_s(folder)) for _ in range(TIMES)]
    for index, what in enumerate(("wall clock", "processor")):
        without, beside = (statistics.median(pair[side][index] for pair in pairs) for side in (0, 1))
        sys.stdout.write(f"{what}: {without:.2f} s without, {beside:.2f} s with, {beside - without:+.2f} s\n")


if __name__ == "__main__":
    main()
