"""Choosing victims: pure picks over what could be chosen, replayable from the trial's seed.

A pick takes the system under test and returns `Targets`: references that carry UIDs, so that a successor of the same
name is never hit by mistake. Candidates are ranked by node and age before the seed chooses among them, because pod
names are random and would make the same seed choose differently each time.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from chaos.errors import GamedayError
from chaos.history import Ref
from chaos.history.views import PodView

__all__ = ["Pool", "Targets", "every", "half", "one"]


@dataclass(frozen=True, slots=True)
class Targets:
    """The victims of a fault, and how they were chosen, in words.

    `grace_s` is the longest terminationGracePeriodSeconds among them.
    """

    words: str
    refs: tuple[Ref, ...]
    grace_s: int = 0


class Pool(Protocol):
    """What picks choose from: the ready pods of the system under test, and the trial's source of chance."""

    @property
    def rng(self) -> random.Random:
        """The trial's seeded source of chance."""

    @property
    def inert(self) -> bool:
        """Whether nothing is to be touched (a saved run is judged again): picks then choose nobody."""

    @property
    def words(self) -> str:
        """The selector in words, for the error that says that nobody matches."""

    def ready_pods(self) -> Sequence[PodView]:
        """The pods that are Ready and not being deleted, now."""


def one(system: Pool) -> Targets:
    """Pick one replica."""
    return _pick(system, lambda _ready: 1, "one replica")


def half(system: Pool) -> Targets:
    """Pick half of the ready replicas, rounded down, but at least one."""
    return _pick(system, lambda ready: max(1, ready // 2), "half of the replicas")


def every(system: Pool) -> Targets:
    """Pick every ready replica."""
    return _pick(system, lambda ready: ready, "every replica")


def _pick(system: Pool, count_of: Callable[[int], int], words: str) -> Targets:
    if system.inert:
        return Targets(words, ())
    ready = sorted(system.ready_pods(), key=lambda pod: (pod.node, pod.created, pod.name))
    if not ready:
        raise GamedayError(
            f"no ready pod matches {system.words}",
            "see what the pods wait for with kubectl describe, or correct the selector",
        )
    chosen = system.rng.sample(ready, count_of(len(ready)))
    refs = tuple(Ref("Pod", pod.namespace, pod.name, pod.uid) for pod in chosen)
    return Targets(f"{words} ({len(refs)} of {len(ready)})", refs, max(pod.grace_s for pod in chosen))
