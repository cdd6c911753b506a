"""What the API server passes on from a pod is bounded in bytes and in time, and is no reason for new credentials."""

from __future__ import annotations

import contextlib
import gzip
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from kubernetes.client import ApiClient, Configuration

from chaos.cluster.transport import Answer, Broken, Transport

MOST = 100_000


class Handler(BaseHTTPRequestHandler):
    """Answers as the test wants; counts connections and requests."""

    protocol_version = "HTTP/1.1"
    say: Callable[[Handler], None]
    asked = 0
    connections = 0

    def setup(self) -> None:
        """Count a connection."""
        type(self).connections += 1
        super().setup()

    def do_POST(self) -> None:
        """Answer."""
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        type(self).asked += 1
        with contextlib.suppress(OSError):
            type(self).say(self)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing."""

    def head(self, *fields: tuple[str, str], status: int = 200) -> None:
        """The head of an answer."""
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.end_headers()


@contextlib.contextmanager
def asked(say: Callable[[Handler], None]) -> Iterator[tuple[Transport, type[Handler], list[int]]]:
    """A transport to a server that says so, the server's counts, and how often credentials were read anew."""
    renewed: list[int] = []
    handler = type("One", (Handler,), {"say": staticmethod(say)})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
        configuration.retries = False

        def renew() -> ApiClient:
            renewed.append(1)
            return ApiClient(configuration)

        transport = Transport(ApiClient(configuration), renew)
        try:
            yield transport, handler, renewed
        finally:
            transport.close()
            server.shutdown()
            thread.join()


def post(transport: Transport, timeout_s: float = 5.0) -> Answer:
    """Ask a pod."""
    return transport.call("POST", "/pod", body={}, timeout_s=timeout_s, pod_max_bytes=MOST)


def whole(handler: Handler) -> None:
    """An answer as long as it may be."""
    handler.head(("Content-Length", str(MOST)))
    handler.wfile.write(b"x" * MOST)


def chunked(handler: Handler) -> None:
    """The same in pieces."""
    handler.head(("Transfer-Encoding", "chunked"))
    for _ in range(10):
        handler.wfile.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")
    handler.wfile.write(b"0\r\n\r\n")


@pytest.mark.parametrize("say", [whole, chunked])
def test_an_answer_within_the_bound_is_whole_and_the_connection_is_kept(say: Callable[[Handler], None]) -> None:
    """Ten questions, one connection."""
    with asked(say) as (transport, handler, _):
        assert {post(transport).body for _ in range(10)} == {b"x" * MOST}
        assert (handler.asked, handler.connections) == (10, 1)


def endless(handler: Handler) -> None:
    """No length, no end."""
    handler.close_connection = True
    handler.head(("Connection", "close"))
    while True:
        handler.wfile.write(b"x" * 10_000)


def long(handler: Handler) -> None:
    """One byte too many."""
    handler.head(("Content-Length", str(MOST + 1)))
    handler.wfile.write(b"x" * (MOST + 1))


def endless_chunks(handler: Handler) -> None:
    """Pieces without end."""
    handler.head(("Transfer-Encoding", "chunked"))
    while True:
        handler.wfile.write(b"2710\r\n" + b"x" * 10_000 + b"\r\n")


@pytest.mark.parametrize("say", [endless, long, endless_chunks])
def test_an_answer_over_the_bound_is_none(say: Callable[[Handler], None]) -> None:
    """It is given up where the bound is."""
    with asked(say) as (transport, _, _), pytest.raises(Broken, match=f"more than {MOST} bytes"):
        post(transport)


def dripping(handler: Handler) -> None:
    """A byte now and then: never silent for long."""
    handler.head(("Content-Length", "1000"))
    for _ in range(1000):
        handler.wfile.write(b"x")
        time.sleep(0.05)


def test_an_answer_that_drips_is_given_up_in_time() -> None:
    """However often something comes."""
    with asked(dripping) as (transport, _, _):
        began_s = time.monotonic()
        with pytest.raises(Broken):
            post(transport, timeout_s=0.5)
        assert time.monotonic() - began_s < 2


def packed(handler: Handler) -> None:
    """A small body that would be a large one."""
    body = gzip.compress(b"x" * 50_000_000)
    handler.head(("Content-Encoding", "gzip"), ("Content-Length", str(len(body))))
    handler.wfile.write(body)


def test_nothing_is_unpacked() -> None:
    """Nobody asked for a packed answer."""
    with asked(packed) as (transport, _, _):
        assert len(post(transport).body) < MOST


def refused(handler: Handler) -> None:
    """As an API server refuses old credentials."""
    handler.head(("Content-Length", "0"), status=401)


def test_a_pod_s_401_is_an_answer() -> None:
    """It neither renews credentials nor asks again; the API server's own does both."""
    with asked(refused) as (transport, handler, renewed):
        assert post(transport).status == 401
        assert (handler.asked, renewed) == (1, [])
        assert transport.call("POST", "/own", body={}).status == 401
        assert (handler.asked, renewed) == (3, [1])


@pytest.mark.parametrize("body", [b"[" * 200_000, b'{"message":' * 50_000, b"1" * 5000])
def test_what_no_parser_takes_is_text(body: bytes) -> None:
    """It has words like any other, and few."""
    assert isinstance(Answer(500, body).json(), str)
    assert len(Answer(500, body).words()) < 300


@pytest.mark.parametrize("message", [b"7", b"null", b'{"a": []}', b'"' + b"x" * 100_000 + b'"'])
def test_a_message_of_any_kind_has_words(message: bytes) -> None:
    """Whoever sent it."""
    assert len(Answer(500, b'{"message": ' + message + b"}").words()) < 2100
