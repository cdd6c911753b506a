"""Dips of ready below desired, each with the bound within which the system must have come back."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.clock import NS
from chaos.history import Fault, History
from chaos.history.observations import (
    PodLife,
    Steps,
    covered,
    desired_replicas,
    lost_nodes,
    ready_replicas,
    workload_before,
)
from chaos.semantics import (
    Bound,
    Timings,
    Unpromised,
    node_loss_bound,
    recovery_bound,
    restart_bound,
)

__all__ = ["Dip", "dips_of", "victims_of"]

RESTARTS_REMEMBERED_NS = 600 * NS
"""The kubelet forgets its back-off after ten minutes of running."""


@dataclass(frozen=True, slots=True)
class Dip:
    """One span of ready below desired; `end_ns` is None if it lasted as long as was watched.

    `anchor_ns` is from when the bound counts: the first observation below desired, or the last moment in the dip at
    which more was asked of the system: a further victim lost, or more replicas desired. `cause` names what the bound
    is for, in words.
    """

    begin_ns: int
    end_ns: int | None
    anchor_ns: int
    bound: Bound
    cause: str
    lowest: int
    desired: int

    @property
    def deadline_ns(self) -> int:
        """When the system must be back at the latest."""
        return self.anchor_ns + round(self.bound.total_s * NS)


def victims_of(history: History, fault: Fault, lives: tuple[PodLife, ...]) -> tuple[PodLife, ...]:
    """The replicas that a fault was aimed at: by UID, or because they were on a victim node."""
    acted = [action.target for action in history.actions if action.fault == fault.id and action.outcome != "fail"]
    refs = (*fault.victims, *acted)
    uids = {ref.uid for ref in refs if ref.kind == "Pod" and ref.uid}
    nodes = {ref.name for ref in refs if ref.kind == "Node"}
    return tuple(life for life in lives if life.uid in uids or life.node in nodes)


def dips_of(history: History, lives: tuple[PodLife, ...], since_ns: int) -> tuple[Dip, ...]:
    """Every dip that lasted into the time from `since_ns` on, in order."""
    ready, desired = ready_replicas(history), desired_replicas(history)
    spans = ready.minus(desired).spans_below(0)
    asked = tuple(_asked(history, lives))
    return tuple(
        _dip(history, lives, asked, (begin, end), (ready, desired))
        for begin, end in spans
        if end is None or end > since_ns
    )


def _dip(
    history: History,
    lives: tuple[PodLife, ...],
    asked: tuple[int, ...],
    span: tuple[int, int | None],
    steps: tuple[Steps, Steps],
) -> Dip:
    ready, desired = steps
    begin_ns, end_ns = span
    until_ns = ready.end_ns if end_ns is None else end_ns
    anchors = (begin_ns, *desired.rises(), *asked)
    anchor_ns = max(at_ns for at_ns in anchors if begin_ns <= at_ns < max(until_ns, begin_ns + 1))
    causes = [
        _bound(history, life, at_ns) for life in lives for at_ns in _leavings(life) if begin_ns <= at_ns <= anchor_ns
    ]
    bound, cause = max(causes or [_growth(history, anchor_ns)], key=lambda pair: pair[0].total_s)
    unpromised = dict.fromkeys(one for other, _ in causes for one in other.unpromised) or dict.fromkeys(
        bound.unpromised
    )
    return Dip(
        begin_ns=begin_ns,
        end_ns=end_ns,
        anchor_ns=anchor_ns,
        bound=Bound(bound.parts, tuple(unpromised)),
        cause=cause,
        lowest=ready.min(begin_ns, until_ns - 1) or 0,
        desired=desired.max(begin_ns, until_ns - 1) or 0,
    )


def _asked(history: History, lives: tuple[PodLife, ...]) -> Iterator[int]:
    """The moments at which a fault took its victims: for each, when it first ceased to be Ready in that fault."""
    for fault in history.faults:
        for life in victims_of(history, fault, lives):
            yield from [at_ns for at_ns in _leavings(life) if at_ns >= fault.begin_ns][:1]


def _leavings(life: PodLife) -> tuple[int, ...]:
    """The moments at which a pod ceased to be Ready."""
    return tuple(end for _, end in life.ready_spans if end is not None)


def _growth(history: History, at_ns: int) -> tuple[Bound, str]:
    """The bound where no pod was lost: more replicas were desired, and are new."""
    workload = workload_before(history, at_ns)
    spec = {} if workload is None else workload.pod_spec
    timings, kind = Timings.of(history.facts.raw.get("timings") or {}), history.facts.workload_kind
    return recovery_bound(spec, timings, workload_kind=kind), "new replicas"


def _bound(history: History, life: PodLife, at_ns: int) -> tuple[Bound, str]:
    """The bound for one pod that ceased to be Ready at that moment, and what happened to it."""
    timings, kind = Timings.of(history.facts.raw.get("timings") or {}), history.facts.workload_kind
    workload = workload_before(history, at_ns)
    spec = life.spec if workload is None or not workload.pod_spec else workload.pod_spec
    if life.lost_ns == at_ns:
        return recovery_bound(spec, timings, workload_kind=kind), "replacement of a deleted pod"
    if life.node in lost_nodes(history, at_ns):
        # Tolerations come from the pod itself: the API server adds them to pods, not to their template.
        return node_loss_bound(life.spec, timings, workload_kind=kind), "replacement after the loss of a node"
    recent = [restart for restart in life.restarted_ns if at_ns - RESTARTS_REMEMBERED_NS <= restart <= at_ns]
    bound = restart_bound(spec, timings, restarts=len(recent))
    if not covered(history, "Node", at_ns, at_ns):
        unseen = Unpromised("ready", "nodes were not watched, so the pod's node may have been lost")
        bound = Bound(bound.parts, (*bound.unpromised, unseen))
    return bound, "restart in place"
