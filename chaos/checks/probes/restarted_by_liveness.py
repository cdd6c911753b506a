"""Eventually: a process that hangs is ended and started anew by the liveness probe of its container."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar

from chaos.checks.base import GAPLESS, NEWS, UNCUT, Summary, finding, judged, timings_of, unknown
from chaos.checks.log_words import with_log_words
from chaos.checks.recovery.delay_reasons import pulled_again
from chaos.checks.recovery.timeline import HANGS
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import Fault, History
from chaos.history.coverage import covered, earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives, pod_states, struck_container
from chaos.history.facts.reported_reasons import liveness_kills
from chaos.objects.base import Ref
from chaos.objects.pod import ContainerView
from chaos.semantics import Bound, Part, container_probes, restart_bound, restarts_remembered
from chaos.semantics.probes import unpromised_hooks

__all__ = ["HungContainerDetail", "RestartedByLiveness", "RestartedByLivenessDetail"]

READY_PART = "startup and readiness probes"


@dataclass(frozen=True, slots=True)
class HungContainerDetail:
    """One hung container: when it was restarted and Ready again, in seconds from the landing; None: never seen.

    `bound_s` is how long its restart may take, None where nothing promises one.
    """

    who: str
    container: str
    bound_s: float | None
    restart_s: float | None
    ready_s: float | None


@dataclass(frozen=True, slots=True)
class RestartedByLivenessDetail:
    """Every container that was made to hang."""

    containers: tuple[HungContainerDetail, ...]


@dataclass(frozen=True, slots=True)
class _Restart:
    """The first restart that was seen of a hung container, and when its pod was Ready afterwards.

    `times` is how many restarts were seen at once; `state` is the container's then.
    """

    at_ns: int
    times: int
    state: ContainerView
    ready_ns: int | None


@dataclass(frozen=True, slots=True)
class _Hang:
    """A container that a fault made hang at `landed_ns`. `bound` reaches to Ready, `restart_bound` to the restart."""

    history: History
    fault: Fault
    life: PodLife
    container: str
    landed_ns: int
    bound: Bound
    restart: _Restart | None

    @property
    def restart_bound(self) -> Bound:
        return replace(self.bound, parts=tuple(part for part in self.bound.parts if part.name != READY_PART))

    @property
    def probed(self) -> bool:
        """Whether a liveness probe looks at it."""
        return any(one.liveness for one in container_probes(self.life.spec, self.container))

    @property
    def gone_ns(self) -> int | None:
        """When its pod was deleted, or ended by the kubelet for a reason of the node's."""
        return self.life.left_ns if self.life.ended_by_kubelet else self.life.lost_ns

    @property
    def restart_s(self) -> float | None:
        return None if self.restart is None else seconds(max(0, self.restart.at_ns - self.landed_ns))

    @property
    def detail(self) -> HungContainerDetail:
        ready_ns = None if self.restart is None else self.restart.ready_ns
        return HungContainerDetail(
            who=self.life.who,
            container=self.container,
            bound_s=self.restart_bound.total_s if self.probed else None,
            restart_s=self.restart_s,
            ready_s=None if ready_ns is None else seconds(ready_ns - self.landed_ns),
        )


