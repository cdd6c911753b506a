"""One replica: its engine, its queue, and whether it is started, ready, alive or draining."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Iterator
from contextlib import contextmanager
from typing import Any

from .admission import Admission
from .chat import EngineGone, Piece, Refusal, piece
from .counts import Counts
from .engine import Engine
from .progress import Progress
from .settings import Settings

__all__ = ["Replica"]

_END = object()


class Replica:
    """What the handlers share. `settings` and `counts` may be read by all."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings, self.engine = settings, engine
        self.counts = Counts()
        self.admission = Admission(slots=settings.slots, queue_max=settings.queue_max)
        self.progress = Progress(engine.cpu_s, stall_s=settings.stall_s)
        self.started = False
        self.draining = False
        self.withdrawn = False
        self.in_flight = 0
        self._nobody = asyncio.Event()
        self._nobody.set()
        self._check: asyncio.Task[None] | None = None
        self._beaten_at_s = time.monotonic()

    async def live(self) -> None:
        """Load, answer a first token, and stay so until the engine ends; always ends by raising EngineGone."""
        await asyncio.sleep(self.settings.load_delay_s)
        await self.engine.loaded()
        with self.progress.working():
            await self.engine.one_token()
        self._beat()
        self.started = True
        raise EngineGone(f"the engine ended with status {await self.engine.ended()}")

    @property
    def ready(self) -> bool:
        """Whether users should be sent here: the weights have answered, the engine is not stuck, we do not end.

        Nor were we withdrawn: somebody asked that no users be sent here for now.
        """
        return self.started and not self.draining and not self.withdrawn and not self.progress.stuck

    def withdraw(self, *, withdrawn: bool) -> None:
        """Ask for no users, or for users again; those who come are served all the same."""
        self.withdrawn = withdrawn

    def alive(self) -> bool:
        """Whether the engine gets on; asks an idle one for a token first, if it has been idle for long.

        Never waits: what the self-check finds, the next call tells.
        """
        idle_s = time.monotonic() - self._beaten_at_s
        due = self.progress.quiet_s > 0 or idle_s >= self.settings.self_check_s
        if self.started and self.progress.idle and due and (self._check is None or self._check.done()):
            self._check = asyncio.create_task(self._self_check())
        return not self.progress.stuck

    async def _self_check(self) -> None:
        with self.progress.working():
            try:
                await self.engine.one_token()
            except EngineGone:
                return  # `live` tells it; an engine that lives and gives no token is quiet, and will count as stuck
        self.counts.self_checks += 1
        self._beat()

    def _beat(self) -> None:
        self.progress.beat()
        self._beaten_at_s = time.monotonic()

    @contextmanager
    def flight(self) -> Iterator[None]:
        """Hold this for each request from its arrival to its end; a drain waits for it."""
        self.in_flight += 1
        self._nobody.clear()
        try:
            yield
        finally:
            self.in_flight -= 1
            if self.in_flight == 0:
                self._nobody.set()

    async def nobody_in_flight(self) -> None:
        """Return as soon as no request is held."""
        await self._nobody.wait()

    async def pieces(self, engine_body: dict[str, Any]) -> AsyncGenerator[Piece, None]:
        """Wait for a slot, and give the answer's pieces; closing the iterator frees the slot.

        The engine's pieces are taken as they come, whether or not the user reads: a slow user is not a stuck engine.
        """
        received: asyncio.Queue[Any] = asyncio.Queue()  # bounded by max_tokens
        pump = asyncio.create_task(self._pump(engine_body, received))
        try:
            while (got := await received.get()) is not _END:
                if isinstance(got, Exception):
                    raise got
                yield got
        finally:
            pump.cancel()
            await asyncio.wait([pump])

    async def _pump(self, engine_body: dict[str, Any], received: asyncio.Queue[Any]) -> None:
        try:
            async with self.admission.slot():
                with self.progress.working():
                    async for line in self.engine.stream(engine_body):
                        self._beat()
                        if part := piece(line):
                            self.counts.tokens(part)
                            received.put_nowait(part)
            received.put_nowait(_END)
        except Refusal as refusal:
            received.put_nowait(refusal)
        except Exception as bug:  # noqa: BLE001  # whoever waits at the queue must hear of it, and raises it
            received.put_nowait(bug)
