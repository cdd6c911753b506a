"""What victims are chosen from, and what a choice is; the picks themselves are in `chaos.faults.targets`."""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView

__all__ = ["ENGINE", "Pool", "Targets", "at_once", "no_more_than"]

ENGINE = "engine"
"""The role of the workload that answers: what is picked from unless another is named."""


@dataclass(frozen=True, slots=True)
class Targets:
    """The victims of a fault, and how they were chosen, in words.

    `grace_s` is the longest terminationGracePeriodSeconds among them. A node comes first, and then the system's pods on
    it, whom what befalls the node may take too.
    """

    words: str
    refs: tuple[Ref, ...]
    grace_s: int = 0

    @property
    def nodes(self) -> tuple[Ref, ...]:
        """The nodes among them."""
        return tuple(ref for ref in self.refs if ref.kind == "Node")


class Pool(Protocol):
    """What picks choose from: the system's pods, the cluster's nodes, and the trial's source of chance."""

    @property
    def rng(self) -> random.Random:
        """The trial's seeded source of chance."""

    @property
    def inert(self) -> bool:
        """Whether nothing is to be touched (a saved run is judged again): picks then choose nobody."""

    @property
    def at_once(self) -> int | None:
        """How many pods may be down at once because of us, as was known before the trial; None for any number."""

    @property
    def nodes_at_once(self) -> int | None:
        """The same of nodes that may be out."""

    def role(self, name: str) -> "Pool":
        """What to choose from in place of the engine, e.g. the `router`. Raises `UsageError` without."""

    @property
    def words(self) -> str:
        """The selector in words, for the error that says that nobody matches."""

    def ready_pods(self) -> Sequence[PodView]:
        """The pods that are Ready and not being deleted, now."""

    def pods(self) -> Sequence[PodView]:
        """All pods of the system, now, also those that are not Ready or on their way out."""

    def nodes(self) -> Sequence[NodeView]:
        """All nodes of the cluster, now."""


def at_once(system: Pool) -> float:
    """How many pods may be down at once because of us."""
    return no_more_than(system.at_once)


def no_more_than(most: int | None) -> float:
    """A bound as a number; None is any."""
    return math.inf if most is None else most
