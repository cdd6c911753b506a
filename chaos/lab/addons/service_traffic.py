"""Count what this machine sends to each Service, and tell Prometheus, as a mesh or a gateway does.

`service_traffic.py SERVER CA CERTIFICATE KEY SERVICES ADDRESS PORT`

At zero replicas no server is there to count the requests that are refused: whoever scales from zero needs somebody in
front who does. A program of its own that needs nothing but the standard library and nft. It counts packets of TCP from
here to the addresses SERVICES (a range) that begin a connection or carry data, before anybody has changed or refused
them; what only ends a connection is no request.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import ssl
import subprocess
import sys
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from typing import Any

__all__ = ["METRIC", "RULES", "counted", "exposition", "main"]

METRIC = "service_packets_total"
TABLE, ASKED_S = "gameday-traffic", 2.0

RULES = """
table inet {table}
delete table inet {table}
table inet {table} {{
  set sent {{
    type ipv4_addr . inet_service
    flags dynamic
    counter
  }}
  chain out {{
    type filter hook output priority -300; policy accept;
    ip daddr {services} tcp flags & (syn | psh) != 0x0 add @sent {{ ip daddr . tcp dport }}
  }}
}}
"""
"""Whole or not at all, also where an earlier run left its table. Before kube-proxy leads a packet to a pod (-100)."""


def counted(listed: Mapping[str, Any]) -> dict[tuple[str, int], int]:
    """Packets to each address and port, out of nft's own list of the set."""
    (found,) = (one["set"] for one in listed["nftables"] if "set" in one)
    elements = (one["elem"] for one in found.get("elem") or ())
    return {tuple(one["val"]["concat"]): one["counter"]["packets"] for one in elements}


def exposition(services: Iterable[Mapping[str, Any]], packets: Mapping[tuple[str, int], int]) -> str:
    """Each Service's packets in Prometheus' text format; 0 is said, too, or the first packet would show no rise."""
    lines = [f"# TYPE {METRIC} counter"]
    for one in services:
        metadata, sent = one["metadata"], sum(packets.get(place, 0) for place in _places(one["spec"]))
        lines.append(f'{METRIC}{{namespace="{metadata["namespace"]}",service="{metadata["name"]}"}} {sent}')
    return "\n".join(lines) + "\n"


def _places(spec: Mapping[str, Any]) -> Iterator[tuple[str, int]]:
    for port in spec.get("ports") or ():
        yield str(spec.get("clusterIP", "")), port["port"]


def main(argv: Sequence[str]) -> None:
    """Count from now on, and serve the counts until the end."""
    server, authority, certificate, key, services, address, port = argv
    tls = ssl.create_default_context(cafile=authority)
    tls.load_cert_chain(certificate, key)
    _nft(["-f", "-"], RULES.format(table=TABLE, services=services))
    known = urllib.parse.urlsplit(server)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            try:
                packets = counted(json.loads(_nft(["--json", "list", "set", "inet", TABLE, "sent"])))
                text = exposition(_services(known.hostname or "", known.port or 443, tls), packets)
            except (OSError, ValueError, http.client.HTTPException, subprocess.SubprocessError) as error:
                self.send_error(503, f"no counts: {error}"[:200].replace("\n", " "))
                return
            body = text.encode()
            self.send_response(200)
            self.send_header("content-type", "text/plain; version=0.0.4")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words: object) -> None:
            """Say nothing: Prometheus asks every two seconds."""

    class Serving(ThreadingTCPServer):
        """No HTTPServer, which would ask for its own name: there is no DNS here."""

        allow_reuse_address = daemon_threads = True

    with Serving((address, int(port)), Handler) as serving:
        serving.serve_forever()


def _nft(words: Sequence[str], commands: str = "") -> str:
    done = subprocess.run(["nft", *words], input=commands, capture_output=True, text=True, timeout=ASKED_S, check=True)
    return done.stdout


def _services(host: str, port: int, tls: ssl.SSLContext) -> list[Mapping[str, Any]]:
    """All Services, from the API server's memory: resourceVersion 0 costs etcd nothing."""
    with contextlib.closing(http.client.HTTPSConnection(host, port, timeout=ASKED_S, context=tls)) as connection:
        connection.request("GET", "/api/v1/services?resourceVersion=0", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != http.client.OK:
        raise ConnectionError(f"{answer.status} {content[:300]!r}")
    services: list[Mapping[str, Any]] = json.loads(content)["items"]
    return services


if __name__ == "__main__":
    main(sys.argv[1:])
