"""Eventually: a drain finishes in the time that the system's own spec promises, or is blocked, as it was claimed."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import GAPLESS, NEWS, Summary, finding, late_news, unknown
from chaos.checks.budgets.drains import Drain, drains_of, kept_by_finalizers, left_doubt, replaced_in_time
from chaos.checks.budgets.evictions import EVICT, TWO_BUDGETS, refused_by_budget
from chaos.checks.budgets.records import Record
from chaos.checks.budgets.replay import replay
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import covered, gaps_in
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.reported_reasons import node_coming
from chaos.history.facts.revisions import DELIVERY_NS

__all__ = ["DrainDetail", "Drained", "DrainedDetail"]

LONGER = "a drain with a longer deadline"

GONE = 404
"""An eviction of a pod that was gone already held nothing up."""


@dataclass(frozen=True, slots=True)
class DrainDetail:
    """One drain in numbers.

    Attributes:
        result: how it ended, as recorded.
        pods: how many replicas were on its nodes.
        anchor_ns: from when its bound counts, and the `seconds` that it took.
        permits: how many evictions at a time the budgets permitted, None without a budget.
        blocked_by: the budgets that refused it to the end, as recorded.
    """

    fault: str
    result: str
    nodes: tuple[str, ...]
    pods: int
    anchor_ns: int
    seconds: float | None
    bound_s: float
    permits: int | None
    blocked_by: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class DrainedDetail:
    """Every drain of the trial."""

    drains: tuple[DrainDetail, ...]


@dataclass(frozen=True, slots=True)
class Drained:
    """Every drain (of `node`, or of any) left its nodes empty within the derived bound.

    The bound counts from when the disruption budget had room: evicting, replacing and asking again, in as many rounds
    as the budget makes necessary. A drain that the budget blocks is a FAIL of this claim, and no fault of Kubernetes;
    `blocked_by` claims exactly that, by the budget's name: then a drain that finishes is the FAIL. A deadline too
    short to tell the two apart is UNKNOWN; so is one that ends while a node is on its way for a replacement. Pods of
    others that the drain took along, or could not, count for nothing.
    """

    name: ClassVar[str] = "drained"
    Detail: ClassVar[type] = DrainedDetail

    node: str | None = None
    blocked_by: str | None = None

    def __call__(self, history: History) -> Finding:
        drains = drains_of(history, replay(history), pod_lives(history), self.node)
        owed = [self._judge(history, drain) for drain in drains]
        worst = max(zip(owed, drains, strict=True), key=lambda one: one[0].answer, default=None)
        if drains and history.facts.dry_run:
            owed = [unknown("the drain", "a dry run (--gameday-dry-run) drains nothing", "run the trial for real")]
        where = "" if self.node is None else f" of node {self.node}"
        blocked = f"blocked by disruption budget {self.blocked_by}" if self.blocked_by else ""
        return finding(
            self.name,
            f"The drain is {blocked}." if blocked else "A drained node is empty within the derived bound.",
            owed,
            Summary(
                "no drain" if worst is None else worst[0].measured,
                blocked or ("finished within the bound" if worst is None else f"bound {worst[0].bound}"),
                "" if worst is None or blocked else _margin(worst[1]),
                DrainedDetail(tuple(map(_detail, drains))),
            ),
            nothing=unknown(
                f"a drain{where}", f"no drain{where} was made", "a trial that drains a node with replicas on it"
            ),
        )

    def _judge(self, history: History, drain: Drain) -> Obligation:
        fault = drain.fault
        if fault.missed or fault.landed_ns is None:
            return _owed(drain, Answer.UNKNOWN, f"{fault.id} did not land: {fault.missed or 'no proof'}", LONGER)
        if drain.end_ns is None:
            return _owed(drain, Answer.UNKNOWN, f"how {fault.id} ended was not recorded", "a trial that waits for it")
        others_left = drain.own_end_ns is not None and not self.blocked_by
        if fault.result == "finished" or others_left:
            return self._finished(history, drain)
        if fault.result == "blocked":
            return self._blocked(history, drain)
        return self._undone(history, drain)

    def _finished(self, history: History, drain: Drain) -> Obligation:
        end_ns = drain.end_ns or 0
        if not covered(history, "Pod", end_ns, end_ns):
            return _owed(drain, Answer.UNKNOWN, "pods were not watched as the drain ended", GAPLESS)
        left = [
            life for stay in drain.stays for life in stay.left_at(stay.until_ns or end_ns) if stay.until_ns is not None
        ]
        found_gone = _found_gone(history, drain)
        left = [life for life in left if life.gone_ns is None or life.uid not in found_gone]
        if left:
            names = ", ".join(sorted(life.name for life in left))
            doubt, settle = left_doubt(history, drain, left)
            if doubt:
                return _owed(drain, Answer.UNKNOWN, f"whether {names} {doubt}", settle)
            return _owed(drain, Answer.FAIL, f"pods were left on {drain.nodes}: {names}")
        if not any(stay.lives for stay in drain.stays):
            return _owed(drain, Answer.UNKNOWN, f"no replica was on {drain.nodes}", "a node with replicas on it")
        if self.blocked_by:
            return _owed(drain, Answer.FAIL, f"the drain of {drain.nodes} finished: nothing blocked it")
        return self._in_time(history, drain)

    def _in_time(self, history: History, drain: Drain) -> Obligation:
        took_s, end_ns = drain.took_s or 0.0, drain.end_ns or 0
        if took_s <= drain.bound.total_s:
            return _owed(drain, Answer.PASS)
        over = f"the drain of {drain.nodes} took {took_s:.1f} s, bound {drain.bound.total_s:g} s"
        kinds, span = ("Pod", "PodDisruptionBudget"), (drain.fault.begin_ns, end_ns)
        gap, late = any(gaps_in(history, kind, *span) for kind in kinds), late_news(history, kinds, *span)
        if gap or late:
            blind = "what held it up lies in a gap of the watch" if gap else NEWS
            return _owed(drain, Answer.UNKNOWN, f"{over}, but {blind}", GAPLESS)
        if held_up := _held_up(history, drain):
            reason = f"{over}, but {plural(len(held_up), 'eviction')} met errors of the API server ({held_up[0]})"
            return _owed(drain, Answer.UNKNOWN, reason, "a trial in which the API server answers")
        if kept := kept_by_finalizers(history, drain):
            return _owed(drain, Answer.UNKNOWN, f"{over}, but {kept}", "pods without finalizers that others remove")
        if drain.bound.unpromised and not replaced_in_time(history, drain):
            why = "; ".join(dict.fromkeys(one.reason for one in drain.bound.unpromised))
            settle = "a startup probe, and an image that need not be pulled"
            return _owed(drain, Answer.UNKNOWN, f"{over}, but no promise was broken: {why}", settle)
        return _owed(drain, Answer.FAIL, over)

    def _blocked(self, history: History, drain: Drain) -> Obligation:
        """Blocked, as a budget demands: for certain, or only up to a deadline that was too short."""
        names = drain.blockers
        named = " and ".join(names) or "(of a name that was not seen)"
        why = [words for record in drain.budgets if record.name in names and (words := _why(drain, record))]
        if drain.fault.result_detail.get("pending"):
            why.append("a replacement found no node: " + "; ".join(map(str, drain.fault.result_detail["pending"])))
        end_ns = drain.end_ns or 0
        if not covered(history, "PodDisruptionBudget", end_ns, end_ns):
            return _owed(drain, Answer.UNKNOWN, "disruption budgets were not watched as the drain ended", GAPLESS)
        if not why or not _full(drain):
            short = f"blocked by disruption budget {named} at its deadline, which was too short to decide"
            settle = f"{LONGER}: a round takes up to {drain.round_s:g} s"
            return _owed(drain, Answer.UNKNOWN, short, settle)
        if room := _room_coming(history, drain):
            reason = (
                f"blocked by disruption budget {named} at its deadline, while a replacement waited for room: {room}"
            )
            return _owed(drain, Answer.UNKNOWN, reason, "a cluster that has room for one replica more")
        reason = f"the drain of {drain.nodes} was blocked, as disruption budget {named} demands: {'; '.join(why)}"
        if self.blocked_by is None:
            return _owed(drain, Answer.FAIL, reason)
        if self.blocked_by not in names:
            return _owed(drain, Answer.FAIL, f"{reason}; the claim is disruption budget {self.blocked_by}")
        return _owed(drain, Answer.PASS)

    def _undone(self, history: History, drain: Drain) -> Obligation:
        """Stopped, or failed: a FAIL only if it had had all the time that it may take, or could never finish."""
        fault = drain.fault
        reason = f"the drain of {drain.nodes} ended {fault.result}: {fault.result_words}"
        ours = [action for action in history.actions if action.fault == fault.id and action.outcome == "fail"]
        if any(TWO_BUDGETS in str(action.detail.get("reason", "")) for action in ours):
            return _owed(drain, Answer.FAIL, f"{reason}; two disruption budgets bind a pod, so it cannot be evicted")
        if self.blocked_by:
            return _owed(drain, Answer.UNKNOWN, f"{reason}, so what blocked it is not known", LONGER)
        if (drain.took_s or 0.0) <= drain.bound.total_s:
            return _owed(drain, Answer.UNKNOWN, reason, f"{LONGER}: it may take up to {drain.bound.total_s:g} s")
        late = self._in_time(history, drain)
        return _owed(drain, late.answer, f"{reason}; {late.reason}", late.settle)


def _owed(drain: Drain, answer: Answer, reason: str = "", settle: str = "") -> Obligation:
    measured, bound = _measured(drain), f"{drain.bound.total_s:g} s"
    return Obligation(drain.fault.id, answer, reason, settle, measured, bound, tuple(_evidence(drain)))


def _found_gone(history: History, drain: Drain) -> frozenset[str]:
    """The pods, by UID, of which the API server said that they were gone, it may be before the watch did."""
    ours = (one for one in history.actions if one.fault == drain.fault.id and one.name == EVICT)
    return frozenset(one.target.uid for one in ours if one.detail.get("status") == GONE)


def _held_up(history: History, drain: Drain) -> tuple[str, ...]:
    """What became of evictions that neither happened nor were refused by a budget: the API server's own errors."""
    ours = [one for one in history.actions if one.fault == drain.fault.id and one.name == EVICT and one.outcome != "ok"]
    return tuple(
        str(one.detail.get("reason") or one.outcome)
        for one in ours
        if not refused_by_budget(one) and one.detail.get("status") != GONE
    )


