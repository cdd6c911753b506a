"""One HTTP exchange on gevent's sockets, with the moment of every step: only the generator process imports this.

Locust's own session retries, follows redirects, keeps cookies and hides when the first byte came. Here the first
attempt is the only one, and its facts are kept as they are. The parser is that of Locust's fast user.
"""

import errno
import os
import socket
import ssl
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import gevent  # type: ignore[import-untyped]
import gevent.lock  # type: ignore[import-untyped]
import gevent.socket  # type: ignore[import-untyped]
import gevent.ssl  # type: ignore[import-untyped]
from geventhttpclient.response import HTTPParseError, HTTPResponse

from chaos.clock import NS
from loadgen.answers import Answer
from loadgen.generator.response import Response
from loadgen.plan import Place
from loadgen.records import HEAD_MAX_BYTES, OWN_FAULTS, Ending, Seen
from loadgen.refusals import OVER_PROXY, PROXY_REFUSALS, REFUSAL_BYTES, proxy_refusal

__all__ = ["Exchange", "Transport"]

READ_BYTES = 64 * 1024
SETTLE_S = 1.0
"""After an answer's end mark, how long to wait for the connection's own orderly end."""

NAMES_FRESH_NS = NS
"""How long a looked-up address is used before the name is looked up again."""


class Transport:
    """Connections to the service: its address, TLS, and those that are kept.

    `proxied`: requests go through an API server, which may refuse to pass one on. `server_name` is of its certificate.
    """

    def __init__(
        self,
        place: Place,
        tls: ssl.SSLContext | None,
        now_ns: Callable[[], int],
        *,
        keep: bool,
        replica_header: str,
        proxied: bool = False,
        server_name: str | None = None,
    ) -> None:
        self.server_name = server_name or place.host
        self.place, self.tls, self.now_ns, self.proxied = place, tls, now_ns, proxied
        self.keep, self.replica_header = keep, replica_header
        self.opened = self.reused = 0
        """How many connections were made, and how often one was used again."""
        self._idle: list[gevent.socket.socket] = []
        self._names = gevent.lock.Semaphore()
        self._addresses: list[tuple[int, tuple[str, int]]] = []
        self._looked_up_ns: float = float("-inf")
        for family in (socket.AF_INET, socket.AF_INET6):
            with suppress(OSError):  # it is a name
                socket.inet_pton(family, place.host)
                self._addresses, self._looked_up_ns = [(family, (place.host, place.port))], float("inf")

    def connect(self) -> tuple[gevent.socket.socket, bool]:
        """A connection, and whether it was in use before. Raises `OSError`, `ssl.SSLError` among them."""
        while self._idle:
            kept = self._idle.pop()
            if _is_quiet(kept):
                self.reused += 1
                return kept, True
            kept.close()
        return self._open(), False

    def _open(self) -> gevent.socket.socket:
        refused: OSError = OSError(errno.EHOSTUNREACH, os.strerror(errno.EHOSTUNREACH))
        for family, address in self._resolved():
            sock = gevent.socket.socket(family, socket.SOCK_STREAM)
            try:
                sock.connect(address)
            except OSError as error:
                sock.close()
                refused = error
                if error.errno in OWN_FAULTS:
                    break
            except BaseException:
                sock.close()
                raise
            else:
                self.opened += 1
                return sock
        raise refused

    def secured(self, sock: gevent.socket.socket) -> gevent.socket.socket:
        """The connection with TLS on it, if the service speaks TLS. Raises `OSError`; the socket is closed then."""
        if self.tls is None:
            return sock
        try:
            return self.tls.wrap_socket(sock, server_hostname=self.server_name)
        except BaseException:
            sock.close()
            raise

    def give_back(self, sock: gevent.socket.socket, response: HTTPResponse) -> None:
        """Keep a connection for a later request, if it may be kept, or close it."""
        if self.keep and not response.should_close():
            self._idle.append(sock)
        else:
            sock.close()

    def close(self) -> None:
        """Close what is kept."""
        while self._idle:
            self._idle.pop().close()

    def _resolved(self) -> list[tuple[int, tuple[str, int]]]:
        if self.now_ns() - self._looked_up_ns > NAMES_FRESH_NS:
            with self._names:  # one look-up at a time: the others wait for its answer
                if self.now_ns() - self._looked_up_ns > NAMES_FRESH_NS:
                    found = gevent.socket.getaddrinfo(self.place.host, self.place.port, 0, socket.SOCK_STREAM)
                    self._addresses = [(family, address) for family, _, _, _, address in found]
                    self._looked_up_ns = self.now_ns()
        return self._addresses


