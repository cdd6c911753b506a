"""Which pods a drain evicts (stands in until chaos.semantics.drain is there)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from chaos.history.views import PodView

__all__ = ["Plan", "plan"]


@dataclass(frozen=True, slots=True)
class Plan:
    evict: tuple[PodView, ...]
    refused: tuple[str, ...]


def plan(pods: Iterable[PodView], *, empty_dirs: bool, unmanaged: bool) -> Plan:
    evict, refused = [], []
    for pod in pods:
        if pod.mirror or pod.controller_kind == "DaemonSet":
            continue
        if not pod.finished and pod.local_storage and not empty_dirs:
            refused.append(f"{pod.name} has an emptyDir")
        elif not pod.finished and not pod.controller_uid and not unmanaged:
            refused.append(f"{pod.name} has no owner")
        else:
            evict.append(pod)
    return Plan(tuple(evict), tuple(refused))
