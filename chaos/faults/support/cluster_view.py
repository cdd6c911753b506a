"""What a fault sees of its victims: pure reads of what the recorder has, and one list of a node's pods."""

from collections.abc import Iterable
from datetime import UTC, datetime

from chaos.cluster import Cluster, Recorder
from chaos.errors import ClusterRefused
from chaos.faults.context import FaultContext
from chaos.objects.base import Raw, Ref, View, matches
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind
from chaos.safety.undo_journal import OURS
from chaos.semantics import DrainOptions, DrainSet, bound_by, drain_set

__all__ = [
    "ALL_BUT_DAEMONS",
    "budgets_over",
    "gone",
    "leaving",
    "objections",
    "pods_of_others",
    "sorted_for_drain",
    "unscheduled",
    "whole",
]

ALL_BUT_DAEMONS = DrainOptions(ignore_daemonsets=True)
"""What people mean by a drain: kubectl's defaults, and the pods of DaemonSets stay, as they would come back at once."""


def pods_on(cluster: Cluster, node: str) -> tuple[PodView, ...]:
    """Every pod that is bound to a node, of all namespaces, now. Raises `ClusterRefused` if they may not be listed."""
    answer = cluster.read("/api/v1/pods", {"fieldSelector": f"spec.nodeName={node}"})
    body = answer.json()
    items = body.get("items") if answer.ok and isinstance(body, dict) else None
    if not isinstance(items, list):
        raise ClusterRefused(
            f"list the pods on node {node}: the API server refused: {answer.words()}",
            "ask for the right to list pods in all namespaces: whom a drain would meet cannot be known without it",
        )
    return tuple(map(PodView, items))


def pods_of_others(context: FaultContext, nodes: Iterable[str]) -> tuple[Ref, ...]:
    """The pods on these nodes that are not the system's, in whatever namespace, and that are lost with the nodes.

    Not those that belong to the node itself: a DaemonSet's has nowhere else to be and comes back with it, a static one
    is its kubelet's. Nor those that have finished, and those of ours that send the load.
    """
    found = [pod for node in nodes for pod in pods_on(context.cluster, node)]
    pods = [pod for pod in found if not (_is_own(context, pod) or _sends_load(context, pod))]
    everyone = DrainOptions(ignore_daemonsets=True, delete_emptydir_data=True, force=True)
    taken = drain_set(pods, everyone, at=datetime.now(UTC)).evict
    return tuple(pod.ref for pod in taken if not pod.finished)


def sorted_for_drain(context: FaultContext, node: str, options: DrainOptions, *, whole_namespace: bool) -> DrainSet:
    """The system's pods on a node, or all of its namespace, sorted as kubectl does: evict, leave alone, in the way."""
    pods = [pod for pod in pods_on(context.cluster, node) if pod.namespace == context.namespace]
    chosen = [pod for pod in pods if whole_namespace or _is_own(context, pod)]
    return drain_set(chosen, options, at=datetime.now(UTC))


def _is_own(context: FaultContext, pod: PodView) -> bool:
    """Whether a pod is the system's: the recorder sees it, or, where it is too new for that, by its labels."""
    if pod.namespace != context.namespace:
        return False
    labelled = bool(context.selector) and matches({"matchLabels": context.selector}, pod.labels)
    return labelled or any(View(raw).uid == pod.uid for raw in context.recorder.objects("Pod"))


def _sends_load(context: FaultContext, pod: PodView) -> bool:
    """Whether a pod in the system's namespace is one that the suite made there."""
    return pod.namespace == context.namespace and OURS.items() <= pod.labels.items()


def objections(chosen: DrainSet) -> str:
    """Which pods are in the way of a drain, why, and the flag of kubectl that would let each pass."""
    return "; ".join(f"{one.pod.name}: {one.words} ({one.flag} permits it)" for one in chosen.refused)


def gone(recorder: Recorder, uid: str) -> bool:
    """Whether no pod with that UID is left in the API."""
    return all(View(raw).uid != uid for raw in recorder.objects("Pod"))


def leaving(recorder: Recorder, uid: str) -> bool:
    """Whether the pod's deletion was accepted, or the pod is gone already."""
    return all(View(raw).deleting for raw in recorder.objects("Pod") if View(raw).uid == uid)


def budgets_over(budgets: Iterable[Raw], pod: View) -> tuple[str, ...]:
    """Names of the disruption budgets that bind a pod."""
    return tuple(budget.name for budget in bound_by(budgets, pod))


def unscheduled(pods: Iterable[Raw]) -> tuple[str, ...]:
    """Each pod that no node takes, with the scheduler's own words."""
    return tuple(
        f"{pod.name} is Pending: {condition.get('message') or 'the scheduler gives no reason'}"
        for pod in map(PodView, pods)
        if not pod.node and (condition := pod.condition("PodScheduled")).get("reason") == "Unschedulable"
    )


def whole(recorder: Recorder, kind: WorkloadKind) -> bool:
    """Whether as many pods are Ready as the workloads of that kind desire together; not where one does not say."""
    wanted = [kind.wanted(raw) for raw in recorder.objects(kind.name)]
    if None in wanted:
        return False
    desired = sum(number or 0 for number in wanted)
    return sum(PodView(raw).ready for raw in recorder.objects("Pod")) >= desired
