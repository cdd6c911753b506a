"""A model server that does on SIGTERM what vLLM does: it ends every answer under way in good order, with `abort`."""

import json
import os
import signal
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PORT = 8080
TOKEN_EVERY_S = 0.1

told_to_end = threading.Event()


class Handler(BaseHTTPRequestHandler):
    """Well on every path; each answer is a stream of as many tokens as were asked for."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        """Say that all is well, to whatever probe."""
        self.send_response(200)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def do_POST(self) -> None:
        """Stream an answer, to its end or to ours."""
        asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.send_header("Connection", "close")
        self.send_header("X-Served-By", os.environ["HOSTNAME"])
        self.end_headers()
        reason = "length"
        for _ in range(asked["max_tokens"]):
            if told_to_end.wait(TOKEN_EVERY_S):
                reason = "abort"
                break
            self.event({"delta": {"content": " so"}, "finish_reason": None})
        self.event({"delta": {}, "finish_reason": reason})
        self.wfile.write(b"data: [DONE]\n\n")
        self.close_connection = True

    def event(self, choice: dict[str, object]) -> None:
        """Send one event of the stream."""
        chunk = {"object": "chat.completion.chunk", "choices": [{"index": 0, **choice}]}
        self.wfile.write(f"data: {json.dumps(chunk)}\n\n".encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    """A thread for each request."""

    request_queue_size = 128
    daemon_threads = False  # so that closing waits for the answers under way


server = Server(("", PORT), Handler)
signal.signal(signal.SIGTERM, lambda *_: told_to_end.set())
threading.Thread(target=server.serve_forever).start()
told_to_end.wait()
server.shutdown()
server.server_close()
