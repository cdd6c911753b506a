"""Times in which Kubernetes' own controllers did nothing, e.g. as kube-controller-manager was started anew.

They share one process and its lease as the leader, so that of a pod that goes neither the endpoint is taken nor the
successor made. How soon there is another leader nobody promises.
"""

from chaos.checks.base import timings_of
from chaos.checks.recovery.replacements import replacements
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.cache import once
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import endpoint_spans
from chaos.history.facts.routing import unruled
from chaos.semantics import endpoint_bound
from chaos.semantics.recovery_bounds import AT_ONCE

__all__ = ["RUNNING", "stood_still"]

WRITTEN = frozenset({"EndpointSlice", "PodDisruptionBudget", "ReplicaSet", "StatefulSet", "HorizontalPodAutoscaler"})
"""Kinds of which hardly anybody but those controllers writes what the watch tells of."""

CAUGHT_UP_NS = 5 * NS
"""Within so much of each other its controllers do what was left to do, once there is a leader."""

RUNNING = "a trial in which the control plane is not started anew"


def stood_still(history: History, begin_ns: int, end_ns: int) -> tuple[float, str]:
    """For how many seconds of a span Kubernetes' controllers did nothing, in words, too; empty if they worked."""
    spans = [(max(since, begin_ns), min(until, end_ns)) for since, until in _standstills(history)]
    longest_s = max((seconds(until - since) for since, until in spans), default=0.0)
    if longest_s <= 0:
        return 0.0, ""
    why = "neither took an endpoint nor made a pod, as when kube-controller-manager is started anew"
    return longest_s, f"for {longest_s:.1f} s Kubernetes' controllers {why}"


@once
def _standstills(history: History) -> tuple[tuple[int, int], ...]:
    """The spans in which both the endpoint of a pod that went and its successor were late, and came together."""
    if unruled(history):
        return ()
    found = (_of_loss(history, life, replacements(history).of.get(life.uid)) for life in pod_lives(history))
    return tuple(span for span in found if span is not None and not _worked(history, *span))


def _of_loss(history: History, life: PodLife, made: PodLife | None) -> tuple[int, int] | None:
    at_once = history.facts.workload.pods_by in AT_ONCE
    due_ns = life.left_ns if at_once else life.gone_ns
    if due_ns is None or life.left_ns is None or made is None:
        return None
    spans = endpoint_spans(history).get(life.uid, ())
    removed_ns = next((end for begin, end in spans if begin <= life.left_ns and end is not None and end > due_ns), None)
    if removed_ns is None or not covered(history, "EndpointSlice", due_ns, removed_ns):
        return None
    until_ns, late_ns = min(removed_ns, made.created_ns), round(endpoint_bound(timings_of(history)).total_s * NS)
    together = abs(removed_ns - made.created_ns) <= CAUGHT_UP_NS
    return (due_ns, until_ns) if together and until_ns - due_ns > late_ns else None


def _worked(history: History, begin_ns: int, end_ns: int) -> bool:
    """Whether something came of those controllers in a span, but for what was on its way as it began."""
    inside = (event for event in history.watch if begin_ns + NS < event.at_ns < end_ns)
    return any(event.kind in WRITTEN or (event.kind == "Pod" and event.type == "ADDED") for event in inside)
