"""Always: while every node is lost, no replica is evicted, because more likely the control plane is cut off."""

from __future__ import annotations

from chaos.checks.formatting import plural
from chaos.checks.recovery.node_losses import NodeLoss, node_losses
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.checks.watch_coverage import blind_spots
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.kinds import NodeView
from chaos.semantics import Timings, toleration_s

__all__ = ["NothingEvicted"]

SAME_PASS_NS = NS
"""Nodes that a pass of the monitor finds NotReady are said to be so within moments of each other."""


class NothingEvicted:
    """From the moment in which every node was NotReady to that in which power came back, no replica was marked to go.

    The controller has a race here: while it takes back the taints of all nodes, a thread of its own may still taint a
    node that it found NotReady in that same pass, and the replicas on that one go when their toleration is over. So
    those are counted apart, and the others decide.

    The outage proves something only if it outlasted what the replicas tolerate, with two periods of the node monitor.
    UNKNOWN if it did not, if a node was left, with a gap, and if a replica was marked before all nodes were NotReady:
    until then Kubernetes evicts as ever.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "nothing-evicted"

    def __call__(self, history: History) -> Finding:
        """Judge the outage of all nodes."""
        losses = node_losses(history)
        if reason := _incomplete(history, losses):
            return self._finding(Answer.UNKNOWN, "no outage of every node", reason)
        begin_ns = max(loss.unready_ns or 0 for loss in losses)
        end_ns = min(history.ended_ns if loss.on_ns is None else loss.on_ns for loss in losses)
        lives = tuple({life.uid: life for loss in losses for life in loss.held(pod_lives(history))}.values())
        marked = [life for life in lives if life.lost_ns is not None and life.lost_ns < end_ns]
        measured = (
            f"{len(marked)} of {plural(len(lives), 'replica')} marked to go; "
            f"every node NotReady for {max(0.0, seconds(end_ns - begin_ns)):.1f} s"
        )
        last = {loss.node for loss in losses if begin_ns - (loss.unready_ns or 0) <= SAME_PASS_NS}
        raced = [life for life in marked if life.node in last]
        if raced:
            measured += f"; {len(raced)} of them on the last node to be NotReady, by the controller's own race"
        # News of nodes and of pods comes over two watches: what was marked in the same moments proves nothing.
        allowance_ns = round(Timings.of(history.facts.raw.get("timings") or {}).allowance_s * NS)
        others = [life for life in marked if life.node not in last]
        late = [life.name for life in others if (life.lost_ns or 0) > begin_ns + allowance_ns]
        if late:
            reason = f"evicted though no node was left: {', '.join(late)}"
            return self._finding(Answer.FAIL, measured, reason, marked)
        doubts = [*blind_spots(history, ("Pod", "Node"), min(loss.begin_ns for loss in losses), end_ns)]
        if others:
            doubts.append(f"marked before every node was NotReady: {', '.join(life.name for life in others)}")
        if raced and all(life.node in last for life in lives):
            doubts.append("every replica was on the last node to be NotReady, so none is left to tell")
        doubts += _too_short(history, lives, end_ns - begin_ns)
        return self._finding(Answer.UNKNOWN if doubts else Answer.PASS, measured, "; ".join(doubts), marked)

    def _finding(self, answer: Answer, measured: str, reason: str, marked: list[PodLife] | None = None) -> Finding:
        told = [(life.lost_ns, life.name) for life in marked or () if life.lost_ns is not None]
        return Finding(
            check=self.name,
            answer=answer,
            rule="While every node is lost, no replica is evicted.",
            limit="none marked",
            measured=measured,
            reason=reason,
            settle="a trial that holds every node down for longer than the replicas tolerate, seen without a gap"
            if answer is Answer.UNKNOWN
            else "",
            detail={"marked": [name for _, name in told]},
            evidence=tuple(Evidence(at_ns, f"{name} was marked to go") for at_ns, name in sorted(told)),
        )


def _incomplete(history: History, losses: tuple[NodeLoss, ...]) -> str:
    """Why this was no outage of every node."""
    nodes = {NodeView(event.object).name for event in history.watch if event.kind == "Node"}
    if left := sorted(nodes - {loss.node for loss in losses}):
        return f"not every node was taken down: {', '.join(left)}"
    if not losses:
        return "no node was taken down"
    silent = [loss.node for loss in losses if loss.unready_ns is None]
    return f"never seen NotReady: {', '.join(silent)}" if silent else ""


def _too_short(history: History, lives: tuple[PodLife, ...], lasted_ns: int) -> list[str]:
    timings = Timings.of(history.facts.raw.get("timings") or {})
    if not lives:
        return ["no replica was on the nodes"]
    times = [toleration_s(life.spec, timings) for life in lives]
    if any(tolerated is None for tolerated in times):
        return ["a replica tolerates a lost node for ever, so nothing would evict it anyway"]
    wanted_s = max(tolerated or 0.0 for tolerated in times) + 2 * timings.node_monitor_period_s
    if seconds(lasted_ns) >= wanted_s:
        return []
    return [f"every node was NotReady for {seconds(lasted_ns):.1f} s, and only after {wanted_s:g} s it means something"]
