"""What a plan predicts of a drain: would it finish, what would it wait for, and what would stop it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from enum import IntEnum
from typing import Any, Literal, NamedTuple

__all__ = ["Answer", "Code", "DrainAnswer", "Pairs", "Plan", "Pool", "Reason", "Unplaced", "as_data"]


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
"""Why a drain waits, cannot be predicted, is refused or never ends; docs/plan.md says what each means."""


@dataclass(frozen=True, slots=True)
class Reason:
    """One reason: what it makes of the drain, in words, and the pods (namespace/name) that it is about."""

    answer: Answer
    code: Code
    words: str
    pods: tuple[str, ...] = ()


class Unplaced(NamedTuple):
    """A pod whose replacement has no place, or none that can be seen, and why."""

    pod: str
    words: str


@dataclass(frozen=True, slots=True)
class DrainAnswer:
    """What draining these nodes together would do.

    Attributes:
        nodes: the nodes.
        answer: the worst of the reasons' answers.
        reasons: why it does not simply finish.
        pods: how many pods would be evicted.
        rounds: in how many rounds.
        homeless: replacements without a place; a drain can finish and leave some.
        bound_s: by when it is over if all pods keep what their specs promise, None if it does not end by itself.
        unpromised: what may take longer all the same.
    """

    nodes: tuple[str, ...]
    answer: Answer
    reasons: tuple[Reason, ...]
    pods: int
    rounds: int
    homeless: tuple[Unplaced, ...] = ()
    bound_s: float | None = None
    unpromised: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Pool:
    """A node pool: the value of the pool label, and what draining all its nodes together would do."""

    name: str
    drain: DrainAnswer


@dataclass(frozen=True, slots=True)
class Pairs:
    """All pairs of nodes.

    Attributes:
        total: how many there are.
        counted: how many have each answer.
        worse: those that fare worse than either of their nodes alone, as far as they are listed.
        worse_total: how many of those there are.
        simulated: how many were simulated one by one.
        not_played: how many were neither simulated nor grouped: of them nobody can tell.
        grouped: by what the others were grouped, empty if none was.
    """

    total: int
    counted: dict[Answer, int]
    worse: tuple[DrainAnswer, ...]
    worse_total: int
    simulated: int
    not_played: int
    grouped: str


@dataclass(frozen=True, slots=True)
class Plan:
    """The whole plan.

    Attributes:
        pool_label: the label that names a node's pool.
        unread: kinds that we may not read.
        binding_none: disruption budgets (namespace/name) whose selector matches no pod there is.
    """

    nodes: tuple[DrainAnswer, ...]
    pools: tuple[Pool, ...]
    pairs: Pairs
    pool_label: str
    pods: int
    disruption_budgets: int
    unread: tuple[str, ...] = ()
    binding_none: tuple[str, ...] = ()


def as_data(value: Any) -> Any:
    """A plan, or a part of it, as plain data for JSON; docs/plan.md describes the fields."""
    if isinstance(value, Pool):
        return {"name": value.name, **as_data(value.drain)}
    if is_dataclass(value):
        return {field.name: as_data(getattr(value, field.name)) for field in fields(value)}
    if isinstance(value, Unplaced):
        return value._asdict()
    if isinstance(value, Mapping):
        return {as_data(key): as_data(one) for key, one in value.items()}
    if isinstance(value, tuple):
        return [as_data(one) for one in value]
    return value.words if isinstance(value, Answer) else value
