"""An API server that answers every question with one list, over TLS and for those alone who have a certificate."""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from chaos.lab.control_plane.pki import Authority


class ServedList:
    """An API server that knows one list, of pods or of Services."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] = []
        self.status = 200
        self.clients: set[str] = set()

    @contextmanager
    def serving(self, authority: Authority) -> Iterator[str]:
        """Its address; it lets in who has a certificate."""
        served = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                assert isinstance(self.connection, ssl.SSLSocket)
                served.clients.add(str(self.connection.getpeercert()))
                body = json.dumps({"items": served.items}).encode()
                self.send_response(served.status)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *words: object) -> None:
                """Say nothing."""

        own = authority.issue("server", user="server", addresses=["127.0.0.1"])
        tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cafile=str(authority.certificate))
        tls.verify_mode = ssl.CERT_REQUIRED
        tls.load_cert_chain(own.certificate, own.key)
        with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
            server.socket = tls.wrap_socket(server.socket, server_side=True)
            threading.Thread(target=server.serve_forever, daemon=True).start()
            yield f"https://127.0.0.1:{server.server_port}"
            server.shutdown()
