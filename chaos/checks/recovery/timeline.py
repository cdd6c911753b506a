"""When each step of each recovery was seen: the one timeline that checks judge and reports draw."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from chaos.checks.recovery.client_impact import first_answer_ns, first_failed_ns, latency_back_ns
from chaos.checks.recovery.losses import AWAY, Loss, losses
from chaos.checks.recovery.missing_replicas import Missing
from chaos.clock import seconds
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife, pod_states, struck_container
from chaos.history.facts.replica_counts import Span, endpoint_spans, endpoint_spans_by_family
from chaos.history.facts.reported_reasons import pod_reports
from chaos.history.facts.routing import endpoint_added_ns, families_left
from chaos.semantics import RecoveryPath, StageName

__all__ = ["FILLS", "HANGS", "StepDetail", "Timeline", "steps_of", "timeline_of", "timelines"]

HANGS = "process-hang"
"""The fault that stops a process without ending it."""

FILLS = "memory-hog"
"""The fault that strikes when a memory is full: at some time while it is being filled."""


@dataclass(frozen=True, slots=True)
class Timeline:
    """One victim of one fault, step by step.

    Attributes:
        moments: when each step was seen, by the recorder's clock; what was not seen is absent.
        earliest_ns: when the fault may have struck at the earliest; `moments["fault"]` is the latest.
    """

    loss: Loss
    fault: Fault
    moments: Mapping[StageName, int]
    earliest_ns: int


@dataclass(frozen=True, slots=True)
class StepDetail:
    """One step up to Ready: when it was seen, and how long after the last one before it that was."""

    name: str
    at_ns: int | None
    seconds: float | None


@once
def timelines(history: History) -> tuple[Timeline, ...]:
    """The timeline of every loss that a fault made, in the order of the faults.

    Whom a fault held until others took it, or over a restart, has none: nobody promises when.
    """
    order = {fault.id: place for place, fault in enumerate(history.faults)}
    lost = (loss for loss in losses(history) if not _held(loss))
    found = [timeline_of(history, loss, loss.fault) for loss in lost if loss.fault is not None]
    return tuple(sorted(found, key=lambda one: order[one.fault.id]))


def _held(loss: Loss) -> bool:
    if loss.held_ns is None or loss.path == "returned":
        return False
    if loss.path == "replaced":
        return loss.held_ns == loss.life.left_ns
    return loss.ready_ns is None or loss.ready_ns > loss.held_ns


def timeline_of(history: History, loss: Loss, fault: Fault, struck_ns: int | None = None) -> Timeline:
    """The timeline of one loss; `struck_ns`: when the fault struck it, if not by an action on its pod."""
    later = (one.begin_ns for one in history.faults if one.begin_ns > fault.begin_ns)
    until_ns = min(later, default=history.ended_ns)
    earliest_ns, did_ns = _struck(history, fault, loss) if struck_ns is None else (struck_ns, struck_ns)
    seen = _moments(history, loss, fault, did_ns)
    if seen.get("probe failure event", 0) > min(until_ns, seen.get("Ready", until_ns)):
        del seen["probe failure event"]  # it came when the replica was Ready again, and tells of another time
    moments = seen | _of_users(history, loss.replacement, seen, until_ns)
    if fault.name == FILLS:
        moments["fault"] = _full_ns(history, loss, fault, seen)
    return Timeline(loss, fault, moments, earliest_ns)


def steps_of(one: Missing, struck_ns: int | None) -> tuple[StepDetail, ...]:
    """The steps from when the fault struck, or else from the loss, to Ready."""
    pod = one.replacement
    seen: list[tuple[str, int | None]] = [] if struck_ns is None else [("unready", one.since_ns)]
    if pod is None or not isinstance(one, Loss) or pod.uid != one.life.uid:
        seen += [
            ("replacement created", None if pod is None else pod.created_ns),
            ("scheduled", None if pod is None else pod.scheduled_ns),
            ("started", None if pod is None else pod.started_ns),
        ]
    steps, reached_ns = [], one.since_ns if struck_ns is None else struck_ns
    for name, at_ns in (*seen, ("Ready", one.ready_ns)):
        steps.append(StepDetail(name, at_ns, None if at_ns is None else round(seconds(max(0, at_ns - reached_ns)), 3)))
        reached_ns = max(reached_ns, at_ns or 0)
    return tuple(steps)


def _struck(history: History, fault: Fault, loss: Loss) -> tuple[int, int]:
    """When our first action on this very pod began, at the earliest and at the latest, by the clock of the watch.

    Of an action whose outcome is not known, and that was asked for again, either may have been the one.
    """
    acts = [
        action
        for action in history.actions
        if action.fault == fault.id and action.target.uid == loss.life.uid and action.outcome != "fail"
    ]
    first = min(acts, key=lambda action: action.begin_ns, default=None)
    if first is None:
        return fault.begin_ns, fault.begin_ns
    again = [
        action
        for action in sorted(acts, key=lambda action: action.begin_ns)
        if first.outcome == "info" and action.name == first.name
        if loss.lost_ns is None or action.begin_ns <= loss.lost_ns
    ]
    latest = next((action for action in again if action.outcome == "ok"), again[-1] if again else first)
    return first.begin_ns, latest.begin_ns


def _full_ns(history: History, loss: Loss, fault: Fault, seen: Mapping[StageName, int]) -> int:
    """When the memory was full at the latest: as the filling of it ended, or before a restart that it led to."""
    own = (one for one in history.actions if one.fault == fault.id and one.target.uid == loss.life.uid)
    ended_ns = max((one.end_ns or history.ended_ns for one in own), default=seen["fault"])
    return max(seen["fault"], min(ended_ns, seen.get("container restarted", ended_ns)))


def _moments(history: History, loss: Loss, fault: Fault, did_ns: int) -> dict[StageName, int]:
    life, fell_ns = loss.life, loss.lost_ns
    removed_ns = _first((end for _, end in endpoint_spans(history).get(life.uid, ()) if end is not None), did_ns)
    seen: dict[StageName, int | None] = {"unready": fell_ns, "endpoint removed": removed_ns}
    seen["probe failure event"] = _probe_failed_ns(history, life.uid, did_ns)
    if loss.path in AWAY:
        seen |= _of_replacement(history, life, loss.replacement)
    elif fell_ns is not None or loss.path in ("restarted", "crashed"):
        seen |= _in_place(history, fault, life, loss.path, (did_ns, fell_ns))
    if loss.turn_ns is not None and loss.turn_ns < history.ended_ns:
        seen["predecessors Ready"] = loss.turn_ns
    known: dict[StageName, int] = {name: at_ns for name, at_ns in seen.items() if at_ns is not None}
    return {"fault": did_ns, **known}


def _of_replacement(history: History, life: PodLife, replacement: PodLife | None) -> dict[StageName, int | None]:
    marked: dict[StageName, int | None] = {"marked for deletion": life.lost_ns}
    if replacement is None:
        return marked
    return marked | {
        "replacement created": replacement.created_ns,
        "scheduled": replacement.scheduled_ns,
        "started": replacement.started_ns,
        "Ready": replacement.ready_ns,
        "endpoint added": endpoint_added_ns(history, replacement.uid, life.uid),
    }


def _in_place(
    history: History, fault: Fault, life: PodLife, path: RecoveryPath, moments: tuple[int, int | None]
) -> dict[StageName, int | None]:
    did_ns, fell_ns = moments
    restarted_ns = _first(life.restarts_of(struck_container(fault, life)), did_ns)
    seen: dict[StageName, int | None] = {}
    if path in ("restarted", "crashed"):
        after_ns = restarted_ns
        seen["container restarted"] = restarted_ns
        if restarted_ns is not None:
            states = pod_states(history, life.uid)
            seen["started"] = next((at for at, pod in states if at >= restarted_ns and pod.running), None)
    else:
        after_ns = fell_ns
        seen["fault healed"] = fault.healed_ns
    if after_ns is None:
        return seen
    # Word of the restart may be word of Ready too, when a busy server skips the states in between.
    ready_ns = after_ns if life.ready_at(after_ns) else _first((begin for begin, _ in life.ready_spans), after_ns)
    seen["Ready"] = ready_ns
    if ready_ns is not None:
        seen["endpoint added"] = _back_ns(history, life.uid, did_ns, ready_ns)
    return seen


def _back_ns(history: History, uid: str, did_ns: int, ready_ns: int) -> int | None:
    """When the endpoint was there again for clients of each family that it had, and that the Service still has."""
    families, left = endpoint_spans_by_family(history), families_left(history, ready_ns)
    kept = [spans[uid] for name, spans in families.items() if uid in spans and name not in left]
    own = [spans for spans in kept if spans[0][0] <= did_ns] or [endpoint_spans(history).get(uid, ())]
    removed = [_first((end for _, end in spans if end is not None), did_ns) for spans in own]
    found = [_added_ns(spans, removed_ns, ready_ns) for spans, removed_ns in zip(own, removed, strict=True)]
    return None if None in found else max((one for one in found if one is not None), default=None)


def _added_ns(spans: tuple[Span, ...], removed_ns: int | None, ready_ns: int) -> int | None:
    """When the endpoint was there again: with Ready, if it had never gone."""
    if removed_ns is None or removed_ns > ready_ns:
        inside = any(begin <= ready_ns and (end is None or ready_ns < end) for begin, end in spans)
        return ready_ns if inside else _first((begin for begin, _ in spans), ready_ns)
    return _first((begin for begin, _ in spans), removed_ns)


def _of_users(
    history: History, replacement: PodLife | None, seen: Mapping[StageName, int], until_ns: int
) -> dict[StageName, int]:
    users: dict[StageName, int | None] = {}
    answered_ns = None
    if replacement is not None and "Ready" in seen:
        answered_ns = first_answer_ns(
            history, replacement, min(seen["Ready"], seen.get("endpoint added", seen["Ready"]))
        )
        users["first answer"] = answered_ns
    if answered_ns is not None:
        users["latency back"] = latency_back_ns(history, answered_ns, until_ns)
    # Requests that fail after the replica serves again are not for want of it.
    last_ns = until_ns if answered_ns is None else min(answered_ns, until_ns)
    users["first failed request"] = first_failed_ns(history, seen["fault"], last_ns)
    return {name: at_ns for name, at_ns in users.items() if at_ns is not None}


def _probe_failed_ns(history: History, uid: str, since_ns: int) -> int | None:
    """When the kubelet first reported that a readiness or liveness probe of the pod failed."""
    for event, reason, text in pod_reports(history, uid):
        new = event.type != "LISTED" and event.at_ns >= since_ns
        if new and reason == "Unhealthy" and text.startswith(("Readiness", "Liveness")):
            return event.at_ns
    return None


def _first(moments: Iterable[int], since_ns: int) -> int | None:
    return min((at_ns for at_ns in moments if at_ns >= since_ns), default=None)
