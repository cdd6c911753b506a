"""Hand-written histories of nodes that are switched off: what the watch log and the journal say, second by second."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from histories import NAMESPACE, PROBED, T0, Story, at, node, pod
from probe_stories import endpoints

from chaos.history import Action, Fault
from chaos.objects.base import Ref

COVERED = ("Pod", "Deployment", "ReplicaSet", "Node", "EndpointSlice", "Event")
LAB = {
    "name": "lab",
    "node_monitor_period_s": 2,
    "node_monitor_grace_s": 16,
    "node_lease_s": 16,
    "unreachable_toleration_s": 10,
}
BOUND_S = 20 + 10 + 10 + 29
"""Node monitor, eviction rate, toleration, and the replacement of `PROBED`."""

OFF_S = 30.0


def powered(story: Story, *names: str, on_s: float | None = 100, off_s: float = OFF_S) -> Story:
    """Switch these nodes off at 30 s, in one fault, and on at `on_s`."""
    refs = tuple(Ref("Node", "", name, f"node-{name}") for name in names)
    fault = Fault(
        "node-down-1", "node-down", "words", refs, at(off_s), at(off_s + 0.3), at(on_s or 119), proof="stands still"
    )
    actions = [Action(f"off-{ref.name}", "node-off", ref, at(off_s), at(off_s + 0.2), "ok", fault.id) for ref in refs]
    if on_s is not None:
        actions += [Action(f"on-{ref.name}", "node-on", ref, at(on_s), at(on_s + 0.2), "ok", fault.id) for ref in refs]
    return story.has(faults=(fault,), actions=tuple(actions))


def standing(
    *, spec: Mapping[str, Any] = PROBED, end_s: float = 120, timings: Mapping[str, Any] | None = None
) -> Story:
    """Replica `a` on n1, `b` on n2, all Ready and in the endpoints, as the lab is timed."""
    story = Story(end_s).replicas(spec=spec)
    story.events.clear()
    story.replicas(spec=spec)
    story.saw(0, "LISTED", pod("a", ready=True, node="n1", spec=spec))
    story.saw(0, "LISTED", pod("b", ready=True, node="n2", spec=spec))
    story.saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
    known = story.history().facts
    return story.has(
        covered_ns=dict.fromkeys(COVERED, (T0, at(end_s))),
        facts=replace(known, raw={**known.raw, "timings": timings or LAB}),
    ).traffic()


def noticed(
    story: Story, at_s: float = 47, *, uid: str = "a", name: str = "n1", spec: Mapping[str, Any] = PROBED
) -> Story:
    """The node is NotReady, its pod with it, and the pod's endpoint is gone."""
    story.saw(at_s, "MODIFIED", node(name, ready=False), "Node")
    story.saw(at_s + 0.1, "MODIFIED", pod(uid, running=True, node=name, spec=spec))
    other = "b" if uid == "a" else "a"
    return story.saw(at_s + 0.2, "MODIFIED", endpoints(other, unready=[uid]), "EndpointSlice")


def marked(
    story: Story, at_s: float = 58, *, uid: str = "a", name: str = "n1", spec: Mapping[str, Any] = PROBED
) -> Story:
    """The taint's toleration is over: the pod is marked, and stays, as its kubelet is silent."""
    return story.saw(at_s, "MODIFIED", pod(uid, running=True, node=name, deleting=True, spec=spec))


def moved(
    story: Story,
    at_s: float = 58.1,
    *,
    ready_s: float | None = 62,
    scheduled: bool = True,
    name: str = "n2",
    spec: Mapping[str, Any] = PROBED,
) -> Story:
    """The replacement `c`: created, scheduled 0.1 s later, started 1 s later, Ready at `ready_s`."""
    story.saw(at_s, "ADDED", pod("c", node="", spec=spec))
    if scheduled:
        story.saw(at_s + 0.1, "MODIFIED", pod("c", node=name, spec=spec))
        story.saw(at_s + 1, "MODIFIED", pod("c", running=True, node=name, spec=spec))
    if ready_s is not None:
        story.saw(ready_s, "MODIFIED", pod("c", ready=True, node=name, spec=spec))
    return story


def node_loss_story() -> Story:
    """n1 is lost at 30 s, NotReady 17 s later; its replica is marked at 58 s and replaced on n2 by 62 s."""
    return moved(marked(noticed(powered(standing(), "n1"))))


def unscheduled(uid: str, message: str, *, claim: str = "") -> dict[str, Any]:
    """A pod that no node takes, with the scheduler's words, and a claim among its volumes."""
    spec = (
        {**PROBED, "volumes": [{"name": "weights", "persistentVolumeClaim": {"claimName": claim}}]} if claim else PROBED
    )
    raw = pod(uid, node="", spec=spec)
    raw["status"]["conditions"].append(
        {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}
    )
    return raw


def claim(name: str, volume: str) -> dict[str, Any]:
    """A bound claim."""
    return {"metadata": {"uid": name, "name": name, "namespace": NAMESPACE}, "spec": {"volumeName": volume}}


def volume(name: str, *hosts: str) -> dict[str, Any]:
    """A volume that only these nodes can reach; any node where none is named."""
    term = {"matchExpressions": [{"key": "kubernetes.io/hostname", "operator": "In", "values": list(hosts)}]}
    affinity = {"nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}} if hosts else {}
    return {"metadata": {"uid": name, "name": name}, "spec": affinity}


def outage(*, on_s: float = 80, first_s: float = 45) -> Story:
    """Both nodes are lost, and NotReady at `first_s` and at 47 s."""
    return noticed(noticed(powered(standing(), "n1", "n2", on_s=on_s), first_s), 47, uid="b", name="n2")
