"""Whether nodes take pods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from chaos.lab.control_plane.api import Api

__all__ = ["nodes_ready", "takes_pods"]


def nodes_ready(api: Api) -> dict[str, bool]:
    """Of each node whether it is Ready and takes pods. Raises LabError."""
    return {node["metadata"]["name"]: takes_pods(node) for node in api.get("/api/v1/nodes")["items"]}


def takes_pods(node: Mapping[str, Any]) -> bool:
    """Whether a node is Ready and has no taint that keeps pods away."""
    conditions = node["status"].get("conditions", ())
    ready = any(condition["type"] == "Ready" and condition["status"] == "True" for condition in conditions)
    return ready and not any(taint["effect"] != "PreferNoSchedule" for taint in node["spec"].get("taints", ()))
