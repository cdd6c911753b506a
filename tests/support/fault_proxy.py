"""A proxy before a real API server that breaks what passes through it, on demand.

Plain HTTP towards the client; towards the server TLS with the credentials of a kubeconfig. Nothing is made up about the
API: what is not told to go wrong is the real server's own answer.
"""

import asyncio
import base64
import contextlib
import json
import re
import socket
import ssl
import struct
import threading
import weakref
from collections.abc import Coroutine, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import aiohttp
import yaml
from aiohttp import web

__all__ = ["Answer", "Delay", "Drop", "FaultProxy", "Hang", "Old", "Say", "Swallow", "Trouble"]


@dataclass(frozen=True, slots=True)
class Answer:
    """Answer this, and ask the server nothing."""

    status: int
    body: bytes = b""
    retry_after_s: int | None = None


@dataclass(frozen=True, slots=True)
class Delay:
    """Wait this long, then ask the server."""

    delay_s: float


@dataclass(frozen=True, slots=True)
class Drop:
    """Close the connection, and ask the server nothing."""


@dataclass(frozen=True, slots=True)
class Swallow:
    """Ask the server, wait for its whole answer, and close the connection instead of passing it on."""


@dataclass(frozen=True, slots=True)
class Hang:
    """Ask the server, wait for its whole answer, and say nothing, until the client has gone."""


@dataclass(frozen=True, slots=True)
class Old:
    """Ask for a watch from the very first resourceVersion instead of the one asked for."""


@dataclass(frozen=True, slots=True)
class Say:
    """Begin the answer to a watch with this line, before what the server says."""

    line: bytes


Trouble = Answer | Delay | Drop | Swallow | Hang | Old | Say


UNAUTHORIZED = json.dumps(
    {"kind": "Status", "status": "Failure", "message": "Unauthorized", "reason": "Unauthorized", "code": 401}
).encode()


@dataclass(slots=True)
class _Rule:
    trouble: Trouble
    method: str
    path: re.Pattern[str]
    times: int


@dataclass(frozen=True, slots=True)
class _Upstream:
    url: str
    tls: ssl.SSLContext
    headers: dict[str, str] = field(default_factory=dict)


