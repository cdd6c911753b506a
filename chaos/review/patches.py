"""Patches as people apply them: YAML with the object's own name and namespace, and the command for it."""

import json
from collections.abc import Container, Mapping
from dataclasses import dataclass
from shlex import quote
from typing import Any

import yaml

from chaos.errors import printable
from chaos.objects.base import Raw
from chaos.review.model import Manifest, Scaler, Workload
from chaos.review.shapes import rows

__all__ = ["PATCH_FILE", "Patch", "container_patch", "new_object", "patch_of", "pod_patch", "scaler_patch"]

PATCH_FILE = "patch.yaml"
PATCHED = frozenset(
    {"Deployment", "StatefulSet", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler", "ScaledObject.keda.sh"}
)
"""Kinds whose fields are known."""


class _Plain(yaml.SafeDumper):
    """Writes a part that occurs twice in full, twice."""

    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002  # PyYAML's signature
        return True


@dataclass(frozen=True, slots=True)
class Patch:
    """A part of an object that is there, or (`new`) a whole one that is to be made."""

    content: Mapping[str, Any]
    new: bool = False

    @property
    def text(self) -> str:
        """YAML that steers neither a terminal nor a CI system: what would is written in one line, and escaped."""
        text = str(yaml.dump(dict(self.content), Dumper=_Plain, sort_keys=False))
        if printable(text) == text:
            return text
        line = json.dumps(dict(self.content), ensure_ascii=False, default=str).replace("##", "#\\u0023")
        return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in line) + "\n"

    @property
    def command(self) -> str:
        """The command that applies it from `PATCH_FILE`. A part is patched in, as an apply would take the rest away."""
        if self.new:
            return f"kubectl apply -f {PATCH_FILE}"
        kind, metadata = str(self.content["kind"]).lower(), self.content["metadata"]
        where = f" -n {quote(metadata['namespace'])}" if "namespace" in metadata else ""
        # The API server knows no strategic merge for kinds of others, only that of RFC 7386.
        how = " --type merge" if str(self.content["apiVersion"]).startswith("keda.sh/") else ""
        return f"kubectl patch {kind} {quote(metadata['name'])}{where}{how} --patch-file {PATCH_FILE}"


def patch_of(manifest: Manifest, spec: Raw) -> Patch | None:
    """A change of an object's spec; None where nobody knows the fields of its kind, or a controller undoes a change."""
    owned = any(one.get("controller") is True for one in rows(manifest.raw, "metadata", "ownerReferences"))
    if manifest.kind not in PATCHED or owned:
        return None
    return Patch({"apiVersion": _version(manifest), "kind": manifest.raw["kind"], **_named(manifest), "spec": spec})


def new_object(beside: Manifest, version: str, kind: str, spec: Raw, taken: Container[tuple[str, str]]) -> Patch:
    """A whole object with the name and namespace of `beside`, or a longer name where there is one of that name."""
    named = _named(beside)
    if (beside.namespace, beside.name) in taken:
        named["metadata"]["name"] += "-2"
    return Patch({"apiVersion": version, "kind": kind, **named, "spec": spec}, new=True)


def pod_patch(workload: Workload, pod: Raw) -> Patch | None:
    """A change of the pods' spec."""
    return patch_of(workload.manifest, {"template": {"spec": pod}})


def container_patch(workload: Workload, container: Raw, fields: Raw, pod: Raw | None = None) -> Patch | None:
    """A change of one container, and of its pod's spec beside it."""
    return pod_patch(
        workload, {**(pod or {}), workload.list_of(container): [{"name": container.get("name"), **fields}]}
    )


def scaler_patch(scaler: Scaler, *, floor: int, ceiling: int) -> Patch | None:
    """Other bounds."""
    names = ("minReplicaCount", "maxReplicaCount") if scaler.keda else ("minReplicas", "maxReplicas")
    spec = {names[0]: floor}
    return patch_of(scaler.manifest, spec if ceiling == scaler.ceiling else {**spec, names[1]: ceiling})


def _named(manifest: Manifest) -> dict[str, Any]:
    place = {"namespace": manifest.namespace} if manifest.namespace else {}
    return {"metadata": {"name": manifest.name, **place}}


def _version(manifest: Manifest) -> str:
    """The version as written; for one that is gone, that of today."""
    today = {"PodDisruptionBudget": "policy/v1", "HorizontalPodAutoscaler": "autoscaling/v2"}
    today |= {"Deployment": "apps/v1", "StatefulSet": "apps/v1", "Service": "v1"}
    written = str(manifest.raw.get("apiVersion"))
    return today.get(manifest.kind, written) if "beta" in written else written
