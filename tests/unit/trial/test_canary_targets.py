"""Which pods the canary asks, and at which port."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

import pytest

from chaos.objects.pod import PodView
from chaos.system import System
from chaos.trial.canary import Target, targets

SYSTEM = cast("System", SimpleNamespace(namespace="llm", service="chat", port=80))


def service(*ports: dict[str, Any]) -> dict[str, Any]:
    """The Service."""
    return {"metadata": {"namespace": "llm", "name": "chat"}, "spec": {"ports": list(ports)}}


def piece(
    *endpoints: dict[str, Any], ports: Any, name: str = "chat", family: str = "IPv4", namespace: str = "llm"
) -> dict[str, Any]:
    """A slice."""
    labels = {"kubernetes.io/service-name": name}
    metadata = {"namespace": namespace, "name": f"{name}-{family}", "labels": labels}
    return {"metadata": metadata, "addressType": family, "endpoints": list(endpoints), "ports": ports}


def endpoint(uid: str, *, ready: bool | None = True, kind: str = "Pod", name: str = "") -> dict[str, Any]:
    """An endpoint."""
    return {"conditions": {"ready": ready}, "targetRef": {"kind": kind, "uid": uid, "name": name or f"chat-{uid}"}}


PODS = [PodView({"metadata": {"uid": uid, "name": f"chat-{uid}", "namespace": "llm"}}) for uid in "ab"]


ONE = service({"port": 80, "targetPort": 8000})
TWO = service({"name": "metrics", "port": 90}, {"name": "http", "port": 80})


@pytest.mark.parametrize(
    ("slices", "services", "found"),
    [
        pytest.param([piece(endpoint("a"), ports=[{"port": 8000}])], [ONE], {"a": 8000}, id="one port"),
        pytest.param(
            [piece(endpoint("a"), ports=[{"name": "metrics", "port": 9000}, {"name": "http", "port": 8000}])],
            [TWO],
            {"a": 8000},
            id="two ports",
        ),
        pytest.param(
            [
                piece(endpoint("a"), ports=[{"port": 8000}]),
                piece(endpoint("a"), endpoint("b"), ports=[{"port": 8000}], family="IPv6"),
            ],
            [ONE],
            {"a": 8000, "b": 8000},
            id="dual stack: each once",
        ),
        pytest.param(
            [
                piece(endpoint("a"), ports=[{"name": "http", "port": 8000}]),
                piece(endpoint("b"), ports=[{"name": "http", "port": 8001}]),
            ],
            [TWO],
            {"a": 8000, "b": 8001},
            id="a named port that differs between releases",
        ),
        pytest.param(
            [piece(endpoint("a", ready=False), endpoint("b", ready=None), ports=[{"port": 8000}])],
            [ONE],
            {"b": 8000},
            id="only ready ones",
        ),
        pytest.param([piece(endpoint("a", kind="Node"), ports=[{"port": 8000}])], [ONE], {}, id="no pods"),
        pytest.param([piece(endpoint("a"), ports=[{"port": 8000}], name="other")], [ONE], {}, id="another Service"),
        pytest.param(
            [piece(endpoint("a"), ports=[{"port": 8000}], namespace="other")], [ONE], {}, id="another namespace"
        ),
        pytest.param([piece(endpoint("a"), ports=None)], [ONE], {}, id="no port"),
        pytest.param([piece(endpoint("x"), ports=[{"port": 8000}])], [ONE], {}, id="a pod of others"),
        pytest.param([piece(endpoint("a", name="payments-0"), ports=[{"port": 1}])], [ONE], {}, id="another's name"),
        pytest.param([piece(endpoint("a", name="../.."), ports=[{"port": 1}])], [ONE], {}, id="a path for a name"),
        pytest.param([piece(endpoint("a"), ports=[{"port": 8000}])], [], {"a": 8000}, id="a Service not seen yet"),
        pytest.param(
            [piece(endpoint("a"), ports=[{"name": "x", "port": 1}, {"name": "y", "port": 2}])],
            [TWO],
            {},
            id="no port of users",
        ),
    ],
)
def test_each_ready_pod_is_asked_once_at_the_port_of_users(
    slices: list[dict[str, Any]], services: list[dict[str, Any]], found: dict[str, int]
) -> None:
    """By the slices of the system's Service."""
    assert targets(slices, services, SYSTEM, PODS) == {
        uid: Target(uid, f"chat-{uid}", port) for uid, port in found.items()
    }
