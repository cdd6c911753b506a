"""Drain a node pool, one node after the other, as an upgrade of the nodes does."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field

from chaos.errors import UsageError
from chaos.faults.base import Field, Until
from chaos.faults.node_drain import API_ALLOWANCE_S, STOP_S
from chaos.faults.support.background_task import Ending, Work
from chaos.faults.support.cluster_view import ALL_BUT_DAEMONS, objections, sorted_for_drain, unscheduled, whole
from chaos.faults.support.cordon import Cordon
from chaos.faults.support.node_eviction import Drain, Terms
from chaos.faults.targets import Targets
from chaos.objects.base import Ref
from chaos.semantics import DrainOptions, DrainSet

__all__ = ["RollingPoolDrain"]

LOOK_S = 1.0
"""How often a wait for the watch looks whether it is to end."""


@dataclass(slots=True)
class _State:
    """What is known under way: the doors that were closed, and the drain of the node that is being emptied."""

    cordons: list[Cordon] = field(default_factory=list)
    drain: Drain | None = None
    first: str = ""


@dataclass(frozen=True, slots=True)
class RollingPoolDrain:
    """Drain every target node in turn; the next one only when as many replicas are Ready as are desired.

    As in an upgrade in place, a node is opened again before the next one closes. With `migrate` the whole pool is
    closed first and stays closed until the heal, as where a pool gives way to another. `node_deadline_s` is for each
    node, the replacements' getting Ready included. The rest is as in `NodeDrain`.
    """

    targets: Targets
    node_deadline_s: float = 60.0
    migrate: bool = False
    max_in_flight: int | None = None
    options: DrainOptions = ALL_BUT_DAEMONS
    leave_foreign: bool = False
    _work: Work = field(default_factory=Work, init=False, repr=False, compare=False)
    _state: _State = field(default_factory=_State, init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.node_deadline_s <= 0:
            raise UsageError(
                f"RollingPoolDrain.node_deadline_s: {self.node_deadline_s} is not a positive number of seconds"
            )
        if self.targets.refs and not self._nodes:
            raise UsageError(
                f"RollingPoolDrain: {self.targets.words} is no node", "pick a pool with targets.pool(label, value)"
            )

    @property
    def name(self) -> str:
        """The kind of fault."""
        return "pool-drain"

    @property
    def words(self) -> str:
        """What it does to whom."""
        how = "closed all at first" if self.migrate else "each opened again before the next"
        return f"drain {self.targets.words}, one node after the other, {how}"

    @property
    def victims(self) -> tuple[Ref, ...]:
        """The nodes, and the pods of the system that were on them when they were picked."""
        return self.targets.refs

    @property
    def landing_deadline_s(self) -> float:
        """The API's own time, for a cordon and an eviction."""
        return 2 * API_ALLOWANCE_S

    @property
    def ended(self) -> Until:
        """The whole pool has been drained, or the drain of one node did not finish."""
        longest_s = self.node_deadline_s * max(1, len(self._nodes)) + API_ALLOWANCE_S
        return Until(f"the drain of {self.targets.words} ends", lambda: self._work.ended, longest_s)

    def inject(self, field: Field) -> str:
        """Begin with the first node that holds a pod of the system. Return why that could not be done."""
        chosen = {node: self._chosen(field, node) for node in self._nodes}
        if refused := "; ".join(words for one in chosen.values() if (words := objections(one))):
            return f"{self.targets.words} may not be drained: {refused}"
        held = [node for node, one in chosen.items() if any(not pod.deleting for pod in one.evict)]
        if not held:
            return f"{self.targets.words} holds no pod of the system to evict"
        for node in self._nodes if self.migrate else held[:1]:
            if reason := self._close(field, node):
                return reason
        self._work.start(field, lambda: self._rolled(field))
        return ""

    def landed(self, field: Field) -> str:
        """Prove it: the watch shows a node cordoned, and the first eviction was answered."""
        state = self._state
        if not state.first and state.drain is not None:
            state.first = state.drain.first
        closed = next((one.node.name for one in state.cordons if one.closed(field)), "")
        return f"node {closed} is unschedulable; first eviction: {state.first}" if closed and state.first else ""

    def heal(self, field: Field) -> str:
        """Stop, and open the nodes that we closed. Return what could not be undone."""
        ended = self._work.stop(STOP_S)
        left = [words for one in self._state.cordons if (words := one.open(field))]
        if not ended:
            left.insert(0, f"the drain did not stop within {STOP_S:g} s")
        return "; ".join(left)

    # --- inside ---------------------------------------------------------------------------------------------------

    @property
    def _nodes(self) -> tuple[Ref, ...]:
        return tuple(ref for ref in self.targets.refs if ref.kind == "Node")

    def _chosen(self, field: Field, node: Ref) -> DrainSet:
        return sorted_for_drain(field.cluster, node.name, field.namespace, self.options)

    def _close(self, field: Field, node: Ref) -> str:
        if any(one.node == node and one.ours for one in self._state.cordons):
            return ""
        cordon = Cordon(node)
        self._state.cordons.append(cordon)
        return cordon.close(field)

    def _rolled(self, field: Field) -> Ending:
        """Drain node after node, and say how that ended."""
        began, emptied = time.monotonic(), list[str]()
        for ending in self._each(field):
            if ending.result != "finished":
                return Ending(
                    ending.result, f"{ending.words}; drained before: {', '.join(emptied) or 'none'}", ending.detail
                )
            emptied.append(str(ending.detail["node"]))
        seconds = time.monotonic() - began
        words = f"{len(emptied)} nodes drained, one after the other, in {seconds:.1f} s: {', '.join(emptied)}"
        return Ending("finished", words, {"nodes": emptied, "seconds": round(seconds, 3), "left": []})

    def _each(self, field: Field) -> Iterator[Ending]:
        for node in self._nodes:
            if not self._chosen(field, node).evict:
                continue
            if reason := self._close(field, node):
                yield Ending("failed", reason, {"node": node.name})
                return
            yield self._emptied(field, node)
            if not self.migrate and (reason := self._reopened(field, node)):
                yield Ending("failed", reason, {"node": node.name})

    def _emptied(self, field: Field, node: Ref) -> Ending:
        """Drain one node, and wait for the replacements."""
        began = time.monotonic()
        terms = Terms(self.node_deadline_s, self.max_in_flight)
        self._state.drain = drain = Drain(field, self._work, node, terms)
        ending = drain.run(self.options)
        self._state.first = self._state.first or drain.first
        if ending.result != "finished":
            return ending
        while (left_s := self.node_deadline_s - (time.monotonic() - began)) > 0 and not self._work.stopping:
            if field.recorder.wait_for(lambda: whole(field.recorder, field.workload_kind), min(LOOK_S, left_s)):
                return ending
        pending = unscheduled(field.recorder.objects("Pod"))
        words = f"{ending.words}, but not all replicas were Ready again: {'; '.join(pending) or 'no pod is Pending'}"
        return Ending(
            "stopped" if self._work.stopping else "failed", words, {**ending.detail, "pending": list(pending)}
        )

    def _reopened(self, field: Field, node: Ref) -> str:
        return next((one.open(field) for one in self._state.cordons if one.node == node and one.ours), "")
