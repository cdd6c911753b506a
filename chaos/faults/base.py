"""What every fault is: reversible trouble with a proof that it landed.

The trial calls `inject`, then waits until `landed` gives its proof, and calls `heal` when the scenario's block ends,
however it ends. A fault touches the cluster only through the field's hand, which journals every mutation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from chaos.cluster import Hand, Recorder
from chaos.history import Ref

__all__ = ["Fault", "Field"]


@dataclass(frozen=True, slots=True)
class Field:
    """What a fault may use: the hand that does, the recorder that sees, and the fault's id in the journal."""

    hand: Hand
    recorder: Recorder
    fault: str


class Fault(Protocol):
    """One kind of trouble, aimed."""

    @property
    def name(self) -> str:
        """The kind of fault, e.g. `pod-kill`."""

    @property
    def words(self) -> str:
        """What it does to whom, for people."""

    @property
    def victims(self) -> tuple[Ref, ...]:
        """Whom it hits; empty when a saved run is judged again."""

    @property
    def landing_deadline_s(self) -> float:
        """How long after injection the proof may take, from the victims' own spec."""

    def inject(self, field: Field) -> str:
        """Make the trouble. Return an empty string, or the reason why it could not be made."""

    def landed(self, field: Field) -> str:
        """Return the proof that the trouble is there, in words, or an empty string while there is none."""

    def heal(self, field: Field) -> None:
        """Undo what is left to undo."""
