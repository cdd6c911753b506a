"""The HTTP side: chat, models, health, metrics. Every answer names the pod that gave it."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, Awaitable, Callable, Iterator
from contextlib import aclosing, contextmanager
from typing import Any

from aiohttp import hdrs, web

from .chat import MODEL, Piece, Refusal, chat_request, chunk, completion
from .counts import CONTENT_TYPE, exposition
from .replica import Replica

__all__ = ["application"]

BODY_MAX_BYTES = 1 << 20
REPLICA = web.AppKey("replica", Replica)


def application(replica: Replica) -> web.Application:
    """The application that serves this replica."""
    app = web.Application(client_max_size=BODY_MAX_BYTES, middlewares=[_refusals_as_json])
    app[REPLICA] = replica
    app.on_response_prepare.append(_sign)
    app.add_routes(
        [
            web.post("/v1/chat/completions", _chat),
            web.get("/v1/models", _models),
            web.get("/startupz", _startupz),
            web.get("/readyz", _readyz),
            web.get("/livez", _livez),
            web.get("/metrics", _metrics),
        ]
    )
    return app


async def _sign(request: web.Request, response: web.StreamResponse) -> None:
    replica = request.app[REPLICA]
    response.headers["x-served-by"] = replica.settings.pod_name
    if replica.draining:
        # The client's next request then opens a new connection, which the Service sends to another pod.
        response.force_close()
        response.headers[hdrs.CONNECTION] = "close"


@web.middleware
async def _refusals_as_json(
    request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
) -> web.StreamResponse:
    try:
        return await handler(request)
    except Refusal as refusal:
        headers = {} if refusal.retry_after_s is None else {hdrs.RETRY_AFTER: str(refusal.retry_after_s)}
        return web.json_response(refusal.body(), status=refusal.status, headers=headers)
    except web.HTTPException as error:
        headers = {hdrs.ALLOW: error.headers[hdrs.ALLOW]} if hdrs.ALLOW in error.headers else {}
        words = Refusal(error.status, f"{request.method} {request.path}: {error.reason}").body()
        return web.json_response(words, status=error.status, headers=headers)


@contextmanager
def _counted(replica: Replica) -> Iterator[None]:
    outcome = "failed"
    try:
        with replica.flight():
            yield
        outcome = "ok"
    except (asyncio.CancelledError, ConnectionResetError):
        outcome = "cancelled"
        raise
    except Refusal as refusal:
        if refusal.code == "overloaded":
            outcome = "overloaded"
        elif refusal.status < 500:
            outcome = "refused"
        raise
    except web.HTTPException:
        outcome = "refused"
        raise
    finally:
        replica.counts.requests[outcome] += 1


async def _chat(request: web.Request) -> web.StreamResponse:
    replica = request.app[REPLICA]
    with _counted(replica):
        asked = chat_request(await request.read(), replica.settings)
        if not replica.started:
            raise Refusal(503, "The weights are being loaded", kind="server_error", code="loading", retry_after_s=1)
        async with aclosing(replica.pieces(asked.engine_body)) as pieces:
            if not asked.stream:
                return web.json_response(completion([part async for part in pieces]))
            return await _stream(request, pieces, include_usage=asked.include_usage)


async def _stream(
    request: web.Request, pieces: AsyncGenerator[Piece, None], *, include_usage: bool
) -> web.StreamResponse:
    # Headers go out with the first piece: until then the request can still be refused.
    first: Piece = await anext(pieces)
    response = web.StreamResponse(headers={hdrs.CONTENT_TYPE: "text/event-stream", hdrs.CACHE_CONTROL: "no-cache"})
    await response.prepare(request)
    try:
        await _send(response, chunk(first, include_usage=include_usage))
        async for part in pieces:
            await _send(response, chunk(part, include_usage=include_usage))
    except Refusal as refusal:
        await _send(response, refusal.body())
        # Ending the stream in order would tell the user that the answer is whole.
        if request.transport is not None:
            request.transport.close()
        raise ConnectionResetError(refusal.message) from refusal
    await response.write(b"data: [DONE]\n\n")
    await response.write_eof()
    return response


async def _send(response: web.StreamResponse, value: dict[str, Any] | None) -> None:
    if value is not None:
        await response.write(
            b"data: " + json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode() + b"\n\n"
        )


async def _models(request: web.Request) -> web.Response:
    facts = {"id": MODEL, "object": "model", "created": 0, "owned_by": "gameday"}
    facts |= {"max_model_len": request.app[REPLICA].settings.context_tokens}
    return web.json_response({"object": "list", "data": [facts]})


async def _startupz(request: web.Request) -> web.Response:
    return _health(request.app[REPLICA].started, "the weights are being loaded")


async def _readyz(request: web.Request) -> web.Response:
    replica = request.app[REPLICA]
    words = "draining" if replica.draining else "withdrawn" if replica.withdrawn else _state(replica)
    return _health(replica.ready, words)


async def _livez(request: web.Request) -> web.Response:
    replica = request.app[REPLICA]
    return _health(replica.alive(), _state(replica))


def _state(replica: Replica) -> str:
    if not replica.started:
        return "the weights are being loaded"
    return f"the engine has work and made no progress for {replica.progress.quiet_s:.1f} s"


def _health(well: bool, why_not: str) -> web.Response:  # noqa: FBT001  # the answer itself
    return web.Response(text="ok\n" if well else why_not + "\n", status=200 if well else 503)


async def _metrics(request: web.Request) -> web.Response:
    replica = request.app[REPLICA]
    gauges: dict[str, tuple[str, float]] = {
        "requests_in_flight": ("Chat requests that were received and not yet answered.", replica.in_flight),
        "requests_running": ("Chat requests that the engine works on.", replica.admission.running),
        "requests_waiting": ("Chat requests that wait for a slot.", replica.admission.waiting),
        "ready": ("1 if users should be sent here.", replica.ready),
        "draining": ("1 from SIGTERM on.", replica.draining),
        "engine_quiet_seconds": ("Engine time without progress while it has work.", replica.progress.quiet_s),
        "engine_cpu_seconds": ("Processor time that the engine has used.", replica.engine.cpu_s()),
    }
    text = exposition(replica.counts, gauges)
    return web.Response(body=text.encode(), headers={hdrs.CONTENT_TYPE: CONTENT_TYPE})
