"""What every fault is: reversible trouble with a proof that it landed.

The trial calls `inject`, then waits until `landed` gives its proof, and calls `heal` when the scenario's block ends,
however it ends. A fault touches the cluster only through the field's hand, which journals every mutation.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, fields, is_dataclass
from typing import Any, Protocol

from chaos.cluster import Cluster, Executor, Journal, Recorder
from chaos.faults.support.infrastructure import NO_MEANS, Means
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.safety import NoUndoLog, UndoLog
from chaos.semantics import KUBERNETES, Timings

__all__ = ["Fault", "Field", "Trouble", "Until", "leaves_foreign", "parameters_of", "spares_no_node"]


@dataclass(frozen=True, slots=True)
class Until:
    """Something that is awaited in mid-trial: what it is, how to see it, and for how long to look."""

    words: str
    seen: Callable[[], object]
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Field:
    """What a fault may use: the hand that does, the recorder that sees, reads of the cluster, and its id.

    `namespace` is the trial's: pods of any other are somebody else's. `timings` are the cluster's, `means` what there
    is beside its API. `workload_kind` is what the system is. `adopted`: it is somebody else's and stays, so that every
    change of it is to be put back. `undo` is where a fault writes the inverse of each action that outlasts it,
    before the action; it does not do what cannot be written down.
    """

    executor: Executor
    recorder: Recorder
    cluster: Cluster
    journal: Journal
    fault: str
    namespace: str
    timings: Timings = KUBERNETES
    means: Means = NO_MEANS
    workload_kind: WorkloadKind = DEPLOYMENT
    adopted: bool = False
    undo: UndoLog = field(default_factory=NoUndoLog)

    def result(self, result: str, words: str, **detail: Any) -> None:
        """Journal how a fault that takes its time ended, e.g. `finished` or `blocked`."""
        self.journal.event("fault-result", fault=self.fault, result=result, words=words, detail=detail)


class Trouble(Protocol):
    """What its owners have to allow: a fault, or a load that rises."""

    @property
    def name(self) -> str:
        """The kind of trouble, e.g. `pod-kill`."""

    @property
    def victims(self) -> tuple[Ref, ...]:
        """Whom it hits; empty when a saved run is judged again."""


class Fault(Trouble, Protocol):
    """One kind of trouble, aimed."""

    @property
    def words(self) -> str:
        """What it does to whom, for people."""

    @property
    def landing_deadline_s(self) -> float:
        """How long after injection the proof may take, from the victims' own spec."""

    def inject(self, field: Field) -> str:
        """Make the trouble. Return an empty string, or the reason why it could not be made."""

    def landed(self, field: Field) -> str:
        """Return the proof that the trouble is there, in words, or an empty string while there is none."""

    def heal(self, field: Field) -> str:
        """Undo what is left to undo. Return an empty string, or what could not be undone and how to do it by hand."""


def leaves_foreign(fault: Fault) -> bool:
    """Whether a fault that hits nodes leaves the pods of others on them alone: its `leave_foreign` is true."""
    return bool(getattr(fault, "leave_foreign", False))


def spares_no_node(fault: Fault) -> bool:
    """Whether a fault is meant to hit every node at once: its `every_node` is true."""
    return bool(getattr(fault, "every_node", False))


def parameters_of(fault: Fault) -> dict[str, Any]:
    """What a fault was made with, as far as it is plain: its numbers, words and switches, by name."""
    named: list[str] = [one.name for one in fields(fault)] if is_dataclass(fault) else []
    given = {name: getattr(fault, name) for name in named}
    return {name: value for name, value in given.items() if isinstance(value, bool | int | float | str | None)}
