"""How long the system may take to have a lost replica back: bounds derived from its spec, part by part.

Each part names its source, so that a report can show how a bound came about. `unpromised` names what may take longer
without breaking any promise: beyond such a bound a check cannot say FAIL.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from chaos.objects.base import Raw
from chaos.semantics.node_loss import ALONE, GONE_PODS_S, LostNode, node_loss_detection, tainted_within_s, toleration_s
from chaos.semantics.probes import (
    GRACE_DEFAULT_S,
    Stage,
    Unpromised,
    ready_bound_s,
    unpromised_start,
)
from chaos.semantics.timings import Timings

__all__ = [
    "Bound",
    "Part",
    "allowance",
    "endpoint_bound",
    "node_loss_bound",
    "power_loss_bound",
    "recovery_bound",
    "removal_bound",
    "termination_part",
]

API_CALL = 1.0
POD_STARTUP = 5.0
STATUS_SYNC = 10.0

AT_ONCE = frozenset({"Deployment", "ReplicaSet", "ReplicationController"})
"""Controllers that replace a pod as soon as its deletion is accepted (`FilterActivePods` of Kubernetes)."""

CONTROLLER = ("controller", API_CALL, "Kubernetes' objective for one mutating call, p99 1 s")


@dataclass(frozen=True, slots=True)
class Part:
    """One step on the way to recovery: at most `seconds`, because of `source`."""

    name: str
    seconds: float
    source: str


@dataclass(frozen=True, slots=True)
class Bound:
    """The parts of a bound, and what is bounded by nothing."""

    parts: tuple[Part, ...]
    unpromised: tuple[Unpromised, ...] = ()

    @property
    def total_s(self) -> float:
        """The whole bound, in seconds."""
        return sum(part.seconds for part in self.parts)

    @property
    def words(self) -> str:
        """How the bound came about, e.g. `1 s controller + 5 s scheduling and start + …`."""
        return " + ".join(f"{part.seconds:g} s {part.name}" for part in self.parts if part.seconds)

    def excuses(self, stage: Stage) -> tuple[str, ...]:
        """Why a replica may be held up before that stage for longer than the bound, without a broken promise."""
        return tuple(one.reason for one in self.unpromised if one.stage == stage)

    def after(self, *parts: Part) -> Bound:
        """The same way with other steps before it."""
        return Bound((*parts, *self.parts), self.unpromised)


def recovery_bound(pod_spec: Raw, timings: Timings, *, workload_kind: str = "Deployment") -> Bound:
    """From the loss of a pod that is being deleted to its replacement's Ready, as received over the watch.

    `workload_kind` is that of the pod's own controller, or the workload's where that comes to the same. A ReplicaSet
    replaces a pod as soon as its deletion is accepted; a StatefulSet only when it is gone, hence after its grace. Of a
    controller that is not Kubernetes' own nobody promises which: it is granted the longer way, and the same objective
    for its one write. An image that has to be pulled is outside of Kubernetes' objective for pod startup.
    """
    sidecars = [one for one in pod_spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    run = (*sidecars, *(pod_spec.get("containers") or ()))
    pulls = [str(one.get("name", "")) for one in run if one.get("imagePullPolicy") != "Never"]
    unpromised = (
        *unpromised_start(pod_spec),
        *(Unpromised("started", f"the image of container {name!r} may have to be pulled") for name in pulls),
    )
    parts = (
        Part(*CONTROLLER),
        Part("scheduling and start", POD_STARTUP, "Kubernetes' objective for pod startup, p99 5 s without pulls"),
        Part("startup and readiness probes", ready_bound_s(pod_spec), "the pod's own probes"),
        Part("status report", STATUS_SYNC, "kubelet's periodic status sync, at worst"),
        allowance(timings),
    )
    bound = Bound(parts, unpromised)
    if workload_kind in AT_ONCE:
        return bound
    why = "a StatefulSet replaces a pod when it is gone"
    if workload_kind != "StatefulSet":
        why = f"nobody promises when a {workload_kind} replaces a pod, so it may wait until the old one is gone"
    return bound.after(termination_part(pod_spec, why))


def termination_part(pod_spec: Raw, why: str, *, name: str = "termination") -> Part:
    """The end of a pod, for which something else has to wait, and why."""
    grace_s = pod_spec.get("terminationGracePeriodSeconds")
    return Part(name, GRACE_DEFAULT_S if grace_s is None else grace_s, f"terminationGracePeriodSeconds: {why}")


def node_loss_bound(
    pod_spec: Raw, timings: Timings, *, workload_kind: str = "Deployment", lost: LostNode = ALONE
) -> Bound:
    """From a pod's node being declared lost (its pods turn not Ready in the same moment) to its replacement's Ready.

    The pod stays bound for its toleration of the node's taints; or, where the node is removed before that is over,
    until it is found to be gone. A StatefulSet does not replace a pod on a lost node at all until somebody says that
    the node is gone; whether a controller of others does, nobody promises.
    """
    rate = timings.node_eviction_rate if lost.rate is None else lost.rate
    tolerated_s, tainted_s = toleration_s(pod_spec, timings, *lost.taints), tainted_within_s(lost.nodes, rate)
    bound = recovery_bound(pod_spec, timings)
    forever = tolerated_s is None or tainted_s is None
    if lost.removed_s is not None and (forever or lost.removed_s < (tolerated_s or 0.0) + (tainted_s or 0.0)):
        return bound.after(
            Part("removal of the node", lost.removed_s, "the node's object, by whomever: no taint is left"),
            Part("pod garbage collector", GONE_PODS_S, "its quarantine of 40 s, and a period of 20 s at either end"),
        )
    bound = bound.after(
        Part("node eviction rate", tainted_s or 0.0, f"the controller taints {rate:g} nodes/s"),
        Part("toleration of a lost node", tolerated_s or 0.0, "the pod's toleration of the node's taint"),
    )
    unpromised = bound.unpromised
    if not rate:
        unpromised += (Unpromised("ready", "nothing is evicted: too many nodes were lost at once"),)
    if tolerated_s is None:
        unpromised += (Unpromised("ready", "the pod tolerates a lost node for ever"),)
    if workload_kind == "StatefulSet":
        unpromised += (Unpromised("ready", "a StatefulSet waits until the lost node is back or removed"),)
    elif workload_kind not in AT_ONCE:
        text = f"nobody promises that a {workload_kind} replaces a pod before its lost node is back or removed"
        unpromised += (Unpromised("ready", text),)
    return Bound(bound.parts, unpromised)


def power_loss_bound(
    pod_spec: Raw, timings: Timings, *, workload_kind: str = "Deployment", lost: LostNode = ALONE
) -> Bound:
    """As `node_loss_bound`, but from the moment in which the node stood still, before anybody knew of it."""
    source = "node-monitor-grace-period, and a period to see the last renewal and another to see the end of the grace"
    noticed = Part("node monitor", node_loss_detection(timings).worst_s, source)
    return node_loss_bound(pod_spec, timings, workload_kind=workload_kind, lost=lost).after(noticed)


def endpoint_bound(timings: Timings) -> Bound:
    """From a pod's turn, Ready or not, to its Service's endpoints: one write of the controller.

    Kubernetes states no objective for how soon the rules of each node follow, and none is in here.
    """
    return Bound((Part(*CONTROLLER), allowance(timings)))


def removal_bound(pod_spec: Raw, timings: Timings, *, workload_kind: str, pods: int) -> Bound:
    """From a fall of desired replicas to the deletion of the last of so many pods: each controller's own write.

    A Deployment first asks its ReplicaSet. A StatefulSet takes the members one by one, each when the one before is
    gone, and unless its policy is Parallel only while all others are Ready (pkg/controller/statefulset).
    """
    parts = (Part(*CONTROLLER), Part("controller of the pods", API_CALL, CONTROLLER[2]), allowance(timings))
    if workload_kind == "StatefulSet":
        end = termination_part(pod_spec, "a StatefulSet takes one member after another")
        waits = Unpromised("created", "a StatefulSet may wait until all of its members are Ready")
        return Bound((replace(end, seconds=end.seconds * max(0, pods - 1)), *parts), (waits,))
    if workload_kind in AT_ONCE:
        return Bound(parts)
    return Bound(parts, (Unpromised("created", f"nobody promises how soon a {workload_kind} takes its pods"),))


def allowance(timings: Timings) -> Part:
    """What we grant beyond Kubernetes' own promises."""
    return Part("allowance", timings.allowance_s, "ours: watch delivery and a busy machine")
