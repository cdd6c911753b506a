"""What is unsound in manifests before they are deployed: told as findings, with patches, and never repaired. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from chaos.cluster import KINDS
from chaos.errors import UsageError
from chaos.objects.base import View
from chaos.system.adopt.find import adopt
from chaos.system.deploy.manifest_folder import Manifests, read_manifests
from chaos.system.review.workload import Lack, lacks_of

__all__ = ["review"]


def review(folder: Path) -> tuple[Lack, ...]:
    """Review a folder. Raises `UsageError` for what is no manifest, or more or less than one workload."""
    manifests = read_manifests(folder, current=False)
    wish = manifests.wish("")
    found = list(_versions(manifests))
    try:
        adopted = adopt(manifests, wish)
    except UsageError as unmet:
        workload = manifests.get(wish.kind, "", wish.name) or {}
        service = _service(workload)
        found.append(Lack(unmet.what.replace(" in namespace ", " "), service, new=True))
        # With a Service the rest can be read.
        adopted = adopt(replace(manifests, objects=(*manifests.objects, service)), wish)
    found += list(_fights(manifests, wish.kind, wish.name))
    return (*found, *lacks_of(adopted))


def _versions(manifests: Manifests) -> Iterator[Lack]:
    for one in manifests.objects:
        wanted, name = KINDS[one["kind"]].api_version, View(one).name
        if one.get("apiVersion") != wanted:
            yield Lack(f"{one['kind']} {name} has the version {one.get('apiVersion')}: write {wanted}")


def _service(workload: Mapping[str, Any]) -> dict[str, Any]:
    spec = View(workload).spec
    ports = [
        port["containerPort"] for one in spec["template"]["spec"]["containers"] for port in one.get("ports") or ()
    ] or [8080]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": View(workload).name},
        "spec": {
            "selector": dict(spec["selector"].get("matchLabels") or {}),
            "ports": [{"port": 80, "targetPort": ports[0]}],
        },
    }


def _fights(manifests: Manifests, kind: str, name: str) -> Iterator[Lack]:
    """A number of replicas beside an autoscaler: each apply puts it back, and the autoscaler takes it away again."""
    workload = manifests.get(kind, "", name) or {}
    for scaler in manifests.list("HorizontalPodAutoscaler"):
        target, given = View(scaler).spec.get("scaleTargetRef") or {}, View(workload).spec.get("replicas")
        if (target.get("kind"), target.get("name")) == (kind, name) and given is not None:
            spec = View(scaler).spec
            bounds = f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas')}"
            yield Lack(
                f"{kind} {name} says {given} replicas beside an autoscaler of {bounds}: each apply fights it; "
                "leave the number out"
            )
