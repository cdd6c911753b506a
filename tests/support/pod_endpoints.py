"""An API server on loopback, as far as it passes on what pods say: their metrics (`proxy`) and logs (`log`)."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qsl, urlsplit

from kubernetes.client import ApiClient, Configuration

from chaos.cluster.transport import Transport

__all__ = ["LogAsked", "PodEndpoints", "pod_endpoints", "stamped"]


@dataclass(frozen=True, slots=True)
class LogAsked:
    """A question for a log."""

    pod: str
    query: dict[str, str]

    @property
    def follows(self) -> bool:
        """Whether it is kept open."""
        return self.query.get("follow") == "true"


class Reply:
    """An answer under way, for a handler of the test."""

    def __init__(self, handler: BaseHTTPRequestHandler, ending: threading.Event) -> None:
        self._handler, self.ending = handler, ending
        self._begun = False

    def send(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        """The whole answer."""
        self._handler.send_response(status)
        for name, value in headers.items():
            self._handler.send_header(name.replace("_", "-"), value)
        self._handler.send_header("content-length", str(len(body)))
        self._handler.end_headers()
        self._handler.wfile.write(body)

    def piece(self, data: bytes) -> None:
        """A part of an answer that goes on, in chunks."""
        if not self._begun:
            self._begun = True
            self._handler.send_response(200)
            self._handler.send_header("transfer-encoding", "chunked")
            self._handler.end_headers()
        self._handler.wfile.write(b"%x\r\n%b\r\n" % (len(data), data))
        self._handler.wfile.flush()

    def done(self) -> None:
        """The orderly end of such an answer."""
        self.piece(b"")

    def broken(self) -> None:
        """The connection breaks."""
        self._handler.close_connection = True
        self._handler.connection.close()


@dataclass
class PodEndpoints:
    """What pods say, by the test's own functions, and what was asked."""

    metrics: Callable[[str, Reply], None] = lambda _pod, reply: reply.send(b"", status=404)
    logs: Callable[[LogAsked, Reply], None] = lambda _asked, reply: reply.send(b"")
    asked: list[str] = field(default_factory=list)
    log_asked: list[LogAsked] = field(default_factory=list)


@contextlib.contextmanager
def pod_endpoints(ends: PodEndpoints) -> Iterator[Transport]:
    """The server while the block lasts, and a transport to it."""
    ending = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            url = urlsplit(self.path)
            ends.asked.append(self.path)
            reply = Reply(self, ending)
            with contextlib.suppress(OSError, ValueError):
                if found := re.fullmatch(r"/api/v1/namespaces/[^/]+/pods/([^/:]+):\d+/proxy(/.*)", url.path):
                    ends.metrics(found[1], reply)
                elif found := re.fullmatch(r"/api/v1/namespaces/[^/]+/pods/([^/]+)/log", url.path):
                    asked = LogAsked(found[1], dict(parse_qsl(url.query)))
                    ends.log_asked.append(asked)
                    ends.logs(asked, reply)
                else:
                    reply.send(b"no such path", status=404)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
        configuration.retries = False  # as `connect` has it
        try:
            yield Transport(ApiClient(configuration))
        finally:
            ending.set()
            server.shutdown()
            thread.join()


def stamped(second: int, text: str | bytes, nano: int = 0) -> bytes:
    """A line as a kubelet gives it, at a second of some hour."""
    raw = text.encode() if isinstance(text, str) else text
    return b"2026-01-01T12:%02d:%02d.%09dZ %b\n" % (*divmod(second, 60), nano, raw)
