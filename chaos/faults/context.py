"""What a fault may use, and how it is undone: the context that a trial gives to each of its faults."""

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from chaos.cluster import DRY_RUN, Cluster, DryRunExecutor, Executor, Journal, Recorder
from chaos.faults.infrastructure import NO_INFRASTRUCTURE, Infrastructure
from chaos.objects.base import Ref
from chaos.objects.workload_kind import DEPLOYMENT, WorkloadKind
from chaos.safety import NoUndoLog, UndoEntry, UndoLog
from chaos.semantics import KUBERNETES, Timings

if TYPE_CHECKING:
    from chaos.faults.base import Fault

__all__ = ["FaultContext", "UndoContext"]


@dataclass(frozen=True, slots=True)
class UndoContext:
    """What undoing takes, while the fault's trial runs or after its process died.

    Attributes:
        cluster: For reads.
        executor: Does every change of the API's objects, journalled.
        journal: Where what is done below the API is written down.
        fault: The fault that it belongs to, e.g. `pod-kill-1`.
        infrastructure: What there is of the cluster beside its API.
    """

    cluster: Cluster
    executor: Executor
    journal: Journal
    fault: str
    infrastructure: Infrastructure = field(default=NO_INFRASTRUCTURE, kw_only=True)

    def act(self, name: str, target: Ref, do: Callable[[], str], **detail: str) -> str:
        """Journal and do something below the API; in a dry run nothing is done. Return why it was not, else empty."""
        with self.journal.action(name, target, fault=self.fault, detail=detail) as action:
            reason = DRY_RUN if isinstance(self.executor, DryRunExecutor) else do()
            action.end("fail" if reason else "ok", **({"reason": reason} if reason else {}))
        return reason


@dataclass(frozen=True, slots=True)
class FaultContext(UndoContext):
    """What one fault of a trial may use.

    Attributes:
        recorder: Sees the system and the nodes by watches.
        namespace: The trial's: pods of any other are somebody else's.
        timings: The cluster's.
        workload_kind: What the system is.
        adopted: The system is somebody else's and stays, so that every change of it is to be put back.
        selector: The labels of the system's pods; without any, its pods are those that the recorder sees.
        undo: The run's undo journal; use `record` and `discard`, which remember the entries for the heal.
    """

    recorder: Recorder
    namespace: str
    timings: Timings = KUBERNETES
    workload_kind: WorkloadKind = DEPLOYMENT
    adopted: bool = False
    selector: Mapping[str, str] = field(default_factory=dict)
    undo: UndoLog = field(default_factory=NoUndoLog)
    _entries: dict[str, UndoEntry] = field(default_factory=dict, init=False, repr=False, compare=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, init=False, repr=False, compare=False)

    @property
    def entries(self) -> tuple[UndoEntry, ...]:
        """What is left to undo of this fault."""
        with self._lock:
            return tuple(self._entries.values())

    def stop_reason(self) -> str:
        """Why nothing more may be done, but to undo; empty while it may."""
        return ""

    def objection_to(self, fault: "Fault", victims: Sequence[Ref]) -> str:  # noqa: ARG002  # the role's shape
        """Why a fault that goes from one to the next may not hit these as all is now; empty if it may."""
        return ""

    def record(self, entry: UndoEntry) -> str:
        """Write down what undoes an action, before the action. Return why that may not be: then do not act."""
        entry = replace(entry, fault=self.fault)
        if reason := self.stop_reason() or self.undo.record(entry):
            return reason
        with self._lock:
            self._entries.setdefault(entry.identity, entry)
        return ""

    def learn(self, entry: UndoEntry, **detail: Any) -> None:
        """Add to an entry what is only known after the action; a later process has to do without."""
        with self._lock:
            known = self._entries[entry.identity]
            self._entries[entry.identity] = replace(known, detail={**known.detail, **detail})

    def discard(self, entry: UndoEntry) -> None:
        """Take an entry off: it was undone, or its action was never done."""
        with self._lock:
            self._entries.pop(entry.identity, None)
        self.undo.remove(replace(entry, fault=self.fault))

    def result(self, result: str, words: str, detail: Mapping[str, Any]) -> None:
        """Journal how a fault that takes its time ended, e.g. `finished` or `blocked`."""
        self.journal.event("fault-result", fault=self.fault, result=result, words=words, detail=dict(detail))
