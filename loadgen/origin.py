"""Where traffic is sent from, and what it therefore cannot show; the report has both beside every result."""

import re
from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar, Protocol
from urllib.parse import urlsplit

from chaos.errors import UsageError

__all__ = ["ApiServerProxy", "Credentials", "HostDirect", "InCluster", "LabClient", "Origin", "quotable"]

_NAME = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """What a TLS connection is made with: handed to the generator through a pipe, never written to disk or recorded.

    `ca_pem`: certificates to trust; None: those of the host. `cert_pem` and `key_pem`: a client certificate.
    `headers`: sent with each request, e.g. a bearer token; a token is not renewed while the generator runs.
    `server_name`: what the server's certificate is for, if not its address; nothing is `verified` where that is False.
    """

    ca_pem: str | None = field(default=None, repr=False)
    cert_pem: str | None = field(default=None, repr=False)
    key_pem: str | None = field(default=None, repr=False)
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    server_name: str | None = None
    verified: bool = True

    def __post_init__(self) -> None:
        if (self.cert_pem is None) != (self.key_pem is None):
            raise UsageError("Credentials: a client certificate needs both cert_pem and key_pem")

    def plain(self) -> dict[str, Any]:
        """The credentials as plain JSON data, for the pipe only."""
        return asdict(self)


class Origin(Protocol):
    """Where traffic is sent from."""

    @property
    def name(self) -> str:
        """A short name for records, e.g. `lab client`."""

    @property
    def words(self) -> str:
        """One or two sentences for the report: the path of a request, and what it cannot show."""

    @property
    def url(self) -> str:
        """Where requests go: scheme, host, port, and a path that the profile's path is appended to."""

    @property
    def credentials(self) -> Credentials | None:
        """What the connection is made with, if the host's own trust does not do."""


@dataclass(frozen=True, slots=True)
class LabClient:
    """The lab's client namespace: a host of its own beside the nodes, sending to the Service's cluster address."""

    name: ClassVar[str] = "lab client"
    credentials: ClassVar[None] = None
    url: str

    def __post_init__(self) -> None:
        _require_url("LabClient.url", self.url)

    @property
    def words(self) -> str:
        return (
            f"Sent from a client host outside the nodes to {self.url}, through kube-proxy's rules. "
            "It passes no ingress and no TLS, and all nodes run on the machine of the generator."
        )


@dataclass(frozen=True, slots=True)
class HostDirect:
    """This host, sending to an address that it can reach: an ingress, a load balancer, a node port."""

    name: ClassVar[str] = "this host"
    credentials: ClassVar[None] = None
    url: str

    def __post_init__(self) -> None:
        _require_url("HostDirect.url", self.url)

    @property
    def words(self) -> str:
        return (
            f"Sent from this host straight to {self.url}. "
            "The network in between counts as part of the service: its losses and delays look like the service's."
        )


@dataclass(frozen=True, slots=True)
class InCluster:
    """Pods inside the cluster, sending to the Service by its name."""

    credentials: ClassVar[None] = None
    url: str
    workers: int

    def __post_init__(self) -> None:
        _require_url("InCluster.url", self.url)

    @property
    def name(self) -> str:
        return f"{self.workers} pods in the cluster"

    @property
    def words(self) -> str:
        return (
            f"Sent from {self.workers} pods inside the cluster to {self.url}, by the Service's name and through "
            "kube-proxy's rules. It passes no ingress and no TLS, and a fault of a node may take a worker with it."
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ApiServerProxy:
    """Through the API server's proxy for Services: for a cluster whose Service this host cannot reach.

    `server` is the API server's address as the kubeconfig has it, `port` the Service port's name or number.
    """

    name: ClassVar[str] = "API server proxy"
    server: str
    namespace: str
    service: str
    port: str
    credentials: Credentials = field(repr=False)

    def __post_init__(self) -> None:
        _require_url("ApiServerProxy.server", self.server)
        for name in ("namespace", "service", "port"):
            if not _NAME.fullmatch(getattr(self, name)):
                raise UsageError(f"ApiServerProxy.{name}: {getattr(self, name)!r} is not a name that Kubernetes allows")

    @property
    def url(self) -> str:
        place = f"namespaces/{self.namespace}/services/{self.service}:{self.port}"
        return f"{self.server.rstrip('/')}/api/v1/{place}/proxy"

    @property
    def words(self) -> str:
        return (
            f"Sent through the API server at {self.server}, which picks a ready endpoint itself: kube-proxy, ingress "
            "and the Service's address are not tested. Its own delays and refusals (429, 502, 503) count as the "
            "service's, and the service sees neither an Authorization header nor the client's address."
        )


def quotable(url: str) -> str:
    """What an error may quote of an address: a key may stand before its host, and anywhere after that."""
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.hostname or ''}…"


def _require_url(where: str, url: str) -> None:
    parts = urlsplit(url)
    try:
        reachable = parts.scheme in {"http", "https"} and bool(parts.hostname) and parts.port != 0
    except ValueError:
        reachable = False
    if not reachable or parts.query or parts.fragment:
        raise UsageError(f"{where}: {quotable(url)} is not an address to send to", "give http(s)://host[:port][/path]")
    if parts.username or parts.password:
        raise UsageError(
            f"{where}: holds a user name or password, which would be recorded", "use a header with ${NAME}"
        )
