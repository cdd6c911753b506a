"""Eventually: a process that hangs is ended and started anew by the liveness probe of its container."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

from chaos.checks.formatting import plural
from chaos.checks.recovery.timeline import HANGS
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS, seconds
from chaos.history import Fault, History
from chaos.history.coverage import covered, earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives, pod_states, struck_container
from chaos.objects.pod import ContainerView, PodView
from chaos.semantics import Bound, Part, Timings, container_probes, restart_bound, restarts_remembered

__all__ = ["RestartedByLiveness"]

READY_PART = "startup and readiness probes"


@dataclass(frozen=True, slots=True)
class _Judged:
    """One hung container. `bound_s`: None where no promise stands. `restart_s` and `ready_s` count from the landing."""

    answer: Answer
    who: str
    reason: str = ""
    settle: str = ""
    bound_s: float | None = None
    restart_s: float | None = None
    ready_s: float | None = None
    bound_words: str = ""
    evidence: tuple[Evidence, ...] = ()

    @property
    def values(self) -> dict[str, Any]:
        """The case in numbers."""
        taken = {"bound_s": self.bound_s, "restart_s": self.restart_s, "ready_s": self.ready_s}
        return {"who": self.who, "answer": self.answer.name} | taken


@dataclass(frozen=True, slots=True)
class RestartedByLiveness:
    """Each victim of a hang is the same pod afterwards (by UID), restarted once by its liveness probe, and Ready again.

    The bound counts from the landing. `detection_s` is how long the server itself may take to know that it is stuck,
    before its liveness endpoint can tell: 0 for a process that hangs together with that endpoint. What follows is
    `chaos.semantics.restart_bound`: probe, grace, exit, back-off, start, and for Ready its probes.

    FAIL: no restart within the bound, one too late, no Ready in time, or no liveness probe that could restart it.
    UNKNOWN: no hang landed, the watch had a gap, the hang was healed or the record ended before the bound, or no event
    says that it was the liveness probe.
    """

    detection_s: float = 0.0

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "restarted-by-liveness"

    def __call__(self, history: History) -> Finding:
        """Judge every victim of every hang."""
        landed = [fault for fault in history.faults if fault.name == HANGS and fault.landed_ns is not None]
        cases = [
            _judge(history, fault, ref.uid, ref.name, self.detection_s)
            for fault in landed
            for ref in fault.victims
            if ref.kind == "Pod"
        ]
        if not cases:
            cases = [
                _Judged(Answer.UNKNOWN, "", "no process was made to hang", "a trial with a ProcessHang that lands")
            ]
        worst = max(cases, key=lambda one: (one.answer, one.restart_s or 0.0))
        reasons = [one.reason for one in cases if one.reason and one.answer is worst.answer]
        restarted = sum(one.restart_s is not None for one in cases)
        slowest = max((one.restart_s for one in cases if one.restart_s is not None), default=None)
        took = "" if slowest is None else f", the slowest after {slowest:.1f} s"
        return Finding(
            check=self.name,
            answer=worst.answer,
            rule="A process that hangs is restarted by its liveness probe, in the same pod, within the derived bound.",
            limit="within the derived bound" if worst.bound_s is None else f"bound {worst.bound_s:g} s",
            measured=f"{restarted} of {plural(len([one for one in cases if one.who]), 'container')} restarted{took}",
            margin=worst.bound_words,
            reason="; ".join(reasons),
            settle=worst.settle if worst.answer is Answer.UNKNOWN else "",
            detail={"containers": [one.values for one in cases if one.who]},
            evidence=tuple(sorted((told for one in cases for told in one.evidence), key=lambda one: one.at_ns)),
        )


def _judge(history: History, fault: Fault, uid: str, name: str, detection_s: float) -> _Judged:
    assert fault.landed_ns is not None
    who = f"{name} ({uid[:8]})"
    life = next((one for one in pod_lives(history) if one.uid == uid), None)
    if life is None:
        return _Judged(Answer.UNKNOWN, who, f"the watch log knows no pod {who}", "a trial whose pods are watched")
    timings = Timings.of(history.facts.raw.get("timings") or {})
    container = struck_container(fault, life)
    recent = restarts_remembered(life.all_restarts_ns, fault.begin_ns, timings, container=container)
    own = Part("the server's own detection", detection_s, "the scenario: how long the server takes to know it is stuck")
    bound = restart_bound(life.spec, timings, container=container, restarts=recent).after(own)
    to_restart = replace(bound, parts=tuple(part for part in bound.parts if part.name != READY_PART))
    states = pod_states(history, uid)
    before = [pod.restarts for at_ns, pod in states if at_ns <= fault.begin_ns]
    known = before[-1] if before else 0
    after = next(((at_ns, pod) for at_ns, pod in states if at_ns > fault.begin_ns and pod.restarts > known), None)
    case = _Judged(Answer.PASS, who, bound_s=to_restart.total_s, bound_words=to_restart.words)
    if after is None:
        return _never(history, fault, life, case)
    at_ns, pod = after
    case = replace(
        case,
        restart_s=seconds(max(0, at_ns - fault.landed_ns)),
        evidence=tuple(_told(history, fault, pod, at_ns, who)),
    )
    if (judged := _restart(history, fault, case, (at_ns, pod), pod.restarts - known)) is not None:
        return judged
    return _ready(history, life, case, (fault.landed_ns, at_ns), bound)


def _never(history: History, fault: Fault, life: PodLife, case: _Judged) -> _Judged:
    """No restart was seen: a FAIL if the hang stood, and was watched, for the whole bound."""
    assert fault.landed_ns is not None
    who = case.who
    probes = container_probes(life.spec, struck_container(fault, life))
    if not any(one.liveness for one in probes) and covered(history, "Pod", fault.begin_ns, fault.landed_ns):
        reason = f"{who} was not restarted: it has no liveness probe, so nothing restarts it when it hangs"
        return replace(case, answer=Answer.FAIL, reason=reason, bound_s=None, bound_words="")
    assert case.bound_s is not None
    deadline_ns = fault.landed_ns + round(case.bound_s * NS)
    if gaps_in(history, "Pod", fault.begin_ns, deadline_ns) or "Pod" not in history.covered_ns:
        return _unknown(case, f"the watch of Pods had a gap while {who} hung", "a trial whose watch has no gap")
    ends = {
        "it was healed": fault.healed_ns,
        "the pod was deleted": life.lost_ns,
        "the record ended": min(history.covered_ns["Pod"][1], history.ended_ns),
    }
    ended_ns, why = min((at_ns, why) for why, at_ns in ends.items() if at_ns is not None)
    if ended_ns < deadline_ns:
        stood_s = seconds(max(0, ended_ns - fault.landed_ns))
        reason = f"{who}: {why} {stood_s:.1f} s after it began to hang, before the bound of {case.bound_s:g} s"
        return _unknown(case, reason, "a fault that stands for the whole bound")
    return replace(case, answer=Answer.FAIL, reason=f"{who} was not restarted within {case.bound_s:g} s")


def _restart(history: History, fault: Fault, case: _Judged, state: tuple[int, PodView], times: int) -> _Judged | None:
    """Judge the moment and the kind of the restart, first seen in `state`; None if nothing is wrong with it."""
    at_ns, pod = state
    assert fault.landed_ns is not None
    assert case.bound_s is not None
    bound_ns = round(case.bound_s * NS)
    if gaps_in(history, "Pod", fault.begin_ns, at_ns):
        return _unknown(case, f"the watch of Pods had a gap while {case.who} hung", "a trial whose watch has no gap")
    if earliest_ns(history, "Pod", at_ns) - fault.landed_ns > bound_ns:
        reason = f"{case.who} was restarted {case.restart_s:.1f} s after it began to hang, bound {case.bound_s:g} s"
        return replace(case, answer=Answer.FAIL, reason=reason)
    if at_ns - fault.landed_ns > bound_ns:
        return _unknown(case, "news came late from the watch", "a trial whose watch is not cut off")
    if times != 1:
        return replace(case, answer=Answer.FAIL, reason=f"{case.who} was restarted {times} times at once")
    if not any(True for _ in _killings(history, pod.uid, fault.begin_ns, at_ns)):
        reason = f"no event says that the liveness probe of {case.who} asked for the restart"
        return _unknown(case, reason, "a trial that watches Events")
    return None


def _ready(history: History, life: PodLife, case: _Judged, moments: tuple[int, int], bound: Bound) -> _Judged:
    """Judge whether the same pod was Ready again in time; `moments`: when the hang landed and the restart was seen."""
    landed_ns, at_ns = moments
    deadline_ns = landed_ns + round(bound.total_s * NS)
    later = (begin for begin, _ in life.ready_spans if begin >= at_ns)
    # Word of the restart may be word of Ready too, when a busy server skips the states in between.
    ready_ns = at_ns if life.ready_at(at_ns) else next(later, None)
    if ready_ns is not None:
        case = replace(case, ready_s=seconds(ready_ns - landed_ns))
        if ready_ns <= deadline_ns:
            return case
    elif min(history.ended_ns, life.lost_ns or history.ended_ns) < deadline_ns:
        reason = f"{case.who}: the record or the pod ended before it was Ready again"
        return _unknown(case, reason, "a longer recovery phase")
    if gaps_in(history, "Pod", at_ns, deadline_ns) or (excuses := bound.excuses("ready")):
        why = "the watch had a gap" if gaps_in(history, "Pod", at_ns, deadline_ns) else "; ".join(excuses)
        return _unknown(case, f"{case.who} was not Ready within {bound.total_s:g} s: {why}", "a startup probe, no gap")
    return replace(case, answer=Answer.FAIL, reason=f"{case.who} was not Ready again within {bound.total_s:g} s")


def _unknown(case: _Judged, reason: str, settle: str) -> _Judged:
    return replace(case, answer=Answer.UNKNOWN, reason=reason, settle=settle)


def _killings(history: History, uid: str, begin_ns: int, end_ns: int) -> Iterator[tuple[int, str]]:
    """When the kubelet said, after the hang began, that it ends a container of the pod for its liveness probe."""
    for event in history.watch:
        if event.kind != "Event" or event.type == "LISTED" or not begin_ns <= event.at_ns:
            continue
        raw = event.object
        about = (raw.get("involvedObject") or raw.get("regarding") or {}).get("uid", "")
        text = str(raw.get("message") or raw.get("note") or "")
        # News of the two kinds comes over different watches, so the event may come a little after the restart.
        near = event.at_ns <= end_ns + 10 * NS
        if about == uid and raw.get("reason") == "Killing" and "failed liveness probe" in text and near:
            yield event.at_ns, text


def _told(history: History, fault: Fault, pod: PodView, at_ns: int, who: str) -> Iterator[Evidence]:
    for killed_ns, text in _killings(history, pod.uid, fault.begin_ns, at_ns):
        yield Evidence(killed_ns, f"{who}: {text}")
    for container in pod.containers:
        if container.restarts:
            yield Evidence(at_ns, f"{who} was restarted, count {container.restarts}; before it {_exit(container)}")


def _exit(container: ContainerView) -> str:
    ended = container.last_exit
    return (
        f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode', 'unknown')}" if ended else "its end unseen"
    )
