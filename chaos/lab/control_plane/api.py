"""The few calls that starting a cluster needs, over verified TLS with a client certificate.

The suite itself uses `chaos.cluster`; this client exists before there is a cluster.
"""

import http.client
import json
import ssl
from pathlib import Path
from typing import Any, Self

import urllib3

from chaos.errors import LabError
from chaos.lab.control_plane.components import Ports
from chaos.lab.control_plane.pki import Credential
from chaos.lab.host.network import API_ADDRESS
from chaos.lab.host.paths import LabPaths

__all__ = ["Api", "suite_api"]

CALL_DEADLINE_S = 10.0


class Api:
    """An API server as one user; safe to use from several threads. Connections are kept open until `close`.

    All methods but `call` and `ready` raise LabError if the server refuses or cannot be reached.
    """

    def __init__(self, server: str, *, authority: Path, credential: Credential) -> None:
        self.server = server
        tls = ssl.create_default_context(cafile=str(authority))
        tls.load_cert_chain(credential.certificate, credential.key)
        self._pool = urllib3.PoolManager(ssl_context=tls, timeout=CALL_DEADLINE_S, retries=False, maxsize=8)

    def call(self, method: str, path: str, body: object = None) -> tuple[int, bytes]:
        """Make one call and return status and answer. Raises OSError if the server cannot be reached or breaks off."""
        kind = "application/merge-patch+json" if method == "PATCH" else "application/json"
        content = None if body is None else json.dumps(body)
        headers = {"Content-Type": kind, "Accept": "application/json"}
        try:
            answer = self._pool.request(method, self.server + path, body=content, headers=headers)
        except urllib3.exceptions.HTTPError as error:
            raise ConnectionError(f"{method} {path}: {error}") from error
        return answer.status, answer.data

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next call opens another."""
        self._pool.clear()

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
        if status >= http.client.BAD_REQUEST:
            try:
                words = json.loads(answer)["message"]
            except (ValueError, KeyError, TypeError):
                words = answer[:300].decode(errors="replace")
            raise LabError(f"the API server refused {method} {path}: {status}, {words}")
        return json.loads(answer)


def suite_api(paths: LabPaths, port: int | None = None) -> Api:
    """The API server, with the certificates that starting the lab wrote. Raises OSError if there are none.

    `port`: another than its usual one.
    """
    pki = paths.control / "pki"
    credential = Credential(certificate=pki / "admin.crt", key=pki / "admin.key")
    return Api(f"https://{API_ADDRESS}:{port or Ports().api}", authority=pki / "ca.crt", credential=credential)
