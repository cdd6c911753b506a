"""Emptying one node of the system's pods, as `kubectl drain` does: cordon, evict, retry while a budget refuses, wait.

A disruption budget that refuses is doing its job. So a refusal is an answer like any other: it is journalled, asked
again every 5 s, and if it still refuses at the deadline the drain is `blocked`, which is no error.
"""

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Literal

from chaos.cluster import Done, mutations
from chaos.faults.context import FaultContext
from chaos.faults.support.background_task import Ending, Work
from chaos.faults.support.cluster_view import budgets_over, gone, sorted_for_drain, unscheduled
from chaos.objects.base import Ref, View
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.safety import UndoEntry
from chaos.semantics import Batch, DrainOptions, Timings, drain_bound

__all__ = ["LEAST_S", "Drain", "Terms", "cordon", "is_cordoned", "patience_s"]

RETRY_S = 5.0
"""How long kubectl waits after a refusal (`EvictErrorRetryDelay`)."""

BUSY_S = 1.0
"""What a busy API server asks for where it does not say how long (API priority and fairness: `Retry-After: 1`)."""


UNSEEN = ("(of a name that was not seen)",)
"""Stands for a disruption budget that refused and that the record does not have."""


def cordon(context: FaultContext, node: Ref) -> str:
    """Close a node for new pods. Return an empty string, or why that could not be done.

    One that is closed already is left as it is, also by the heal.
    """
    found = context.cluster.get("Node", None, node.name)
    if found is None or View(found).uid != node.uid:
        return f"node {node.name} is not there any more"
    if NodeView(found).unschedulable:
        context.journal.event("note", text=f"node {node.name} was cordoned before, so it is left so afterwards")
        return ""
    entry = UndoEntry("uncordon", node, f"kubectl uncordon {node.name}")
    if reason := context.record(entry):
        return f"node {node.name} was not cordoned: {reason}"
    order = mutations.patch(node, {"spec": {"unschedulable": True}}, action="cordon", fault=context.fault)
    done = context.executor.do(order)
    # After an answer that never came it may be closed.
    if done.outcome == "fail":
        context.discard(entry)
        return f"node {node.name} could not be cordoned: {done.reason}"
    return ""


def is_cordoned(context: FaultContext, node: Ref) -> bool:
    """Whether the watch shows it closed."""
    nodes = map(NodeView, context.recorder.objects("Node"))
    return any(view.uid == node.uid and view.unschedulable for view in nodes)


@dataclass(frozen=True, slots=True)
class Terms:
    """How a node is drained.

    `deadline_s`: when to give up. `max_in_flight`: how many pods may be on their way out at once, None for all (as
    kubectl). `grace_s`: None is the pods' own. `whole_namespace`: evict its other pods too, not only the system's.
    """

    deadline_s: float
    max_in_flight: int | None = None
    grace_s: int | None = None
    whole_namespace: bool = False


LEAST_S = 60.0
"""A drain has at least so long: nothing promises how soon e.g. an image is pulled."""


def patience_s(pods: Iterable[PodView], timings: Timings, grace_s: int | None = None) -> float:
    """How long these pods may take to leave, as their own spec permits, each when the former is replaced.

    `grace_s` is what they are given in place of their own.
    """
    given = {} if grace_s is None else {"terminationGracePeriodSeconds": grace_s}
    batches = [Batch(pod.name, 1, 1, {**pod.spec, **given}) for pod in pods]
    return max(LEAST_S, drain_bound(batches, timings).total_s)


@dataclass(frozen=True, slots=True)
class Parting:
    """How far one pod got: gone; refused by its disruption budgets; leaving but still there; or failed."""

    pod: PodView
    state: Literal["gone", "refused", "leaving", "failed"]
    words: str = ""
    budgets: tuple[str, ...] = ()


