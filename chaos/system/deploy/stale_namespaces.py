"""Which namespaces a dead run has left behind: decided purely, from what is written on them.

A namespace without our label is never even looked at. One whose owner lives, or may live, stays.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from chaos.safety.owner import Owner
from chaos.system.manifests.labels import MANAGED_BY, MANAGER

__all__ = ["Decision", "decide", "ours"]


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to become of a namespace, and why. `uid` keeps a successor of the same name out of it."""

    name: str
    uid: str
    delete: bool
    why: str


def ours(namespace: Mapping[str, Any]) -> bool:
    """Say whether a namespace bears the label that says that gameday made it."""
    labels = namespace["metadata"].get("labels") or {}
    return bool(labels.get(MANAGED_BY) == MANAGER)


def decide(
    namespace: Mapping[str, Any],
    *,
    here: Owner,
    started: Callable[[int], int | None],
    now: datetime,
    older_than_s: float,
) -> Decision:
    """Decide about one raw namespace.

    `here` is this process, `started` tells when a process of this host started (None: it does not run). On this host
    an owner that is gone, or whose number another process has, is dead. Of any other host's owner we cannot know: its
    namespace goes when the API server made it more than `older_than_s` seconds before `now`.
    """
    metadata = namespace["metadata"]

    def decision(why: str, *, delete: bool = False) -> Decision:
        return Decision(metadata["name"], metadata.get("uid", ""), delete, why)

    if not ours(namespace):
        return decision("it is not ours")
    if metadata.get("deletionTimestamp"):
        return decision("it is being deleted already")
    owner = Owner.read(metadata.get("annotations") or {})
    if owner is None:
        return decision("it has our label but names no owner: delete it by hand if it is a leftover")
    if (owner.host, owner.scope) == (here.host, here.scope):
        return _of_this_host(owner, started(owner.pid), decision)
    age_s = (now - datetime.fromisoformat(metadata["creationTimestamp"])).total_seconds()
    if age_s > older_than_s:
        return decision(
            f"host {owner.host} made it {age_s:.0f} s ago, over the limit of {older_than_s:g} s", delete=True
        )
    return decision(f"host {owner.host} made it {age_s:.0f} s ago, and its run may still go on")


def _of_this_host(owner: Owner, started: int | None, decision: Callable[..., Decision]) -> Decision:
    if started is None:
        return decision(f"its owner, process {owner.pid} of this host, is gone", delete=True)
    if started != owner.started:
        return decision(f"its owner is gone: process {owner.pid} of this host is another one now", delete=True)
    return decision(f"its owner, process {owner.pid} of this host, runs")
