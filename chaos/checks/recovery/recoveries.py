"""What became of each victim of each fault: the path it came back, and when each step of that path was seen."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from chaos.checks.recovery.causes import Causes, victims_of
from chaos.checks.recovery.client_impact import first_answer_ns, first_failed_ns, latency_back_ns
from chaos.checks.recovery.replacements import successions
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.facts.endpoints import Span, endpoint_spans
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives, pod_states
from chaos.semantics import RecoveryPath, StageName

__all__ = ["HANGS", "Course", "action_began_ns", "courses"]

HANGS = "process-hang"
"""The fault that stops a process without ending it."""

EXITS = frozenset({"process-crash", "memory-hog"})
"""Faults that end a container; every other one leaves it to the probes."""


@dataclass(frozen=True, slots=True)
class Course:
    """One victim of one fault. `moments`: when each step was seen, by the recorder's clock; what was not is absent.

    `replacement` is the pod that took its place; the victim itself where it came back in place; None if there was none.
    `needed` is False if nobody had to take its place. `until_ns`: up to when what followed was this fault's doing.
    """

    fault: Fault
    life: PodLife
    replacement: PodLife | None
    path: RecoveryPath
    needed: bool
    moments: Mapping[StageName, int]
    until_ns: int


@once
def courses(history: History) -> tuple[Course, ...]:
    """Every victim that a fault took, in the order of the faults.

    One that was spared (an eviction was refused, a drain stopped before it) or was not Ready anyway is none. A process
    that was proved to hang or to have crashed is one even if nothing ever came of it.
    """
    lives = pod_lives(history)
    causes = Causes.of(history, lives)
    struck = [(fault, life) for fault in history.faults if not fault.missed for life in _struck(history, fault, lives)]
    lost = tuple({life.uid: life for _, life in struck}.values())
    since_ns = min((fault.begin_ns for fault, _ in struck), default=0)
    replacements = {pair.victim.uid: pair for pair in successions(history, lost, lives, since_ns)}
    told = []
    for fault, life in struck:
        path = _path(causes, fault, life)
        pair = replacements.get(life.uid)
        away = path in ("replaced", "moved")
        replacement = (pair.successor if pair else None) if away else life
        needed = not away or pair is None or pair.needed
        until_ns = min(
            (one.begin_ns for one in history.faults if one.begin_ns > fault.begin_ns), default=history.ended_ns
        )
        seen = _own(_moments(history, fault, life, replacement, path), until_ns)
        moments = seen | _of_users(history, replacement, seen, until_ns)
        told.append(Course(fault, life, replacement, path, needed, moments, until_ns))
    return tuple(told)


def _struck(history: History, fault: Fault, lives: tuple[PodLife, ...]) -> Iterator[PodLife]:
    """The replicas that the fault was aimed at and took; of those on a victim node, the ones that were Ready there."""
    aimed = {ref.uid for ref in fault.victims if ref.kind == "Pod"}
    proved = fault.name.startswith("process") and fault.landed_ns is not None
    for life in victims_of(history, fault, lives):
        fell = _unready_ns(life, fault.begin_ns) is not None
        if (life.uid in aimed or life.ready_at(fault.begin_ns)) and (fell or (proved and life.uid in aimed)):
            yield life


def action_began_ns(history: History, fault: Fault, life: PodLife) -> int:
    """When our first action on this very pod for the fault began, by the clock that also times the watch."""
    acts = [
        action.begin_ns
        for action in history.actions
        if action.fault == fault.id and action.target.uid == life.uid and action.outcome != "fail"
    ]
    return min(acts, default=fault.begin_ns)


def _path(causes: Causes, fault: Fault, life: PodLife) -> RecoveryPath:
    at_ns = fault.begin_ns
    restarted_ns = _first(life.restarted_ns, at_ns)
    lost_ns = life.lost_ns if life.lost_ns is not None and life.lost_ns >= at_ns else None
    unready_ns = _unready_ns(life, at_ns)
    if restarted_ns is not None and (lost_ns is None or restarted_ns < lost_ns):
        return "crashed" if fault.name in EXITS else "restarted"
    fell = unready_ns is not None and unready_ns != lost_ns and causes.node_lost(life.node, unready_ns)
    if lost_ns is not None:
        return "moved" if fell else "replaced"
    if unready_ns is not None:
        return "node back" if fell else "returned"
    if fault.name in EXITS:
        return "crashed"
    return "restarted"


def _moments(
    history: History, fault: Fault, life: PodLife, replacement: PodLife | None, path: RecoveryPath
) -> dict[StageName, int]:
    did_ns = action_began_ns(history, fault, life)
    unready_ns = _unready_ns(life, fault.begin_ns)
    spans = endpoint_spans(history).get(life.uid, ())
    removed_ns = _first((end for _, end in spans if end is not None), did_ns)
    seen: dict[StageName, int | None] = {"unready": unready_ns, "endpoint removed": removed_ns}
    seen["probe failure event"] = _probe_failed_ns(history, life.uid, did_ns)
    if path in ("replaced", "moved"):
        seen |= _of_replacement(history, replacement)
    elif unready_ns is not None or path in ("restarted", "crashed"):
        seen |= _in_place(history, fault, life, path, (did_ns, unready_ns, removed_ns))
    known: dict[StageName, int] = {name: at_ns for name, at_ns in seen.items() if at_ns is not None}
    return {"fault": did_ns, **known}


def _own(seen: dict[StageName, int], until_ns: int) -> dict[StageName, int]:
    """Without a probe's failure that came when the replica was Ready again: it tells of another time."""
    until_ns = min(until_ns, seen.get("Ready", until_ns))
    return {name: at_ns for name, at_ns in seen.items() if name != "probe failure event" or at_ns <= until_ns}


