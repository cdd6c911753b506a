"""Kinds that were added to the API: found by what the server says that it serves, as kubectl finds them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from chaos.cluster.resources import Kind
from chaos.errors import UsageError
from chaos.objects.base import kind_in

__all__ = ["Served", "served_kind"]

Served = Callable[[str], Mapping[str, Any] | None]
"""Reads a path of the API; None if there is nothing at it."""


def served_kind(read: Served, name: str) -> tuple[Kind, frozenset[str]]:
    """A kind by `Rollout.argoproj.io`, or by its resource, `rollouts.argoproj.io`; and its subresources.

    The version is the one that the group prefers, or another where that does not have the kind. Raises `UsageError`,
    naming the resource that may have been meant.
    """
    word, _, group = name.partition(".")
    versions = _versions(read(f"/apis/{group}")) if group else ()
    meant = ""
    for version in versions:
        resources = (read(f"/apis/{version}") or {}).get("resources") or ()
        for one in resources:
            if "/" in one["name"]:
                continue
            if word in (one["kind"], one["name"]):
                plural = str(one["name"])
                parts = frozenset(
                    str(part["name"]).partition("/")[2]
                    for part in resources
                    if str(part["name"]).startswith(f"{plural}/")
                )
                kind = Kind(kind_in(version, one["kind"]), version, plural, namespaced=bool(one["namespaced"]))
                return kind, parts
            if word in (str(one["kind"]).lower(), one.get("singularName")):
                meant = f"{one['name']}.{group}"
    if meant:
        raise UsageError(f"{name} is no resource of the API", f"write {meant}")
    has = f"the group {group} has no such resource" if versions else f"no group {group} is served"
    raise UsageError(
        f"the cluster knows no {name}: {has}",
        "name it as kubectl api-resources does: PLURAL.GROUP, e.g. rollouts.argoproj.io",
    )


def _versions(group: Mapping[str, Any] | None) -> tuple[str, ...]:
    """All that the group is served in, the preferred one first."""
    if group is None:
        return ()
    preferred = str((group.get("preferredVersion") or {}).get("groupVersion", ""))
    others = [str(one["groupVersion"]) for one in group.get("versions") or ()]
    return tuple(dict.fromkeys([preferred, *others] if preferred else others))
