"""What the owners of a cluster allow, written by them on their own objects. Pure over raw objects.

Three annotations: on the namespace that it may be tried at all, on the workload which faults, and on a node that it may
be drained, because a node is more than the service. A freeze on the namespace forbids everything, with its reason.
Consent given to another tool is not consent given to us. What stands in an annotation may be anybody's words: in a
command for people it is quoted.
"""

from collections.abc import Iterable, Iterator, Mapping
from shlex import quote
from typing import Any

from chaos.objects.base import View

__all__ = ["ADOPT", "ENABLED", "allowed_by", "objections_of_namespace", "objections_of_node", "refusals"]

ADOPT = "gameday.dev/adopt"
ALLOW = "gameday.dev/allow"
FREEZE = "gameday.dev/freeze"
ENABLED = "enabled"


def allowed_by(raw: Mapping[str, Any]) -> frozenset[str]:
    """The faults that an object's annotation names, separated by commas."""
    written = View(raw).annotations.get(ALLOW, "")
    return frozenset(word.strip() for word in written.split(",") if word.strip())


def objections_of_namespace(namespace: Mapping[str, Any]) -> Iterator[str]:
    """Say why nothing may be tried in a namespace, whatever it is."""
    where = View(namespace)
    if (reason := where.annotations.get(FREEZE)) is not None:
        yield f"namespace {where.name} is frozen: {reason or 'no reason is given'}"
    if where.annotations.get(ADOPT) != ENABLED:
        yield (
            f"the owners of namespace {where.name} have not allowed faults; they can with: "
            f"kubectl annotate namespace {where.name} {ADOPT}={ENABLED}"
        )


def refusals(
    actions: Iterable[str],
    *,
    namespace: Mapping[str, Any],
    workload: Mapping[str, Any],
    allow: Iterable[str] | None,
    resource: str = "",
) -> Iterator[str]:
    """Say why faults of these names are not allowed, each with the command that would allow it.

    `resource` is how kubectl names the workload's kind, where that is not the kind in small letters. `allow` is the
    file's own list, None if it has none: a fault must be in both.
    """
    wanted = sorted(set(actions))
    if not wanted:
        return
    yield from objections_of_namespace(namespace)
    where, owner = View(namespace), View(workload)
    given = allowed_by(workload)
    if missing := [name for name in wanted if name not in given]:
        kind = resource or str(workload.get("kind", "")).lower()
        all_of_them = ",".join(sorted(given | set(wanted)))
        yield (
            f"{', '.join(missing)} is not allowed on {kind} {owner.name}; its owners can allow it with: "
            f"kubectl annotate {kind} {owner.name} -n {where.name} --overwrite {quote(f'{ALLOW}={all_of_them}')}"
        )
    if allow is not None and (left_out := [name for name in wanted if name not in set(allow)]):
        yield f"{', '.join(left_out)} is not in safety.allow of the system's file"


def objections_of_node(node: Mapping[str, Any], action: str) -> str:
    """Say why a node may not be hit, with the command that would allow it; empty if it may."""
    if action in allowed_by(node):
        return ""
    name, given = View(node).name, ",".join(sorted(allowed_by(node) | {action}))
    return (
        f"{action} is not allowed on node {name}; its owners can allow it with: "
        f"kubectl annotate node {name} --overwrite {quote(f'{ALLOW}={given}')}"
    )
