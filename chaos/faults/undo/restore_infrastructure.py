"""Undo what was done below the API.

Switch a node on and wait until it is back, let a pod be reached or asked again, let a metrics API be served again.
"""

from chaos.cluster import Cluster
from chaos.errors import ClusterRefused, TimedOut
from chaos.faults.context import UndoContext
from chaos.faults.undo.restore_object import Outcome
from chaos.objects.base import View
from chaos.objects.kinds import NodeView
from chaos.safety import UndoEntry
from chaos.semantics import LOSS_TAINTS
from chaos.wait import until

__all__ = ["continue_metrics", "node_on", "pass_probes", "reconnect_pod"]

RETURN_S = 120.0
"""For a kubelet to connect again, report, and be believed: it notices a broken connection to the API server after 45 s
(HTTP/2 health check), and kubelet and controller report and look every few seconds after that."""

SERVED_S = 120.0
"""The API server asks a server that failed it again at the latest every 30 s, each time for 5 s (kube-aggregator's
available controller); metrics-server serves figures only after its next round of the kubelets."""

LEASES = "kube-node-lease"
LOOK_S = 0.5


def node_on(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Switch a node on, which changes nothing if it is on, and wait until it reports and is Ready.

    The command is this user's own, never one from the cluster: whoever may write there could have this host run it.
    A node whose Node object was deleted meanwhile may be off all the same. Only the process that switched it off knows
    that it was a node: it switches it on by its name, a later one leaves it to people.
    """
    name, nodes = entry.target.name, context.infrastructure.nodes
    if nodes is None:
        return "left", f"node {name} may be off, and nothing here can switch it on: name [node_infrastructure]"
    found = context.cluster.get("Node", None, name)
    if found is not None and NodeView(found).uid != entry.target.uid:
        return "nothing", f"node {name} is not there any more"
    gone = "" if found else "; its Node object is gone: once its machine is seen to, gameday undo --forget"
    if gone and entry.key:
        return "left", f"node {name} may be off{gone}"
    before = _last_renewed(context.cluster, name)
    if reason := context.act("node-on", entry.target, lambda: nodes.on(name)):
        return "left", f"node {name}: {reason}{gone}"
    if not gone and (late := _not_back(context.cluster, name, before)):
        return "left", late
    seen = "but its Node object is gone, so nobody sees whether it is Ready" if gone else "and is Ready"
    return "undone", f"node {name} is on, {seen}"


def reconnect_pod(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Let a pod be reached again that was cut off by its node's packet filter; one that is not cut off stays so."""
    node, address = str(entry.detail["node"]), str(entry.detail["address"])
    pod, network = entry.target, context.infrastructure.pod_network
    if network is None:
        return "left", f"pod {pod.name} may be cut off on node {node}, and nothing here can reconnect it"
    # To look one up by its name would take a right that cutting a pod off does not.
    if all(View(raw).name != node for raw in context.cluster.list("Node")):
        return "nothing", f"node {node}, which cut off pod {pod.name}, is not there any more"
    reason = context.act("reconnect", pod, lambda: network.restore(node, address))
    return ("left", f"pod {pod.name}: {reason}") if reason else ("undone", f"pod {pod.name} is connected again")


def pass_probes(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Let a node's kubelet ask a pod again; where nothing was dropped nothing changes."""
    node, address, port = str(entry.detail["node"]), str(entry.detail["address"]), int(entry.detail["port"])
    pod, probes = entry.target, context.infrastructure.probes
    if probes is None:
        return "left", f"node {node} may drop what its kubelet asks {pod.name}, and nothing here can end that"
    reason = context.act("pass-probes", pod, lambda: probes.let_pass(node, address, port))
    return (
        ("left", f"pod {pod.name}: {reason}") if reason else ("undone", f"pod {pod.name} is asked by its kubelet again")
    )


def continue_metrics(context: UndoContext, entry: UndoEntry) -> Outcome:
    """Let a program of a metrics path go on, which changes nothing if it runs, and wait until its API is served."""
    program, service, path = str(entry.detail["program"]), entry.target.name, context.infrastructure.metrics
    found = context.cluster.get("APIService", None, service)
    if found is not None and View(found).uid != entry.target.uid:
        return "nothing", f"APIService {service}, behind which {program} was stopped, is another one by now"
    if path is None:
        return "left", f"{program} may stand still, and nothing here can let it go on"
    if reason := context.act("continue-metrics", entry.target, lambda: path.go_on(program), program=program):
        return "left", f"{program}: {reason}"
    if path.stands_still(program):
        return "left", f"{program} still stands still"
    try:
        until(
            lambda: _is_served(context.cluster, service),
            deadline_s=SERVED_S,
            poll_s=LOOK_S,
            awaited=f"APIService {service} to be Available",
        )
    except TimedOut as late:
        return "left", f"{program} goes on, but {late.what}"
    return "undone", f"{program} goes on, and {service} is served"


def _is_served(cluster: Cluster, service: str) -> bool:
    """Whether the API server reaches what serves an API; one that is not registered any more is nobody's to serve."""
    found = cluster.get("APIService", None, service)
    return found is None or View(found).condition("Available").get("status") == "True"


def _not_back(cluster: Cluster, name: str, before: str) -> str:
    """Wait until a node that was switched on is back. Return what did not come, empty if it is.

    Where its lease could not be read `before`, it is read now: of a node that is back it changes once more.
    """
    before = before or _last_renewed(cluster, name)
    try:
        # A node whose loss was not noticed yet still counts as Ready: only its own lease shows that it goes on.
        if before:
            until(
                lambda: _last_renewed(cluster, name) != before,
                deadline_s=RETURN_S,
                poll_s=LOOK_S,
                awaited=f"a renewed lease of node {name} after it was switched on",
            )
        until(
            lambda: _is_back(cluster, name),
            deadline_s=RETURN_S,
            poll_s=LOOK_S,
            awaited=f"node {name} Ready, without taints of a loss",
        )
    except TimedOut as late:
        return late.what
    return ""


def _is_back(cluster: Cluster, name: str) -> bool:
    """Whether it is Ready, and nothing that marked it as lost is left."""
    node = NodeView(cluster.get("Node", None, name) or {})
    return node.ready and not any(taint.get("key") in LOSS_TAINTS for taint in node.taints)


def _last_renewed(cluster: Cluster, node: str) -> str:
    """When a node's kubelet last renewed its lease, as it wrote it; empty if that may not be read."""
    try:
        lease = cluster.get("Lease", LEASES, node) or {}
    except ClusterRefused:
        return ""
    return str((lease.get("spec") or {}).get("renewTime", ""))
