"""Always: while every node is lost, no replica is evicted, because more likely the control plane is cut off."""

from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import GAPLESS, Summary, finding, judged, timings_of, unknown, watched
from chaos.checks.budgets.dips import owner_wants_fewer
from chaos.checks.recovery.node_losses import NodeLoss, node_losses
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import node_outages
from chaos.objects.kinds import NodeView
from chaos.semantics import Timings, toleration_s

__all__ = ["NothingEvicted", "NothingEvictedDetail"]

LIMIT = "none marked"
OUTLASTING = "a trial that holds every node down for longer than the replicas tolerate, seen without a gap"

TAINTED = "DeletionByTaintManager"

SAME_PASS_NS = NS
"""Nodes that a pass of the monitor finds NotReady are marked so within moments of each other."""


@dataclass(frozen=True, slots=True)
class NothingEvictedDetail:
    """The replicas that were marked to go, in order, and for how long every node was NotReady."""

    marked: tuple[str, ...] = ()
    outage_s: float | None = None


@dataclass(frozen=True, slots=True)
class NothingEvicted:
    """From the moment in which every node was NotReady to that in which one was back, no replica was marked to go.

    The controller has a race here: while it takes back the taints of all nodes, a thread of its own may still taint a
    node that it found NotReady in that same pass, and the replicas on that one go when their toleration is over. So
    those are counted apart, and the others decide. A replica that somebody else took meanwhile decides nothing.

    The outage proves something only if it outlasted what the replicas tolerate, with two periods of the node monitor.
    UNKNOWN if it did not, if a node was left, with a gap, and if a replica was marked before all nodes were NotReady:
    until then Kubernetes evicts as ever.
    """

    name: ClassVar[str] = "nothing-evicted"
    Detail: ClassVar[type] = NothingEvictedDetail

    def __call__(self, history: History) -> Finding:
        losses = node_losses(history)
        if reason := _incomplete(history, losses):
            owed, summary = [unknown("the outage", reason, OUTLASTING)], Summary("no outage of every node", LIMIT)
        else:
            owed, summary = _judged(history, losses)
        nothing = unknown("the replicas", "no replica was on the nodes", OUTLASTING)
        return finding(self.name, "While every node is lost, no replica is evicted.", owed, summary, nothing=nothing)


def _judged(history: History, losses: tuple[NodeLoss, ...]) -> tuple[list[Obligation], Summary]:
    """What each replica was owed, and the outage itself; with the whole in numbers."""
    begin_ns = max(loss.unready_ns or 0 for loss in losses)
    end_ns = min(_back_ns(history, loss) for loss in losses)
    lives = tuple({life.uid: life for loss in losses for life in loss.held(pod_lives(history))}.values())
    last = {loss.node for loss in losses if begin_ns - (loss.unready_ns or 0) <= SAME_PASS_NS}
    marked = [life for life in lives if life.lost_ns is not None and life.lost_ns < end_ns]
    raced = sum(life.node in last for life in marked)
    timings = timings_of(history)
    # News of nodes and of pods comes over two watches: what was marked in the same moments proves nothing.
    sure_ns = begin_ns + round(timings.allowance_s * NS)
    owed = [_replica(history, life, end_ns, sure_ns, raced=life.node in last) for life in lives]
    owed += watched(history, ("Pod", "Node"), min(loss.begin_ns for loss in losses), end_ns)
    if raced and all(life.node in last for life in lives):
        reason = "every replica was on the last node to be NotReady, so none is left to tell"
        owed.append(unknown("the replicas", reason, OUTLASTING))
    outage_s = seconds(end_ns - begin_ns)
    if lives and (short := _too_short(lives, timings, outage_s)):
        owed.append(unknown("the outage", short, OUTLASTING))
    measured = f"{len(marked)} of {plural(len(lives), 'replica')} marked to go; "
    measured += f"every node NotReady for {max(0.0, outage_s):.1f} s"
    if raced:
        measured += f"; {raced} of them on the last node to be NotReady, by the controller's own race"
    names = tuple(life.name for life in sorted(marked, key=lambda life: life.lost_ns or 0))
    return owed if lives else [], Summary(measured, LIMIT, detail=NothingEvictedDetail(names, outage_s))


def _back_ns(history: History, loss: NodeLoss) -> int:
    """When a node began to get its power back, or was Ready before that; the record's end, if it never was."""
    ends = (end for begin, end in node_outages(history).get(loss.node, ()) if begin == loss.unready_ns)
    moments = (loss.on_ns, next(ends, None), history.ended_ns)
    return min(at_ns for at_ns in moments if at_ns is not None)


def _replica(history: History, life: PodLife, end_ns: int, sure_ns: int, *, raced: bool) -> Obligation:
    """One replica was not marked to go, or only by the controller's own race."""
    if life.lost_ns is None or earliest_ns(history, "Pod", life.lost_ns) >= end_ns:
        return Obligation(life.name, measured="not marked")
    if life.lost_ns >= end_ns:
        return unknown(
            life.name, f"word that {life.name} was marked came late, and it may have been in the outage", GAPLESS
        )
    evidence = (Evidence(life.lost_ns, f"{life.name} was marked to go"),)
    reason = settle = ""
    if not raced and (others := _by_others(history, life, life.lost_ns)):
        reason, settle = f"{life.name} was marked in the outage, but not for its node: {others}", OUTLASTING
    elif not raced and life.lost_ns > sure_ns:
        reason = f"evicted though no node was left: {life.name}"
    elif not raced:
        reason, settle = f"marked before every node was NotReady: {life.name}", OUTLASTING
    return judged(life.name, reason, settle, measured="marked", bound=LIMIT, evidence=evidence)


def _by_others(history: History, life: PodLife, lost_ns: int) -> str:
    """Who took a replica, by the condition DisruptionTarget (KEP-3329) or its own controller; empty for its taint."""
    if life.disruption:
        return "" if life.disruption == TAINTED else life.disruption
    return "its controller asked for fewer pods" if owner_wants_fewer(history, life.owner_uid, lost_ns) else ""


def _incomplete(history: History, losses: tuple[NodeLoss, ...]) -> str:
    nodes = {NodeView(event.object).name for event in history.watch if event.kind == "Node"}
    if left := sorted(nodes - {loss.node for loss in losses}):
        return f"not every node was taken down: {', '.join(left)}"
    if not losses:
        return "no node was taken down"
    silent = [loss.node for loss in losses if loss.unready_ns is None]
    return f"never seen NotReady: {', '.join(silent)}" if silent else ""


def _too_short(lives: tuple[PodLife, ...], timings: Timings, outage_s: float) -> str:
    """Why the outage proves nothing: it did not outlast what the replicas tolerate."""
    tolerated = [toleration_s(life.spec, timings) for life in lives]
    if None in tolerated:
        return "a replica tolerates a lost node for ever, so nothing would evict it anyway"
    needed_s = max(one or 0.0 for one in tolerated) + 2 * timings.node_monitor_period_s
    if outage_s >= needed_s:
        return ""
    return f"every node was NotReady for {outage_s:.1f} s, which proves nothing in less than {needed_s:g} s"
