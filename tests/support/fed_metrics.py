"""The three metrics APIs behind a real API server, with whatever values a test feeds them.

The API server reaches it as an aggregated API by a Service of type ExternalName, on the loopback: that takes a server
with `--enable-aggregator-routing=false`, which resolves such Services.
"""

from __future__ import annotations

import json
import ssl
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qs, unquote, urlsplit

from typing_extensions import override

from chaos.lab.control_plane.api import Api
from chaos.lab.control_plane.pki import Authority, private_folder
from chaos.wait import until

__all__ = ["FLAGS", "FedMetrics", "Feed"]

FLAGS = ("--enable-aggregator-routing=false",)
"""What the API server has to be started with."""

GROUPS = {
    "metrics.k8s.io": ("v1beta1", "pods"),
    "custom.metrics.k8s.io": ("v1beta2", "pods/any"),
    "external.metrics.k8s.io": ("v1beta1", "any"),
}

NAME = "fed-metrics"


@dataclass(frozen=True)
class Feed:
    """What the APIs say, by functions of the namespace first.

    `usage` gives for a label selector the items of PodMetrics. `of_pods` and `of_object` give for a metric the value of
    each pod by name, and that of an object; `external` the sum. None: there is no such metric.
    """

    usage: Callable[[str, str], list[dict[str, Any]]]
    of_pods: Callable[[str, str], Mapping[str, str] | None]
    of_object: Callable[[str, str], str | None]
    external: Callable[[str, str], str | None]
    now: Callable[[], str]


class FedMetrics:
    """Serves a feed while the context lasts."""

    def __init__(self, folder: Path, feed: Feed) -> None:
        self.feed = feed
        credential = Authority(private_folder(folder / "fed"), "fed").issue("server", user="fed", hosts=["localhost"])
        tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        tls.load_cert_chain(credential.certificate, credential.key)
        fed = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                body = fed.answer(self.path)
                content = json.dumps(body if body is not None else {"kind": "Status", "code": 404}).encode()
                self.send_response(200 if body is not None else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            @override
            def log_message(self, *_: Any) -> None:
                """Say nothing."""

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self._server.socket = tls.wrap_socket(self._server.socket, server_side=True, do_handshake_on_connect=False)
        self._thread = threading.Thread(target=self._server.serve_forever, name="fed-metrics", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(10)

    def install(self, api: Api) -> None:
        """Make the API server ask here, and wait until it does."""
        port = self._server.server_address[1]
        spec = {"type": "ExternalName", "externalName": "localhost"}
        api.create("/api/v1/namespaces/default/services", {"metadata": {"name": NAME}, "spec": spec})
        for group, (version, _) in GROUPS.items():
            service = {"namespace": "default", "name": NAME, "port": port}
            body = {
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": {"name": f"{version}.{group}"},
                "spec": {
                    "group": group,
                    "version": version,
                    "service": service,
                    "insecureSkipTLSVerify": True,
                    "groupPriorityMinimum": 100,
                    "versionPriority": 100,
                },
            }
            api.create("/apis/apiregistration.k8s.io/v1/apiservices", body)

        def served() -> bool:
            return all(api.call("GET", f"/apis/{group}/{version}")[0] == 200 for group, (version, _) in GROUPS.items())

        until(served, deadline_s=30, awaited="the aggregated metrics APIs")

    def answer(self, path: str) -> dict[str, Any] | None:
        """What stands at a path; None for nothing."""
        split = urlsplit(path)
        words = [unquote(word) for word in split.path.strip("/").split("/")]
        selector = parse_qs(split.query).get("labelSelector", [""])[0]
        if len(words) < 3 or words[1] not in GROUPS:
            return None
        group, version, place = words[1], f"{words[1]}/{words[2]}", words[3:]
        if not place:
            resource = {"name": GROUPS[group][1], "namespaced": True, "kind": "Any", "verbs": ["get", "list"]}
            return {"kind": "APIResourceList", "groupVersion": version, "resources": [resource]}
        namespace = place[1]
        items: list[dict[str, Any]] | None
        if group == "metrics.k8s.io":
            return {"kind": "PodMetricsList", "apiVersion": version, "items": self.feed.usage(namespace, selector)}
        if group == "external.metrics.k8s.io":
            value = self.feed.external(namespace, place[2])
            items = None if value is None else [self._item({"metricName": place[2], "metricLabels": {}}, value)]
            return None if items is None else {"kind": "ExternalMetricValueList", "apiVersion": version, "items": items}
        kind, name, metric = place[2:5]
        values = self.feed.of_pods(namespace, metric) if kind == "pods" else self._of_object(namespace, name, metric)
        if values is None:
            return None
        described = {"kind": "Pod" if kind == "pods" else "Service", "namespace": namespace, "apiVersion": "v1"}
        items = [
            self._item({"describedObject": {**described, "name": one}, "metric": {"name": metric}}, value)
            for one, value in values.items()
        ]
        return {"kind": "MetricValueList", "apiVersion": version, "items": items}

    def _of_object(self, namespace: str, name: str, metric: str) -> Mapping[str, str] | None:
        value = self.feed.of_object(namespace, metric)
        return None if value is None else {name: value}

    def _item(self, head: dict[str, Any], value: str) -> dict[str, Any]:
        return {**head, "timestamp": self.feed.now(), "value": value}
