"""What stands between a system and its replicas being Ready, in words: pure over raw API objects.

Some blockers never go away by themselves (an image that may not be pulled). They carry a patience: how long they may
stand before waiting on is pointless. The others may come good until the deadline.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from chaos.objects.events import EventLog
from chaos.system.diagnosis.blocker import Blocker
from chaos.system.diagnosis.containers import container_blocker

__all__ = ["blockers"]

REFUSED_PATIENCE_S = 10.0
"""For pods that admission refuses. A new namespace refuses pods for a moment, until it has its service account."""

REVISION = "deployment.kubernetes.io/revision"


def blockers(
    *,
    pods: Iterable[Mapping[str, Any]],
    replicasets: Iterable[Mapping[str, Any]] = (),
    events: Iterable[Mapping[str, Any]] = (),
    last_lines: Mapping[str, str] | None = None,
) -> tuple[Blocker, ...]:
    """Say what is in the way of each replica that is not Ready.

    All objects are raw and must be the system's own. Only pods of the newest ReplicaSet count, where ReplicaSets are
    given: the older ones are on their way out. `last_lines` holds the last line that a pod's container logged, by name.
    """
    log, newest = EventLog(events), _newest(tuple(replicasets))
    found = [_refused(newest, log)] if newest else []
    found += [
        _of_pod(pod, log, (last_lines or {}).get(pod["metadata"]["name"], ""))
        for pod in sorted(pods, key=lambda pod: str(pod["metadata"]["name"]))
        if _counts(pod, newest)
    ]
    return tuple(one for one in found if one)


def _newest(replicasets: Sequence[Mapping[str, Any]]) -> Mapping[str, Any] | None:
    def revision(replicaset: Mapping[str, Any]) -> int:
        return int(replicaset["metadata"].get("annotations", {}).get(REVISION, 0))

    return max(replicasets, key=revision, default=None)


def _counts(pod: Mapping[str, Any], newest: Mapping[str, Any] | None) -> bool:
    metadata = pod["metadata"]
    if metadata.get("deletionTimestamp"):
        return False
    return newest is None or any(
        owner["uid"] == newest["metadata"]["uid"] for owner in metadata.get("ownerReferences", [])
    )


def _refused(replicaset: Mapping[str, Any], events: EventLog) -> Blocker | None:
    """Say why the ReplicaSet may not create its pods, if it has fewer than it wants."""
    status, metadata = replicaset.get("status", {}), replicaset["metadata"]
    if status.get("replicas", 0) >= replicaset.get("spec", {}).get("replicas", 1):
        return None
    condition = _condition(replicaset, "ReplicaFailure")
    told = str(condition.get("message", "")) if condition.get("status") == "True" else ""
    told = told or events.last(metadata.get("uid", ""), "FailedCreate")
    if not told:
        return None
    word = "a quota does not allow its pods" if "exceeded quota" in told else "its pods are refused"
    return Blocker("refused", metadata["name"], f"{word}: {told}", REFUSED_PATIENCE_S)


def _of_pod(pod: Mapping[str, Any], events: EventLog, last_line: str) -> Blocker | None:
    name, status = pod["metadata"]["name"], pod.get("status", {})
    if status.get("phase") == "Failed":
        why = status.get("message") or status.get("reason") or "no reason given"
        return Blocker("evicted", name, f"the pod has failed: {why}")
    if _condition(pod, "Ready").get("status") == "True":
        return None
    if not pod.get("spec", {}).get("nodeName"):
        return _unscheduled(name, _condition(pod, "PodScheduled"))
    statuses = [*status.get("initContainerStatuses", []), *status.get("containerStatuses", [])]
    for one in statuses:
        if blocker := container_blocker(pod, one, events, last_line):
            return blocker
    if statuses:
        return Blocker("not-ready", name, _condition(pod, "Ready").get("message") or "its pod is not Ready yet")
    return Blocker("not-started", name, f"the kubelet of node {pod['spec']['nodeName']} has not begun with it")


def _unscheduled(name: str, scheduled: Mapping[str, Any]) -> Blocker:
    if scheduled.get("reason") == "Unschedulable":
        return Blocker("unschedulable", name, f"no node takes it: {scheduled.get('message', 'no reason given')}")
    return Blocker("unscheduled", name, "the scheduler has not looked at it yet")


def _condition(thing: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    conditions = thing.get("status", {}).get("conditions") or []
    return next((one for one in conditions if one.get("type") == kind), {})
