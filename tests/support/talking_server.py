"""A chat server in this process that repeats numbers, turns clients away and notices who leaves; the path says how."""

from __future__ import annotations

import json
import re
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

PIECES_S = 0.02
NUMBER = re.compile(r"(?:[0-9]{4}-){3}[0-9]{4}")


@dataclass
class Seen:
    """What the server saw: the bodies of requests, how often each first prompt was asked, and what runs."""

    bodies: list[dict[str, Any]] = field(default_factory=list)
    asked: Counter[str] = field(default_factory=Counter)
    running: int = 0
    left: int = 0
    numbers: list[str] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it listens."""
        return f"http://127.0.0.1:{self.port}"


class Handler(BaseHTTPRequestHandler):
    """Answers one request after the other of a connection."""

    seen: Seen
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:  # the base class's name
        """Take a request, and answer as its path says."""
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with self.seen.lock:
            self.seen.bodies.append(body)
            prompt = str(body["messages"][-1]["content"])
            self.seen.asked[prompt] += 1
            times = self.seen.asked[prompt]
            found = NUMBER.findall(prompt)
            self.seen.numbers += found
        mode = self.path.split("/")[1]
        if mode == "shed" or (mode.startswith("busy") and times == 1):
            self.send_response(429 if mode == "shed" else 503)
            self.send_header("Retry-After", "0")
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        self._talk(self._words(mode, found))

    def _words(self, mode: str, found: list[str]) -> str:
        if mode.endswith("mixed-up"):
            return next((number for number in self.seen.numbers if number not in found), "nothing yet")
        if mode == "endless":
            return "again and " * 500
        return found[-1] if found and mode != "forgetful" else "Hello, you there."

    def _talk(self, words: str) -> None:
        with self.seen.lock:
            self.seen.running += 1
        try:
            self.send_response(200)
            self.send_header("Content-Type", "text/event-stream")
            self.end_headers()
            self.close_connection = True
            for start in range(0, len(words), 5):
                self._event({"choices": [{"delta": {"content": words[start : start + 5]}}]})
                threading.Event().wait(PIECES_S)
            self._event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
            self.wfile.write(b"data: [DONE]\n\n")
        except OSError:
            with self.seen.lock:
                self.seen.left += 1
        finally:
            with self.seen.lock:
                self.seen.running -= 1

    def _event(self, data: dict[str, Any]) -> None:
        self.wfile.write(b"data: " + json.dumps(data).encode() + b"\n\n")
        self.wfile.flush()

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def talking() -> Iterator[Seen]:
    """The server, for as long as the block lasts."""
    seen = Seen()

    with ThreadingHTTPServer(("127.0.0.1", 0), type("Own", (Handler,), {"seen": seen})) as server:
        server.daemon_threads = True
        seen.port = server.server_address[1]
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield seen
        finally:
            server.shutdown()
