"""Which of a kubelet's requests are dropped to make a replica not ready, and where none may be."""

from __future__ import annotations

from typing import Any

import pytest

from chaos.faults.support.probe_requests import Requests, requests_of
from chaos.objects.pod import PodView

HTTP = {"httpGet": {"path": "/ready", "port": 8080}}
LIVE = {"httpGet": {"path": "/live", "port": 8080}}


def pod(container: dict[str, Any], *others: dict[str, Any], ip: str = "10.1.2.3", **spec: Any) -> PodView:
    """A pod whose container `chat` is that."""
    named = {"name": "chat", "ports": [{"name": "http", "containerPort": 8080}], **container}
    return PodView({"spec": {"containers": [named, *others], **spec}, "status": {"podIP": ip}})


@pytest.mark.parametrize(
    ("container", "wanted"),
    [
        ({"readinessProbe": HTTP}, Requests(8080, "GET /ready ")),
        ({"readinessProbe": {"httpGet": {"port": "http"}}}, Requests(8080, "GET / ")),
        ({"readinessProbe": {"httpGet": {"path": "ready", "port": 8080}}}, Requests(8080, "GET /ready ")),
        ({"readinessProbe": {"httpGet": {"path": "/r?deep=1", "port": 9}}}, Requests(9, "GET /r?deep=1 ")),
        ({"readinessProbe": {"httpGet": {"path": "/a%20b", "port": 9}}}, Requests(9, "GET /a%20b ")),
        *[
            ({"readinessProbe": {"httpGet": {"path": path, "port": 9}}}, Requests(9, ""))
            for path in ("/bereit/ä", "/a b", "/a%zz", "//a/b", "/a#b", "/a\nb")
        ],
        ({"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080, "scheme": "HTTPS"}}}, Requests(8080, "")),
        (
            {"readinessProbe": {"httpGet": {"path": "/ready", "port": 8080, "host": "10.1.2.3"}}},
            Requests(8080, "GET /ready "),
        ),
        ({"readinessProbe": {"tcpSocket": {"port": 8080}}}, Requests(8080, "")),
        ({"readinessProbe": {"grpc": {"port": 50051}}}, Requests(50051, "")),
        ({"readinessProbe": HTTP, "livenessProbe": LIVE}, Requests(8080, "GET /ready ")),
        ({"readinessProbe": HTTP, "livenessProbe": {"tcpSocket": {"port": 8080}}}, Requests(8080, "GET /ready ")),
        ({"readinessProbe": {"tcpSocket": {"port": 8081}}, "livenessProbe": LIVE}, Requests(8081, "")),
        ({"readinessProbe": HTTP, "livenessProbe": {"exec": {"command": ["true"]}}}, Requests(8080, "GET /ready ")),
        ({"readinessProbe": HTTP, "startupProbe": HTTP}, Requests(8080, "GET /ready ")),
        ({"readinessProbe": HTTP, "lifecycle": {"preStop": {"sleep": {"seconds": 5}}}}, Requests(8080, "GET /ready ")),
    ],
)
def test_only_what_asks_for_readiness_is_dropped(container: dict[str, Any], wanted: Requests) -> None:
    """By its first bytes where they can be read, else by its port, where nothing else is asked."""
    assert requests_of(pod(container), "chat") == wanted


@pytest.mark.parametrize(
    ("container", "told"),
    [
        ({}, "has no readiness probe"),
        ({"readinessProbe": {"exec": {"command": ["true"]}}}, "runs a command in the container"),
        ({"readinessProbe": {"httpGet": {"port": 8080, "host": "other.example"}}}, "asks another host"),
        ({"readinessProbe": {"httpGet": {"port": "grpc"}}}, "does not name (grpc)"),
        ({"readinessProbe": {"later": {}}}, "of a kind that is not known"),
        ({"readinessProbe": HTTP, "livenessProbe": HTTP}, "liveness probe of container chat"),
        ({"readinessProbe": {"tcpSocket": {"port": 8080}}, "livenessProbe": LIVE}, "liveness probe of container chat"),
        ({"readinessProbe": {"grpc": {"port": 5}}, "livenessProbe": {"grpc": {"port": 5}}}, "liveness probe"),
        ({"readinessProbe": HTTP, "lifecycle": {"preStop": HTTP}}, "preStop hook of container chat"),
    ],
)
def test_what_would_restart_the_container_is_refused(container: dict[str, Any], told: str) -> None:
    """Nor is anything dropped that sends no request, or asks somebody else."""
    said = requests_of(pod(container), "chat")
    assert isinstance(said, str)
    assert told in said


def test_a_neighbour_that_is_asked_alike_is_not_restarted_either() -> None:
    """The containers of a pod share its address."""
    sidecar = {"name": "proxy", "livenessProbe": HTTP}
    assert "liveness probe of container proxy" in str(requests_of(pod({"readinessProbe": HTTP}, sidecar), "chat"))
    assert "own network" in str(requests_of(pod({"readinessProbe": HTTP}, hostNetwork=True), "chat"))
    for ip in ("fd00::1", ""):
        assert "not one of IPv4" in str(requests_of(pod({"readinessProbe": HTTP}, ip=ip), "chat"))
