"""A process that takes a bounded part of one core, as a neighbour on the machine does."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.lab.host.command import WITH_US

__all__ = ["PERIOD_S", "burning"]

PERIOD_S = 0.02
"""In each of these it computes for its share, and then rests: over any longer time it takes no more than that."""

PROGRAM = f"""
import sys, time
share, ends = float(sys.argv[1]), time.monotonic() + float(sys.argv[2])
begin = time.monotonic()
while begin < ends:
    used = time.process_time()
    while time.process_time() - used < share * {PERIOD_S}:
        pass
    time.sleep(max(0.0, begin + {PERIOD_S} - time.monotonic()))
    begin = time.monotonic()
"""


@contextmanager
def burning(share: float, *, at_most_s: float) -> Iterator[Callable[[], float]]:
    """Take that share of one core until the block ends, or so many seconds are over, or this process dies.

    Gives a function that says which share of a core it has had so far.
    """
    argv = [*WITH_US, sys.executable, "-c", PROGRAM, str(share), str(at_most_s)]
    began = time.monotonic()
    with subprocess.Popen(argv) as process:

        def had() -> float:
            # After the name, which stands in parentheses, come fields 3 and on; 14 and 15 are user and system time.
            after = Path(f"/proc/{process.pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
            spent_s = (int(after[11]) + int(after[12])) / os.sysconf("SC_CLK_TCK")
            return spent_s / (time.monotonic() - began)

        try:
            yield had
        finally:
            process.kill()
