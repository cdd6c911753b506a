"""Whether each stage of a recovery kept its bound, and if it did not, whether that breaks a promise."""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from chaos.checks.base import timings_of
from chaos.checks.recovery.causes import ended_by_kubelet, kubelet_part
from chaos.checks.recovery.client_impact import first_answer_bound, flowing_until_ns, names_replicas, why_unnamed
from chaos.checks.recovery.delay_reasons import excused, pulled_again
from chaos.checks.recovery.losses import AWAY, KILLS, longer_grace
from chaos.checks.recovery.node_losses import lost_node
from chaos.checks.recovery.stages import Stage, placed, whole_ns
from chaos.checks.recovery.standstills import stood_still
from chaos.checks.recovery.timeline import FILLS, HANGS, Timeline, timelines
from chaos.checks.verdict import Answer
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import covered, earliest_ns, gaps_in
from chaos.history.facts.canary import asked_directly, canary_until_ns, why_no_canary
from chaos.history.facts.pod_lifecycles import struck_container
from chaos.history.facts.replica_counts import endpoint_spans
from chaos.history.facts.reported_reasons import blocker_at, refusal_at
from chaos.history.facts.routing import selected, unruled
from chaos.objects.readiness_blockers import Blocker
from chaos.semantics import Bound, StageName, restarts_remembered, stage_rules
from chaos.semantics.recovery_bounds import termination_part

__all__ = ["Recovery", "judged_stages", "recoveries"]

TOLD_BY: Mapping[StageName, str] = {
    "probe failure event": "Event",
    "marked for deletion": "Pod",
    "unready": "Pod",
    "endpoint removed": "EndpointSlice",
    "container restarted": "Pod",
    "replacement created": "Pod",
    "scheduled": "Pod",
    "started": "Pod",
    "Ready": "Pod",
    "endpoint added": "EndpointSlice",
}
"""The kind of object whose watch tells of a step; of the others the trial or the generator tells."""

TWICE = "the action was asked for more than once"

OF_CONTROLLERS: tuple[StageName, ...] = (
    "endpoint removed",
    "marked for deletion",
    "replacement created",
    "endpoint added",
)
"""The steps that are neither a kubelet's nor the scheduler's work."""

OF_REPLACEMENT: tuple[StageName, ...] = ("scheduled", "started", "Ready", "endpoint added", "first answer")
"""The steps of the pod that takes the place of a lost one."""


@dataclass(frozen=True, slots=True)
class Recovery:
    """The timeline of one victim, and its stages, each judged."""

    timeline: Timeline
    stages: tuple[Stage, ...]

    @property
    def whole_s(self) -> float:
        """From the fault to the last step: the sum of the stages' parts."""
        return seconds(whole_ns(self.stages))

    @property
    def late(self) -> tuple[StageName, ...]:
        """The stages that took longer than promised, in order."""
        return tuple(stage.name for stage in self.stages if stage.answer is Answer.FAIL)

    @property
    def broken(self) -> bool:
        """Whether a promise was broken: a witness that comes late shows that only if a step was late, too."""
        return any(stage.answer is Answer.FAIL and not stage.rule.witness for stage in self.stages)

    @property
    def who(self) -> str:
        return self.timeline.loss.who


def recoveries(history: History, *, detection_s: float = 0.0) -> tuple[Recovery, ...]:
    """Every victim's recovery, each stage judged. `detection_s` as in `chaos.semantics.stage_rules`.

    A victim whose owner wanted fewer pods before it was due is left out: nobody had to take its place.
    """
    found = timelines(history)
    return tuple(Recovery(one, judged_stages(history, one, detection_s)) for one in found if one.loss.needed)


