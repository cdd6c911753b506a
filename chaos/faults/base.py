"""What every fault is: frozen data that says what to do to whom, and the injection that holds its live state.

The trial calls `inject`, waits until the injection's `landed` gives its proof, and calls `heal` when the scenario's
block ends, however it ends. A fault touches the cluster only through its context, which journals every mutation.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, ClassVar, Protocol, TypeVar

from typing_extensions import override

from chaos.faults.context import FaultContext
from chaos.faults.permissions import Right, rights
from chaos.faults.targets import Targets
from chaos.faults.undo.restore import heal
from chaos.history.action_names import declare_actions
from chaos.objects.base import Raw, Ref

__all__ = [
    "API_ALLOWANCE_S",
    "BY_UNDO",
    "NOTHING_LEFT",
    "Awaited",
    "DeploymentFault",
    "Disruption",
    "Fault",
    "Injection",
    "TargetedFault",
    "Until",
    "each",
]

API_ALLOWANCE_S = 10.0
"""Kubernetes' own objective for a single-object mutation is 1 s at the 99th percentile; a small cluster gets more."""

BY_UNDO = "it stays until `gameday undo` runs, by hand or as the CronJob of `gameday rbac --undo-cronjob`"

NOTHING_LEFT = ""

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Until:
    """Something that is awaited in mid-trial: what it is, how to see it, and for how long to look."""

    words: str
    seen: Callable[[], object]
    deadline_s: float


@dataclass(frozen=True, slots=True)
class Awaited:
    """What a scenario awaits of a fault, e.g. `drain.ended`: the `Until` of that name of the fault's injection."""

    fault: Fault
    name: str


class Disruption(Protocol):
    """What the system's owners have to allow: a fault, or a load that rises."""

    @property
    def name(self) -> str:
        """What it is called in their annotations, e.g. `pod-kill`."""

    @property
    def victims(self) -> tuple[Ref, ...]:
        """Whom it hits; empty when a saved run is judged again."""


class Fault(ABC):
    """One kind of fault, aimed. Frozen: what is known only once it is injected is in its `Injection`.

    Attributes:
        name: The kind, in the record and as the word by which owners allow it, e.g. `pod-kill`.
        permissions: What it needs of the API server beside what every trial does.
        hits_nodes: Its victims are nodes, so each node's owner is asked as well.
        hits_none: Nothing of the system goes by it, so that no replica need be allowed to be down.
        evicts: It asks for evictions, so a disruption budget that is spent already is in its way.
        silent: Its victims may read as Ready while it is active, and serve nobody all the same.
        if_run_dies: What becomes of it where the run is killed and nobody comes back; empty: nothing is left to undo.
        workload_kind: The only kind of workload that it can change, empty for any.
        actions: Names of actions that it journals and that are not in `chaos.history.action_names`.
    """

    __slots__ = ()

    name: ClassVar[str]
    permissions: ClassVar[tuple[Right, ...]] = ()
    hits_nodes: ClassVar[bool] = False
    hits_none: ClassVar[bool] = False
    evicts: ClassVar[bool] = False
    silent: ClassVar[bool] = False
    if_run_dies: ClassVar[str] = BY_UNDO
    workload_kind: ClassVar[str] = ""
    actions: ClassVar[tuple[str, ...]] = ()

    def __init_subclass__(cls) -> None:
        declare_actions(*cls.actions)

    @property
    @abstractmethod
    def words(self) -> str:
        """What it does to whom, for people."""

    @property
    @abstractmethod
    def victims(self) -> tuple[Ref, ...]:
        """Whom it hits; empty when a saved run is judged again."""

    @property
    def landing_deadline_s(self) -> float:
        """How long after injection the proof may take, from the victims' own spec."""
        return API_ALLOWANCE_S

    @property
    def leaves_foreign_pods(self) -> bool:
        """Whether a fault that hits nodes leaves the pods of other namespaces on them alone, or may take them along."""
        return False

    @property
    def leaves_neighbours(self) -> bool:
        """The same of the pods of the system's namespace that are not the system's."""
        return False

    @property
    def takes_every_node(self) -> bool:
        """Whether it is meant to hit every node at once."""
        return False

    def pods_at_risk(self, workload: Raw, desired: int, down: int) -> int:  # noqa: ARG002  # the role's shape
        """How many more of the system's pods it may have down at worst, beside victims and the `down` already.

        `workload` is the system's as it is now, `desired` how many replicas that wants.
        """
        return 0

    @property
    def parameters(self) -> dict[str, Any]:
        """What it was made with, as far as it is plain: its numbers, words and switches, by name."""
        given: dict[str, Any] = {}
        if is_dataclass(self):
            given = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: value for name, value in given.items() if isinstance(value, bool | int | float | str | None)}

    @abstractmethod
    def inject(self, context: FaultContext) -> Injection:
        """Do it. What undoes each action is recorded in the context before the action."""


@dataclass(frozen=True, slots=True)
class TargetedFault(Fault):
    """A fault of what a pick chose: pods, or nodes with the pods of the system that were on them then."""

    targets: Targets

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return self.targets.refs


@dataclass(frozen=True, slots=True)
class DeploymentFault(Fault):
    """A fault that changes a Deployment."""

    permissions: ClassVar[tuple[Right, ...]] = rights("get patch", "Deployment")
    workload_kind: ClassVar[str] = "Deployment"

    workload: Ref

    @property
    @override
    def victims(self) -> tuple[Ref, ...]:
        return (self.workload,)


class Injection:
    """A fault under way.

    Attributes:
        missed: Why it could not be made; empty if it was, and while that is not known.
        landing_deadline_s: How long the proof may take.
    """

    def __init__(
        self, fault: Fault, context: FaultContext, proof: Callable[[], str] = lambda: "", *, missed: str = ""
    ) -> None:
        self.context = context
        self.missed = missed
        self.landing_deadline_s = fault.landing_deadline_s
        self._proof = proof

    def landed(self) -> str:
        """Return the proof that the fault is there, in words, or an empty string while there is none."""
        return self._proof()

    def stop(self) -> str:
        """End what goes on in the background. Return an empty string, or what did not end."""
        return ""

    def heal(self) -> str:
        """Undo what is left to undo. Return an empty string, or what could not be undone and the command for people."""
        running = self.stop()
        return "; ".join(words for words in (running, heal(self.context, keep=bool(running))) if words)


def each(victims: Iterable[T], action: Callable[[T], str], *, otherwise: Callable[[], object] = lambda: None) -> str:
    """Do it to all at once, as a fault that hits them together has to; what went wrong, in words.

    `otherwise` is called where any of them raises, once the others are done: nobody has the injection then to stop it.
    """
    chosen = tuple(victims)
    try:
        with ThreadPoolExecutor(max_workers=max(1, len(chosen))) as pool:
            return "; ".join(reason for reason in pool.map(action, chosen) if reason)
    except BaseException:
        otherwise()
        raise