def _room_coming(history: History, drain: Drain) -> str:
    """Why a replacement that no node took as the drain ended was to get room, though nobody promises how soon.

    A node was on its way for it, or another one had room afterwards: not that which the drain's end opened again.
    """
    end_ns, closed = drain.end_ns or 0, {stay.node for stay in drain.stays}
    for life in pod_lives(history):
        waits = life.no_room
        if waits is None or not waits.begin_ns <= end_ns < (waits.end_ns or history.ended_ns + 1):
            continue
        if coming := node_coming(history, life.uid, end_ns):
            return f"a node was on its way for {life.name}: {coming}"
        if waits.end_ns is not None and life.node not in closed:
            after_s = seconds(waits.end_ns - end_ns)
            return f"node {life.node} took {life.name} {after_s:.1f} s later ({waits.words})"
    return ""


def _full(drain: Drain) -> bool:
    """Whether the watch agrees that a budget had no room as the drain ended."""
    end_ns = drain.end_ns or 0
    states = [
        view
        for record in drain.budgets
        if record.name in drain.blockers
        for view in record.in_force(end_ns - DELIVERY_NS, end_ns + DELIVERY_NS)
        if view is not None
    ]
    return any(view.allowed <= 0 or not view.up_to_date for view in states)


def _why(drain: Drain, record: Record) -> str:
    """Why a budget blocks for good, empty if it may have room a moment later."""
    end_ns = drain.end_ns or 0
    view = next((view for view in reversed(record.in_force(end_ns, end_ns)) if view is not None), None)
    if view is None:
        return ""
    if view.up_to_date and view.allowed <= 0 and view.desired >= view.expected:
        return f"it needs {view.desired} of {view.expected}, so it never permits any"
    blocked_s = drain.blocked_s(record)
    if blocked_s > drain.round_s:
        return f"it had {view.healthy} of {view.desired} for {blocked_s:.1f} s, and a round takes {drain.round_s:g} s"
    return ""


