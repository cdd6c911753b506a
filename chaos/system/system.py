"""The system under test as it was asked for: what scenarios, picks and faults need to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from chaos.history import Ref
from chaos.system.spec import SystemSpec

__all__ = ["System"]


@dataclass(frozen=True, slots=True)
class System:
    """The system under test as it was asked for.

    `selector` chooses its pods. `port` and `cluster_ip` are the Service's. `generations` holds, by kind, the number of
    the wish that was applied. `pods_before` is how many pods the workload had already: above zero they are replaced
    step by step. `objects` are all that was applied, in that order.
    """

    spec: SystemSpec
    namespace: str
    selector: Mapping[str, str]
    workload: Ref
    service: str
    port: int
    cluster_ip: str
    generations: Mapping[str, int]
    pods_before: int
    objects: tuple[Ref, ...]
