"""A model server that is broken on purpose, as $BROKEN says: a front, and an engine process that makes its tokens.

    abort      on SIGTERM it ends every answer under way in good order, with `abort` and [DONE], as vLLM does
    foreign    each answer is to the prompt that was asked before
    leak       a slot is never given back whose client went away; with none left it answers 503
    lying      /health asks nobody: it says 200 while the engine hangs
    (none)     well: it finishes its answers, frees its slots, and /health asks the engine

Its metrics have the names of the reference server's. It needs a Python alone, so that it runs in any image that has
one: `python3 -c "$(cat broken_engine.py)"`.
"""

import json
import os
import select
import signal
import socket
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

BROKEN = os.environ.get("BROKEN", "")
PORT = int(os.environ.get("PORT", "8080"))
SLOTS = int(os.environ.get("SLOTS", "8"))
TOKEN_EVERY_S = 0.1
ENGINE_ANSWERS_S = 1.0
WEIGHTS_MIB = 48
"""What the engine holds, so that it is the largest process, as a model's is."""

told_to_end = threading.Event()
asking = threading.Lock()
counting = threading.Lock()
state = {"running": 0, "before": "nothing", "completed": 0, "cancelled": 0}


def engine() -> socket.socket:
    """Start the engine: it answers each byte by one, as a token."""
    ours, its = socket.socketpair()
    if os.fork() == 0:
        ours.close()
        Path("/proc/self/comm").write_text("engine", encoding="ascii")
        weights = bytearray(os.urandom(1 << 20) * WEIGHTS_MIB)
        while its.recv(1):
            its.sendall(weights[:1])
        os._exit(0)
    its.close()
    return ours


tokens = engine()


def token(within_s: float | None = None) -> bool:
    """Have the engine make one token; whether it did in that time, or at all."""
    with asking:
        tokens.sendall(b".")
        if not select.select([tokens], [], [], within_s)[0]:
            return False
        return bool(tokens.recv(4096))


def metrics() -> str:
    """How many requests it is at, and how those ended that did."""
    ended = "".join(f'model_requests_total{{outcome="{how}"}} {state[how]}\n' for how in ("completed", "cancelled"))
    return f"{ended}model_requests_running {state['running']}\n"


class Handler(BaseHTTPRequestHandler):
    """Each answer is a stream of as many tokens as were asked for, the first of which is the prompt."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say how it is, or how many requests it is at."""
        if self.path == "/metrics":
            self.whole(200, metrics())
        else:
            self.whole(200 if BROKEN == "lying" or token(ENGINE_ANSWERS_S) else 503, "")

    def do_POST(self) -> None:
        """Stream an answer, to its end or to ours."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        prompt = asked["messages"][-1]["content"]
        with counting:
            if state["running"] >= SLOTS:
                self.whole(503, "no slot is free")
                return
            state["running"] += 1
            said, state["before"] = (state["before"] if BROKEN == "foreign" else prompt), prompt
        outcome = "completed"
        try:
            self.stream(str(said), int(asked["max_tokens"]))
        except OSError:  # the client went away
            self.close_connection = True
            if BROKEN == "leak":
                return
            outcome = "cancelled"
        with counting:
            state["running"] -= 1
            state[outcome] += 1

    def stream(self, said: str, count: int) -> None:
        """The answer itself."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.send_header("X-Served-By", os.environ.get("HOSTNAME", "here"))
        self.end_headers()
        reason = "length"
        for number in range(count):
            token()
            if told_to_end.wait(TOKEN_EVERY_S) and BROKEN == "abort":
                reason = "abort"
                break
            self.event({"delta": {"content": " so" if number else said}, "finish_reason": None})
        self.event({"delta": {}, "finish_reason": reason})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, choice: dict[str, object]) -> None:
        """Send one event of the stream."""
        chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def whole(self, status: int, text: str) -> None:
        """Send an answer that is no stream."""
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A thread for each request."""

    request_queue_size = 128
    daemon_threads = False  # so that closing waits for the answers under way


server = Server(("", PORT), Handler)
signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
threading.Thread(target=server.serve_forever).start()
print(f"listening on port {server.server_address[1]}", flush=True)  # noqa: T201  # to whoever started it
told_to_end.wait()
server.shutdown()
server.server_close()
