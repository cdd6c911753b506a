"""Who made an object of ours, written on it so that a later run can tell whether that owner still lives.

A process is known by its host, the host's boot, its process-id namespace, its number and its start tick: numbers are
used again, wall clocks step and containers on one host share its name, but all five together name one process.
"""

from __future__ import annotations

import hashlib
import os
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.clock import utc_iso

__all__ = ["CLOCKS_S", "HIDDEN", "Owner", "started_tick"]

HOST = "gameday.dev/owner-host"
SCOPE = "gameday.dev/owner-scope"
PID = "gameday.dev/owner-pid"
STARTED = "gameday.dev/owner-started"

HIDDEN = -1
"""In place of when it started: /proc may be mounted so that it shows no processes of other users (`hidepid`)."""

CLOCKS_S = 60.0
"""By how much the clocks of two hosts may differ."""


@dataclass(frozen=True, slots=True)
class Owner:
    """A process. `scope` is its host's boot id and process-id namespace, `started` its start in ticks since boot."""

    host: str
    scope: str
    pid: int
    started: int

    @classmethod
    def this_process(cls) -> Owner:
        """Give the process that runs this."""
        boot = Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
        namespace = Path("/proc/self/ns/pid").readlink()  # a link that points nowhere, named e.g. pid:[4026531836]
        pid = os.getpid()
        started = started_tick(pid)
        assert started is not None
        return cls(socket.gethostname(), f"{boot}/{namespace}", pid, started)

    @classmethod
    def read(cls, annotations: Mapping[str, str]) -> Owner | None:
        """Read an owner from a namespace's annotations; None if none is written there in full."""
        try:
            pid, started = int(annotations[PID]), int(annotations[STARTED])
            return cls(annotations[HOST], annotations[SCOPE], pid, started)
        except (KeyError, ValueError):
            return None

    @property
    def words(self) -> str:
        """The process for people, as the holder of a lease begins."""
        return f"process {self.pid} on {self.host}"

    @property
    def mark(self) -> str:
        """What tells it from a process of the same number and host name: jobs in containers have both again."""
        return hashlib.sha256(f"{self.scope} {self.started}".encode()).hexdigest()[:8]

    def holder(self, now_ns: int, doing: str = "since") -> str:
        """The process as the holder of a lease that it takes now."""
        return f"{self.words}, {doing} {utc_iso(now_ns)} ({self.mark})"

    def holds(self, holder: str) -> bool:
        """Whether the holder of a lease is this process, as far as it says."""
        named, _, mark = holder.removesuffix(")").partition(" (")
        return named.startswith(f"{self.words},") and mark in ("", self.mark)

    def annotations(self) -> dict[str, str]:
        """Give the annotations from which `read` makes this owner again."""
        return {HOST: self.host, SCOPE: self.scope, PID: str(self.pid), STARTED: str(self.started)}


def started_tick(pid: int) -> int | None:
    """Give when a process of this host started, in clock ticks since boot; None if it does not run (any more).

    `HIDDEN` if it runs, and is another user's of which this one may not see when it began.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:  # none of that number; or the number, which others may have written, is too long for a path
        return HIDDEN if _is_of_others(pid) else None
    # The second field is the program's name in parentheses, which may hold anything; fields are counted after it.
    state, *fields = stat.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


def _is_of_others(pid: int) -> bool:
    """Whether there is a process of that number to which this one may send nothing."""
    try:
        if pid > 0:  # others are no process's
            os.kill(pid, 0)  # which only looks
    except PermissionError:
        return True
    except (OSError, OverflowError):
        pass
    return False