class Exchange:
    """One request and what came back. `run` once, then `settle` once the outcome is recorded.

    `leaves_after`: after how many pieces of the answer the client goes away; None: it stays.
    """

    __slots__ = (
        *("_expected", "_raw", "_refusal", "_reused", "_sock", "_transport"),
        *("answer", "leaves_after", "response", "seen"),
    )

    def __init__(self, transport: Transport, raw: bytes, method: str, answer: Answer, expected: frozenset[int]) -> None:
        self._transport, self._raw, self.answer, self._expected = transport, raw, answer, expected
        self.leaves_after: int | None = None
        self._sock: Any = None
        self._reused = False
        self._refusal = b""
        self.response = Response(method, transport.replica_header)
        self.seen = Seen()

    def run(self, limit_s: float) -> Ending:
        """Do the exchange, for at most `limit_s` seconds. Facts are in `seen` and `answer`, also if it fails."""
        self.seen.sent_ns = self._transport.now_ns()
        with gevent.Timeout(limit_s, False):  # False: leave the block in silence
            return self._connect() or self._converse()
        self.seen.error = "no full answer within the time limit"
        return "time-limit"

    def _connect(self) -> Ending | None:
        try:
            self._sock, self._reused = self._transport.connect()
        except OSError as error:
            self.seen.error = _words(error)
            if error.errno in OWN_FAULTS and not isinstance(error, socket.gaierror):
                self.seen.sent_ns = None
                return "own-fault"
            return "no-connection"
        return None

    def _converse(self) -> Ending:
        seen = self.seen
        try:
            if not self._reused:
                self._sock = self._transport.secured(self._sock)
            self._sock.sendall(self._raw)
            while True:
                data = self._sock.recv(READ_BYTES)
                at_ns = self._transport.now_ns()
                if data and seen.first_byte_ns is None:
                    seen.first_byte_ns = at_ns
                if self._take(data, at_ns):
                    return "complete"
                if self.leaves_after is not None and self._leaves(self.leaves_after):
                    return "left"
                if not data:
                    seen.error = self._closed_words()
                    return "broken"
        except HTTPParseError as error:
            # The parser raises this also for a message that ended too early: announced bytes never came.
            seen.error = f"not the whole of an HTTP message: {error.args[0] if error.args else error}"[:120]
            if seen.first_byte_ns is not None and not data:
                seen.error = self._closed_words()
        except OSError as error:
            seen.error = _words(error)
        return "broken"

    def _take(self, data: bytes, at_ns: int) -> bool:
        response, seen = self.response, self.seen
        try:
            response.feed(data)
            response.head_bytes += len(data) if response.final_status is None else 0
            if response.head_bytes > HEAD_MAX_BYTES:
                raise HTTPParseError(f"headers over {HEAD_MAX_BYTES} bytes")
        finally:
            if seen.status is None:
                seen.status, seen.replica = response.final_status, response.replica
                seen.retry_after_s = response.retry_after_s
            if response.arrived and seen.status in self._expected:
                seen.body_bytes += len(response.arrived)
                self.answer.feed(bytes(response.arrived), at_ns)
            elif self._transport.proxied and seen.status in OVER_PROXY:
                self._refusal = (self._refusal + bytes(response.arrived))[:REFUSAL_BYTES]
                refusal = proxy_refusal(seen.status, self._refusal)
                if seen.status in PROXY_REFUSALS:
                    seen.held_up = refusal
                else:
                    seen.not_shed = refusal and f"status {seen.status} of the API server: no endpoint to send it to"
            response.arrived.clear()
        if response.done and seen.status in self._expected:
            self.answer.end(at_ns)
        return response.done or self.answer.ended

    def _leaves(self, after: int) -> bool:
        """Whether the client goes now: what is whole, or said to be broken, is no answer to leave any more."""
        answer = self.answer
        over = answer.full_ns is not None or answer.error is not None
        return not over and answer.token_gaps_ns is not None and 1 + len(answer.token_gaps_ns) >= after

    def _closed_words(self) -> str:
        if self.seen.first_byte_ns is None:
            return "connection closed without an answer" + (" (it was a kept one)" if self._reused else "")
        return "connection closed in the middle of the answer"

    def settle(self, ending: Ending) -> None:
        """Let the connection end in order: kept if it may be, closed otherwise. Bounded by `SETTLE_S`."""
        sock, self._sock = self._sock, None
        if sock is None:
            return
        if ending != "complete":
            sock.close()
            return
        try:
            with gevent.Timeout(SETTLE_S, False):
                while not self.response.done and (data := sock.recv(READ_BYTES)):
                    self.response.feed(data)
                    self.response.arrived.clear()
        except (OSError, HTTPParseError):
            sock.close()
        else:
            self._transport.give_back(sock, self.response)


def _is_quiet(sock: gevent.socket.socket) -> bool:
    """Whether a kept connection is still open with nothing to read: the peer neither closed it nor sent anything."""
    sock.settimeout(0.0)
    try:
        sock.recv(1) if isinstance(sock, gevent.ssl.SSLSocket) else sock.recv(1, socket.MSG_PEEK)
    except (BlockingIOError, ssl.SSLWantReadError):
        sock.settimeout(None)
        return True
    except OSError:
        return False
    return False


def _words(error: OSError) -> str:
    if isinstance(error, socket.gaierror):
        return "the name was not resolved"
    if isinstance(error, ssl.SSLError):
        return f"TLS: {error.reason or error.strerror or 'failed'}"[:120].lower()
    return (error.strerror or type(error).__name__).lower()
