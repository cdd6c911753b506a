"""The undo entries that runs have left in the cluster, and whether their run is still alive."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from chaos.cluster import Cluster, ref_of
from chaos.objects.base import Raw, Ref, View
from chaos.safety import UndoEntry
from chaos.safety.lease import LEASE_NAME, holder_of
from chaos.safety.owner import Owner, started_tick
from chaos.safety.undo_journal import RUN, SELECTOR

__all__ = ["Left", "find_left"]

CLOCKS_S = 60.0
"""By how much the clocks of two hosts may differ."""


@dataclass(frozen=True, slots=True)
class Left:
    """What one run has not undone yet. `alive` says why the run is taken to be at work; empty: it is dead."""

    where: Ref
    run: str
    owner: str
    alive: str
    entries: tuple[UndoEntry, ...]
    unreadable: tuple[str, ...] = ()


def find_left(cluster: Cluster, namespace: str | None) -> tuple[Left, ...]:
    """Find them in one namespace, or in all. A run past its own deadline is taken for dead. Raises `ClusterRefused`."""
    here = Owner.this_process()
    found = cluster.list("ConfigMap", namespace, selector=SELECTOR)
    return tuple(_left(raw, here, lambda where: cluster.get("Lease", where, LEASE_NAME)) for raw in found)


def _left(raw: Raw, here: Owner, lease_in: Callable[[str], Raw | None]) -> Left:
    view = View(raw)
    entries: list[UndoEntry] = []
    unreadable: list[str] = []
    for key, text in sorted((raw.get("data") or {}).items()):
        try:
            entries.append(UndoEntry.read(key, text))
        except ValueError as error:
            unreadable.append(f"{key}: {error}")
    owner = Owner.read(view.annotations)
    late = bool(entries) and all(one.deadline_ns < time.time_ns() for one in entries)
    run = str(view.annotations.get(RUN, ""))
    words = f"process {owner.pid} on {owner.host}" if owner else "an owner that is not named"
    alive = "" if late or owner is None else _alive(owner, here, run, view.namespace, lease_in)
    return Left(ref_of(raw), run, words, alive, tuple(entries), tuple(unreadable))


def _alive(owner: Owner, here: Owner, run: str, namespace: str, lease_in: Callable[[str], Raw | None]) -> str:
    if (owner.host, owner.scope) == (here.host, here.scope):
        same = started_tick(owner.pid) == owner.started
        return f"process {owner.pid} of this host runs" if same else ""
    lease = lease_in(namespace)
    if lease is None:
        return f"it ran on host {owner.host}, of which nothing is known before its deadline"
    spec = View(lease).spec
    renewed, lasts_s = str(spec.get("renewTime") or ""), float(spec.get("leaseDurationSeconds") or 0)
    age_s = (datetime.now(UTC) - datetime.fromisoformat(renewed)).total_seconds() if renewed else float("inf")
    fresh = bool(holder_of(lease)) and age_s < lasts_s + CLOCKS_S
    return f"the lease was renewed {age_s:.0f} s ago by {holder_of(lease)}" if fresh and run else ""
