"""The replicas of a lost node come back elsewhere, within what Kubernetes' clocks promise; the late stage is named."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, timings_of, unknown
from chaos.checks.recovery.delay_reasons import held_up_by, room_wait, slow_start
from chaos.checks.recovery.loss_judge import ROOM, SPEC
from chaos.checks.recovery.losses import moved_from
from chaos.checks.recovery.node_losses import NodeLoss, is_member, lost_node, node_losses
from chaos.checks.recovery.stage_judge import judged_stages
from chaos.checks.recovery.stages import Stage, StageDetail
from chaos.checks.recovery.timeline import Timeline, timeline_of
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.semantics import Bound, Part, StageName, power_loss_bound, toleration_s
from chaos.semantics import Stage as Until

__all__ = ["ReplicaDetail", "Rescheduled", "RescheduledDetail"]

UNTIL: Mapping[StageName, Until] = {
    "marked for deletion": "ready",
    "replacement created": "created",
    "scheduled": "scheduled",
    "started": "started",
    "Ready": "ready",
}
"""Which part of the bound excuses a stage that was late."""


@dataclass(frozen=True, slots=True)
class ReplicaDetail:
    """One replica that was on a lost node; `seconds`: from the loss until its replacement was Ready, if it was."""

    pod: str
    node: str
    answer: str
    limit_s: float
    seconds: float | None
    late_stage: str | None
    stages: tuple[StageDetail, ...]


@dataclass(frozen=True, slots=True)
class RescheduledDetail:
    """Every replica that had to be replaced, and how the bound of the worst comes about."""

    replicas: tuple[ReplicaDetail, ...]
    bound_parts: tuple[Part, ...]


@dataclass(frozen=True, slots=True)
class _Case:
    """One replica that was on a lost node; `limit_s` counts from the loss."""

    node_loss: NodeLoss
    timeline: Timeline
    limit_s: float
    promised: bool
    bound: Bound
    stages: tuple[Stage, ...]

    @property
    def who(self) -> str:
        return self.timeline.loss.who

    @property
    def replacement(self) -> PodLife | None:
        return self.timeline.loss.replacement

    @property
    def due_ns(self) -> int:
        return self.node_loss.off_ns + round(self.limit_s * NS)

    @property
    def took_s(self) -> float | None:
        ready_ns = None if self.replacement is None else self.replacement.ready_ns
        return None if ready_ns is None else seconds(ready_ns - self.node_loss.begin_ns)


Judged = tuple[_Case, Obligation, StageName | None]
"""A replica, what it owed, and the stage that was late."""

Against = tuple[str, str, StageName | None]
"""What speaks against a replica's return, what would settle it, and the stage that was late; empty for none."""


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """Every replica of a lost node has a replacement on another node, Ready within the bound.

    The bound counts from the moment in which the node was off. A FAIL names the stage of the recovery that was late,
    and a volume claim that is stuck to the lost node where that is the cause.

    `within_s` is a promise of your own in place of the bound that the pods' spec and the cluster's timings imply.
    UNKNOWN if no node with a replica was lost, if it was switched on again first or took the replacement itself, with a
    gap, with a record that ends before the limit, and where nothing is promised (a toleration for ever; every zone
    lost).
    """

    name: ClassVar[str] = "rescheduled"
    Detail: ClassVar[type] = RescheduledDetail

    within_s: float | None = None

    def __call__(self, history: History) -> Finding:
        lost = node_losses(history)
        held = [(one, life) for one in lost for life in one.held(pod_lives(history))]
        cases = [_judged(history, case) for one, life in held if (case := _case(history, one, life, self.within_s))]
        back = "the node was switched on again before any replica was due to be replaced"
        nothing = back if held else "the lost node held no replica"
        return finding(
            self.name,
            "The replicas of a lost node are back on other nodes within the promised time.",
            [one for _, one, _ in cases],
            _summary(cases),
            nothing=unknown("replicas", nothing if lost else "no node was lost", SETTLE),
        )


