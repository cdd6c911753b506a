"""Before a run begins: heal what dead runs left, or refuse to begin on a system that is not as it was."""

from __future__ import annotations

from chaos.cluster import Cluster, unrecorded_executor
from chaos.errors import ClusterRefused
from chaos.faults.support.infrastructure import NodePower
from chaos.faults.undo.discovery import find_left
from chaos.faults.undo.restore import Undone, undo_all

__all__ = ["undo_leftovers"]


def undo_leftovers(cluster: Cluster, namespace: str | None, power: NodePower | None = None) -> tuple[Undone, ...]:
    """Undo what dead runs left in a namespace, or in all; `power` gives nodes theirs back.

    Raises `ClusterRefused` naming what could not be undone.
    """
    dead = [one for one in find_left(cluster, namespace) if not one.alive]
    results = undo_all(cluster, unrecorded_executor(cluster), dead, power=power)
    if left := [one for one in results if one.result == "left"]:
        raise ClusterRefused(
            f"a dead run left {len(left)} things that could not be undone: " + "; ".join(one.words for one in left),
            "undo them by hand, then run gameday undo",
        )
    return results
