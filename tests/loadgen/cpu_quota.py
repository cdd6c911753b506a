"""Help to take most of the processor away from one process: a cgroup (version 1) of its own with a quota."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.wait import until

CPU = Path("/sys/fs/cgroup/cpu")
PERIOD_US = 100_000


@contextmanager
def held_to(pid: int, share: float) -> Iterator[None]:
    """Give a process that share of one core at most, until the block ends."""
    own = CPU / f"gameday-test-{os.getpid()}-{pid}"
    own.mkdir()
    try:
        (own / "cpu.cfs_period_us").write_text(str(PERIOD_US))
        (own / "cpu.cfs_quota_us").write_text(str(round(PERIOD_US * share)))
        (own / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            (CPU / "cgroup.procs").write_text(str(pid))
        until(lambda: not (own / "cgroup.procs").read_text(), deadline_s=10, awaited="an empty cgroup")
        own.rmdir()
