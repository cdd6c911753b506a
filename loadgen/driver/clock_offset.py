"""Another host's clock, as seen from here: read a few times, and known to within half of the quickest round trip.

The other host reads its clock somewhere between request and answer. Taking the middle is wrong by at most half of the
round trip, whichever direction was the slower one.
"""

from collections.abc import Callable
from dataclasses import dataclass

from chaos.clock import Clock

__all__ = ["READINGS", "Reading", "Remote", "anchored", "read_remote"]

READINGS = 8


@dataclass(frozen=True, slots=True)
class Remote:
    """What another host's clocks showed at one moment: its monotonic clock, and its wall clock (epoch ns)."""

    mono_ns: int
    utc_ns: int


@dataclass(frozen=True, slots=True)
class Reading:
    """One question and its answer, with this side's time of each. `error_ns` is half of the time in between."""

    asked_ns: int
    answered_ns: int
    remote: Remote

    @property
    def at_ns(self) -> int:
        """When the other host read its clocks, on this side's clock, give or take `error_ns`."""
        return (self.asked_ns + self.answered_ns) // 2

    @property
    def error_ns(self) -> int:
        """How far `at_ns` may be off."""
        return (self.answered_ns - self.asked_ns + 1) // 2

    @property
    def offset_ns(self) -> int:
        """How far the other host's wall clock is ahead of this side's clock, give or take `error_ns`."""
        return self.remote.utc_ns - self.at_ns

    def drift_ns(self, clock: Clock) -> int:
        """How far a clock that was anchored on that host is ahead of this side's by now, give or take `error_ns`."""
        return clock.utc_ns + self.remote.mono_ns - clock.mono_ns - self.at_ns


def read_remote(ask: Callable[[], Remote], now_ns: Callable[[], int]) -> Reading:
    """Read `READINGS` times, and keep the reading with the least error. Raises whatever `ask` raises."""
    return min((_read(ask, now_ns) for _ in range(READINGS)), key=lambda reading: reading.error_ns)


def anchored(reading: Reading) -> Clock:
    """A clock for that host, by its own monotonic clock, that shows what this side's clock shows."""
    return Clock(utc_ns=reading.at_ns, mono_ns=reading.remote.mono_ns)


def _read(ask: Callable[[], Remote], now_ns: Callable[[], int]) -> Reading:
    asked_ns = now_ns()
    remote = ask()
    return Reading(asked_ns, now_ns(), remote)
