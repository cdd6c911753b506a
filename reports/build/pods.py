"""Pods as lanes."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

import polars as pl

from chaos.checks.recovery.losses import losses
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.sli import GOOD
from reports.build.step_series import slot_of, worst_spans
from reports.model.parts import Lanes, Missing, PodLane, StateSpan

__all__ = ["lanes"]

LABEL_MOST = 14
"""Most characters of a lane's label."""
LANES_DRAWN = 40
"""Most lanes of a chart; those that a fault struck, and those that were born or lost in the trial, come first."""


def lanes(history: History, lives: Sequence[PodLife], missing: tuple[Missing, ...]) -> Lanes[PodLane]:
    """The lanes that are drawn: by node, then in order of birth; those that never had a node come last."""
    blows = struck(history)
    ranked = sorted(lives, key=lambda life: (life.uid not in blows, not _eventful(life, history), -life.created_ns))
    kept = sorted(ranked[:LANES_DRAWN], key=lambda life: _place(history, life))
    labels = _labels([life.name for life in kept])
    answered = _answered(history)
    shown = tuple(_lane(history, life, labels, blows) for life in kept)
    if answered:
        shown = tuple(replace(lane, answered=answered.get(lane.name, 0)) for lane in shown)
    slot_ns = slot_of(sum(len(lane.spans) for lane in shown), history.began_ns, history.ended_ns)
    if slot_ns:
        shown = tuple(replace(lane, spans=worst_spans(lane.spans, history.began_ns, slot_ns)) for lane in shown)
    return Lanes(len(lives), shown, missing, slot_ns)


def struck(history: History) -> Mapping[str, tuple[int, str]]:
    """By pod UID: when a fault took the pod, and the fault's id."""
    taken = [loss for loss in losses(history) if loss.fault is not None and loss.lost_ns is not None]
    return {loss.life.uid: (loss.since_ns, loss.fault.id) for loss in reversed(taken) if loss.fault is not None}


def _answered(history: History) -> Mapping[str, int]:
    """How many requests each pod answered in full, by the name that its answers carry; empty if none carries one."""
    good = history.requests.filter(pl.col("outcome").is_in(GOOD) & pl.col("replica").is_not_null())
    return dict(good.group_by("replica").len().rows())


def _place(history: History, life: PodLife) -> tuple[bool, str, int, str]:
    return not life.node, life.node, max(life.created_ns, history.began_ns), life.name


def _eventful(life: PodLife, history: History) -> bool:
    return life.created_ns > history.began_ns or life.gone_ns is not None or len(life.ready_spans) != 1


def _labels(names: Sequence[str]) -> Mapping[str, str]:
    """Names without the part that all of them share, up to a dash."""
    parts = [name.split("-") for name in names]
    shared = 0
    while len(names) > 1 and all(len(part) > shared + 1 and part[shared] == parts[0][shared] for part in parts):
        shared += 1
    return {name: _short(part[shared:]) for name, part in zip(names, parts, strict=True)}


def _short(parts: Sequence[str]) -> str:
    """The parts joined; a long beginning is cut, since the end tells pods of one owner apart."""
    whole = "-".join(parts)
    return whole if len(whole) <= LABEL_MOST or len(parts) < 2 else f"{parts[0][:4]}…{parts[-1]}"


def _lane(history: History, life: PodLife, labels: Mapping[str, str], blows: Mapping[str, tuple[int, str]]) -> PodLane:
    struck_ns, struck_by = blows.get(life.uid, (None, ""))
    spans = tuple(_clipped(_spans(life, history.ended_ns), history))
    return PodLane(
        uid=life.uid,
        name=life.name,
        label=labels[life.name],
        node=life.node,
        spans=spans,
        struck_ns=struck_ns,
        struck_by=struck_by,
        gone_ns=life.gone_ns,
    )


def _spans(life: PodLife, ended_ns: int) -> Iterator[StateSpan]:
    """One state after another: pending until scheduled, starting until Ready, then by Ready, then terminating."""
    over_ns = life.gone_ns if life.gone_ns is not None else ended_ns
    leaving_ns = min(over_ns, life.terminating_ns) if life.terminating_ns is not None else over_ns
    scheduled_ns = min(life.scheduled_ns, leaving_ns) if life.scheduled_ns is not None else leaving_ns
    yield StateSpan("pending", life.created_ns, scheduled_ns)
    at_ns, state = max(scheduled_ns, life.created_ns), "starting"
    for begin_ns, end_ns in life.ready_spans:
        yield StateSpan(state, at_ns, min(begin_ns, leaving_ns))
        at_ns, state = min(end_ns if end_ns is not None else leaving_ns, leaving_ns), "not ready"
        yield StateSpan("ready", begin_ns, at_ns)
    yield StateSpan(state, at_ns, leaving_ns)
    yield StateSpan("terminating", leaving_ns, over_ns)


def _clipped(spans: Iterable[StateSpan], history: History) -> Iterator[StateSpan]:
    for span in spans:
        begin_ns, end_ns = max(span.begin_ns, history.began_ns), min(span.end_ns, history.ended_ns)
        if end_ns > begin_ns:
            yield StateSpan(span.state, begin_ns, end_ns)
