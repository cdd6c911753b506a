"""Stories of replicas that are groups of pods: each has a leader, which a StatefulSet of its own gives a worker."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from histories import NAMESPACE, WORKLOAD, Story, at, facts, node, pod
from probe_stories import endpoints
from recovery_stories import answered

from chaos.objects.workload_kind import WorkloadKind

KIND = "LeaderWorkerSet.leaderworkerset.x-k8s.io"
LEADERS = {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": WORKLOAD, "uid": "leaders", "controller": True}
END_S = 260.0


def owned(uid: str, name: str, owner: Mapping[str, Any], **state: Any) -> dict[str, Any]:
    """A pod of that name, which this controls."""
    raw = pod(uid, **state)
    raw["metadata"] |= {"name": name, "ownerReferences": [dict(owner)]}
    return raw


def leader(uid: str, number: int, **state: Any) -> dict[str, Any]:
    """The leader of a group, which users ask."""
    return owned(uid, f"model-{number}", LEADERS, **state)


def stateful_set(uid: str, name: str, replicas: int, owner: Mapping[str, Any], ready: int) -> dict[str, Any]:
    """One of the leaders, or of the workers of one leader, which owns that; `ready` of its pods are Ready."""
    metadata = {"uid": uid, "name": name, "namespace": NAMESPACE, "ownerReferences": [{**owner, "controller": True}]}
    spec = {"replicas": replicas, "podManagementPolicy": "Parallel"}
    return {"metadata": metadata, "spec": spec, "status": {"readyReplicas": ready}}


def workers(of: str, number: int, *, ready: bool = False) -> dict[str, Any]:
    """The StatefulSet of the one worker of a leader; its pods have no label by which users' pods are selected."""
    owner = {"apiVersion": "v1", "kind": "Pod", "name": f"model-{number}", "uid": of}
    return stateful_set(f"workers-{of}", f"model-{number}", 1, owner, int(ready))


def groups() -> Story:
    """Two groups, all Ready, of leaders `a` and `b`."""
    kind = WorkloadKind(KIND, ("spec", "replicas"), ("StatefulSet",))
    metadata = {"uid": "lws-1", "name": WORKLOAD, "namespace": NAMESPACE}
    story = Story(END_S).saw(0, "LISTED", {"metadata": metadata, "spec": {"replicas": 2}}, KIND)
    owner = {
        "apiVersion": "leaderworkerset.x-k8s.io/v1",
        "kind": "LeaderWorkerSet",
        "name": WORKLOAD,
        "uid": "lws-1",
    }
    story.saw(0, "LISTED", stateful_set("leaders", WORKLOAD, 2, owner, 2), "StatefulSet")
    story.saw(0, "LISTED", node("n1"), "Node").saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    for number, uid in enumerate("ab"):
        story.saw(0, "LISTED", leader(uid, number, ready=True))
        story.saw(0, "LISTED", workers(uid, number, ready=True), "StatefulSet")
    raw = {"system": {"selector": {"app": WORKLOAD}, "workload": {**kind.plain(), "name": WORKLOAD}}}
    kinds = ("Pod", "StatefulSet", "Node", "EndpointSlice", "Event", KIND)
    return story.has(facts=facts(workload_kind=KIND, raw=raw), covered_ns=dict.fromkeys(kinds, (at(0), at(END_S))))


def made(
    story: Story, *, ready_s: float | None = 40, worker_s: float | None = 39, led: bool = True, of: str = "d"
) -> Story:
    """Group 0 anew: its leader is made at 35.3 s and its worker with it, each Ready at its moment, if ever."""
    story.saw(35.3, "ADDED", leader(of, 0, node="")).saw(35.4, "MODIFIED", leader(of, 0))
    story.saw(36.3, "MODIFIED", leader(of, 0, running=True))
    if led:
        story.saw(35.8, "ADDED", workers(of, 0), "StatefulSet")
    if led and worker_s is not None:
        story.saw(worker_s, "MODIFIED", workers(of, 0, ready=True), "StatefulSet")
    if ready_s is not None:
        story.saw(ready_s, "MODIFIED", leader(of, 0, ready=True))
        story.saw(ready_s + 0.1, "MODIFIED", endpoints("b", of), "EndpointSlice")
    return story


def struck(**again: Any) -> Story:
    """The leader of group 0 is killed at 30.2 s; all of its group goes with it, and is made anew."""
    story = groups().fault("a", healed_s=END_S - 5).acted("delete-pod", 30.1, fault="pod-kill-1")
    story.saw(30.4, "MODIFIED", leader("a", 0, ready=True, deleting=True))
    story.saw(30.5, "MODIFIED", endpoints("b"), "EndpointSlice").saw(35, "DELETED", leader("a", 0, deleting=True))
    story.saw(35.1, "DELETED", workers("a", 0), "StatefulSet")
    made(story, **again)
    answered(story.traffic(end_s=END_S - 5), "a", 30.2, "d", 41)
    names = {"model-a": "model-0", "model-b": "model-1", "model-d": "model-0"}
    for row in story.rows:
        row["replica"] = names[row["replica"]]
    (fault,) = story.parts["faults"]
    return story.has(faults=(replace(fault, victims=(replace(fault.victims[0], name="model-0"),)),))
