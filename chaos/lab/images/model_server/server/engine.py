"""The front's hold on the engine: start it, ask it, tell how much processor time it used, end it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncGenerator
from typing import Any

import aiohttp

from .chat import EngineGone, Refusal
from .settings import Settings

__all__ = ["Engine"]

NO_LIMIT = aiohttp.ClientTimeout(total=None, connect=None, sock_read=None, sock_connect=None)


class Engine:
    """The engine's process and its address."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self._process = process
        self._url = ""
        # A kept connection would hold one of the engine's few threads.
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, force_close=True), timeout=NO_LIMIT, trust_env=False
        )
        self._cpu_s = 0.0

    @classmethod
    async def start(cls, settings: Settings) -> Engine:
        """Start the process, which then loads the weights."""
        environment = os.environ | {"WEIGHTS": str(settings.weights)}
        return cls(
            await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", f"{__package__}.engine_main"),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=environment,
            )
        )

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

    async def loaded(self) -> None:
        """Return when the weights are loaded; raises EngineGone if it ended before."""
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        if not line:
            raise EngineGone(f"the engine ended while it loaded the weights, with status {await self.ended()}")
        self._url = json.loads(line)["url"]

    async def ended(self) -> int:
        """Wait for the end of the process; its exit status, or minus the signal's number."""
        return await self._process.wait()

    def cpu_s(self) -> float:
        """Processor time that the engine has used so far, in seconds, exact to the nanosecond."""
        # It ended, if this fails: `ended` tells, and it uses no more.
        with contextlib.suppress(OSError):
            # clock_getcpuclockid(3): the clock of another process is ~pid << 3, and kind 2 (what the scheduler gave).
            self._cpu_s = time.clock_gettime((~self._process.pid << 3) | 2)
        return self._cpu_s

    async def one_token(self) -> None:
        """Generate one token, as cheaply as can be; raises EngineGone if that fails."""
        try:
            async with self._session.post(f"{self._url}/completion", json={"prompt": "a", "n_predict": 1}) as response:
                answer = await response.json(content_type=None)
                if response.status != 200 or answer.get("tokens_predicted") != 1:
                    raise EngineGone(f"the engine generated no token: {response.status} {answer}")
        except (aiohttp.ClientError, ValueError) as error:
            raise EngineGone(f"the engine generated no token: {error}") from error

    async def stream(self, body: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        """Ask for an answer and give its lines as they come; closing the iterator cancels the work.

        Raises Refusal if the engine refuses the request, and EngineGone if it ends before the answer is whole.
        """
        try:
            async with self._session.post(f"{self._url}/v1/chat/completions", json=body) as response:
                if response.status != 200:
                    raise _refusal(response.status, await response.json(content_type=None))
                async for line in response.content:
                    if line.startswith(b"data: [DONE]"):
                        return
                    if line.startswith((b"data: ", b"error: ")):
                        yield _opened(json.loads(line.partition(b": ")[2]))
        except (aiohttp.ClientError, ValueError) as error:
            raise EngineGone("The engine ended the answer early") from error
        raise EngineGone("The engine ended the answer early")

    async def stop(self) -> None:
        """End the process, however busy or stuck it is; it has nothing to save."""
        await self._session.close()
        with contextlib.suppress(ProcessLookupError):
            self._process.kill()
        await self._process.wait()


def _opened(line: dict[str, Any]) -> dict[str, Any]:
    if "error" in line:
        raise _refusal(500, line)
    return line


def _refusal(status: int, answer: dict[str, Any]) -> Refusal:
    error = answer.get("error", {})
    message = str(error.get("message", answer))
    if error.get("type") == "exceed_context_size_error":
        return Refusal(400, message, code="context_length_exceeded", param="messages")
    kind = "invalid_request_error" if 400 <= status < 500 else "server_error"
    return Refusal(status, message, kind=kind)
