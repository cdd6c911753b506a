"""What a plan says of a drain: would it finish, what would it wait for, and what would stop it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

__all__ = ["Answer", "Code", "DrainAnswer", "Pairs", "Plan", "Pool", "Reason"]


class Answer(IntEnum):
    """The answers, the worst last. A drain has the worst of its reasons'."""

    FINISHES = 0
    WAITS = 1
    CANNOT_TELL = 2
    REFUSED = 3
    DEADLOCKS = 4

    @property
    def words(self) -> str:
        """As a person says it."""
        return self.name.lower().replace("_", " ")


Code = Literal[
    "one-after-another",
    "starting",
    "being-evicted",
    "finalizer",
    "kubectl-filter",
    "all-must-stay",
    "expects-none",
    "two-budgets",
    "not-countable",
    "unready",
    "pods-missing",
    "no-room",
    "volume-bound",
    "room-unknown",
    "order",
    "budget-unknown",
    "node-lost",
    "spent",
]
"""Why a drain waits, cannot be foretold, is refused or never ends; docs/plan.md says what each means."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: what it makes of the drain, in words, and the pods (namespace/name) that it is about."""

    answer: Answer
    code: Code
    words: str
    pods: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """What would become of draining these nodes together.

    `moves`: pods that would be evicted. `homeless`: replacements for which there is no place, or none that we can see,
    each with why; a drain can finish and leave some. `bound_s`: by when it is over if all pods keep what their specs
    promise, None if it does not end by itself; `unpromised`: what may take longer all the same.
    """

    nodes: tuple[str, ...]
    answer: Answer
    reasons: tuple[Reason, ...]
    moves: int
    rounds: int
    homeless: tuple[tuple[str, str], ...] = ()
    bound_s: float | None = None
    unpromised: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool: the value of the pool label, and what would become of draining all its nodes together."""

    name: str
    drain: DrainAnswer


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of nodes. `counted`: how many have each answer.

    `worse`: those that fare worse than either of their nodes alone, as far as they are listed; `worse_total` how many
    there are. `simulated` were played through one by one; the others were grouped, `grouped` says by what. `left` were
    neither: nothing is said of them but that we cannot tell.
    """

    total: int
    counted: dict[Answer, int]
    worse: tuple[DrainAnswer, ...]
    worse_total: int
    simulated: int
    left: int
    grouped: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan. `pool_label` is the label that names a node's pool; `unread` are kinds that we may not read."""

    nodes: tuple[DrainAnswer, ...]
    pools: tuple[Pool, ...]
    pairs: Pairs
    pool_label: str
    pods: int
    budgets: int
    unread: tuple[str, ...] = ()