def judged_stages(history: History, timeline: Timeline, detection_s: float = 0.0) -> tuple[Stage, ...]:
    """The stages of a timeline, each held against its own bound."""
    loss, moments, kind = timeline.loss, timeline.moments, history.facts.workload.pods_by
    timings = timings_of(history)
    fault_ns, answer = moments["fault"], None
    container = struck_container(timeline.fault, loss.life)
    if "endpoint added" in moments:
        answer = first_answer_bound(history, loss.replacement or loss.life, moments["endpoint added"], timings)
    waits = list(kubelet_part(loss.life.spec, kind) if ended_by_kubelet(loss.life, loss.lost_ns) else ())
    if (room := loss.room) is not None and room.unmade:
        waits, room = [*waits, *([room.part] if room.part else [])], None
    spec = (loss.replacement or loss.life).spec
    if loss.path == "replaced":
        waits += longer_grace(history, loss.life, termination_part(spec, "").seconds)
    rules = stage_rules(
        loss.path,
        spec,
        timings,
        container=container,
        in_turn=loss.turn_ns is not None,
        detection_s=detection_s,
        restarts=restarts_remembered(loss.life.all_restarts_ns, fault_ns, timings, container=container),
        workload_kind=kind,
        waits=tuple(waits),
        lost=lost_node(history, loss.life, loss.since_ns),
        no_room="" if room is None else room.excuse,
        room=None if room is None else room.part,
        of_node=_of_node(history, timeline),
        first_answer=answer,
    )
    return tuple(_judged(history, timeline, stage) for stage in placed(rules, moments))


def _of_node(history: History, timeline: Timeline) -> bool:
    """Whether a fault struck the victim's node, and did not ask for the victim itself."""
    struck = {ref.name for ref in timeline.fault.victims if ref.kind == "Node"}
    acts = (one for one in history.actions if one.fault == timeline.fault.id and one.name in KILLS)
    return timeline.loss.life.node in struck and all(one.target.uid != timeline.loss.life.uid for one in acts)


def _judged(history: History, timeline: Timeline, stage: Stage) -> Stage:
    if stage.at_ns is None:
        return _unseen(history, timeline, stage)
    if stage.since_ns is None:
        return replace(stage, answer=Answer.UNKNOWN, reason=f"{' or '.join(stage.rule.since)} was not seen before it")
    for kind in _kinds(stage):
        if gaps_in(history, kind, min(stage.since_ns, stage.at_ns), max(stage.since_ns, stage.at_ns)):
            return replace(stage, answer=Answer.UNKNOWN, reason=f"the watch of {kind}s had a gap in it")
    if stage.rule.bound is None:
        reason = _unbounded(history, timeline, stage)
        return replace(stage, answer=Answer.UNKNOWN, reason=reason) if reason else stage
    return _measured(history, timeline, stage, stage.rule.bound)


def _unbounded(history: History, timeline: Timeline, stage: Stage) -> str:
    """Why a step proves nothing that nobody promises, though the recovery hangs on it; empty for any other step."""
    loss = timeline.loss
    if loss.path == "node back" and stage.name == "Ready":
        return "came, but nobody promises how soon a lost node serves again"
    evicted = loss.path == "moved" and stage.name in ("marked for deletion", "replacement created")
    if evicted and lost_node(history, loss.life, loss.since_ns).rate == 0:
        return "came, but nothing is evicted where too many nodes were lost at once"
    return ""


def _measured(history: History, timeline: Timeline, stage: Stage, bound: Bound) -> Stage:
    """Hold a stage that was seen against its bound; what came late, or was done twice, makes its moments uncertain."""
    since_ns, at_ns = stage.since_ns or 0, stage.at_ns or 0
    kinds, bound_ns = _kinds(stage), round(bound.total_s * NS)
    began_ns = min(since_ns, timeline.earliest_ns) if stage.rule.since == ("fault",) else since_ns
    if at_ns - min(_earliest(history, kinds, since_ns), began_ns) <= bound_ns:
        return stage
    if _earliest(history, kinds, at_ns) - since_ns <= bound_ns:
        twice = "when its memory was full is not known" if timeline.fault.name == FILLS else TWICE
        reason = "news came late from the watch" if began_ns == since_ns else twice
        return replace(stage, answer=Answer.UNKNOWN, reason=f"{reason}, so the bound may be kept")
    return _late(
        history, timeline, stage, bound, f"took {seconds(stage.took_ns or 0):.1f} s, bound {bound.total_s:g} s"
    )


