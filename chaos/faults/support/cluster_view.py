"""What a fault sees of its victims: pure reads of what the recorder has, and one list of a node's pods."""

from collections.abc import Iterable
from datetime import UTC, datetime

from chaos.cluster import Cluster, Recorder
from chaos.errors import ClusterRefused
from chaos.objects.base import Raw, Ref, View
from chaos.objects.pod import PodView
from chaos.objects.workload_kind import WorkloadKind
from chaos.semantics import DrainOptions, DrainSet, bound_by, drain_set

__all__ = [
    "ALL_BUT_DAEMONS",
    "budgets_over",
    "foreign_pods",
    "gone",
    "leaving",
    "objections",
    "pods_on",
    "sorted_for_drain",
    "unscheduled",
    "whole",
]

ALL_BUT_DAEMONS = DrainOptions(ignore_daemonsets=True)
"""What people mean by a drain: kubectl's defaults, and the pods of DaemonSets stay, as they would come back at once."""


def pods_on(cluster: Cluster, node: str) -> tuple[PodView, ...]:
    """Every pod that is bound to a node, of all namespaces, now. Raises `ClusterRefused` if they may not be listed."""
    answer = cluster.read("/api/v1/pods", {"fieldSelector": f"spec.nodeName={node}"})
    if not answer.ok:
        raise ClusterRefused(
            f"list the pods on node {node}: the API server refused: {answer.words()}",
            "ask for the right to list pods in all namespaces: whom a drain would meet cannot be known without it",
        )
    return tuple(PodView(raw) for raw in answer.json().get("items") or ())


def foreign_pods(cluster: Cluster, nodes: Iterable[str], namespace: str) -> tuple[Ref, ...]:
    """The pods of other namespaces on these nodes that would not be left alone: no DaemonSet's, no static ones."""
    others = [pod for node in nodes for pod in pods_on(cluster, node) if pod.namespace != namespace]
    everyone = DrainOptions(ignore_daemonsets=True, delete_emptydir_data=True, force=True)
    taken = drain_set(others, everyone, at=datetime.now(UTC)).evict
    return tuple(Ref("Pod", pod.namespace, pod.name, pod.uid) for pod in taken if not pod.finished)


def sorted_for_drain(cluster: Cluster, node: str, namespace: str, options: DrainOptions) -> DrainSet:
    """The pods of one namespace on a node, sorted as kubectl does: to evict, to leave alone, or in the way."""
    mine = [pod for pod in pods_on(cluster, node) if pod.namespace == namespace]
    return drain_set(mine, options, at=datetime.now(UTC))


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
