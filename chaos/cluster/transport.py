"""The HTTP transport to the API server: one request, one answer, nothing tried twice; and the credentials it uses.

The `kubernetes` package makes the connection (kubeconfig, TLS, tokens and their renewal, proxies); its models are not
used, because each costs 0.3 ms and refuses what it does not know. What can go wrong is told apart here, once: the
request was never sent (`NotSent`), or it was and no full answer came back (`Broken`). An answer of any status is an
answer, not an error.
"""

import json
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

import urllib3
from kubernetes.client import ApiClient, Configuration
from kubernetes.client.exceptions import ApiException
from kubernetes.client.rest import RESTResponse, should_bypass_proxies
from urllib3.connection import HTTPConnection
from urllib3.exceptions import ConnectTimeoutError, HTTPError, NewConnectionError, ProxyError, ReadTimeoutError

from chaos.errors import ClusterRefused, UsageError

__all__ = [
    "KEEPALIVE",
    "KEEPALIVE_S",
    "UNAUTHORIZED",
    "Answer",
    "Broken",
    "NotSent",
    "Query",
    "Silent",
    "Transport",
    "identity_of",
]

CONNECT_S = 3.0
"""How long a connection may take to come about, TCP and each step of TLS."""

OPEN_S = 10.0
"""How long the server may take to begin the answer to a watch, which it does at once."""

KEEPALIVE = {"idle": 5, "interval": 5, "count": 3}
"""When the kernel asks a silent peer whether it lives, in seconds, and how often before it gives the connection up."""

KEEPALIVE_S = KEEPALIVE["idle"] + KEEPALIVE["interval"] * KEEPALIVE["count"]
"""A connection that broke was alive at most this long before the kernel said so."""

UNAUTHORIZED = 401

PIECE_BYTES = 64 * 1024

RENEWED_S = 5.0
"""Credentials that were read anew so recently are not the reason of one more 401."""

Query = Mapping[str, str]


class NotSent(ClusterRefused):
    """The API server could not be reached: nothing was sent, so nothing happened."""


class Broken(ClusterRefused):
    """The request was sent, or part of it, and no full answer came: whether it happened cannot be known."""


class Silent(Broken):
    """The connection stands, but nothing came for longer than it may: the other end may be gone."""


