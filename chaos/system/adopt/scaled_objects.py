"""KEDA's ScaledObject over a workload, where the cluster has KEDA and this user may see it. Nothing is written."""

from typing import Any, Protocol

from chaos.cluster import Kind, Scope
from chaos.errors import ClusterRefused, UsageError
from chaos.objects.scaled_object import SCALED_OBJECT, ScaledObjectView

__all__ = ["Scalers", "scaled_object_of", "scaled_object_scopes"]


class Scalers(Protocol):
    """A cluster, as far as it is asked here."""

    def kind(self, name: str) -> Kind:
        """The place of a kind in the API."""

    def may(self, verb: str, kind: str, namespace: str | None = None) -> bool:
        """Whether this user has a right."""

    def list(self, kind: str, namespace: str | None = None) -> list[dict[str, Any]]:
        """All objects of a kind."""


def scaled_object_of(cluster: Scalers, namespace: str, target: tuple[str, str]) -> dict[str, Any] | None:
    """The ScaledObject that scales a workload, by kind and name; None where there is none that may be seen."""
    if not _seen(cluster, namespace):
        return None
    ours = (one for one in cluster.list(SCALED_OBJECT, namespace) if ScaledObjectView(one).target == target)
    return next(ours, None)


def scaled_object_scopes(cluster: Scalers, namespace: str, target: tuple[str, str] | None) -> tuple[Scope, ...]:
    """What to watch of them: that of a workload in a namespace that others use, or (None) all of our own."""
    if target is None:
        return (Scope(SCALED_OBJECT, namespace),) if _seen(cluster, namespace) else ()
    found = scaled_object_of(cluster, namespace, target)
    return () if found is None else (Scope(SCALED_OBJECT, namespace, name=ScaledObjectView(found).name),)


def _seen(cluster: Scalers, namespace: str) -> bool:
    """Whether the cluster has KEDA, and this user may see what it has. Else the checks say that nobody watched it."""
    try:
        cluster.kind(SCALED_OBJECT)
        return all(cluster.may(verb, SCALED_OBJECT, namespace) for verb in ("list", "watch"))
    except (UsageError, ClusterRefused):
        return False
