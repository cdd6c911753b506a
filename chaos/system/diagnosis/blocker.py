"""One thing that stands between a system and its replicas being Ready."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

__all__ = ["Blocker", "Kind", "in_words"]

Kind = Literal[
    "refused",
    "unschedulable",
    "unscheduled",
    "not-started",
    "evicted",
    "volume",
    "sandbox",
    "image",
    "configuration",
    "creating",
    "crashing",
    "out-of-memory",
    "startup-probe",
    "readiness-probe",
    "liveness-probe",
    "not-ready",
]


@dataclass(frozen=True, slots=True)
class Blocker:
    """What is in whose way.

    `who` is a pod's or a ReplicaSet's name. `words` say it for people. `patience_s` is how long it may stand before
    waiting on is pointless; None where it may come good by itself at any time.
    """

    kind: Kind
    who: str
    words: str
    patience_s: float | None = None


def in_words(blockers: Iterable[Blocker], *, at_most: int = 3) -> str:
    """Say the blockers, the most frequent first, each with those whom it holds up; empty if there are none."""
    found = tuple(blockers)
    counts = Counter(one.words for one in found)
    said = []
    for words, count in counts.most_common(at_most):
        who = next(one.who for one in found if one.words == words)
        said.append(f"{who}{f' and {count - 1} more' if count > 1 else ''}: {words}")
    if len(counts) > at_most:
        said.append(f"and {len(counts) - at_most} other blockers")
    return "; ".join(said)
