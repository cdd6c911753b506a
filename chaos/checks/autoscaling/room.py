"""Whether a new replica that no node takes is the system's own lack of room, as its owners declared what there is.

`room` under `[autoscaling]` of gameday.toml: `present`, the nodes that are there have room for as many replicas as the
autoscaler may set; `grows`, a node autoscaler makes it. Without it nobody promised any.
"""

from chaos.checks.base import NEWS, UNCUT, timings_of, unknown
from chaos.checks.recovery.delay_reasons import lacking
from chaos.checks.verdict import Answer, Obligation
from chaos.clock import NS
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import active_replicas, desired_replicas
from chaos.history.facts.reported_reasons import node_coming, node_refused
from chaos.objects.kinds import NodeView
from chaos.semantics import recovery_bound

__all__ = ["lacks_room", "late_by", "without_room"]

READY_BEFORE = "room for all replicas, ready before"
DECLARED = f"{READY_BEFORE}, or autoscaling.room in gameday.toml, which says what there is"


def lacks_room(history: History, pod: PodLife) -> bool:
    """Whether no node had taken a new pod when it was due to be Ready, by the scheduler's own words."""
    return pod.no_room is not None and lacking(pod, _due_ns(history, pod)) == "scheduled"


def late_by(history: History, pod: PodLife) -> str:
    """What a new pod is late by if it is, in a word."""
    return "capacity" if lacks_room(history, pod) else "late"


def without_room(history: History, pod: PodLife, until_ns: int) -> Obligation:
    """What follows for a pod that `lacks_room`, up to the end of the load spike.

    FAIL where the owners declared room that was not there: of `present` room, unless a node closed meanwhile,
    pods beyond those that are desired held it, a volume was missing or a node autoscaler is making a node; of room
    that `grows`, where the last word of the node autoscaler is that it makes none. Otherwise UNKNOWN: how soon a node
    comes nobody promises.
    """
    said, due_ns = pod.no_room, _due_ns(history, pod)
    words = said.words if said is not None else ""
    declared = (history.facts.raw.get("autoscaling") or {}).get("room")
    bound_s = (due_ns - pod.created_ns) / NS
    text = f"{pod.name} was not scheduled {bound_s:g} s after it was made: the scheduler says: {words}"
    coming, refused = node_coming(history, pod.uid, until_ns), node_refused(history, pod.uid, until_ns)
    if refused:
        text = f"{text}; the node autoscaler says: {refused}"
    elif coming:
        text = f"{text}; a node was on its way ({coming}), and nobody promises how soon"
        return unknown(pod.name, text, READY_BEFORE)
    if declared is None:
        return unknown(pod.name, f"{text}; nobody promises how soon there is room", DECLARED)
    if declared == "grows" and (not refused or (said is not None and said.end_ns is not None)):
        return unknown(pod.name, f"{text}; no node autoscaler refused it, and nobody promises how soon", READY_BEFORE)
    if pod.scheduled_ns is not None and earliest_ns(history, "Pod", pod.scheduled_ns) <= due_ns:
        return unknown(pod.name, f"{text}, or {NEWS}", UNCUT)
    if doubt := _held_by_others(history, pod, words, due_ns):
        return unknown(pod.name, f"{text}; but {doubt}", READY_BEFORE)
    promise = "on the nodes that are there" if declared == "present" else "made by a node autoscaler"
    reason = f"capacity: {text}, though its owners declared room {promise} (autoscaling.room = {declared!r})"
    return Obligation(pod.name, Answer.FAIL, reason, bound=f"scheduled within {bound_s:g} s")


def _due_ns(history: History, pod: PodLife) -> int:
    bound = recovery_bound(pod.spec, timings_of(history), workload_kind=history.facts.workload.pods_by)
    return pod.created_ns + round(bound.total_s * NS)


def _held_by_others(history: History, pod: PodLife, words: str, due_ns: int) -> str:
    """What took the room that the owners declared, or is no matter of room at all; empty if nothing did."""
    begin_ns = pod.created_ns
    if "volume" in words.lower():
        return "it waited for a volume, and how soon one is there nobody promises"
    if closed := _closed_nodes(history, due_ns):
        return f"node {', '.join(closed)}, open before, took no pods any more"
    leaving = [
        life.name
        for life in pod_lives(history)
        if life.terminating_ns is not None
        and life.terminating_ns <= due_ns
        and (life.gone_ns is None or life.gone_ns > begin_ns)
    ]
    if leaving:
        return f"{leaving[0]}, which was on its way out, still held its own"
    if (active_replicas(history).max(begin_ns, due_ns) or 0) > (desired_replicas(history).max(begin_ns, due_ns) or 0):
        return "more pods than are desired were there, e.g. of a release"
    return ""


def _closed_nodes(history: History, at_ns: int) -> list[str]:
    """The nodes that took pods before in the trial, and did not then: cordoned, not Ready or gone, by whom ever."""
    state: dict[str, bool] = {}
    was_open: set[str] = set()
    for event in history.watch:
        if event.kind == "Node" and event.at_ns <= at_ns:
            node = NodeView(event.object)
            state[node.name] = node.ready and not node.unschedulable and not event.gone
            was_open |= {node.name} if state[node.name] else set()
    return sorted(name for name in was_open if not state[name])
