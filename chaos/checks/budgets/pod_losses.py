"""Why a pod ceased to be healthy: evicted, deleted by whom, or fallen by itself on its node."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

from chaos.checks.budgets.model import EVICTED, Change, Replay
from chaos.clock import NS
from chaos.history import History
from chaos.history.cache import once
from chaos.history.facts.replica_counts import controller_kinds, desired_replicas, node_outages, owner_replicas
from chaos.history.step_function import Steps
from chaos.objects.base import View
from chaos.objects.pod import PodView

__all__ = ["UNSEEN", "Departure", "departure"]

NEWS_NS = 5 * NS
"""News of a pod, of its node and of its owner come over different watches."""

ACTED_NS = 10 * NS
"""So shortly after its owner asks for fewer pods, a pod's deletion is the owner's doing (a controller needs 1 s)."""

UNSEEN = "unseen"
"""The cause of what happened in a gap of the watch."""

BY_CONDITION: Mapping[str, tuple[str, str]] = {
    EVICTED: ("eviction", "evicted"),
    "DeletionByTaintManager": ("taint", "deleted for a NoExecute taint of its node"),
    "PreemptionByScheduler": ("preemption", "preempted by the scheduler"),
    "DeletionByPodGC": ("pod-gc", "deleted by the pod garbage collector"),
    "TerminationByKubelet": ("node-pressure", "ended by its kubelet (node pressure or shutdown)"),
}
"""Reasons of the condition DisruptionTarget (kubernetes.md A.1, step 7)."""


@dataclass(frozen=True, slots=True)
class Departure:
    """One pod that ceased to be healthy: the kind of cause, and words."""

    at_ns: int
    pod: str
    cause: str
    words: str


def departure(history: History, replay: Replay, change: Change) -> Departure:
    """Name the cause of one loss."""
    at_ns = change.revision.at_ns
    cause, words = (UNSEEN, "lost in a gap of the watch") if change.revision.lossy else _cause(history, replay, change)
    return Departure(at_ns, change.pod.name, cause, f"{change.pod.name} {words}")


def _cause(history: History, replay: Replay, change: Change) -> tuple[str, str]:
    pod = change.pod
    uid = pod.uid
    if pod.disruption in BY_CONDITION:
        return BY_CONDITION[pod.disruption]
    if uid in replay.marked or any(grant.pod is not None and grant.pod.uid == uid for grant in replay.grants):
        return BY_CONDITION[EVICTED]
    if change.after is None or pod.deleting:
        return _deleted(history, change)
    return _fallen(history, change, pod)


def _deleted(history: History, change: Change) -> tuple[str, str]:
    uid, at_ns = change.pod.uid, change.revision.at_ns
    for action in history.actions:
        if action.target.uid == uid and action.outcome != "fail" and action.begin_ns <= at_ns:
            if action.name == "evict-pod" and action.outcome == "ok":
                return BY_CONDITION[EVICTED]
            if action.name.startswith("delete"):
                return "deletion", f"deleted by us ({action.fault or action.name}), which no disruption budget binds"
    if _fell(_owners(history).get(change.pod.controller_uid, Steps((), 0)), at_ns):
        if _fell(desired_replicas(history), at_ns):
            return "scale-in", "deleted as fewer replicas were asked for"
        return "rollout", "replaced by a rollout"
    return "deletion", "deleted by somebody else, not through the eviction API"


@once
def _owners(history: History) -> Mapping[str, Steps]:
    """How many pods each of the pods' own controllers asked for, by UID."""
    kinds = controller_kinds(history)
    uids = {View(event.object).uid for event in history.watch if event.kind in kinds}
    return {uid: owner_replicas(history, uid) for uid in uids}


def _fell(wanted: Steps, at_ns: int) -> bool:
    """Whether fewer were asked for shortly before a moment."""
    values = wanted.values_in(at_ns - ACTED_NS, at_ns + NEWS_NS)
    return any(after < before for before, after in pairwise(values))


def _fallen(history: History, change: Change, pod: PodView) -> tuple[str, str]:
    at_ns, before = change.revision.at_ns, change.before or PodView({})
    if pod.ready:
        return "relabelled", "no longer selected by the disruption budget"
    if any(
        begin_ns <= at_ns + NEWS_NS and (end_ns is None or end_ns >= at_ns - NEWS_NS)
        for begin_ns, end_ns in node_outages(history).get(pod.node, ())
    ):
        return "node-loss", f"not Ready as its node {pod.node} was lost"
    if pod.restarts > before.restarts or pod.finished or (before.running and not pod.running):
        return "container", "not Ready as a container of it ended"
    return "probe", "not Ready by its readiness probe"
