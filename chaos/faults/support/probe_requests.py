"""Which of its requests a kubelet asks a replica's readiness by, so that these and no others can be dropped. Pure.

A kubelet sends its probes itself, from the node's own address; what users send is forwarded. Each HTTP probe is a new
connection whose first segment begins with its method and path (pkg/probe/http/http.go: no keep-alive).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.objects.pod import PodView

__all__ = ["Requests", "requests_of"]

READINESS = "readinessProbe"
PLAIN = re.compile(r"/(?!/)(?:[A-Za-z0-9/_.~?&=+,:;@-]|%[0-9A-Fa-f]{2})*")
"""A path that a kubelet sends as it is written; others it may write differently."""


@dataclass(frozen=True, slots=True)
class Requests:
    """A kubelet's requests to a port: those that begin with `head`, or all, where that cannot be told from outside."""

    port: int
    head: str

    @property
    def words(self) -> str:
        """Which they are, for people."""
        which = f"that begin with {self.head.strip()!r}" if self.head else "of any kind"
        return f"the kubelet's requests to port {self.port} {which}"


def requests_of(pod: PodView, container: str) -> Requests | str:
    """What to drop so that a container is found not ready; why that cannot be done, in words.

    Where a liveness probe or a hook would be hit as well, the kubelet would restart what only has to be not ready.
    """
    if pod.spec.get("hostNetwork"):
        return "it has its node's own network, in which its kubelet's requests cannot be told from others"
    if not _is_v4(pod.status.get("podIP")):
        return f"its address {pod.status.get('podIP') or '(none)'} is not one of IPv4"
    own = next((one for one in pod.runs if one.get("name") == container), None)
    probe = (own or {}).get(READINESS)
    if own is None or not probe:
        return f"container {container} has no readiness probe, so nothing makes it not Ready"
    asked = _requests(own, probe, pod)
    if isinstance(asked, str):
        return f"its readiness probe {asked}"
    for name, other in _others(pod):
        clash = _requests(_named(pod, name), other["asks"], pod)
        if isinstance(clash, Requests) and clash.port == asked.port and _meets(asked, clash):
            return (
                f"its readiness probe and the {other['what']} of container {name} ask port {asked.port} alike, so "
                "dropping the one's requests would fail the other, too"
            )
    return asked


def _requests(container: Mapping[str, Any], probe: Mapping[str, Any], pod: PodView) -> Requests | str:
    """The requests of one probe or hook; why they cannot be told, in words."""
    if "exec" in probe:
        return "runs a command in the container, which sends its node no request to drop"
    for kind in ("httpGet", "tcpSocket", "grpc"):
        if (asks := probe.get(kind)) is None:
            continue
        if asks.get("host") and asks["host"] != pod.status.get("podIP"):
            return f"asks another host ({asks['host']})"
        port = _port(container, asks.get("port"))
        if port is None:
            return f"asks a port that its container does not name ({asks.get('port')})"
        path = _path(asks)
        seen = kind == "httpGet" and str(asks.get("scheme") or "HTTP").upper() == "HTTP" and PLAIN.fullmatch(path)
        return Requests(port, f"GET {path} " if seen else "")
    return "is of a kind that is not known here"


def _path(asks: Mapping[str, Any]) -> str:
    path = str(asks.get("path") or "/")
    return path if path.startswith("/") else f"/{path}"


def _meets(one: Requests, other: Requests) -> bool:
    """Whether dropping the first drops any of the second: what cannot be told apart counts as the same."""
    return not one.head or one.head == other.head


def _others(pod: PodView) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """What else a kubelet asks of a pod that runs: liveness probes, and the hooks before an end."""
    for one in pod.runs:
        name = str(one.get("name"))
        if liveness := one.get("livenessProbe"):
            yield name, {"what": "liveness probe", "asks": liveness}
        if hook := (one.get("lifecycle") or {}).get("preStop"):
            yield name, {"what": "preStop hook", "asks": hook}


def _named(pod: PodView, name: str) -> Mapping[str, Any]:
    return next((one for one in pod.runs if one.get("name") == name), {})


def _port(container: Mapping[str, Any], port: object) -> int | None:
    """A port by its number, or by the name that its container gives it."""
    if isinstance(port, int):
        return port
    named = {one.get("name"): one.get("containerPort") for one in container.get("ports") or ()}
    found = named.get(port)
    return found if isinstance(found, int) else None


def _is_v4(address: object) -> bool:
    try:
        return isinstance(ipaddress.ip_address(str(address)), ipaddress.IPv4Address)
    except ValueError:
        return False
