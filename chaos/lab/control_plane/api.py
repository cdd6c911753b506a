"""The few calls that starting a cluster needs, over verified TLS with a client certificate.

The suite itself uses `chaos.cluster`; this client exists before there is a cluster.
"""

from __future__ import annotations

import http.client
import json
import ssl
import threading
import time
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

from chaos.errors import LabError
from chaos.lab.control_plane.components import Ports
from chaos.lab.control_plane.pki import Credential
from chaos.lab.host.network import API_ADDRESS
from chaos.lab.host.paths import LabPaths

__all__ = ["Api", "suite_api"]

CALL_DEADLINE_S = 10.0
IDLE_MOST_S = 30.0
"""A connection that has been idle for longer is not used again: the API server closes idle ones after 90 s."""


class Api:
    """An API server as one user. Each thread has a connection of its own, kept open between calls until `close`.

    All methods but `call` and `ready` raise LabError if the server refuses or cannot be reached.
    """

    def __init__(self, server: str, *, authority: Path, credential: Credential) -> None:
        self.server = server
        self._address = urlsplit(server).netloc
        self._tls = ssl.create_default_context(cafile=str(authority))
        self._tls.load_cert_chain(credential.certificate, credential.key)
        self._kept = threading.local()

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Make one call and return status and answer. Raises OSError if the server cannot be reached or breaks off."""
        if time.monotonic() - getattr(self._kept, "used_s", 0.0) > IDLE_MOST_S:
            self.close()
        self._kept.used_s = time.monotonic()
        connection: http.client.HTTPSConnection | None = getattr(self._kept, "connection", None)
        if connection is None:
            connection = http.client.HTTPSConnection(self._address, timeout=CALL_DEADLINE_S, context=self._tls)
            self._kept.connection = connection
        content = None if body is None else json.dumps(body)
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        try:
            connection.request(method, path, content, {"Content-Type": kind, "Accept": "application/json"})
            answer = connection.getresponse()
            return answer.status, answer.read()
        except http.client.HTTPException as error:
            self.close()
            raise ConnectionError(f"{method} {path}: {error or type(error).__name__}") from error
        except OSError:
            self.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close this thread's connection; the next call opens another."""
        connection: http.client.HTTPSConnection | None = getattr(self._kept, "connection", None)
        if connection is not None:
            connection.close()
            self._kept.connection = None

    def ready(self) -> bool:
        """Whether the server answers that it is ready. Not being reachable is being not ready."""
        try:
            return self.call("GET", "/readyz")[0] == http.client.OK
        except OSError:
            return False

    def get(self, path: str) -> Any:
        """What is at `path`, or None if nothing is."""
        return self._asked("GET", path)

    def create(self, path: str, body: object) -> Any:
        """Create an object in the collection at `path`."""
        return self._asked("POST", path, body)

    def patch(self, path: str, body: object) -> Any:
        """Merge `body` into the object at `path`."""
        return self._asked("PATCH", path, body)

    def delete(self, path: str) -> None:
        """Delete the object at `path`; there may be none."""
        self._asked("DELETE", path)

    def _asked(self, method: str, path: str, body: object = None) -> Any:
        try:
            status, answer = self.call(method, path, body)
        except OSError as error:
            raise LabError(f"{method} {self.server}{path}: {error}") from error
        if status == http.client.NOT_FOUND and method in {"GET", "DELETE"}:
            return None
        return _accepted(method, path, status, answer)


def _accepted(method: str, path: str, status: int, answer: bytes) -> Any:
    if status >= http.client.BAD_REQUEST:
        try:
            words = json.loads(answer)["message"]
        except (ValueError, KeyError, TypeError):
            words = answer[:300].decode(errors="replace")
        raise LabError(f"the API server refused {method} {path}: {status}, {words}")
    return json.loads(answer)


def suite_api(paths: LabPaths) -> Api:
    """The API server, with the certificates that starting the lab wrote. Raises OSError if there are none."""
    pki = paths.control / "pki"
    credential = Credential(certificate=pki / "admin.crt", key=pki / "admin.key")
    return Api(f"https://{API_ADDRESS}:{Ports().api}", authority=pki / "ca.crt", credential=credential)
