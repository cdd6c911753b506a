"""Write, again and again, which pods Prometheus is to scrape.

`scrape_targets.py SERVER CA CERTIFICATE KEY FILE EVERY_S`

A program of its own that needs nothing but the standard library: the lab starts it, and it ends with the lab. The file
is of the form of file_sd (https://prometheus.io/docs/prometheus/latest/configuration/configuration/#file_sd_config);
which pods, and where they are asked, their annotations say, as in most clusters: `prometheus.io/scrape`, `port`, `path`
and `scheme`.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import re
import ssl
import sys
import time
import urllib.parse
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

__all__ = ["main", "target", "targets"]

ANNOTATION = "prometheus.io"
ASKED_S = 5.0


def targets(pods: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """A target for each pod that asks to be scraped, has an address and has not ended; in the order of their names."""
    found = [one for pod in pods if (one := target(pod))]
    return sorted(found, key=lambda one: (one["labels"]["namespace"], one["labels"]["pod"]))


def target(pod: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """A pod's target, with the pod's labels as Prometheus writes them; None if it is not to be scraped.

    Without an annotation of the port it is the first that a container declares.
    """
    metadata, status = pod["metadata"], pod.get("status") or {}
    said = {name: (metadata.get("annotations") or {}).get(f"{ANNOTATION}/{name}") for name in WORDS}
    port = said["port"] or next(_ports(pod), None)
    if said["scrape"] != "true" or status.get("phase") != "Running" or not status.get("podIP") or not port:
        return None
    named = {re.sub(r"\W", "_", name, flags=re.ASCII): value for name, value in (metadata.get("labels") or {}).items()}
    return {
        "targets": [f"{status['podIP']}:{port}"],
        "labels": {
            **{name: value for name, value in named.items() if not name.startswith("__") and not name[0].isdecimal()},
            "namespace": metadata["namespace"],
            "pod": metadata["name"],
            "node": (pod.get("spec") or {}).get("nodeName", ""),
            "__metrics_path__": said["path"] or "/metrics",
            "__scheme__": said["scheme"] or "http",
        },
    }


WORDS = ("scrape", "port", "path", "scheme")


def _ports(pod: Mapping[str, Any]) -> Iterator[int]:
    for container in (pod.get("spec") or {}).get("containers") or ():
        for port in container.get("ports") or ():
            yield port["containerPort"]


def main(argv: Sequence[str]) -> None:
    """Ask for all pods every so many seconds, and replace the file when its content would be another."""
    server, authority, certificate, key, out, every_s = argv
    tls = ssl.create_default_context(cafile=authority)
    tls.load_cert_chain(certificate, key)
    address = urllib.parse.urlsplit(server)
    file, written, complaint = Path(out), "", ""
    while True:
        try:
            text = json.dumps(targets(_pods(address.hostname or "", address.port or 443, tls)), indent=1)
        except (OSError, ValueError, http.client.HTTPException) as error:
            # The file stays as it is: Prometheus goes on with the pods that it knows, as with any discovery.
            if str(error) != complaint:
                complaint = str(error)
                print(f"no list of pods: {complaint}", file=sys.stderr, flush=True)  # noqa: T201  # the lab's log
        else:
            complaint = ""
            if text != written:
                whole = file.with_suffix(".new")
                whole.write_text(text)
                whole.rename(file)
                written = text
        time.sleep(float(every_s))


def _pods(host: str, port: int, tls: ssl.SSLContext) -> list[Mapping[str, Any]]:
    """All pods, from the API server's memory: resourceVersion 0 costs etcd nothing."""
    with contextlib.closing(http.client.HTTPSConnection(host, port, timeout=ASKED_S, context=tls)) as connection:
        connection.request("GET", "/api/v1/pods?resourceVersion=0", headers={"Accept": "application/json"})
        answer = connection.getresponse()
        content = answer.read()
    if answer.status != http.client.OK:
        raise ConnectionError(f"{answer.status} {content[:300]!r}")
    pods: list[Mapping[str, Any]] = json.loads(content)["items"]
    return pods


if __name__ == "__main__":
    main(sys.argv[1:])
