"""A system written as plain manifests, whatever made them: read from a folder, applied to a trial's namespace."""

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from chaos.cluster import KINDS, Executor
from chaos.cluster.connect import yaml_reason
from chaos.errors import UsageError
from chaos.system.adopt.find import SystemQuery, adopt
from chaos.system.deploy.apply import applied
from chaos.system.spec.system_spec import SystemSpec

__all__ = ["Manifests", "apply_manifests", "read_manifests"]

SUFFIXES = (".yaml", ".yml", ".json")
WORKLOADS = ("Deployment", "StatefulSet")


@dataclass(frozen=True, slots=True)
class Manifests:
    """Objects of one system for one namespace; they can be read as if they were in a cluster already."""

    objects: tuple[Mapping[str, Any], ...]
    folder: Path

    def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object, or None."""
        return next((one for one in self.list(kind, namespace) if one["metadata"]["name"] == name), None)

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of a kind, in that namespace."""
        return [self.placed(one, namespace or "") for one in self.objects if one["kind"] == kind]

    def query(self, namespace: str) -> SystemQuery:
        """What to look for once they are applied. Raises `UsageError` unless there is just one workload."""
        found = [one for one in self.objects if one["kind"] in WORKLOADS]
        if len(found) != 1:
            named = ", ".join(f"{one['kind']} {one['metadata']['name']}" for one in found) or "none"
            raise UsageError(
                f"{self.folder} holds {len(found)} workloads: {named}",
                "give a folder with one Deployment or StatefulSet",
            )
        return SystemQuery(namespace=namespace, kind=found[0]["kind"], name=found[0]["metadata"]["name"])

    @property
    def spec(self) -> SystemSpec:
        """The spec that they amount to. Raises `UsageError` as `adopt` does."""
        return adopt(self, self.query("")).system.spec

    def placed(self, one: Mapping[str, Any], namespace: str) -> dict[str, Any]:
        """The object in that namespace, whatever namespace it was written for."""
        placed = copy.deepcopy(dict(one))
        placed["metadata"]["namespace"] = namespace
        return placed


def read_manifests(folder: Path) -> Manifests:
    """Read every manifest of a folder, in the order of the files' names.

    Raises `UsageError` naming the file for what is no manifest, for a kind that is not known, and for an object that
    belongs to no namespace, which a trial would leave behind.
    """
    files = sorted(file for file in folder.glob("*") if file.suffix in SUFFIXES) if folder.is_dir() else []
    objects = tuple(one for file in files for one in _objects(file))
    if not objects:
        raise UsageError(f"there is no manifest in {folder}", f"files that end in {', '.join(SUFFIXES)}")
    return Manifests(objects, folder)


def apply_manifests(executor: Executor, manifests: Manifests, namespace: str) -> None:
    """Apply them to a namespace of the trial. Raises `UsageError` or `ClusterRefused` naming the object."""
    for one in manifests.objects:
        applied(executor, manifests.placed(one, namespace))


def _name(one: Mapping[str, Any]) -> str:
    return str(one["metadata"]["name"])


def _objects(file: Path) -> Iterator[Mapping[str, Any]]:
    try:
        documents: Sequence[Any] = list(yaml.safe_load_all(file.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        raise UsageError(f"{file} cannot be read: {yaml_reason(error)}") from None
    for document in documents:
        items = document.get("items") if isinstance(document, Mapping) and "items" in document else [document]
        for one in items or ():
            if one is not None:
                yield _checked(one, file)


def _checked(one: Any, file: Path) -> Mapping[str, Any]:
    if not isinstance(one, Mapping) or not one.get("kind") or not (one.get("metadata") or {}).get("name"):
        raise UsageError(f"{file}: a document has no kind or no metadata.name, so it is no manifest")
    kind, version = KINDS.get(str(one["kind"])), str(one.get("apiVersion"))
    if kind is None or not kind.namespaced:
        raise UsageError(f"{file}: {one['kind']} {_name(one)} is not a kind that a trial deploys into its namespace")
    if version != kind.api_version:
        raise UsageError(f"{file}: {one['kind']} {_name(one)} has the version {version}", f"use {kind.api_version}")
    return one
