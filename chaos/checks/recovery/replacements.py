"""Who replaced whom: victims paired with their successors, and how long each stage of the way took."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from chaos.clock import seconds
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import desired_replicas, owner_replicas

__all__ = ["Succession", "successions"]


@dataclass(frozen=True, slots=True)
class Succession:
    """A victim that was lost, and the pod that its owner made in its place, None if none was seen.

    `needed` is False if its owner asked for fewer pods afterwards, so that nobody had to take its place.
    """

    victim: PodLife
    lost_ns: int
    successor: PodLife | None
    needed: bool

    @property
    def stages(self) -> Mapping[str, Any]:
        """Seconds from the loss of the victim to each stage of its successor's way, None for one that was not seen."""
        replacement = self.successor
        moments: dict[str, int | None] = {
            "created_s": None if replacement is None else replacement.created_ns,
            "scheduled_s": None if replacement is None else replacement.scheduled_ns,
            "started_s": None if replacement is None else replacement.started_ns,
            "ready_s": None if replacement is None else replacement.ready_ns,
        }
        return {
            "victim": self.victim.name,
            "victim_uid": self.victim.uid,
            "lost_ns": self.lost_ns,
            "replacement": replacement.name if replacement else None,
            "replacement_uid": replacement.uid if replacement else None,
            "needed": self.needed,
        } | {
            name: None if at_ns is None else round(seconds(at_ns - self.lost_ns), 3) for name, at_ns in moments.items()
        }


def successions(
    history: History, victims: tuple[PodLife, ...], lives: tuple[PodLife, ...], since_ns: int
) -> tuple[Succession, ...]:
    """Pair the n-th victim lost since `since_ns` with the n-th pod that the same owner made after that loss.

    By UID, owner and order in the watch log: never a pod that was there before the victim was lost, never another
    owner's, and none twice.
    """
    taken: set[str] = set()
    pairs: list[Succession] = []
    for victim in sorted((one for one in victims if one.lost_index is not None), key=lambda one: one.lost_index or 0):
        lost_ns = victim.lost_ns
        if lost_ns is None or lost_ns < since_ns:
            continue
        replacement = next((life for life in lives if life.uid not in taken and _follows(life, victim)), None)
        if replacement is not None:
            taken.add(replacement.uid)
        pairs.append(Succession(victim, lost_ns, replacement, _needed(history, victim, lost_ns)))
    return tuple(pairs)


def _follows(life: PodLife, victim: PodLife) -> bool:
    return (
        life.owner_uid == victim.owner_uid
        and life.uid != victim.uid
        and victim.lost_index is not None
        and life.first_index > victim.lost_index
    )


def _needed(history: History, victim: PodLife, lost_ns: int) -> bool:
    wanted = owner_replicas(history, victim.owner_uid) or desired_replicas(history)
    before = wanted.value_at(lost_ns)
    after = wanted.min(lost_ns, wanted.end_ns)
    return before is None or after is None or after >= before