@dataclass(frozen=True, slots=True)
class RestartedByLiveness:
    """Each victim of a hang is the same pod afterwards (by UID), restarted once by its liveness probe, and Ready again.

    The bound counts from the landing, and is that of the container that hangs. `detection_s` is how long the server
    itself may take to know that it is stuck, before its liveness endpoint can tell: 0 for a process that hangs together
    with that endpoint. What follows is `chaos.semantics.restart_bound`: probe, grace, exit, back-off, start, and for
    Ready its probes.

    FAIL: no restart within the bound, one too late, one more before the next fault, no Ready in time, or no liveness
    probe that could restart it.
    UNKNOWN: no hang landed, the watch had a gap, the hang was healed or the record ended before the bound, an image or
    a postStart hook held the restart up, or no event says that it was the liveness probe.
    """

    name: ClassVar[str] = "restarted-by-liveness"
    Detail: ClassVar[type] = RestartedByLivenessDetail

    detection_s: float = 0.0

    def __call__(self, history: History) -> Finding:
        hangs = [
            self._hang(history, fault, fault.landed_ns, ref)
            for fault in history.faults
            if fault.name == HANGS and fault.landed_ns is not None
            for ref in fault.victims
            if ref.kind == "Pod"
        ]
        owed = [_obligation(hang) if isinstance(hang, _Hang) else hang for hang in hangs]
        judged = [(hang, one) for hang, one in zip(hangs, owed, strict=True) if isinstance(hang, _Hang)]
        times_s = [hang.restart_s for hang, _ in judged if hang.restart_s is not None]
        took = f", the slowest after {max(times_s):.1f} s" if times_s else ""
        worst = max(judged, key=lambda one: (one[1].answer, one[0].restart_s or 0.0), default=None)
        bound = worst[0].restart_bound if worst is not None and worst[0].probed else None
        return finding(
            self.name,
            "A process that hangs is restarted by its liveness probe, in the same pod, within the derived bound.",
            with_log_words(history, owed),
            Summary(
                f"{len(times_s)} of {plural(len(hangs), 'container')} restarted{took}",
                "within the derived bound" if bound is None else f"bound {bound.total_s:g} s",
                "" if bound is None else bound.words,
                detail=RestartedByLivenessDetail(tuple(hang.detail for hang, _ in judged)),
            ),
            nothing=unknown("a hang", "no process was made to hang", "a trial with a ProcessHang that lands"),
        )

    def _hang(self, history: History, fault: Fault, landed_ns: int, victim: Ref) -> _Hang | Obligation:
        life = next((one for one in pod_lives(history) if one.uid == victim.uid), None)
        if life is None:
            who = f"{victim.name} ({victim.uid[:8]})"
            return unknown(who, f"the watch log knows no pod {who}", "a trial whose pods are watched")
        timings, container = timings_of(history), struck_container(fault, life)
        count = restarts_remembered(life.all_restarts_ns, fault.begin_ns, timings, container=container)
        source = "the scenario: how long the server takes to know it is stuck"
        own = Part("the server's own detection", self.detection_s, source)
        bound = restart_bound(life.spec, timings, container=container, restarts=count).after(own)
        return _Hang(history, fault, life, container, landed_ns, bound, _restart(history, fault, life, container))


def _restart(history: History, fault: Fault, life: PodLife, container: str) -> _Restart | None:
    """The container's first restart after the fault began."""
    known = 0
    for at_ns, pod in pod_states(history, life.uid):
        for one in (one for one in pod.containers if one.name == container):
            if at_ns <= fault.begin_ns:
                known = one.restarts
            elif one.restarts > known:
                # Word of the restart may be word of Ready, too, on a busy server.
                later = (begin for begin, _ in life.ready_spans if begin >= at_ns)
                return _Restart(at_ns, one.restarts - known, one, at_ns if life.ready_at(at_ns) else next(later, None))
    return None


def _obligation(hang: _Hang) -> Obligation:
    restart = hang.restart
    if restart is None:
        return _never(hang)
    one = _restarted(hang, restart) or _again(hang, restart) or _ready(hang, restart) or Obligation(hang.life.who)
    ended = restart.state.last_exit
    how = f"{ended.get('reason', 'ended')}, exit code {ended.get('exitCode', 'unknown')}" if ended else "its end unseen"
    text = f"{hang.life.who} was restarted, count {restart.state.restarts}; before it {how}"
    return replace(
        one,
        measured=f"restarted after {hang.restart_s:.1f} s",
        bound=f"{hang.restart_bound.total_s:g} s",
        evidence=(*_killings(hang, restart.at_ns), Evidence(restart.at_ns, text)),
    )


def _never(hang: _Hang) -> Obligation:
    """No restart was seen: a FAIL if the hang lasted, and was watched, for the whole bound."""
    history, who = hang.history, hang.life.who
    if not hang.probed and covered(history, "Pod", hang.fault.begin_ns, hang.landed_ns):
        why = f"container {hang.container!r} has no liveness probe, so nothing restarts it when it hangs"
        return Obligation(who, Answer.FAIL, f"{who} was not restarted: {why}", measured="not restarted")
    bound_s = hang.restart_bound.total_s
    deadline_ns = hang.landed_ns + round(bound_s * NS)
    if gaps_in(history, "Pod", hang.fault.begin_ns, deadline_ns) or "Pod" not in history.covered_ns:
        return unknown(who, f"the watch of Pods had a gap while {who} hung", GAPLESS)
    ends = {
        "it was healed": hang.fault.healed_ns,
        "the pod was deleted or ended": hang.gone_ns,
        "the record ended": min(history.covered_ns["Pod"][1], history.ended_ns),
    }
    ended_ns, why = min((at_ns, why) for why, at_ns in ends.items() if at_ns is not None)
    if ended_ns < deadline_ns:
        lasted_s = seconds(max(0, ended_ns - hang.landed_ns))
        reason = f"{who}: {why} {lasted_s:.1f} s after it began to hang, before the bound of {bound_s:g} s"
        return unknown(who, reason, "a fault that lasts for the whole bound")
    reason, settle = _unless_held_up(hang, f"{who} was not restarted within {bound_s:g} s", ended_ns, bound_s)
    return judged(who, reason, settle, measured="not restarted", bound=f"{bound_s:g} s")