class Drain:
    """One node's drain. `first` is the answer to its first eviction, `refused` the budgets that refused one."""

    def __init__(self, context: FaultContext, work: Work, node: Ref, terms: Terms) -> None:
        self.first = ""
        self.refused: tuple[str, ...] = ()
        self._context = context
        self._work = work
        self._node = node
        self._terms = terms
        self._began = time.monotonic()

    def run(self, options: DrainOptions) -> Ending:
        """Evict the pods that are meant from the node until there is none, time is up, or one cannot be evicted.

        A pod that was being scheduled as the node closed is found in a second round.
        """
        self._began = time.monotonic()
        partings: dict[str, Parting] = {}
        while (found := self._found(options)) and not (partings and self._over):
            partings |= {parting.pod.uid: parting for parting in self._round(found)}
            if any(parting.state == "failed" for parting in partings.values()):
                break
        for pod in found:
            partings.setdefault(pod.uid, Parting(pod, "refused", "its eviction was not tried"))
        return self._ending(tuple(partings.values()))

    def _ending(self, partings: tuple[Parting, ...]) -> Ending:
        """How the drain ended, by how far each pod got."""
        seconds, node = self._elapsed_s, self._node
        of: dict[str, list[Parting]] = {"gone": [], "refused": [], "leaving": [], "failed": []}
        for one in partings:
            of[one.state].append(one)
        budgets = tuple(dict.fromkeys(name for one in of["refused"] for name in one.budgets))
        pending = unscheduled(self._context.recorder.objects("Pod"))
        left = [*of["failed"], *of["refused"], *of["leaving"]]
        counted = f"{len(of['gone'])} of {len(partings)} pods gone from node {node.name} after {seconds:.1f} s"
        words = "; ".join([counted, *(f"{one.pod.name}: {one.words}" for one in left), *pending])
        detail: Mapping[str, Any] = {
            "node": node.name,
            "budget": " and ".join(budgets),
            "gone": [one.pod.name for one in of["gone"]],
            "left": [one.pod.name for one in left],
            "pending": list(pending),
            "seconds": round(seconds, 3),
        }
        if not left:
            return Ending("finished", counted, detail)
        if self._work.stopping:
            return Ending("stopped", f"stopped by us: {words}", detail)
        if of["failed"] or not budgets:
            return Ending("failed", words, detail)
        return Ending("blocked", f"blocked, as {_named(budgets)} demands: {words}", detail)

    def _found(self, options: DrainOptions) -> tuple[PodView, ...]:
        whole = self._terms.whole_namespace
        return sorted_for_drain(self._context, self._node.name, options, whole_namespace=whole).evict

    def _round(self, pods: tuple[PodView, ...]) -> tuple[Parting, ...]:
        """Evict these pods, all at once or as many as may be in flight, and wait until each is gone or time is up."""
        width = min(len(pods), self._terms.max_in_flight or len(pods))
        with ThreadPoolExecutor(max_workers=width, thread_name_prefix=self._context.fault) as pool:
            return tuple(pool.map(self._part, pods))

    @property
    def _elapsed_s(self) -> float:
        """How long it has been going on."""
        return time.monotonic() - self._began

    @property
    def _over(self) -> bool:
        """Whether time is up, or the drain is to stop."""
        return self._work.stopping or self._elapsed_s >= self._terms.deadline_s

    # --- one pod ------------------------------------------------------------------------------------------------

    def _part(self, pod: PodView) -> Parting:
        parting = Parting(pod, "leaving" if pod.deleting else "refused", "its eviction was not tried")
        while not self._over:
            if pod.deleting:
                return self._awaited(pod)
            done = self._context.executor.do(_eviction(pod, self._terms.grace_s, self._context.fault))
            parting = self._judged(pod, done)
            if parting.state == "leaving":
                return self._awaited(pod)
            if parting.state != "refused":
                return parting
            self._rest(_pause_s(done))
        return parting

    def _judged(self, pod: PodView, done: Done) -> Parting:
        """What an answer means for the pod; `refused` means that it is to be tried again."""
        parting = self._read(pod, done)
        self.first = self.first or f"{pod.name}: {parting.words}"
        self.refused = tuple(dict.fromkeys((*self.refused, *parting.budgets)))
        return parting

    def _read(self, pod: PodView, done: Done) -> Parting:
        if done.outcome == "ok" or "NamespaceTerminating" in done.causes:
            return Parting(pod, "leaving", "evicted" if done.outcome == "ok" else "its namespace is going")
        if done.budget_refused:
            budgets = budgets_over(self._context.recorder.objects("PodDisruptionBudget"), pod) or UNSEEN
            return Parting(pod, "refused", f"refused, as {_named(budgets)} demands", budgets)
        # A gateway has a 404 of its own, which says nothing of pods.
        if done.status in {404, 409} or done.outcome == "info":
            return self._looked_up(pod, done)
        if done.status == 429:
            return Parting(pod, "refused", f"the API server is busy: {done.reason}")
        return Parting(pod, "failed", done.reason)

    def _looked_up(self, pod: PodView, done: Done) -> Parting:
        """After an answer that leaves it open: what has become of this very pod."""
        found = self._context.cluster.get("Pod", pod.namespace, pod.name)
        if found is None or PodView(found).uid != pod.uid:
            return Parting(pod, "gone", "gone already")
        if PodView(found).deleting:
            return Parting(pod, "leaving", "evicted")
        return Parting(pod, "refused", f"not evicted so far: {done.reason}")

    def _awaited(self, pod: PodView) -> Parting:
        recorder = self._context.recorder
        until_s = self._began + self._terms.deadline_s
        if self._work.wait_for(recorder, lambda: gone(recorder, pod.uid), until_s):
            return Parting(pod, "gone", "evicted and gone")
        return Parting(pod, "leaving", f"evicted, but not gone yet (its grace is {pod.grace_s} s)")

    def _rest(self, seconds: float) -> None:
        self._work.pause(max(0.0, min(seconds, self._terms.deadline_s - self._elapsed_s)))


def _eviction(pod: PodView, grace_s: int | None, fault: str) -> mutations.Mutation:
    return mutations.evict_pod(pod.ref, grace_s=grace_s, fault=fault)


def _pause_s(done: Done) -> float:
    """How long to wait before the next attempt: after a budget's refusal as kubectl does, else as the server asks."""
    busy = done.status == 429 and not done.budget_refused
    return (done.retry_after_s or BUSY_S) if busy else RETRY_S


def _named(budgets: tuple[str, ...]) -> str:
    return f"the disruption budget {' and '.join(budgets)}" if budgets else "a disruption budget"
