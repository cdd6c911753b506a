"""Help to take most of the processor away from one process."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from chaos.wait import until

CPU = Path("/sys/fs/cgroup/cpu")
"""Where control groups of version 1 are; a host with version 2 has no such folder."""

PERIOD_S = 0.1


@contextmanager
def held_by_quota(pid: int, share: float) -> Iterator[None]:
    """Give a process that share of one core at most: a control group (version 1) of its own, until the block ends."""
    own = CPU / f"gameday-test-{os.getpid()}-{pid}"
    own.mkdir()
    try:
        (own / "cpu.cfs_period_us").write_text(str(round(PERIOD_S * 1e6)))
        (own / "cpu.cfs_quota_us").write_text(str(round(PERIOD_S * share * 1e6)))
        (own / "cgroup.procs").write_text(str(pid))
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            (CPU / "cgroup.procs").write_text(str(pid))
        until(lambda: not (own / "cgroup.procs").read_text(), deadline_s=10, awaited="an empty cgroup")
        own.rmdir()


@contextmanager
def held_by_stops(pid: int, share: float) -> Iterator[None]:
    """The same by stopping and continuing the process ten times a second, for any host."""
    ended = threading.Event()

    def beat() -> None:
        while not ended.wait(PERIOD_S * share):
            os.kill(pid, signal.SIGSTOP)
            ended.wait(PERIOD_S * (1 - share))
            os.kill(pid, signal.SIGCONT)

    thread = threading.Thread(target=beat)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()
