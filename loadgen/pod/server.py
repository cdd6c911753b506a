"""What runs in a load pod (`python -m loadgen.pod.server`): one generator, driven through the API server's proxy.

It speaks HTTP on one port, one JSON object each way (`POST /do`), and only to whoever has the driver's token, of which
it knows the digest alone. The generator is the same process as on any host. A request that is repeated because its
answer was lost is done once.
"""

import contextlib
import hashlib
import hmac
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable, Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from loadgen.driver.reachability import await_reachable
from loadgen.pod.contract import FOLDER, PORT, RECORDS, SILENCE_MAX_S, TOKEN_DIGEST, TOKEN_HEADER, code_digest
from loadgen.pod.generator_process import GeneratorProcess
from loadgen.pod.pages import page, sum_of

__all__ = ["Pod", "handler_of", "main"]

REQUEST_MAX_BYTES = 64 * 1024 * 1024
"""A trace to be replayed is the longest that is ever sent."""

LENGTH = re.compile("[0-9]{1,20}", re.ASCII)

STRANGERS_MAX = 16
"""So many connections at once that have shown no token; each may hold some megabytes of headers."""

REQUEST_S = 30.0
"""A connection on which nothing comes for so long is closed."""

ANSWER_WAIT_MAX_S = 5.0
WATCH_S = 0.2


class Pod:
    """The actions that the driver may request, by name, and how long ago it last did."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._process = GeneratorProcess(folder)
        self._last_request_s = time.monotonic()
        self._leaving = threading.Event()
        self._terminating = threading.Event()
        self.actions: Mapping[str, Callable[..., Mapping[str, Any]]] = {
            "hello": lambda: {"code": code_digest(), "folder": str(folder)},
            "clock": lambda: {"mono_ns": time.monotonic_ns(), "utc_ns": time.time_ns()},
            "tell": self._tell,
            "hear": self._hear,
            "read": self._read,
            "sums": lambda: {name: sum_of(self._folder / name) for name in RECORDS},
            "reach": lambda url, deadline_s: {"why": await_reachable(url, list, deadline_s=deadline_s)},
            "leave": self._leave,
        }

    def do(self, action: str, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        """Do one of them. Raises `KeyError` or `TypeError` for what is none."""
        self._last_request_s = time.monotonic()
        return self.actions[action](**arguments)

    def wait(self) -> int:
        """Wait until the driver lets the pod go, or is silent for too long; then end the generator in order.

        Returns the exit code: 0 if the driver had all it wanted.
        """
        while not self._leaving.wait(WATCH_S):
            if time.monotonic() - self._last_request_s > SILENCE_MAX_S:
                self._process.close()
                return 1
        self._process.close()
        return 1 if self._terminating.is_set() else 0

    def terminate(self) -> None:
        """The kubelet ends the pod: let the generator record what is left, to be read within the grace period."""
        self._terminating.set()
        self._process.orphan()

    def _tell(self, number: int, command: Mapping[str, Any], environ: Mapping[str, str]) -> Mapping[str, Any]:
        self._process.tell(number, command, environ)
        return {}

    def _hear(self, number: int, wait_s: float) -> Mapping[str, Any]:
        answer = self._process.answer(number, min(wait_s, ANSWER_WAIT_MAX_S))
        return {"answer": answer, **self._state()}

    def _read(self, offsets: Mapping[str, int]) -> Mapping[str, Any]:
        # The state comes first: what is read after the generator's end is then all that there will be.
        state = self._state()
        return {
            "pages": {name: page(self._folder / name, at) for name, at in offsets.items() if name in RECORDS}
        } | state

    def _state(self) -> dict[str, Any]:
        return {"ended": self._process.ended, "told_to_end": self._terminating.is_set()}

    def _leave(self) -> Mapping[str, Any]:
        self._leaving.set()
        return {}


class _Strangers:
    """Connections that have shown no token; where there are too many, the oldest is closed."""

    def __init__(self) -> None:
        self._open: list[socket.socket] = []
        self._lock = threading.Lock()

    def add(self, connection: socket.socket) -> None:
        """One more."""
        with self._lock:
            self._open.append(connection)
            for oldest in self._open[:-STRANGERS_MAX]:
                self._open.remove(oldest)
                with contextlib.suppress(OSError):
                    oldest.shutdown(socket.SHUT_RDWR)

    def remove(self, connection: socket.socket) -> None:
        """It is ended, or the driver's."""
        with self._lock, contextlib.suppress(ValueError):
            self._open.remove(connection)


class _Handler(BaseHTTPRequestHandler):
    """Answers in JSON, and knows of each connection whether it has shown the token."""

    strangers: _Strangers
    protocol_version = "HTTP/1.1"
    # An answer in one piece, at once: else it waits 40 ms for an acknowledgement, and clock readings get worse.
    wbufsize = -1
    disable_nagle_algorithm = True
    timeout = REQUEST_S

    def setup(self) -> None:
        """See the base class."""
        super().setup()
        self.strangers.add(self.connection)

    def finish(self) -> None:
        """See the base class."""
        self.strangers.remove(self.connection)
        super().finish()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing: the driver sends a request twice a second."""

    def answer(self, status: HTTPStatus, facts: Mapping[str, Any]) -> None:
        """Answer."""
        body = json.dumps(facts).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def handler_of(pod: Pod, token_digest: str) -> type[BaseHTTPRequestHandler]:
    """The HTTP side: checks the token, does the action, answers."""

    class Handler(_Handler):
        strangers = _Strangers()

        def do_GET(self) -> None:  # the readiness probe
            self.close_connection = True
            self.answer(HTTPStatus.OK, {})

        def do_POST(self) -> None:
            # A body that is not read must not be taken for the next request.
            self.close_connection = True
            given = hashlib.sha256(self.headers.get(TOKEN_HEADER, "").encode(errors="replace")).hexdigest()
            if not hmac.compare_digest(given, token_digest):
                self.answer(HTTPStatus.FORBIDDEN, {"why": "not this pod's token"})
                return
            self.strangers.remove(self.connection)
            length = self.headers.get("Content-Length", "")
            if not LENGTH.fullmatch(length) or int(length) > REQUEST_MAX_BYTES:
                self.answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, {"why": f"not 0 to {REQUEST_MAX_BYTES} bytes"})
                return
            try:
                request = json.loads(self.rfile.read(int(length)))
                self.close_connection = False
                self.answer(HTTPStatus.OK, pod.do(request["do"], request["arguments"]))
            except (KeyError, TypeError, ValueError, OSError) as error:
                self.answer(HTTPStatus.BAD_REQUEST, {"why": repr(error)})

    return Handler


class _Server(ThreadingHTTPServer):
    """Listens on IPv6 and IPv4 where the pod has both."""

    daemon_threads = True
    request_queue_size = 64
    address_family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET

    def server_bind(self) -> None:
        """Take connections of both families."""
        if self.address_family == socket.AF_INET6:
            self.socket.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
        super().server_bind()


def main() -> int:
    """Serve until the driver lets the pod go."""
    folder = Path(os.environ.get(FOLDER, "."))
    pod = Pod(folder)
    signal.signal(signal.SIGTERM, lambda *_: pod.terminate())
    server = _Server(("", PORT if len(sys.argv) < 2 else int(sys.argv[1])), handler_of(pod, os.environ[TOKEN_DIGEST]))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(f"listening on {server.server_address[1]}", flush=True)  # noqa: T201  # the pod's log
    code = pod.wait()
    server.shutdown()
    return code


if __name__ == "__main__":
    sys.exit(main())