SETTLE = "a trial in which a node that holds replicas stays lost until they are replaced"


def _case(history: History, lost: NodeLoss, life: PodLife, within_s: float | None) -> _Case | None:
    """The case of one replica; None if it need not be replaced: it was given up, or its node was back first."""
    timings = timings_of(history)
    kind, how = history.facts.workload.pods_by, lost_node(history, life, lost.unready_ns or lost.begin_ns)
    bound = power_loss_bound(life.spec, timings, workload_kind=kind, lost=how)
    limit_s = bound.total_s if within_s is None else within_s
    due_ns = lost.off_ns + round(limit_s * NS)
    loss = moved_from(history, life, lost, bound, due_ns)
    if not loss.needed or (life.lost_ns is None and lost.on_ns is not None and lost.on_ns < due_ns):
        return None
    timeline = timeline_of(history, loss, lost.fault, lost.begin_ns)
    return _Case(lost, timeline, limit_s, within_s is not None, bound, judged_stages(history, timeline))


def _judged(history: History, case: _Case) -> Judged:
    reason, settle, late = _against(history, case)
    measured = "not back" if case.took_s is None else f"back after {case.took_s:.1f} s"
    return case, judged(case.who, reason, settle, measured=measured, bound=f"{case.limit_s:g} s"), late


def _against(history: History, case: _Case) -> Against:
    lost, replacement = case.node_loss, case.replacement
    ready_ns = None if replacement is None else replacement.ready_ns
    known_ns = _known_ns(history)
    until_ns = min(known_ns, case.due_ns) if ready_ns is None else ready_ns
    if gaps_in(history, "Pod", lost.begin_ns, until_ns) or "Pod" not in history.covered_ns:
        return f"the watch of Pods had a gap while {case.who} was away", "a watch without a gap", None
    if replacement is not None and ready_ns is not None:
        return _back(history, case, replacement, ready_ns)
    if known_ns < case.due_ns:
        text = f"the record ended {seconds(known_ns - lost.off_ns):.1f} s after the loss, {case.who} not yet back"
        return text, "a fault that is held until the replicas are replaced", None
    return _late(history, case, case.due_ns)


def _back(history: History, case: _Case, replacement: PodLife, ready_ns: int) -> Against:
    if any(replacement.node == one.node and is_member(one, ready_ns) for one in node_losses(history)):
        text = f"{replacement.name}, in place of {case.who}, is on node {replacement.node}, which is lost too"
        return text, "", None
    limit_ns = round(case.limit_s * NS)
    if ready_ns - case.node_loss.begin_ns <= limit_ns:
        if replacement.node != case.node_loss.node:
            return "", "", None
        text = f"{replacement.name}, in place of {case.who}, is on node {replacement.node} itself"
        return f"{text}, which was switched on again: whether others have room for it is not known", SETTLE, None
    if earliest_ns(history, "Pod", ready_ns) - case.node_loss.off_ns <= limit_ns:
        text = f"how long {case.who} was away is not known well enough: when its node was lost, or late news"
        return text, "a command that switches the node off and ends as soon as it is off", None
    return _late(history, case, ready_ns)


