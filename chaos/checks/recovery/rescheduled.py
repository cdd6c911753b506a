"""The replicas of a lost node come back elsewhere, stage by stage within what Kubernetes' clocks promise."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from chaos.checks.formatting import plural
from chaos.checks.recovery.loss_stages import Leg, Step, late_stage, stages_of
from chaos.checks.recovery.node_losses import NodeLoss, is_member, node_losses
from chaos.checks.recovery.replacements import Succession, successions
from chaos.checks.recovery.stuck_volumes import held_up_by
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns, gaps_in
from chaos.history.facts.endpoints import endpoint_spans
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.semantics import Bound, Stage, Timings, Unpromised, power_loss_bound, toleration_s

__all__ = ["Rescheduled"]

STAGES: Mapping[str, Stage] = {
    "pod marked": "ready",
    "replacement created": "created",
    "replacement scheduled": "scheduled",
    "replacement started": "started",
    "replacement Ready": "ready",
}
HELD_UP = ("replacement scheduled", "replacement started")


@dataclass(frozen=True, slots=True)
class _Case:
    """One replica that was on a lost node. `limit_s` counts from the loss, as `seconds` does (None: not back)."""

    answer: Answer
    who: str
    loss: NodeLoss
    limit_s: float
    bound: Bound
    stages: tuple[Leg, ...] = ()
    seconds: float | None = None
    late: str = ""
    reason: str = ""
    settle: str = ""

    @property
    def values(self) -> dict[str, Any]:
        """The case in numbers."""
        told = {"pod": self.who, "node": self.loss.node, "answer": self.answer.name, "limit_s": self.limit_s}
        taken = None if self.seconds is None else round(self.seconds, 3)
        return told | {
            "seconds": taken,
            "late_stage": self.late or None,
            "stages": [stage.values for stage in self.stages],
        }


@dataclass(frozen=True, slots=True)
class Rescheduled:
    """Every replica of a lost node has a replacement on another node, Ready within the bound.

    The bound counts from the moment in which the node lost its power. Its stages: the node is NotReady, the replica's
    endpoint is gone, the pod is marked for deletion, the replacement is created, scheduled, started and Ready. A FAIL
    names the stage that was late, and a volume claim that is stuck to the lost node where that is the cause.

    `within_s` is a promise of your own in place of the bound that the pods' spec and the cluster's timings imply.
    UNKNOWN if no node with a replica was lost, if the power came back first, with a gap, with a record that ends before
    the limit, and where nothing is promised (a toleration for ever; every zone lost).
    """

    within_s: float | None = None

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "rescheduled"

    def __call__(self, history: History) -> Finding:
        """Judge every replica of every lost node."""
        lives = pod_lives(history)
        losses = node_losses(history)
        held = [(loss, life) for loss in losses for life in loss.held(lives)]
        since_ns = min((loss.begin_ns for loss in losses), default=history.began_ns)
        victims = tuple(life for _, life in held)
        pairs = {pair.victim.uid: pair for pair in successions(history, victims, lives, since_ns)}
        cases = [self._case(history, loss, life, pairs.get(life.uid)) for loss, life in held]
        due = [case for case in cases if case is not None]
        if not due:
            return self._nothing(bool(losses), bool(held))
        worst = max(due, key=lambda case: (case.answer, (case.seconds or case.limit_s) - case.limit_s))
        back = [case.seconds for case in due if case.seconds is not None]
        took = f", the slowest after {max(back):.1f} s" if back else ""
        return Finding(
            check=self.name,
            answer=worst.answer,
            rule="The replicas of a lost node are back on other nodes within the promised time.",
            limit=f"{'promised' if self.within_s is not None else 'bound'} {worst.limit_s:g} s",
            measured=f"{len(back)} of {plural(len(due), 'replica')} back{took}",
            margin=_margin(worst),
            reason="; ".join(dict.fromkeys(case.reason for case in due if case.reason and case.answer is worst.answer)),
            settle=worst.settle,
            detail={"replicas": [case.values for case in due], "bound_parts": _parts(worst.bound)},
            evidence=tuple(sorted(_evidence(due), key=lambda one: one.at_ns)),
        )

    def _nothing(self, lost: bool, held: bool) -> Finding:  # noqa: FBT001  # the two halves of one sentence
        why = "the power came back before any replica was due to be replaced" if held else "it held no replica"
        return Finding(
            check=self.name,
            answer=Answer.UNKNOWN,
            rule="The replicas of a lost node are back on other nodes within the promised time.",
            limit="back within the promised time",
            measured="no replica was due to be replaced",
            reason=why if lost else "no node was lost",
            settle="a trial in which a node that holds replicas stays lost until they are replaced",
        )

    def _case(self, history: History, loss: NodeLoss, life: PodLife, pair: Succession | None) -> _Case | None:
        """Judge one replica; None if nothing was due."""
        bound = _bound(history, loss, life)
        limit_s = bound.total_s if self.within_s is None else self.within_s
        deadline_ns = loss.off_ns + round(limit_s * NS)
        if pair is not None and not pair.needed:
            return None
        if life.lost_ns is None and loss.on_ns is not None and loss.on_ns < deadline_ns:
            return None
        replacement = pair.successor if pair else None
        stages = stages_of(loss.begin_ns, _steps(history, loss, life, replacement, bound))
        case = _Case(Answer.PASS, f"{life.name} ({life.uid[:8]})", loss, limit_s, bound, stages)
        ready_ns = replacement.ready_ns if replacement else None
        known_ns = min(history.covered_ns.get("Pod", (0, 0))[1], history.ended_ns)
        until_ns = min(known_ns, deadline_ns) if ready_ns is None else ready_ns
        if gaps_in(history, "Pod", loss.begin_ns, until_ns) or "Pod" not in history.covered_ns:
            return _unknown(case, f"the watch of Pods had a gap while {case.who} was away", "a watch without a gap")
        if replacement is not None and ready_ns is not None:
            return self._back(history, replace(case, seconds=seconds(ready_ns - loss.begin_ns)), replacement, ready_ns)
        if known_ns < deadline_ns:
            words = f"the record ended {seconds(known_ns - loss.off_ns):.1f} s after the loss, {case.who} not yet back"
            return _unknown(case, words, "a fault that is held until the replicas are replaced")
        return self._late(history, case, replacement, deadline_ns)

    def _back(self, history: History, case: _Case, replacement: PodLife, ready_ns: int) -> _Case:
        """Judge a replica that has a replacement."""
        loss, limit_ns = case.loss, round(case.limit_s * NS)
        if any(replacement.node == one.node and is_member(one, ready_ns) for one in node_losses(history)):
            reason = f"{replacement.name}, in place of {case.who}, is on node {replacement.node}, which is lost too"
            return replace(case, answer=Answer.FAIL, reason=reason)
        if ready_ns - loss.begin_ns <= limit_ns:
            return case
        if earliest_ns(history, "Pod", ready_ns) - loss.off_ns <= limit_ns:
            reason = f"how long {case.who} was away is not known well enough: when its node was lost, or late news"
            return _unknown(case, reason, "a means to take the power that says at once when it is gone")
        return self._late(history, case, replacement, ready_ns)

    def _late(self, history: History, case: _Case, replacement: PodLife | None, until_ns: int) -> _Case:
        """A replica that was back too late, or not at all: a FAIL, unless nothing is promised."""
        stage = late_stage(case.stages, until_ns)
        # Every stage kept its own bound, but together they broke a promise that is shorter than their sum.
        which = "late" if stage else "longest"
        name = (stage or max(case.stages, key=lambda one: one.seconds or 0.0)).name
        excuses = case.bound.excuses(STAGES[name]) if name in STAGES and self.within_s is None else ()
        held_up = ""
        if replacement is not None and name in HELD_UP:
            # What stood in the way when it was due, whatever became of it later.
            due_ns = min(until_ns, case.loss.off_ns + round(case.limit_s * NS))
            lost = {one.node for one in node_losses(history) if is_member(one, due_ns)}
            held_up = held_up_by(history, replacement, lost, due_ns)
        if excuses and not held_up:
            reason = f"{case.who} was not back within {case.limit_s:g} s, but no promise was broken: "
            settle = "a spec that says how long each step may take, and a zone that is left"
            return _unknown(replace(case, late=name), reason + "; ".join(excuses), settle)
        over = "was not back" if case.seconds is None else f"was back after {case.seconds:.1f} s, not"
        told = f": {held_up}" if held_up else _why(history, case, name)
        reason = f"{case.who} {over} within {case.limit_s:g} s; {which} was: {name}{told}"
        return replace(case, answer=Answer.FAIL, late=name, reason=reason)


def _bound(history: History, loss: NodeLoss, life: PodLife) -> Bound:
    timings = Timings.of(history.facts.raw.get("timings") or {})
    bound = power_loss_bound(life.spec, timings, workload_kind=history.facts.workload.pods_by, nodes=loss.peers)
    if loss.rate:
        return bound
    nobody = Unpromised("ready", "nothing is evicted: too many nodes were lost at once")
    return Bound(bound.parts, (*bound.unpromised, nobody))


def _steps(
    history: History, loss: NodeLoss, life: PodLife, replacement: PodLife | None, bound: Bound
) -> Iterator[Step]:
    allowed = {part.name: part.seconds for part in bound.parts}
    gone = (end for _, end in endpoint_spans(history).get(life.uid, ()) if end is not None and end >= loss.begin_ns)
    yield Step("node NotReady", loss.unready_ns, allowed["node monitor"])
    yield Step("endpoint gone", next(gone, None), allowed["node eviction rate"] + allowed["toleration of a lost node"])
    yield Step("pod marked", life.lost_ns, None)
    yield Step("replacement created", replacement.created_ns if replacement else None, allowed["controller"])
    yield Step(
        "replacement scheduled", replacement.scheduled_ns if replacement else None, allowed["scheduling and start"]
    )
    yield Step("replacement started", replacement.started_ns if replacement else None, None)
    rest = ("startup and readiness probes", "status report", "allowance")
    yield Step("replacement Ready", replacement.ready_ns if replacement else None, sum(allowed[name] for name in rest))


def _why(history: History, case: _Case, stage: str) -> str:
    """What the spec itself says to the stage that was late."""
    if stage != "pod marked":
        return ""
    timings = Timings.of(history.facts.raw.get("timings") or {})
    life = next((life for life in pod_lives(history) if f"{life.name} ({life.uid[:8]})" == case.who), None)
    tolerated_s = toleration_s(life.spec, timings) if life else None
    words = "for ever" if tolerated_s is None else f"for {tolerated_s:g} s"
    return f": its spec tolerates a lost node {words}" if life else ""


def _unknown(case: _Case, reason: str, settle: str) -> _Case:
    return replace(case, answer=Answer.UNKNOWN, reason=reason, settle=settle)


def _margin(case: _Case) -> str:
    told = [
        f"{stage.name} {stage.seconds:.1f} s (bound {stage.bound_s:.3g})"
        for stage in case.stages
        if stage.seconds is not None
    ]
    return ", ".join(told)


def _parts(bound: Bound) -> list[dict[str, object]]:
    return [{"name": part.name, "seconds": part.seconds, "source": part.source} for part in bound.parts]


def _evidence(cases: list[_Case]) -> Iterator[Evidence]:
    for case in cases:
        yield Evidence(case.loss.off_ns, f"node {case.loss.node}, which held {case.who}, lost its power")
        for stage in case.stages:
            if stage.end_ns is not None:
                yield Evidence(stage.end_ns, f"{case.who}: {stage.name}, {stage.seconds:.1f} s after the step before")
