"""An API server on loopback that lets one token in, and kubeconfigs that lead to it."""

from __future__ import annotations

import contextlib
import json
import stat
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

__all__ = ["CREDENTIAL", "Api", "kubeconfig", "plugin", "serving"]


@dataclass
class Api:
    """An API server on loopback that lets one token in; what it was asked with is in `seen`."""

    uid: str = "uid-1"
    lets_in: str = "first"
    location: str = ""
    seen: list[tuple[str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Where it is."""
        return f"http://127.0.0.1:{self.port}"

    def answer(self, path: str) -> dict[str, Any]:
        """What it says of itself."""
        if path == "/version":
            return {"gitVersion": "v1.33.0"}
        return {"kind": "List", "items": [], "metadata": {"uid": self.uid, "name": "kube-system"}}


@contextlib.contextmanager
def serving(api: Api) -> Iterator[Api]:
    """The server, while the block lasts."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            given = self.headers.get("authorization", "").removeprefix("Bearer ")
            api.seen.append((self.path, given))
            allowed = given == api.lets_in
            body = json.dumps(api.answer(self.path) if allowed else {}).encode()
            moved = bool(api.location) and "/exec" in self.path
            self.send_response(302 if moved else 200 if allowed else 401)
            if moved:
                self.send_header("location", api.location)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        api.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield api
        finally:
            server.shutdown()
            thread.join()


def kubeconfig(path: Path, server: str, user: dict[str, Any], **cluster: object) -> Path:
    """A file with one context."""
    config = {
        "clusters": [{"name": "c", "cluster": {"server": server, **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [{"name": "staging", "context": {"cluster": "c", "user": "u"}}],
    }
    path.write_text(yaml.safe_dump(config))
    return path


def plugin(path: Path, text: str) -> dict[str, Any]:
    """A credential plugin of that shell script, as a kubeconfig names one."""
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return {"exec": {"apiVersion": "client.authentication.k8s.io/v1", "command": f"./{path.name}", "args": ["a b"]}}


CREDENTIAL = """
printf '{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential", '
printf '"status": {"token": "first"}}'
[ "$1" = "a b" ]
"""
