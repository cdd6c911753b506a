"""A canary over HTTP on loopback, and the server that stands for the API server's proxy."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from kubernetes.client import ApiClient, Configuration

from chaos.clock import Clock
from chaos.cluster.transport import Transport
from chaos.history.writing.jsonl import AppendFile
from chaos.trial.canary import Canary, Target
from loadgen.profiles import OpenAiChatProfile, Profile

__all__ = ["CHAT", "POD", "PROMPT", "SAID", "Asking", "Handler", "asking", "cut_short"]

PROMPT, SAID = "a prompt that nobody is to read", "an answer that nobody is to read"
CHAT = OpenAiChatProfile(model="tiny", prompts=(PROMPT,), max_tokens=200, ignore_eos=True)
POD = Target("uid-1", "chat-1", 8000)
WHOLE = {"choices": [{"index": 0, "message": {"content": SAID}, "finish_reason": "length"}]}


class Handler(BaseHTTPRequestHandler):
    """Answers as the test wants, and keeps what it was asked."""

    protocol_version = "HTTP/1.1"
    say: Callable[[Handler], None]
    seen: list[tuple[str, dict[str, str], Any]]

    def do_POST(self) -> None:
        """Answer."""
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.seen.append((f"{self.command} {self.path}", headers, json.loads(body) if body else None))
        with contextlib.suppress(OSError):
            type(self).say(self)

    do_GET = do_POST  # noqa: N815  # the base class's name

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # the base class's name
        """Nothing."""

    def answer(self, body: object = WHOLE, status: int = 200, **headers: str) -> None:
        """A whole answer."""
        data = body if isinstance(body, bytes) else json.dumps(body).encode()
        self.send_response(status)
        for name, value in ({"content-length": str(len(data))} | headers).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)


class Asking:
    """A canary, the server that it asks, and what it wrote."""

    def __init__(self, canary: Canary, path: Path, handler: type[Handler]) -> None:
        self.canary, self.path, self.handler = canary, path, handler

    def lines(self, count: int, within_s: float = 10.0) -> list[dict[str, Any]]:
        """The first lines, when so many are there."""
        until_s = time.monotonic() + within_s
        while len(found := self.path.read_text().splitlines()) < count:
            assert time.monotonic() < until_s, found
            time.sleep(0.01)
        return [json.loads(line) for line in found[:count]]

    def once(self, within_s: float = 10.0) -> dict[str, Any]:
        """The one line of a canary that asks one pod once."""
        self.canary.aim({POD.uid: POD})
        (line,) = self.lines(1, within_s)
        return line


@contextlib.contextmanager
def asking(tmp_path: Path, say: Callable[[Handler], None], profile: Profile = CHAT) -> Iterator[Asking]:
    """A canary whose API server is a server that says so."""
    handler = type("One", (Handler,), {"say": staticmethod(say), "seen": []})
    path = tmp_path / "canary.jsonl"
    file = AppendFile(path)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True)
        thread.start()
        configuration = Configuration(host=f"http://127.0.0.1:{server.server_port}")
        configuration.retries = False
        transport = Transport(ApiClient(configuration))
        canary = Canary(transport, Clock.start(), file, "llm", profile)
        try:
            yield Asking(canary, path, handler)
        finally:
            canary.finish()
            transport.close()
            server.shutdown()
            thread.join()
            file.close()


def cut_short(one: Handler) -> None:
    """An answer that ends before its length."""
    one.close_connection = True
    one.answer(b"", **{"content-length": "10"})