def _unless_held_up(hang: _Hang, reason: str, until_ns: int, bound_s: float) -> tuple[str, str]:
    """The reason against what came only then, or not by then; and what settles it, if something held the restart up.

    An image that is pulled again; or the hook of a container whose end had been asked for in time: its kubelet says
    nothing of the new run before that has ended.
    """
    span, deadline_ns = (hang.landed_ns, until_ns), hang.landed_ns + round(bound_s * NS)
    hooks = unpromised_hooks(hang.life.spec, "started", hang.container)
    if hooks and any(one.at_ns <= deadline_ns for one in _killings(hang, deadline_ns)):
        return f"{reason}, but no promise was broken: {hooks[0].reason}", "a container without a postStart hook"
    waited_s, why = pulled_again(hang.history, hang.life, span, deadline_ns)
    if not why or seconds(until_ns - hang.landed_ns) - waited_s > bound_s:
        return reason, ""
    return f"{reason}, but no promise was broken: {why}", "an image that need not be pulled"


def _restarted(hang: _Hang, restart: _Restart) -> Obligation | None:
    """What is wrong with the moment or the kind of the restart, None if nothing is."""
    history, who, bound_s = hang.history, hang.life.who, hang.restart_bound.total_s
    deadline_ns = hang.landed_ns + round(bound_s * NS)
    if gaps_in(history, "Pod", hang.fault.begin_ns, restart.at_ns):
        return unknown(who, f"the watch of Pods had a gap while {who} hung", GAPLESS)
    if earliest_ns(history, "Pod", restart.at_ns) > deadline_ns:
        after_s = seconds(restart.at_ns - hang.landed_ns)
        reason = f"{who} was restarted {after_s:.1f} s after it began to hang, bound {bound_s:g} s"
        return judged(who, *_unless_held_up(hang, reason, restart.at_ns, bound_s))
    if restart.at_ns > deadline_ns:
        return unknown(who, NEWS, UNCUT)
    if restart.times != 1:
        return Obligation(who, Answer.FAIL, f"{who} was restarted {restart.times} times at once")
    if not any(True for _ in _killings(hang, restart.at_ns)):
        reason = f"no event says that the liveness probe of {who} asked for the restart"
        return unknown(who, reason, "a trial that watches Events")
    return None


def _again(hang: _Hang, restart: _Restart) -> Obligation | None:
    """That its liveness probe had it restarted once more before another fault began, None if it did not."""
    begins = [fault.begin_ns for fault in hang.history.faults if fault.begin_ns > hang.fault.begin_ns]
    until_ns = min(begins, default=hang.history.ended_ns)
    moments = hang.life.restarts_ns.get(hang.container, ())
    later = [at_ns for at_ns in moments if restart.at_ns < at_ns < until_ns]
    if not later or len({one.at_ns for one in _killings(hang, later[-1])}) < 2:
        return None
    return Obligation(hang.life.who, Answer.FAIL, f"{hang.life.who} was restarted {len(later) + 1} times, not once")


def _ready(hang: _Hang, restart: _Restart) -> Obligation | None:
    """What is wrong with the pod's being Ready after the restart, None if it was in time."""
    history, who, bound_s = hang.history, hang.life.who, hang.bound.total_s
    deadline_ns, ready_ns = hang.landed_ns + round(bound_s * NS), restart.ready_ns
    if ready_ns is not None and ready_ns <= deadline_ns:
        return None
    if ready_ns is not None and earliest_ns(history, "Pod", ready_ns) <= deadline_ns:
        return unknown(who, NEWS, UNCUT)
    until_ns = min(history.ended_ns, history.covered_ns.get("Pod", (0, 0))[1], hang.gone_ns or history.ended_ns)
    if ready_ns is None and until_ns < deadline_ns:
        return unknown(who, f"{who}: the record or the pod ended before it was Ready again", "a longer recovery phase")
    gaps = gaps_in(history, "Pod", restart.at_ns, deadline_ns)
    if gaps or (excuses := hang.bound.excuses("ready")):
        why = "the watch had a gap" if gaps else "; ".join(excuses)
        return unknown(who, f"{who} was not Ready within {bound_s:g} s: {why}", "a startup probe, no gap")
    late = f"{who} was not Ready again within {bound_s:g} s"
    return judged(who, *_unless_held_up(hang, late, until_ns if ready_ns is None else ready_ns, bound_s))


def _killings(hang: _Hang, restarted_ns: int) -> Iterator[Evidence]:
    """When the kubelet said, after the hang began, that it ends this container for its liveness probe."""
    begin_ns = hang.fault.begin_ns
    for event, text in liveness_kills(hang.history, hang.life.uid, hang.container, begin_ns, restarted_ns):
        yield Evidence(event.at_ns, f"{hang.life.who}: {text}")