def _measured(drain: Drain) -> str:
    fault = drain.fault
    took = "" if drain.took_s is None else f" after {drain.took_s:.1f} s"
    since = ", counted from when its budget had room" if drain.anchor_ns > fault.begin_ns else ""
    pods = plural(sum(len(stay.lives) for stay in drain.stays), "pod")
    return f"{drain.nodes} with {pods}: {fault.result or 'no result'}{took}{since}"


def _margin(drain: Drain) -> str:
    if drain.took_s is None or not drain.bound.parts:
        return ""
    left_s = drain.bound.total_s - drain.took_s
    words = f"{left_s:.1f} s left" if left_s >= 0 else f"{-left_s:.1f} s over"
    return f"{words} ({drain.bound.words})" if drain.bound.words else words


def _detail(drain: Drain) -> DrainDetail:
    return DrainDetail(
        fault=drain.fault.id,
        result=drain.fault.result,
        nodes=tuple(stay.node for stay in drain.stays),
        pods=sum(len(stay.lives) for stay in drain.stays),
        anchor_ns=drain.anchor_ns,
        seconds=drain.took_s,
        bound_s=drain.bound.total_s,
        permits=drain.permits,
        blocked_by=drain.blockers,
    )


def _evidence(drain: Drain) -> Iterator[Evidence]:
    yield Evidence(drain.fault.begin_ns, f"{drain.fault.id} began: {drain.fault.words}")
    if drain.anchor_ns > drain.fault.begin_ns:
        yield Evidence(drain.anchor_ns, "its disruption budget had room")
    for stay in drain.stays:
        for life in stay.lives:
            if life.gone_ns is not None:
                yield Evidence(life.gone_ns, f"{life.name} was gone from {stay.node}")
    if drain.end_ns is not None:
        yield Evidence(drain.end_ns, f"{drain.fault.id} {drain.fault.result}: {drain.fault.result_words}")
