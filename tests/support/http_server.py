"""A small real HTTP server that misbehaves on demand: `python server.py NAME` prints its port and serves until killed.

With `CERTIFICATE KEY CLIENT_CA` after the name it speaks TLS and demands a client certificate. The path says how it
behaves; it keeps connections alive if asked to. Freeze it with SIGSTOP, refuse by killing it.
"""

import asyncio
import contextvars
import itertools
import json
import socket
import ssl
import struct
import sys

connections = itertools.count(1)
asked = itertools.count()
connection = contextvars.ContextVar[str]("connection")

TOKENS = ("Once", " upon", " a", " time", ".")
TOKEN_GAP_S = 0.02
STALL_S = 60.0
INTERIM_S = 0.02

CUT_SHORT = b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nonly so far"
BROKEN = {"half-closed": CUT_SHORT, "silent": b"", "garbage": b"SSH-2.0-OpenSSH_9.2\r\n"}
"""What is written before an orderly close, by behaviour."""


async def serve_connection(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Answer requests on one connection until it ends."""
    connection.set(str(next(connections)))
    try:
        while (request := await read_request(reader)) is not None:
            path, body, keep = request
            if not await answer(writer, path, body) or not keep:
                break
    except (ConnectionError, asyncio.IncompleteReadError):
        pass
    finally:
        writer.close()


async def read_request(reader: asyncio.StreamReader) -> tuple[str, bytes, bool] | None:
    """The next request's path, body and whether it asks to keep the connection; None at the end."""
    try:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    line, *fields = head.split("\r\n")
    headers = {name.lower(): value.strip() for name, _, value in (field.partition(":") for field in fields if field)}
    body = await reader.readexactly(int(headers.get("content-length", "0")))
    body = headers.get("x-secret", "").encode() or body
    return line.split(" ")[1], body, headers.get("connection", "").lower() != "close"


async def answer(writer: asyncio.StreamWriter, path: str, body: bytes) -> bool:
    """Write one response; False if the connection must not be used again."""
    if path.startswith("/api/"):  # what an API server's proxy would have taken off
        path = path.partition("/proxy")[2]
    mode, _, rest = path.strip("/").partition("/")
    if path.endswith("/v1/chat/completions"):
        keep = await answer_chat(writer, "" if mode == "v1" else mode, json.loads(body))
    elif mode in BROKEN:
        writer.write(BROKEN[mode])
        keep = False
    elif mode in {"cut", "reset"}:
        writer.write(CUT_SHORT if mode == "cut" else b"")
        await writer.drain()
        return reset(writer)
    elif mode == "lose" and is_lost(*map(int, rest.split("/"))):
        return reset(writer)
    elif mode == "stall":
        await asyncio.sleep(STALL_S)
        keep = False
    else:
        keep = await answer_whole(writer, mode, rest, body)
    await writer.drain()
    return keep


def is_lost(first: int, count: int) -> bool:
    """Whether the request that is being answered is one of `count`, from number `first` on, that are to be lost."""
    return first <= next(asked) < first + count


async def answer_whole(writer: asyncio.StreamWriter, mode: str, rest: str, body: bytes) -> bool:
    """Write a response that is complete, if not always welcome."""
    if mode == "slow":
        await asyncio.sleep(int(rest) / 1000)
    if mode == "continue":
        writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        await asyncio.sleep(INTERIM_S)
    secret_status = 200 if body == rest.encode() else 401
    statuses = {"ok": 200, "slow": 200, "continue": 200, "lose": 200, "secret": secret_status}
    said = (
        json.dumps({"kind": "Status", "apiVersion": "v1", "message": "too many"}).encode()
        if mode == "api"
        else b"hello"
    )
    whole(writer, int(rest) if mode in {"status", "api"} else statuses.get(mode, 404), said)
    return True


async def answer_chat(writer: asyncio.StreamWriter, mode: str, ask: dict[str, object]) -> bool:
    """Write one chat answer; a mode other than `` lets it go wrong in the way that the mode names."""
    if not ask["stream"]:
        whole(writer, 200, json.dumps({"choices": [choice(None, "stop")], "usage": USAGE}).encode())
        await writer.drain()
        return True
    writer.write(head(200, "Content-Type: text/event-stream", "Transfer-Encoding: chunked"))
    event(writer, {"choices": [choice("", None)]})
    for number, token in enumerate(TOKENS):
        await asyncio.sleep(TOKEN_GAP_S)
        event(writer, {"choices": [choice(token, None)]})
        await writer.drain()
        if number == 2 and mode in {"cut", "stall", "error-event"}:
            return await go_wrong(writer, mode)
    if mode != "no-end":
        event(writer, {"choices": [choice(None, "stop")]})
        event(writer, {"choices": [], "usage": USAGE})
    if mode not in {"no-end", "no-done"}:
        chunk(writer, b"data: [DONE]\n\n")
    chunk(writer, b"")
    await writer.drain()
    return True


async def go_wrong(writer: asyncio.StreamWriter, mode: str) -> bool:
    """Spoil a stream that has begun."""
    if mode == "cut":
        return reset(writer)
    if mode == "stall":
        await asyncio.sleep(STALL_S)
    event(writer, {"error": {"message": "out of memory"}})
    chunk(writer, b"")
    await writer.drain()
    return True


USAGE = {"prompt_tokens": 7, "completion_tokens": len(TOKENS)}


def choice(content: str | None, finish_reason: str | None) -> dict[str, object]:
    """One choice of a chat answer."""
    return {"index": 0, "delta": {} if content is None else {"content": content}, "finish_reason": finish_reason}


def event(writer: asyncio.StreamWriter, data: dict[str, object]) -> None:
    """Write one server-sent event as a chunk."""
    chunk(writer, b"data: " + json.dumps(data).encode() + b"\n\n")


def chunk(writer: asyncio.StreamWriter, data: bytes) -> None:
    """Write one chunk."""
    writer.write(b"%x\r\n" % len(data) + data + b"\r\n")


def whole(writer: asyncio.StreamWriter, status: int, body: bytes) -> None:
    """Write a complete message."""
    writer.write(head(status, f"Content-Length: {len(body)}") + body)


def head(status: int, *fields: str) -> bytes:
    """The head of a response."""
    return "\r\n".join(
        (f"HTTP/1.1 {status} X", f"X-Served-By: {sys.argv[1]}", f"X-Connection: {connection.get()}", *fields, "\r\n")
    ).encode()


def reset(writer: asyncio.StreamWriter) -> bool:
    """Break the connection with a RST."""
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    return False


def tls(certificate: str = "", key: str = "", client_ca: str = "") -> ssl.SSLContext | None:
    """The server's side of TLS, if it was given a certificate."""
    if not certificate:
        return None
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=client_ca)
    context.load_cert_chain(certificate, key)
    context.verify_mode = ssl.CERT_REQUIRED
    return context


async def main() -> None:
    """Serve until killed."""
    server = await asyncio.start_server(serve_connection, "127.0.0.1", 0, backlog=1024, ssl=tls(*sys.argv[2:]))
    print(server.sockets[0].getsockname()[1], flush=True)  # noqa: T201  # this is how the port is told
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
