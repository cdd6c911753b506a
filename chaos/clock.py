"""One time axis for everything that a trial records.

A wall clock may step; the monotonic clock may not, but its zero means nothing to a reader. `Clock` ties the two
together once, at the start of a trial: every record is written in UTC epoch nanoseconds that advance with the
host's monotonic clock. The load generator is handed the same anchor, so both processes share one axis.
"""

from __future__ import annotations

import time
from dataclasses import dataclass

__all__ = ["NS", "Clock", "boot_s", "seconds", "utc_iso"]

NS = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Clock:
    """The anchor: the UTC time (epoch ns) at which the host's monotonic clock read `mono_ns`."""

    utc_ns: int
    mono_ns: int

    @classmethod
    def start(cls) -> Clock:
        """Anchor the two clocks to each other, now."""
        return cls(utc_ns=time.time_ns(), mono_ns=time.monotonic_ns())

    def now_ns(self) -> int:
        """The present on this axis, in UTC epoch nanoseconds."""
        return self.utc_ns + time.monotonic_ns() - self.mono_ns

    def step_ns(self) -> int:
        """How far the wall clock has moved against the monotonic clock since the anchor was set."""
        return time.time_ns() - self.now_ns()


def boot_s() -> float:
    """Seconds since this host's boot, those in which it was suspended too: others' time went on meanwhile."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


def seconds(ns: int) -> float:
    """Nanoseconds as seconds."""
    return ns / NS


def utc_iso(at_ns: int) -> str:
    """A moment as UTC text with milliseconds, e.g. `2026-01-01T12:00:00.250Z`."""
    whole, rest = divmod(at_ns, NS)
    return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(whole))}.{rest // 1_000_000:03d}Z"