def _unseen(history: History, timeline: Timeline, stage: Stage) -> Stage:
    """A step that was not seen: late if it was watched for beyond its bound, else it is not known."""
    bound = stage.rule.bound
    if stage.rule.witness:
        return stage
    if _void(timeline, stage):
        return replace(stage, note="not seen; it was Ready again before the endpoint had to go")
    if bound is not None and stage.since_ns is not None and not (doubt := _doubt(history, timeline, stage, bound)):
        return _late(history, timeline, stage, bound, f"not seen within its bound of {bound.total_s:g} s")
    if stage.since_ns is None:
        return replace(stage, answer=Answer.UNKNOWN, reason="not reached")
    return replace(stage, answer=Answer.UNKNOWN, reason=_blind(history, stage) if bound is None else doubt)


def _blind(history: History, stage: Stage) -> str:
    """That a step was not seen; of the first answer also what would have shown it."""
    unnamed, missing = why_unnamed(history), why_no_canary(history)
    return f"not seen: {unnamed}, and {missing}" if stage.name == "first answer" and unnamed and missing else "not seen"


def _doubt(history: History, timeline: Timeline, stage: Stage, bound: Bound) -> str:
    """Why a step that was not seen may have come in time for all that, empty if it did not."""
    since_ns = stage.since_ns or 0
    deadline_ns = since_ns + round(bound.total_s * NS)
    until_ns = _watched_until_ns(history, timeline, stage.name)
    kind = TOLD_BY.get(stage.name)
    if stage.name.startswith("endpoint") and not _stood(history, timeline, stage):
        return "not seen, nor that it had one among the ready endpoints"
    loss, back = timeline.loss, timeline.loss.replacement or timeline.loss.life
    taken_ns = back.left_ns if loss.path not in AWAY or stage.name in OF_REPLACEMENT else None
    if taken_ns is not None and taken_ns < deadline_ns:
        into = f"{seconds(max(0, taken_ns - since_ns)):.1f} s into its bound of {bound.total_s:g} s"
        return f"not seen before {back.name} was taken away, {into}"
    if stage.name == "endpoint added" and not selected(history, back.uid, since_ns, deadline_ns):
        return "not seen, nor did the Service select it all the while"
    if kind and not covered(history, kind, since_ns, min(deadline_ns, until_ns)):
        return f"the watch of {kind}s did not cover it"
    if not history.finished or until_ns < deadline_ns:
        return f"not seen by the end, {seconds(until_ns - since_ns):.1f} s into its bound of {bound.total_s:g} s"
    return ""