def _late(history: History, case: _Case, until_ns: int) -> Against:
    """A replica that was back too late, or not at all: a FAIL, unless nothing is promised."""
    which, stage = _late_stage(case.stages)
    excuses = case.bound.excuses(UNTIL[stage.name]) if stage.name in UNTIL and not case.promised else ()
    if stage.name == "unready" and stage.rule.bound is not None and not case.promised:
        excuses = tuple(one.reason for one in stage.rule.bound.unpromised)
    why = ""
    if stage.name == "marked for deletion":
        tolerated_s = toleration_s(case.timeline.loss.life.spec, timings_of(history))
        why = f"its spec tolerates a lost node {'for ever' if tolerated_s is None else f'for {tolerated_s:g} s'}"
    elif case.replacement is not None and stage.name in ("scheduled", "started"):
        # What stood in the way when it was due, whatever became of it later.
        due_ns = min(until_ns, case.due_ns)
        lost = {one.node for one in node_losses(history) if is_member(one, due_ns)}
        why = held_up_by(history, case.replacement, lost, due_ns)
    if excuses and (stage.name in ("unready", "marked for deletion") or not why):
        text = f"{case.who} was not back within {case.limit_s:g} s, but no promise was broken: {'; '.join(excuses)}"
        return text, "a spec that says how long each step may take, and a zone that is left", stage.name
    room = room_wait(history, None, case.replacement)
    known_ns = _known_ns(history) if case.took_s is None else until_ns
    took_s = seconds(known_ns - case.node_loss.begin_ns)
    if room and room.excuse and not case.promised and took_s - room.seconds_until(known_ns) <= case.limit_s:
        return f"{case.who} was not back within {case.limit_s:g} s, but {room.excuse}", ROOM, stage.name
    over_s, slow = slow_start(history, case.replacement, case.bound, case.node_loss.begin_ns)
    if slow and not case.promised and took_s - over_s <= case.limit_s:
        return f"{case.who} was not back within {case.limit_s:g} s, but no promise was broken: {slow}", SPEC, stage.name
    over = "was not back" if case.took_s is None else f"was back after {case.took_s:.1f} s, not"
    text = f"{case.who} {over} within {case.limit_s:g} s; {which} was: {stage.name}" + (f": {why}" if why else "")
    return text, "", stage.name


def _known_ns(history: History) -> int:
    return min(history.covered_ns.get("Pod", (0, 0))[1], history.ended_ns)


def _late_stage(stages: Sequence[Stage]) -> tuple[str, Stage]:
    """The stage that made it late: the first over its bound, else the first that did not come, else the longest."""
    steps = [stage for stage in stages if stage.name in UNTIL or stage.name == "unready"]
    over = [stage for stage in steps if stage.answer is not Answer.PASS and stage.reason != "not reached"]
    pending = [stage for stage in steps if stage.at_ns is None]
    if over or pending:
        return "late", (over or pending)[0]
    return "longest", max(steps, key=lambda stage: stage.part_ns)


def _summary(cases: Sequence[Judged]) -> Summary:
    if not cases:
        return Summary("no replica was due to be replaced", "back within the promised time")

    def badness(one: Judged) -> tuple[Answer, float]:
        return one[1].answer, (one[0].took_s or one[0].limit_s) - one[0].limit_s

    worst = max(cases, key=badness)[0]
    back = [case.took_s for case, _, _ in cases if case.took_s is not None]
    took = f", the slowest after {max(back):.1f} s" if back else ""
    timed = [stage.detail for stage in worst.stages if stage.took_ns is not None and stage.rule.bound is not None]
    return Summary(
        measured=f"{len(back)} of {plural(len(cases), 'replica')} back{took}",
        limit=f"{'promised' if worst.promised else 'bound'} {worst.limit_s:g} s",
        margin=", ".join(f"{stage.stage} {stage.took_s:.1f} s (bound {stage.bound_s:.3g})" for stage in timed),
        detail=RescheduledDetail(tuple(_detail(*one) for one in cases), worst.bound.parts),
        evidence=tuple(moment for case, _, _ in cases for moment in _evidence(case)),
    )


def _detail(case: _Case, one: Obligation, late: StageName | None) -> ReplicaDetail:
    return ReplicaDetail(
        pod=case.who,
        node=case.node_loss.node,
        answer=one.answer.name,
        limit_s=case.limit_s,
        seconds=None if case.took_s is None else round(case.took_s, 3),
        late_stage=late,
        stages=tuple(stage.detail for stage in case.stages),
    )


def _evidence(case: _Case) -> Iterator[Evidence]:
    yield Evidence(case.node_loss.off_ns, f"node {case.node_loss.node}, which held {case.who}, was off")
    for stage in case.stages:
        if stage.at_ns is not None:
            yield Evidence(stage.at_ns, f"{case.who}: {stage.name}, +{seconds(stage.part_ns):.3f} s")