@dataclass(frozen=True, slots=True)
class Answer:
    """What the API server said: the status, the body as it came, and the headers in lower case."""

    status: int
    body: bytes
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the status is a 2xx."""
        return 200 <= self.status <= 299

    def json(self) -> Any:
        """The body as JSON, or as text if it is none."""
        try:
            return json.loads(self.body)
        except (ValueError, RecursionError):
            return self.body.decode(errors="replace")

    def words(self) -> str:
        """The status and what the server says about it, in one line."""
        said = self.json()
        text = str(said.get("message", ""))[:2000] if isinstance(said, dict) else str(said)[:200]
        return f"{self.status} {' '.join(text.split())}".rstrip()


class Transport:
    """Connections to one API server as one user; safe to use from many threads.

    `renew` reads the credentials anew, for a token that expired: a 401 did nothing, so what met it is sent once more.
    It raises `NotSent` where they are another cluster's.
    """

    def __init__(self, api: ApiClient, renew: Callable[[], ApiClient] | None = None) -> None:
        self._api = api
        self._renew = renew
        self._renewed_at = -RENEWED_S
        self._old: list[ApiClient] = []
        self._lock = threading.Lock()
        self.server = str(api.configuration.host)

    def identity(self) -> dict[str, Any]:
        """Who this side is to the API server, for another process to be the same; see `identity_of`."""
        return identity_of(self._api.configuration)

    @property
    def proxy(self) -> str:
        """The host of the HTTP proxy on the way to the API server, empty without one."""
        configuration = self._api.configuration
        direct = should_bypass_proxies(configuration.host, configuration.no_proxy or "")
        return "" if direct or not configuration.proxy else str(urlsplit(configuration.proxy).hostname)

    def call(
        self,
        method: str,
        path: str,
        *,
        query: Query | None = None,
        body: object = None,
        content_type: str = "application/json",
        accept: str = "application/json, */*",
        headers: Mapping[str, str] | None = None,
        timeout_s: float = 10.0,
        pod_max_bytes: int | None = None,
    ) -> Answer:
        """Send one request and read the whole answer; `timeout_s` is how long the server may be silent.

        `pod_max_bytes` is for what the API server passes on to a pod, whose answer may be anybody's: no more bytes are
        read, all of them within `timeout_s`, and no 401 of its own renews the credentials. Raises `NotSent`, `Broken`.
        """
        sent = {"Accept": accept} | ({} if body is None else {"Content-Type": content_type}) | dict(headers or {})
        until_s, trusted = time.monotonic() + timeout_s, pod_max_bytes is None
        with self._translated(f"{method} {path}"):
            response = self._send(method, path, query, sent, body, timeout_s=timeout_s, renews=trusted)
            received = {name.lower(): value for name, value in response.headers.items()}
            data = response.data if pod_max_bytes is None else _bounded(response, pod_max_bytes, until_s)
            return Answer(response.status, data, received)

    @contextmanager
    def stream(self, path: str, *, query: Query, silence_max_s: float) -> Iterator[urllib3.BaseHTTPResponse]:
        """Open a GET whose body is read as it comes; the connection is closed when the block ends.

        Reading raises `Silent` when nothing came for `silence_max_s` seconds, `Broken` when the connection broke. Not
        opening raises them too, or `NotSent`.
        """
        with self._translated(f"GET {path}"):
            response = self._send("GET", path, query, {"Accept": "application/json, */*"}, timeout_s=OPEN_S)
            try:
                _be_silent(response, silence_max_s)
                yield response
            finally:
                response.close()

    def close(self) -> None:
        """Close the connections that are idle."""
        for api in (*self._old, self._api):
            api.rest_client.close()

    def _anew(self, used: ApiClient) -> bool:
        """Read the credentials anew. Say whether they are others than those of the client that was refused."""
        with self._lock:
            if self._api is not used:
                return True  # another thread was quicker
            if self._renew is None or time.monotonic() - self._renewed_at < RENEWED_S:
                return False
            self._renewed_at = time.monotonic()
            try:
                self._api = self._renew()
            except UsageError:  # the kubeconfig cannot be read now: the server's own 401 says what is wrong
                return False
            self._old.append(used)  # others may be in the middle of a request
            return True

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        headers: Mapping[str, str],
        body: object = None,
        *,
        timeout_s: float,
        renews: bool = True,
    ) -> urllib3.BaseHTTPResponse:
        """Send a request; if it is refused for old credentials, once more with new ones."""
        resource = f"{path}?{urlencode(query)}" if query else path
        while True:
            api = self._api
            _, url, sent, content, _ = api.param_serialize(
                method, resource, header_params=dict(headers), body=body, auth_settings=["BearerToken"]
            )
            answer: RESTResponse = api.call_api(
                method, url, header_params=sent, body=content, _request_timeout=(CONNECT_S, timeout_s)
            )
            response: urllib3.BaseHTTPResponse = answer.response
            if response.status != UNAUTHORIZED or not renews or not self._anew(api):
                return response
            response.close()

    @contextmanager
    def _translated(self, what: str) -> Iterator[None]:
        """Say a failure of the connection in our words."""
        try:
            yield
        except ApiException as error:  # the package's name for every urllib3 SSLError
            said = error.__context__ or error
            if any(isinstance(cause, ssl.SSLCertVerificationError) for cause in _causes(said)):
                raise self._not_sent(said) from error
            raise self._broken(what, said) from error
        except (NewConnectionError, ConnectTimeoutError, ProxyError) as error:
            raise self._not_sent(error) from error
        except ReadTimeoutError as error:
            raise Silent(f"{what}: {self.server} was silent for too long") from error
        except (HTTPError, OSError) as error:
            raise self._broken(what, error) from error

    def _not_sent(self, error: BaseException) -> NotSent:
        return NotSent(
            f"the API server {self.server} cannot be reached: {_plain(error)}",
            "see that the cluster runs, and that the context names the right server",
        )

    def _broken(self, what: str, error: BaseException) -> Broken:
        return Broken(f"{what}: the connection to {self.server} broke: {_plain(error)}")


def identity_of(configuration: Configuration) -> dict[str, Any]:
    """Who we are to an API server and whom we trust to be it, as the fields of `loadgen.origin.Credentials`."""
    token = configuration.get_api_key_with_prefix("BearerToken", alias="authorization")
    return {
        "ca_pem": _text(configuration.ssl_ca_cert),
        "cert_pem": _text(configuration.cert_file),
        "key_pem": _text(configuration.key_file),
        "headers": {"authorization": token} if token else {},
        "server_name": configuration.tls_server_name or None,
        "verified": bool(configuration.verify_ssl),
    }


def _text(path: str | None) -> str | None:
    return Path(path).read_text(encoding="ascii") if path else None


def _be_silent(response: urllib3.BaseHTTPResponse, most_s: float) -> None:
    """Let the other end be silent for so long while its body is read."""
    if isinstance(response.connection, HTTPConnection) and response.connection.sock:
        response.connection.sock.settimeout(most_s)


def _bounded(response: urllib3.BaseHTTPResponse, most_bytes: int, until_s: float) -> bytes:
    """The body as it came. Raises `Broken` for one that is longer, or not whole by then."""
    data = bytearray()
    while (left_s := until_s - time.monotonic()) > 0 and len(data) <= most_bytes:
        _be_silent(response, left_s)
        if not (piece := response.read1(PIECE_BYTES, decode_content=False)):
            return bytes(data)
        data += piece
    response.close()
    raise Broken(f"the answer has more than {most_bytes} bytes" if left_s > 0 else "the answer did not end in time")


def _causes(error: BaseException) -> Iterator[BaseException]:
    """The error and whatever it wraps, from the outside in."""
    seen: list[BaseException] = []
    waiting: list[object] = [error]
    while waiting:
        current = waiting.pop(0)
        if isinstance(current, BaseException) and current not in seen:
            seen.append(current)
            waiting += [*current.args, current.__cause__, current.__context__, getattr(current, "original_error", None)]
    yield from seen


def _plain(error: BaseException) -> str:
    """The innermost reason that has words, without object addresses."""
    if isinstance(error, ConnectTimeoutError) and not isinstance(error, NewConnectionError):
        return f"no connection within {CONNECT_S:g} s"
    for cause in reversed(list(_causes(error))):
        if isinstance(cause, OSError) and cause.strerror:
            return cause.strerror
    return (str(error) or type(error).__name__).rpartition("object at ")[2].partition(">: ")[2] or str(error)
