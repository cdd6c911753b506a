"""Drain a node pool, one node after the other, as an upgrade of the nodes does."""

import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import ClassVar

from typing_extensions import override

from chaos.errors import UsageError
from chaos.faults.base import API_ALLOWANCE_S, Awaited, Injection, Until
from chaos.faults.context import FaultContext
from chaos.faults.node_drain import STOP_S, DrainFault
from chaos.faults.support.background_task import Ending, Work
from chaos.faults.support.cluster_view import ALL_BUT_DAEMONS, objections, sorted_for_drain, unscheduled, whole
from chaos.faults.support.node_eviction import Drain, Terms, cordon, is_cordoned, patience_s
from chaos.faults.undo.restore import heal
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry
from chaos.semantics import DrainOptions, DrainSet

__all__ = ["PoolDrain", "RollingPoolDrain"]


@dataclass(frozen=True, slots=True)
class RollingPoolDrain(DrainFault):
    """Drain every target node in turn; the next one only when as many replicas are Ready as are desired.

    As in an upgrade in place, a node is opened again before the next one closes. With `migrate` the whole pool is
    closed first and stays closed until the heal, as where a pool gives way to another. `node_deadline_s` is for each
    node, the replacements' getting Ready included; by default as long as the spec of its pods permits, one by one. The
    rest is as in `NodeDrain`.
    """

    name: ClassVar[str] = "pool-drain"

    node_deadline_s: float | None = None
    migrate: bool = False
    max_in_flight: int | None = None
    options: DrainOptions = ALL_BUT_DAEMONS
    leave_foreign: bool = False
    whole_namespace: bool = False

    def __post_init__(self) -> None:
        if self.node_deadline_s is not None and self.node_deadline_s <= 0:
            raise UsageError(
                f"RollingPoolDrain.node_deadline_s: {self.node_deadline_s} is not a positive number of seconds"
            )
        if self.targets.refs and not self.targets.nodes:
            raise UsageError(
                f"RollingPoolDrain: {self.targets.words} is no node",
                "pick a pool with targets.pool(system, label, value)",
            )

    @property
    @override
    def words(self) -> str:
        how = "closed all at first" if self.migrate else "each opened again before the next"
        return f"drain {self.targets.words}, one node after the other, {how}"

    @property
    @override
    def leaves_foreign_pods(self) -> bool:
        return self.leave_foreign

    @property
    def ended(self) -> Awaited:
        """The whole pool has been drained, or the drain of one node did not finish."""
        return Awaited(self, "ended")

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Begin with the first node that holds a pod of the system."""
        return PoolDrain(self, context)


class PoolDrain(Injection):
    """The drain of a pool under way."""

    def __init__(self, fault: RollingPoolDrain, context: FaultContext) -> None:
        super().__init__(fault, context)
        self._fault = fault
        self._work = Work("the drain")
        self._drain: Drain | None = None
        self._first = ""
        self._closed: list[Ref] = []
        self._held: tuple[Ref, ...] = ()
        self._longest_s = API_ALLOWANCE_S
        self.missed = self._close_first()
        if not self.missed:
            self._work.start(context, self._drain_all)

    @property
    def ended(self) -> Until:
        """See `RollingPoolDrain.ended`."""
        words = f"the drain of {self._fault.targets.words} ends"
        return Until(words, lambda: self._work.ended, self._longest_s)

    @override
    def landed(self) -> str:
        """The watch shows a node cordoned, and the first eviction was answered."""
        if not self._first and self._drain is not None:
            self._first = self._drain.first
        closed = next((node.name for node in self._closed if is_cordoned(self.context, node)), "")
        return f"node {closed} is unschedulable; first eviction: {self._first}" if closed and self._first else ""

    @override
    def stop(self) -> str:
        return self._work.stop(STOP_S)

    def _close_first(self) -> str:
        """Close the first node that holds a pod of the system, or all of them. Return why the drain may not begin."""
        targets = self._fault.targets
        chosen = {node: self._chosen(node) for node in targets.nodes}
        if refused := "; ".join(words for one in chosen.values() if (words := objections(one))):
            return f"{targets.words} may not be drained: {refused}"
        # Each node may come to hold all of them.
        pods = [pod for one in chosen.values() for pod in one.evict]
        self._longest_s += self._node_deadline_s(pods) * len(targets.nodes)
        self._held = tuple(node for node, one in chosen.items() if any(not pod.deleting for pod in one.evict))
        if not self._held:
            return f"{targets.words} holds no pod of the system to evict"
        for node in self._to_close_first():
            if reason := self._close(node):
                return reason
        return ""

    def _to_close_first(self) -> tuple[Ref, ...]:
        """The nodes that are closed before any is drained."""
        return self._fault.targets.nodes if self._fault.migrate else self._held[:1]

    def _passes_over(self, node: Ref) -> bool:
        """Whether a node is left out, as it holds nothing to evict."""
        return not self._chosen(node).evict

    def _chosen(self, node: Ref) -> DrainSet:
        fault = self._fault
        return sorted_for_drain(self.context, node.name, fault.options, whole_namespace=fault.whole_namespace)

    def _node_deadline_s(self, pods: Iterable[PodView]) -> float:
        return self._fault.node_deadline_s or patience_s(pods, self.context.timings)

    def _close(self, node: Ref) -> str:
        if self._entries_of(node):
            return ""
        self._closed.append(node)
        return cordon(self.context, node)

    def _reopen(self, node: Ref) -> str:
        entries = self._entries_of(node)
        return heal(self.context, *entries) if entries else ""

    def _entries_of(self, node: Ref) -> tuple[UndoEntry, ...]:
        """What undoes the closing of a node, if it was closed by us."""
        return tuple(entry for entry in self.context.entries if entry.target == node)

    def _drain_all(self) -> Ending:
        """Drain node after node."""
        began, emptied = time.monotonic(), list[str]()
        for ending in self._each():
            if ending.result != "finished":
                words = f"{ending.words}; drained before: {', '.join(emptied) or 'none'}"
                return Ending(ending.result, words, ending.detail)
            emptied.append(str(ending.detail["node"]))
        seconds = time.monotonic() - began
        words = f"{len(emptied)} nodes drained, one after the other, in {seconds:.1f} s: {', '.join(emptied)}"
        return Ending("finished", words, {"nodes": emptied, "seconds": round(seconds, 3), "left": []})

    def _each(self) -> Iterator[Ending]:
        for node in self._fault.targets.nodes:
            if self._passes_over(node):
                continue
            if reason := self._objection(node):
                yield Ending("stopped", f"stopped by us: {reason}", {"node": node.name})
                return
            if reason := self._close(node):
                yield Ending("failed", reason, {"node": node.name})
                return
            yield self._emptied(node)
            if not self._fault.migrate and (reason := self._reopen(node)):
                yield Ending("failed", reason, {"node": node.name})

    def _objection(self, node: Ref) -> str:
        """Why a node may not be emptied any more: minutes may have passed since the pool was picked.

        What is healed meanwhile closes no further node, which nobody would open.
        """
        if self._work.stopping:
            return "nothing more is to be done"
        pods = [pod for pod in map(PodView, self.context.recorder.objects("Pod")) if pod.node == node.name]
        ready = [pod.ref for pod in pods if pod.ready]
        return self.context.objection_to(self._fault, (node, *ready))

    def _emptied(self, node: Ref) -> Ending:
        """Drain one node, and wait for the replacements."""
        fault, context, began = self._fault, self.context, time.monotonic()
        deadline_s = self._node_deadline_s(self._chosen(node).evict)
        terms = Terms(deadline_s, fault.max_in_flight, whole_namespace=fault.whole_namespace)
        self._drain = drain = Drain(context, self._work, node, terms)
        ending = drain.run(fault.options)
        self._first = self._first or drain.first
        if ending.result != "finished":
            return ending
        recorder, until_s = context.recorder, began + deadline_s
        if self._work.wait_for(recorder, lambda: whole(recorder, context.workload_kind), until_s):
            return ending
        pending = unscheduled(recorder.objects("Pod"))
        words = f"{ending.words}, but not all replicas were Ready again: {'; '.join(pending) or 'no pod is Pending'}"
        detail = {**ending.detail, "pending": list(pending)}
        return Ending("stopped" if self._work.stopping else "failed", words, detail)
