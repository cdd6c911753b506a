"""What the node lifecycle controller promises when nodes are lost: when it notices, whom it evicts, and when nobody.

Follows pkg/controller/nodelifecycle and pkg/controller/tainteviction (kubernetes.md A.8). A node whose kubelet has been
silent for the grace is NotReady; it is tainted, at a limited rate for each zone; the taint evicts its pods when their
toleration is over. A zone that is too ill is evicted more slowly or not at all, so is a cluster without a Ready node.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from chaos.objects.base import Raw
from chaos.semantics.timings import KUBERNETES, Timings

__all__ = [
    "ALONE",
    "GONE_PODS_S",
    "LOSS_TAINTS",
    "NOT_READY",
    "UNREACHABLE",
    "Detection",
    "LostNode",
    "eviction_rates",
    "node_loss_detection",
    "tainted_within_s",
    "toleration_s",
    "zone_state",
]

ZoneState = Literal["normal", "partial", "full"]

UNREACHABLE = "node.kubernetes.io/unreachable"
NOT_READY = "node.kubernetes.io/not-ready"

LOSS_TAINTS = frozenset({UNREACHABLE, NOT_READY})
"""The taints of a node that is lost; they go when it is back."""

UNHEALTHY_MORE_THAN = 2
"""A zone is in partial disruption only if more nodes than this are NotReady; no flag changes it."""

RENEWALS = 4
"""A kubelet renews its lease so many times within the lease's duration."""


GONE_PODS_S = 80.0
"""So late the pods of a node that was removed are deleted: it is missed within 20 s, 40 s later it counts as gone, and
again within 20 s they are looked for (pkg/controller/podgc: `quarantineTime`, and `gcCheckPeriod` twice)."""


@dataclass(frozen=True, slots=True)
class LostNode:
    """How a node was lost.

    Attributes:
        nodes: how many of its zone were lost with it.
        rate: how many a second of these are tainted; None: as usual.
        taints: those that it had; none: that of an unreachable node.
        removed_s: how much later its object was removed, so that its taints are no more; None: it was not.
    """

    nodes: int = 1
    rate: float | None = None
    taints: tuple[str, ...] = ()
    removed_s: float | None = None


ALONE = LostNode()
"""A node that stays, unreachable, and no other of its zone is lost."""


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds from the loss of a node to its being NotReady: the least and the most that the controller promises."""

    best_s: float
    worst_s: float


def node_loss_detection(timings: Timings) -> Detection:
    """How soon the controller says that a lost node is NotReady.

    Its grace counts from the pass in which it saw the last renewal of the lease. At best the node was lost just before
    the next renewal was due; at worst just after a renewal, which is seen one period later, and the end of the grace
    another period later.
    """
    grace_s, period_s = timings.node_monitor_grace_s, timings.node_monitor_period_s
    return Detection(max(0.0, grace_s - timings.node_lease_s / RENEWALS), grace_s + 2 * period_s)


def zone_state(ready: int, not_ready: int, timings: Timings = KUBERNETES) -> ZoneState:
    """How the controller judges a zone by its nodes."""
    if not_ready and not ready:
        return "full"
    ill = not_ready > UNHEALTHY_MORE_THAN and not_ready / (ready + not_ready) >= timings.unhealthy_zone_share
    return "partial" if ill else "normal"


def eviction_rates(zones: Mapping[str, tuple[int, int]], timings: Timings = KUBERNETES) -> Mapping[str, float]:
    """How many nodes a second are tainted in each zone, given its numbers of Ready and NotReady nodes.

    Where every zone is without a Ready node nothing is evicted: more likely the control plane is cut off than all nodes
    lost. A single zone without one is evicted at the normal rate.
    """
    states = {name: zone_state(*nodes, timings) for name, nodes in zones.items()}
    if states and all(state == "full" for state in states.values()):
        return dict.fromkeys(zones, 0.0)
    return {name: _rate(states[name], sum(nodes), timings) for name, nodes in zones.items()}


def _rate(state: ZoneState, size: int, timings: Timings) -> float:
    if state != "partial":
        return timings.node_eviction_rate
    return timings.secondary_node_eviction_rate if size > timings.large_cluster_nodes else 0.0


def tainted_within_s(nodes: int, rate: float) -> float | None:
    """How long it takes at most until so many nodes that are lost at once in one zone are tainted; None: for ever.

    The first waits as long as the others: a node that was tainted just before may have used up what the rate allows.
    """
    return nodes / rate if rate else None


def toleration_s(pod_spec: Raw, timings: Timings, *taints: str) -> float | None:
    """How long a pod stays bound to a node with that taint (NoExecute), by default that of an unreachable one.

    None: for ever. Of a node that had one taint after another the longer time counts.
    """
    times = [_tolerated_s(pod_spec, timings, taint) for taint in taints or (UNREACHABLE,)]
    return None if None in times else max(one or 0.0 for one in times)


def _tolerated_s(pod_spec: Raw, timings: Timings, taint: str) -> float | None:
    """The same of one taint.

    The shortest of the tolerations that match counts, and one without a time only if no other has one. A pod that says
    nothing gets the cluster's default from the API server.
    """
    matching = [one for one in pod_spec.get("tolerations") or () if _matches(one, taint)]
    if not matching:
        return timings.not_ready_toleration_s if taint == NOT_READY else timings.unreachable_toleration_s
    times = [float(one["tolerationSeconds"]) for one in matching if one.get("tolerationSeconds") is not None]
    return max(0.0, min(times)) if times else None


def _matches(toleration: Raw, taint: str) -> bool:
    if toleration.get("effect") not in ("NoExecute", None, ""):
        return False
    # The taints of the node lifecycle controller have no value.
    whatever = toleration.get("operator") == "Exists"
    if not toleration.get("key"):
        return whatever
    return toleration["key"] == taint and (whatever or not toleration.get("value"))
