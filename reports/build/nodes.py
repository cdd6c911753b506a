"""Nodes as lanes: whether they were Ready, cordoned, or tainted otherwise."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.objects.kinds import NodeView
from reports.build.coverage import missing_of
from reports.build.downsampling import slot_of
from reports.build.step_series import States, states_of
from reports.model.cluster import NodeLane, Nodes, NodeSpan

__all__ = ["NODES_DRAWN", "nodes"]

NODES_DRAWN = 24
"""Most nodes of a chart; those on which something changed come first, then those that held replicas."""
CORDON = "node.kubernetes.io/unschedulable"
"""The taint that goes with a cordon, which is shown as such."""
WORSE = {"ready": 0, "unknown": 1, "not ready": 2}
"""Which word of Ready stands for a slot that saw more than one."""
READY = {"True": "ready", "False": "not ready"}


def nodes(history: History, lives: Sequence[PodLife]) -> Nodes:
    """The lanes that are drawn, by name."""
    held = Counter(life.node for life in lives if life.node)
    lanes = [_lane(history, states, held) for states in states_of(history, "Node", NodeView).values()]
    told = sorted(lanes, key=lambda lane: (not _eventful(lane), not lane.replicas, lane.name))[:NODES_DRAWN]
    slot_ns = slot_of(sum(len(lane.spans) for lane in told), history.began_ns, history.ended_ns)
    if slot_ns:
        told = [replace(lane, spans=_worst(lane.spans, history.began_ns, slot_ns)) for lane in told]
    shown = tuple(sorted(told, key=lambda lane: lane.name))
    return Nodes(len(lanes), shown, missing_of(history, "Node"), slot_ns)


def _worst(spans: Sequence[NodeSpan], zero_ns: int, slot_ns: int) -> tuple[NodeSpan, ...]:
    """The worst that each slot of time saw, as spans: the least Ready, cordoned if ever, every taint."""
    slots: dict[int, NodeSpan] = {}
    for span in spans:
        for slot in range((span.begin_ns - zero_ns) // slot_ns, (span.end_ns - 1 - zero_ns) // slot_ns + 1):
            left_ns, right_ns = zero_ns + slot * slot_ns, zero_ns + (slot + 1) * slot_ns
            here = replace(span, begin_ns=max(left_ns, spans[0].begin_ns), end_ns=min(right_ns, spans[-1].end_ns))
            seen = slots.get(slot)
            if seen is not None:
                ready = max(seen.ready, span.ready, key=WORSE.__getitem__)
                taints = tuple(dict.fromkeys((*seen.taints, *span.taints)))
                here = replace(here, ready=ready, cordoned=seen.cordoned or span.cordoned, taints=taints)
            slots[slot] = here
    return tuple(_merged(slots[slot] for slot in sorted(slots)))


def _eventful(lane: NodeLane) -> bool:
    first = lane.spans[0] if lane.spans else None
    return first is None or len(lane.spans) > 1 or first.ready != "ready" or first.cordoned


def _lane(history: History, states: States[NodeView], held: Counter[str]) -> NodeLane:
    name = next(view.name for _, view in states if view is not None)
    return NodeLane(name, tuple(_merged(_spans(history, states))), held[name])


def _spans(history: History, states: States[NodeView]) -> Iterator[NodeSpan]:
    for k, (at_ns, view) in enumerate(states):
        until_ns = states[k + 1][0] if k + 1 < len(states) else history.ended_ns
        if view is None or until_ns <= at_ns:
            continue
        ready = READY.get(view.ready_status, "unknown")
        yield NodeSpan(ready, view.unschedulable, tuple(_taints(view)), max(at_ns, history.began_ns), until_ns)


def _taints(view: NodeView) -> Iterator[str]:
    for taint in view.taints:
        if taint.get("key") != CORDON:
            value = f"={taint['value']}" if taint.get("value") else ""
            yield f"{taint.get('key', '')}{value}:{taint.get('effect', '')}"


def _merged(spans: Iterable[NodeSpan]) -> list[NodeSpan]:
    """Heartbeats change nothing that is drawn: neighbours that say the same are one span."""
    merged: list[NodeSpan] = []
    for span in spans:
        last = merged[-1] if merged else None
        same = last is not None and (last.ready, last.cordoned, last.taints) == (
            span.ready,
            span.cordoned,
            span.taints,
        )
        if last is not None and same and last.end_ns == span.begin_ns:
            merged[-1] = NodeSpan(span.ready, span.cordoned, span.taints, last.begin_ns, span.end_ns)
        else:
            merged.append(span)
    return merged
