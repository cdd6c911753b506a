"""What kind of workload the system is: how its pods hang on it, and where it says how many it wants. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.objects.base import Raw

__all__ = ["DEPLOYMENT", "REPLICAS", "WorkloadKind"]

REPLICAS = ("spec", "replicas")
"""Where Kubernetes' own kinds, and most others, hold the number of replicas wanted."""

THROUGH: Mapping[str, tuple[str, ...]] = {"Deployment": ("ReplicaSet",)}
"""The controllers between pods and a workload of Kubernetes' own."""

DEFAULTING = frozenset({"Deployment", "ReplicaSet", "StatefulSet", "ReplicationController"})
"""Kinds whose absent number of replicas is 1, as Kubernetes documents; of others nobody knows what it means."""


@dataclass(frozen=True, slots=True)
class WorkloadKind:
    """One kind of workload.

    `name` is the kind among all kinds, as `chaos.objects.base.kind_in` has it. `replicas_path` leads to the number
    of replicas in the object that is watched: its `/scale`, which cannot be watched, is read from there. `through` are
    the kinds of controllers between its pods and it, that of the pods first.
    """

    name: str = "Deployment"
    replicas_path: tuple[str, ...] = REPLICAS
    through: tuple[str, ...] = ()

    @classmethod
    def named(cls, name: str) -> WorkloadKind:
        """One of which nothing more is known: as Kubernetes' own kinds are."""
        return cls(name, REPLICAS, THROUGH.get(name, ()))

    @classmethod
    def of_plain(cls, plain_data: Mapping[str, Any]) -> WorkloadKind:
        """Read what `plain` wrote; a record that has only the kind's name is of Kubernetes' own."""
        known = cls.named(str(plain_data["kind"]))
        path, through = plain_data.get("replicas_path", known.replicas_path), plain_data.get("through", known.through)
        return cls(known.name, tuple(path), tuple(through))

    def plain(self) -> dict[str, Any]:
        """As data, for trial.json."""
        return {"kind": self.name, "replicas_path": list(self.replicas_path), "through": list(self.through)}

    @property
    def pods_by(self) -> str:
        """The kind of the pods' own controller, which is who replaces them."""
        return self.through[0] if self.through else self.name

    @property
    def controllers(self) -> tuple[str, ...]:
        """Every kind on the way from a pod to the workload."""
        return (*self.through, self.name)

    def wanted(self, raw: Raw) -> int | None:
        """How many replicas an object of this kind wants; None if it does not say and there is no default."""
        found: Any = raw
        for key in self.replicas_path:
            found = found.get(key) if isinstance(found, Mapping) else None
        if found is not None:
            return int(found)
        return 1 if self.name in DEFAULTING else None


DEPLOYMENT = WorkloadKind.named("Deployment")
