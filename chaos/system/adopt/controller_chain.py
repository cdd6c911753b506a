"""The chain of controllers from pods up to the workload that they are replicas of."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from chaos.errors import ClusterRefused, UsageError
from chaos.objects.base import Raw, View

__all__ = ["Chain", "Source"]

DEPTH = 5
"""How many controllers may stand between a pod and the workload."""


class Source(Protocol):
    """Where objects are read: a cluster, or a folder of manifests before they are in one."""

    def get(self, kind: str, namespace: str | None, name: str) -> dict[str, Any] | None:
        """One object, or None."""

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of a kind in a namespace."""


@dataclass(frozen=True, slots=True)
class Chain:
    """Climbs from pods to the workload, through controllers of the kinds `allowed`, or of any."""

    source: Source
    raw: Raw
    kind: str
    allowed: frozenset[str] | None
    _known: dict[str, dict[str, View]] = field(default_factory=dict)
    _passed: dict[str, list[View]] = field(default_factory=dict)

    def of(self, pods: Iterable[View], chosen: Mapping[str, str]) -> tuple[str, ...]:
        """The kinds on the way from these pods up to the workload, which must be one for all of them.

        Raises `UsageError` for pods of another owner (a canary's, say): they would be taken for replicas.
        """
        workload = View(self.raw)
        ways: dict[tuple[str, ...], str] = {}
        others = []
        for pod in pods:
            way = self._way(pod, workload.uid)
            if way is None:
                others.append(pod.name)
            else:
                ways.setdefault(way, pod.name)
        named = f"{self.kind} {workload.namespace}/{workload.name}"
        if others:
            raise UsageError(
                f"{named} selects by {dict(chosen)}, and so does the owner of {', '.join(sorted(others)[:3])}: "
                "gameday could not tell them apart",
                "give the workloads labels of their own",
            )
        if len(ways) > 1:
            raise UsageError(f"pods of {named} hang on it in different ways: {', '.join(sorted(ways.values()))}")
        return next(iter(ways), ())

    def loose(self, through: Iterable[str], chosen: Mapping[str, str]) -> frozenset[str]:
        """The kinds that have an object on the way without the labels by which pods are selected."""
        return frozenset(
            kind
            for kind in through
            if any(not chosen.items() <= view.labels.items() for view in self._passed.get(kind, ()))
        )

    def _way(self, pod: View, uid: str) -> tuple[str, ...] | None:
        way: list[View] = []
        below = pod
        for _ in range(DEPTH):
            if below.controller_uid == uid:
                kinds = [one.controller_kind for one in [pod, *way][:-1]]
                for kind, owner in zip(kinds, way, strict=True):
                    self._passed.setdefault(kind, []).append(owner)
                return tuple(kinds)
            kind = below.controller_kind
            if not kind or (self.allowed is not None and kind not in self.allowed):
                return None
            above = self._listed(kind, pod.namespace).get(below.controller_uid)
            if above is None:
                return None
            way.append(above)
            below = above
        return None

    def _listed(self, kind: str, namespace: str) -> dict[str, View]:
        if kind not in self._known:
            try:
                found = self.source.list(kind, namespace)
            except ClusterRefused as refused:
                raise ClusterRefused(
                    f"{kind} stand between the pods and {self.kind} {View(self.raw).name}: {refused.what}",
                    "name that kind under system.through, and gameday rbac prints the right",
                ) from None
            self._known[kind] = {view.uid: view for view in map(View, found)}
        return self._known[kind]
