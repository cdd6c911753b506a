"""Whether the engine gets on with its work, or is stuck. Slow is not stuck.

Each sign of life (a token, a piece of prompt read, a self-check passed) is a beat. While the engine has work and does
not beat, quiet time adds up, tick by tick:
  - it used the processor: by what it used. However small its share of the processor, a healthy engine beats well
    within a second of computing; one that loops for ever is found out all the same.
  - it did not: by the tick. It was stopped, or waits for what never comes.
A tick counts for no more than its own length, so that time in which this process itself did not run (a frozen node)
is not held against the engine.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator

__all__ = ["Progress"]

TICK_S = 1.0
# A waiting engine looks once a second whether its client is still there, in some tens of microseconds.
UNUSED_CPU_S = 0.001


class Progress:
    """Counts beats and quiet time. `cpu_s` tells how much processor time the engine has used in all."""

    def __init__(self, cpu_s: Callable[[], float], *, stall_s: float) -> None:
        self._cpu_s, self._stall_s = cpu_s, stall_s
        self._cpu_before_s = 0.0
        self._work = 0
        self._ticker: asyncio.Task[None] | None = None
        self._beaten = False
        self._stuck = asyncio.Event()
        self.quiet_s = 0.0

    @property
    def idle(self) -> bool:
        """Whether the engine has nothing to do."""
        return self._work == 0

    @property
    def stuck(self) -> bool:
        """Whether the engine has been quiet for too long; until its next beat."""
        return self._stuck.is_set()

    async def until_stuck(self) -> None:
        """Return when the engine has been quiet for too long."""
        await self._stuck.wait()

    def beat(self) -> None:
        """Note a sign of life."""
        self._beaten = True
        self.quiet_s = 0.0
        self._stuck.clear()

    @contextlib.contextmanager
    def working(self) -> Iterator[None]:
        """Hold this while the engine has something to do for us; it is watched only then."""
        self._work += 1
        if self._ticker is None:
            self._cpu_before_s = self._cpu_s()
            self._beaten = False
            self._ticker = asyncio.create_task(self._watch())
        try:
            yield
        finally:
            self._work -= 1
            if self._work == 0:
                self._ticker.cancel()
                self._ticker = None

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.tick()

    def tick(self) -> None:
        """Account for the last tick."""
        cpu_s = self._cpu_s()
        used_s = cpu_s - self._cpu_before_s
        self._cpu_before_s = cpu_s
        if not self._beaten:
            self.quiet_s += TICK_S if used_s < UNUSED_CPU_S else min(used_s, TICK_S)
        self._beaten = False
        if self.quiet_s >= self._stall_s:
            self._stuck.set()
