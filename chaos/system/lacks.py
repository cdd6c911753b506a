"""What a service lacks for its replicas to be kept and its pods to recover, with patches. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.history.objects import Raw, View
from chaos.system.adopt import Adopted

__all__ = ["Lack", "lacks_of"]

PATCHED = frozenset({"Deployment", "StatefulSet"})
"""Kinds whose fields are known, and whose controllers bring a new template to their pods."""


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that a service lacks: why it matters, and the object to apply; empty where only people can know it."""

    text: str
    patch: Raw = field(default_factory=dict)


def lacks_of(found: Adopted) -> tuple[Lack, ...]:
    """What the service lacks for its replicas to be kept and its pods to recover, as far as its objects show."""
    return tuple(_lacks(found))


def _lacks(found: Adopted) -> Iterator[Lack]:
    system, spec = found.system, found.system.spec
    container = View(found.workload).spec["template"]["spec"]["containers"][0]
    if spec.disruption_budget is None:
        yield Lack(
            "no disruption budget: a drain may take every replica at once",
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": system.workload.name, "namespace": system.namespace},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(system.selector)}},
            },
        )
    if spec.replicas_floor < 2:
        yield Lack("one replica: any loss is an outage", _patch(found, spec={"replicas": 2}))
    if "readinessProbe" not in container:
        yield Lack("no readiness probe: traffic is sent to pods that cannot answer", _probe(found, "readinessProbe"))
    if "livenessProbe" not in container:
        yield Lack("no liveness probe: a process that hangs is never started anew", _probe(found, "livenessProbe"))
    same = container.get("readinessProbe", {}).get("httpGet") == container.get("livenessProbe", {}).get("httpGet")
    if same and container.get("livenessProbe", {}).get("httpGet"):
        yield Lack("liveness and readiness ask the same path: a pod that is only busy is killed")
    yield from _resources(found)
    if _tag(spec.image) in ("", "latest"):
        yield Lack(f"image {spec.image} names no version: two replicas may run two programs, and no rollback is one")


def _resources(found: Adopted) -> Iterator[Lack]:
    spec = found.system.spec
    asked = {"cpu": "100m", "memory": "128Mi"}
    missing = {name: asked[name] for name in asked if getattr(spec, f"{name}_request") is None}
    if spec.autoscale and "cpu" in missing and spec.cpu_limit is None:
        yield Lack("an autoscaler on CPU, and no CPU request: it has nothing to measure against and never scales")
    if missing:
        name = View(found.workload).spec["template"]["spec"]["containers"][0]["name"]
        inner: dict[str, Any] = {"containers": [{"name": name, "resources": {"requests": missing}}]}
        told = " and ".join(missing)
        yield Lack(
            f"no {told} request: the scheduler packs pods as if they took nothing",
            _patch(found, spec={"template": {"spec": inner}}),
        )


def _probe(found: Adopted, which: str) -> dict[str, Any]:
    container = View(found.workload).spec["template"]["spec"]["containers"][0]
    probe = {"httpGet": {"path": "/healthz", "port": found.system.spec.port}, "periodSeconds": 5}
    return _patch(found, spec={"template": {"spec": {"containers": [{"name": container["name"], which: probe}]}}})


def _patch(found: Adopted, **fields: Any) -> dict[str, Any]:
    """A patch of the workload; empty where nobody knows the fields of its kind."""
    workload = found.system.workload
    if workload.kind not in PATCHED:
        return {}
    metadata = {"name": workload.name, "namespace": workload.namespace}
    return {"apiVersion": "apps/v1", "kind": workload.kind, "metadata": metadata, **fields}


def _tag(image: str) -> str:
    """The tag or digest of an image; a colon before the last slash belongs to the registry's port."""
    return image.partition("@")[2] or image.rpartition("/")[2].partition(":")[2]