class FaultProxy:
    """Entered, it listens on the loopback; `kubeconfig` leads a client to it, with the context `proxied`.

    `seen` is every request that came, as `METHOD path?query`, and `met` those of them that met a trouble.
    """

    context = "proxied"

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        self.kubeconfig = folder / "proxied.kubeconfig"
        self.seen: list[str] = []
        self.met: list[str] = []
        self.crumb_bytes = 0
        self._upstream = _upstream(kubeconfig, folder)
        self._folder = folder
        self._token = ""
        self._rules: list[_Rule] = []
        self._frozen: weakref.WeakSet[asyncio.Transport] = weakref.WeakSet()
        self._streams: set[asyncio.Transport] = set()
        self._used: weakref.WeakSet[asyncio.BaseTransport] = weakref.WeakSet()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="fault-proxy", daemon=True)
        self._passing: asyncio.Event
        self._stack: contextlib.AsyncExitStack

    def __enter__(self) -> Self:
        self._thread.start()
        self._url = f"http://127.0.0.1:{self._run(self._serve())}"
        self._write_kubeconfig({})
        return self

    def _write_kubeconfig(self, user: dict[str, str]) -> None:
        self.kubeconfig.write_text(
            json.dumps(
                {
                    "apiVersion": "v1",
                    "kind": "Config",
                    "clusters": [{"name": "p", "cluster": {"server": self._url}}],
                    "users": [{"name": "p", "user": user}],
                    "contexts": [{"name": self.context, "context": {"cluster": "p", "user": "p"}}],
                    "current-context": self.context,
                }
            )
        )

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._run(self._stack.aclose())
        self._run(self._all_closed())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)
        self._loop.close()

    def trouble(self, trouble: Trouble, *, path: str, method: str = "", times: int = 1) -> None:
        """Let the next `times` requests whose `path?query` matches the pattern meet this trouble."""
        self._rules.append(_Rule(trouble, method, re.compile(path), times))

    def demand(self, token: str, *, told: bool = True) -> None:
        """Let nobody in but with this token; the client's file has it too, if it is to be `told`."""
        self._token = token
        if told:
            (self._folder / "token").write_text(token)
            self._write_kubeconfig({"tokenFile": str(self._folder / "token")})

    def relieve(self) -> None:
        """Take back all troubles that nobody met yet."""
        self._rules.clear()

    def watches(self) -> int:
        """How many watches pass through now."""
        return len(self._streams)

    def cut(self) -> int:
        """Reset every open watch, and say how many there were."""

        async def cut() -> int:
            streams, self._streams = self._streams, set()
            for stream in streams:
                _reset(stream)
            return len(streams)

        count: int = self._run(cut())
        return count

    def mute(self) -> None:
        """Pass on nothing more of any watch, but keep the connections open, until `unmute`."""
        self._loop.call_soon_threadsafe(self._passing.clear)

    def freeze(self) -> int:
        """Pass on nothing more of the watches that are open now, for good; new ones pass. Say how many there were."""

        async def freeze() -> int:
            self._frozen.update(self._streams)
            return len(self._streams)

        count: int = self._run(freeze())
        return count

    def unmute(self) -> None:
        """Pass on what was held back, and all that follows."""
        self._loop.call_soon_threadsafe(self._passing.set)

    def _run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(15)

    async def _serve(self) -> int:
        self._passing = asyncio.Event()
        self._passing.set()
        self._stack = contextlib.AsyncExitStack()
        connector = aiohttp.TCPConnector(ssl=self._upstream.tls, limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        self._session = await self._stack.enter_async_context(
            aiohttp.ClientSession(connector=connector, timeout=timeout, read_bufsize=1 << 20)
        )
        application = web.Application(client_max_size=1 << 26)
        application.router.add_route("*", "/{path:.*}", self._handle)
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=0.1, access_log=None)
        await runner.setup()
        self._stack.push_async_callback(runner.cleanup)
        listener = socket.create_server(("127.0.0.1", 0))
        port: int = listener.getsockname()[1]
        await web.SockSite(runner, listener).start()
        return port

    async def _all_closed(self) -> None:
        """Abort what still closes in its own time, and wait until every socket is closed."""
        async with asyncio.timeout(10):
            for transport in list(self._used):
                if isinstance(transport, asyncio.Transport):
                    transport.abort()
            while any(_is_open(one) for one in list(self._used)):  # noqa: ASYNC110  # transports tell nobody of their end
                await asyncio.sleep(0.01)

    def _trouble_of(self, request: web.Request) -> Trouble | None:
        if self._token and request.headers.get("Authorization") != f"Bearer {self._token}":
            return Answer(401, UNAUTHORIZED)
        for rule in self._rules:
            if rule.times and request.method.startswith(rule.method) and rule.path.search(request.path_qs):
                rule.times -= 1
                return rule.trouble
        return None

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        self.seen.append(f"{request.method} {request.path_qs}")
        self._uses(request.transport)
        trouble = self._trouble_of(request)
        if trouble is not None:
            self.met.append(self.seen[-1])
        match trouble:
            case Answer(status, body, retry_after_s):
                headers = {} if retry_after_s is None else {"Retry-After": str(retry_after_s)}
                return web.Response(status=status, body=body, content_type="application/json", headers=headers)
            case Drop():
                _reset(request.transport)
                return web.Response()
            case Delay(delay_s):
                await asyncio.sleep(delay_s)
        query = dict(request.query)
        if isinstance(trouble, Old):
            query["resourceVersion"] = "1"
        headers = {name: request.headers[name] for name in ("Accept", "Content-Type") if name in request.headers}
        async with self._session.request(
            request.method,
            self._upstream.url + request.path,
            params=query,
            data=await request.read() or None,  # an empty body would get a content type
            headers=headers | self._upstream.headers,
        ) as answer:
            self._uses(answer.connection.transport if answer.connection else None)
            if "watch" in query:
                return await self._stream(request, answer, trouble)
            body = await answer.read()
            if isinstance(trouble, Swallow):
                _reset(request.transport)
            if isinstance(trouble, Hang):
                await asyncio.Event().wait()
            return web.Response(status=answer.status, body=body, content_type=answer.content_type)

    def _uses(self, transport: asyncio.BaseTransport | None) -> None:
        if transport is not None:
            self._used.add(transport)

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, trouble: Trouble | None
    ) -> web.StreamResponse:
        response = web.StreamResponse(status=answer.status, headers={"Content-Type": "application/json"})
        response.enable_chunked_encoding()
        await response.prepare(request)
        assert request.transport is not None
        self._streams.add(request.transport)
        try:
            if isinstance(trouble, Say):
                await response.write(trouble.line)
            async for chunk in answer.content.iter_any():
                for piece in _pieces(chunk, self.crumb_bytes):
                    await self._passing.wait()
                    if request.transport in self._frozen:
                        await asyncio.Event().wait()
                    await response.write(piece)
        finally:
            self._streams.discard(request.transport)
        await response.write_eof()
        return response


def _pieces(chunk: bytes, crumb_bytes: int) -> Iterator[bytes]:
    size = crumb_bytes or len(chunk)
    for begin in range(0, len(chunk), size):
        yield chunk[begin : begin + size]


def _is_open(transport: asyncio.BaseTransport) -> bool:
    connection = transport.get_extra_info("socket")
    return connection is not None and connection.fileno() != -1


def _reset(transport: asyncio.Transport | None) -> None:
    """Break a connection as a crash does: with a reset."""
    if transport is None:
        return
    connection = transport.get_extra_info("socket")
    if not transport.is_closing() and connection is not None:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    transport.abort()


def _upstream(kubeconfig: Path, folder: Path) -> _Upstream:
    """Where a kubeconfig's current context leads, and how to be let in."""
    config = yaml.safe_load(kubeconfig.read_text())
    named = {kind: {entry["name"]: entry for entry in config[kind]} for kind in ("contexts", "clusters", "users")}
    context = named["contexts"][config["current-context"]]["context"]
    cluster = named["clusters"][context["cluster"]]["cluster"]
    user = named["users"][context["user"]]["user"]
    tls = ssl.create_default_context(cafile=_file(cluster, "certificate-authority", folder))
    if certificate := _file(user, "client-certificate", folder):
        tls.load_cert_chain(certificate, _file(user, "client-key", folder))
    headers = {"Authorization": f"Bearer {user['token']}"} if "token" in user else {}
    return _Upstream(cluster["server"], tls, headers)


def _file(entry: dict[str, str], name: str, folder: Path) -> str | None:
    if data := entry.get(f"{name}-data"):
        path = folder / name
        path.write_bytes(base64.b64decode(data))
        return str(path)
    return entry.get(name)