def _of_replacement(history: History, replacement: PodLife | None) -> dict[StageName, int | None]:
    if replacement is None:
        return {}
    spans = endpoint_spans(history).get(replacement.uid, ())
    return {
        "replacement created": replacement.created_ns,
        "scheduled": replacement.scheduled_ns,
        "started": replacement.started_ns,
        "Ready": replacement.ready_ns,
        "endpoint added": spans[0][0] if spans else None,
    }


def _in_place(
    history: History, fault: Fault, life: PodLife, path: RecoveryPath, told: tuple[int, int | None, int | None]
) -> dict[StageName, int | None]:
    did_ns, unready_ns, removed_ns = told
    restarted_ns = _first(life.restarted_ns, did_ns)
    seen: dict[StageName, int | None] = {}
    if path in ("restarted", "crashed"):
        after_ns = restarted_ns
        seen["container restarted"] = restarted_ns
        if restarted_ns is not None:
            states = pod_states(history, life.uid)
            seen["started"] = next((at for at, pod in states if at >= restarted_ns and pod.running), None)
    else:
        after_ns = unready_ns
        seen["fault healed"] = fault.healed_ns
    if after_ns is None:
        return seen
    # Word of the restart may be word of Ready too, when a busy server skips the states in between.
    ready_ns = after_ns if life.ready_at(after_ns) else _first((begin for begin, _ in life.ready_spans), after_ns)
    seen["Ready"] = ready_ns
    if ready_ns is not None:
        seen["endpoint added"] = _added_ns(endpoint_spans(history).get(life.uid, ()), removed_ns, ready_ns)
    return seen


def _added_ns(spans: tuple[Span, ...], removed_ns: int | None, ready_ns: int) -> int | None:
    """When the endpoint was there again: with Ready, if it had never gone."""
    if removed_ns is None or removed_ns > ready_ns:
        inside = any(begin <= ready_ns and (end is None or ready_ns < end) for begin, end in spans)
        return ready_ns if inside else _first((begin for begin, _ in spans), ready_ns)
    return _first((begin for begin, _ in spans), removed_ns)


def _of_users(
    history: History, replacement: PodLife | None, seen: Mapping[StageName, int], until_ns: int
) -> dict[StageName, int]:
    """What users saw of it."""
    told: dict[StageName, int | None] = {}
    answered_ns = None
    if replacement is not None and "Ready" in seen:
        answered_ns = first_answer_ns(
            history, replacement.name, min(seen["Ready"], seen.get("endpoint added", seen["Ready"]))
        )
        told["first answer"] = answered_ns
    if answered_ns is not None:
        told["latency back"] = latency_back_ns(history, answered_ns, until_ns)
    # Requests that fail after the replica serves again are not for want of it.
    last_ns = until_ns if answered_ns is None else min(answered_ns, until_ns)
    told["first failed request"] = first_failed_ns(history, seen["fault"], last_ns)
    return {name: at_ns for name, at_ns in told.items() if at_ns is not None}


def _probe_failed_ns(history: History, uid: str, since_ns: int) -> int | None:
    """When the kubelet first said that a readiness or liveness probe of the pod failed."""
    for event in history.watch:
        if event.kind != "Event" or event.type == "LISTED" or event.at_ns < since_ns:
            continue
        raw = event.object
        about = (raw.get("involvedObject") or raw.get("regarding") or {}).get("uid", "")
        text = str(raw.get("message") or raw.get("note") or "")
        if about == uid and raw.get("reason") == "Unhealthy" and text.startswith(("Readiness", "Liveness")):
            return event.at_ns
    return None


def _unready_ns(life: PodLife, since_ns: int) -> int | None:
    return _first((end for _, end in life.ready_spans if end is not None), since_ns)


def _first(moments: Iterable[int], since_ns: int) -> int | None:
    return min((at_ns for at_ns in moments if at_ns >= since_ns), default=None)
