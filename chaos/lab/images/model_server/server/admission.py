"""Who is answered now, who waits, and who is sent away."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from .chat import Refusal

__all__ = ["Admission"]


class Admission:
    """`slots` requests at a time, first come first served, and a queue of at most `queue_max`."""

    def __init__(self, *, slots: int, queue_max: int) -> None:
        self._free = asyncio.Semaphore(slots)
        self._queue_max = queue_max
        self.running = 0
        self.waiting = 0

    @asynccontextmanager
    async def slot(self) -> AsyncIterator[None]:
        """Wait for a slot and hold it; raises Refusal (503 with Retry-After) if the queue is full."""
        if self._free.locked() and self.waiting >= self._queue_max:
            words = f"All slots are taken and {self.waiting} requests wait already"
            raise Refusal(503, words, kind="server_error", code="overloaded", retry_after_s=1)
        self.waiting += 1
        try:
            await self._free.acquire()
        finally:
            self.waiting -= 1
        self.running += 1
        try:
            yield
        finally:
            self.running -= 1
            self._free.release()