def _late(history: History, timeline: Timeline, stage: Stage, bound: Bound, words: str) -> Stage:
    """Over the bound: a broken promise unless something may take longer without breaking one."""
    blocker = _blocker(history, timeline, stage, (stage.since_ns or 0) + round(bound.total_s * NS))
    if excuses := excused(timeline.loss.replacement, [one.reason for one in bound.unpromised], blocker):
        reasons = "; ".join(dict.fromkeys(excuses))
        return replace(stage, answer=Answer.UNKNOWN, reason=f"{words}, but no promise was broken: {reasons}")
    loss, since_ns = timeline.loss, stage.since_ns or 0
    until_ns = _watched_until_ns(history, timeline, stage.name) if stage.at_ns is None else stage.at_ns
    if loss.path not in AWAY and stage.name in ("container restarted", "started", "Ready"):
        waited_s, why = pulled_again(history, loss.life, (since_ns, until_ns), since_ns + round(bound.total_s * NS))
        if why and seconds(until_ns - since_ns) - waited_s <= bound.total_s:
            return replace(stage, answer=Answer.UNKNOWN, reason=f"{words}, but no promise was broken: {why}")
    paused_s, pause = stood_still(history, since_ns, until_ns)
    if pause and stage.name in OF_CONTROLLERS and seconds(until_ns - since_ns) - paused_s <= bound.total_s:
        return replace(stage, answer=Answer.UNKNOWN, reason=f"{words}, but {pause}")
    room = loss.room
    spared_s = room.seconds_until(until_ns) if room is not None and room.unmade and room.excuse else 0.0
    spares = spared_s > 0 and seconds(until_ns - since_ns) - spared_s <= bound.total_s
    if stage.name == "replacement created" and room is not None and spares:
        return replace(stage, answer=Answer.UNKNOWN, reason=f"{words}, but no promise was broken: {room.excuse}")
    if stage.name.startswith("endpoint") and (unbound := unruled(history)):
        return replace(stage, answer=Answer.UNKNOWN, reason=f"{words}, but no promise was broken: {unbound}")
    why = "" if blocker is None else f": {blocker.words}"
    return replace(stage, answer=Answer.FAIL, reason=f"{words}{why}")


def _blocker(history: History, timeline: Timeline, stage: Stage, due_ns: int) -> Blocker | None:
    """What stood in the way of a replacement when it was due, in the cluster's own words."""
    pod = timeline.loss.replacement
    if timeline.loss.path not in AWAY or stage.name not in ("replacement created", "scheduled", "started", "Ready"):
        return None
    if stage.name == "replacement created":
        return refusal_at(history, due_ns)
    return None if pod is None else blocker_at(history, pod.uid, due_ns)


def _void(timeline: Timeline, stage: Stage) -> bool:
    """Whether its endpoint need not have left: it was Ready again before the bound was over."""
    if stage.name != "endpoint removed" or stage.since_ns is None or stage.rule.bound is None:
        return False
    back_ns = timeline.moments.get("Ready")
    in_place = timeline.loss.path not in ("replaced", "moved")
    return in_place and back_ns is not None and back_ns <= stage.since_ns + round(stage.rule.bound.total_s * NS)


def _stood(history: History, timeline: Timeline, stage: Stage) -> bool:
    """Whether endpoints are seen at all, and the victim was among the ready ones before it had to leave them.

    Nor has it a replacement among them where it was Ready and never came there: the Service does not select it.
    """
    spans, life = endpoint_spans(history), timeline.loss.life
    if stage.name != "endpoint removed":
        return bool(spans) and (life.uid in spans or not life.ready_spans)
    return any(begin <= (stage.since_ns or 0) for begin, _ in spans.get(timeline.loss.life.uid, ()))


def _watched_until_ns(history: History, timeline: Timeline, name: StageName) -> int:
    """Until when a step that did not come could have been seen, and had to come."""
    if name == "first answer":
        if not names_replicas(history) and asked_directly(history):
            return canary_until_ns(history)
        return flowing_until_ns(history, timeline.moments["fault"])
    until_ns = history.covered_ns.get(TOLD_BY.get(name, ""), (0, history.ended_ns))[1]
    healed_ns = timeline.fault.healed_ns
    lifts = timeline.fault.name == HANGS and name in ("unready", "container restarted")
    return min(until_ns, healed_ns) if lifts and healed_ns is not None else until_ns


def _kinds(stage: Stage) -> tuple[str, ...]:
    names = (stage.name, *stage.rule.since)
    return tuple(dict.fromkeys(TOLD_BY[name] for name in names if name in TOLD_BY))


def _earliest(history: History, kinds: tuple[str, ...], at_ns: int) -> int:
    return min((earliest_ns(history, kind, at_ns) for kind in kinds), default=at_ns)
