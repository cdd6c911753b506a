"""Whether one lost replica was back in time; and if it was not, whether that breaks a promise."""

from chaos.checks.base import GAPLESS, NEWS, UNCUT, judged
from chaos.checks.recovery.delay_reasons import excused, lacking, lateness, pulled_again, slow_start
from chaos.checks.recovery.losses import AWAY, REPLACES, Loss
from chaos.checks.recovery.missing_replicas import Missing
from chaos.checks.recovery.standstills import RUNNING, stood_still
from chaos.checks.verdict import Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns, gaps_in
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import active_replicas, desired_replicas
from chaos.history.facts.reported_reasons import refusal_at
from chaos.semantics import Stage
from chaos.semantics.recovery_bounds import AT_ONCE

__all__ = ["ROOM", "SPEC", "judge_loss"]

STAGE_WORDS: dict[Stage, str] = {
    "created": "a replacement was not created",
    "scheduled": "a pod was not scheduled",
    "started": "a pod's containers had not started",
    "ready": "a pod was not Ready",
}


def judge_loss(history: History, one: Missing) -> Obligation:
    """Judge one loss.

    News that came late (after a resumed watch) makes moments uncertain: in time means in time at the longest possible
    reading, too late means too late at the shortest.
    """
    known_ns = one.back_ns
    if known_ns is None:
        ends = (history.covered_ns.get(kind, (0, history.began_ns))[1] for kind in ("Pod", history.facts.workload_kind))
        known_ns = min(_earliest(history, end_ns) for end_ns in ends)
    took_s = seconds(max(0, known_ns - one.counts_ns))
    reason, settle = _against(history, one, known_ns, took_s)
    measured = f"{took_s:.1f} s" if reason else f"back after {took_s:.1f} s"
    return judged(one.who, reason, settle, measured=measured, bound=f"{one.bound.total_s:g} s")


def _against(history: History, one: Missing, known_ns: int, took_s: float) -> tuple[str, str]:
    """What speaks against its return in time, and what would settle it; empty for a loss that was made good."""
    bound_ns, back_ns = round(one.bound.total_s * NS), one.back_ns
    if back_ns is None:
        if not history.finished:
            return f"the run died before {one.who} was back", "a trial that ends"
        if known_ns - one.counts_ns <= bound_ns:
            ended = f"the recording ended {took_s:.1f} s into a bound of {one.bound.total_s:g} s"
            return f"{ended}, {one.who} not back", "a longer recovery phase"
    elif back_ns - _earliest(history, one.counts_ns) <= bound_ns:
        return (one.unreplaced, REPLACES) if isinstance(one, Loss) and one.unreplaced else ("", "")
    elif _earliest(history, back_ns) - one.counts_ns <= bound_ns:
        return f"{NEWS}, so whether the bound was kept is not known", UNCUT
    return _late(history, one, known_ns, took_s)


def _late(history: History, one: Missing, known_ns: int, took_s: float) -> tuple[str, str]:
    """The loss outlasted its bound: a FAIL, unless that was not seen without a gap, or breaks no promise."""
    if (open_ := _open(history, one, known_ns, took_s))[0]:
        return open_
    waiting = one.waiting or _made_before(history, one)
    spared_s = one.room.seconds_until(known_ns) if one.room and one.room.excuse else 0.0
    if waiting is None:
        stage, blocker = lacking(None, one.due_ns), refusal_at(history, one.due_ns)
        excuses = excused(None, one.bound.excuses(stage), blocker)
    else:
        again = isinstance(one, Loss) and one.path not in AWAY
        over = slow_start(history, waiting, one.bound, one.since_ns)
        if again:
            over = pulled_again(history, waiting, (one.since_ns, known_ns), one.due_ns)
        own_ns = one.counts_ns + round((_own_s(one) + spared_s) * NS)
        late = lateness(history, waiting, one.bound, over, due_ns=one.due_ns, known_ns=known_ns, own_ns=own_ns)
        stage, blocker, excuses = late.stage, late.blocker, late.excuses
    if excuses:
        return f"over the bound of {one.bound.total_s:g} s, but no promise was broken: {'; '.join(excuses)}", SPEC
    over_words = "not back" if one.back_ns is None else f"back after {took_s:.1f} s"
    words = blocker.words if blocker is not None else "" if waiting is not None else _unended(history, one)
    why = f": {words}" if words else ""
    return f"{one.who} {over_words}, bound {one.bound.total_s:g} s: at the deadline {STAGE_WORDS[stage]}{why}", ""


def _own_s(one: Missing) -> float:
    """Its bound without what it was granted to wait for room."""
    return one.bound.total_s - (one.room.part.seconds if one.room and one.room.part else 0.0)


def _open(history: History, one: Missing, known_ns: int, took_s: float) -> tuple[str, str]:
    """Why a loss that outlasted its bound proves nothing, whatever its pod lacked, and what would settle it."""
    for kind in ("Pod", history.facts.workload_kind):
        if gaps_in(history, kind, one.since_ns, one.due_ns):
            return f"the watch of {kind}s had a gap while {one.who} was away", GAPLESS
    paused_s, pause = stood_still(history, one.counts_ns, known_ns)
    in_place = isinstance(one, Loss) and one.path not in AWAY  # which is its kubelet's work alone
    if pause and not in_place and took_s - paused_s <= one.bound.total_s:
        return f"over the bound of {one.bound.total_s:g} s, but {pause}", RUNNING
    if one.room and one.room.excuse and took_s - one.room.seconds_until(known_ns) <= _own_s(one):
        reason = f"over the bound of {one.bound.total_s:g} s, but no promise was broken: {one.room.excuse}"
        return reason, one.room.settle or ROOM
    if isinstance(one, Loss) and one.rolled:
        return f"{one.who} was given up by a rollout, and not made good in {one.bound.total_s:g} s", ROLLED
    return "", ""


def _unended(history: History, one: Missing) -> str:
    """That the pod in whose place it is to be was still there when it was due, where its controller waits for that."""
    if not isinstance(one, Loss) or one.path != "replaced" or history.facts.workload.pods_by in AT_ONCE:
        return ""
    gone_ns = one.life.gone_ns
    return f"{one.life.who} had not ended" if gone_ns is None or gone_ns > one.due_ns else ""


def _made_before(history: History, one: Missing) -> PodLife | None:
    """The pod that its owner had made already when it was lost, and counts in its place while that is not Ready."""
    active, desired = (steps(history).value_at(one.due_ns) for steps in (active_replicas, desired_replicas))
    if not isinstance(one, Loss) or one.replacement is not None or (active or 0) < (desired or 0):
        return None
    due_ns = one.due_ns
    beside = (life for life in pod_lives(history) if life.owner_uid == one.life.owner_uid and life is not one.life)
    there = (life for life in beside if life.created_ns <= one.since_ns and (life.left_ns or due_ns + 1) > due_ns)
    return next((life for life in there if not life.ready_at(due_ns)), None)


ROOM = "a trial on a cluster that has room for one replica more"
ROLLED = "a trial of its own for the rollout, judged by RolledOut"
SPEC = "a startup probe, whose failureThreshold x periodSeconds says how long a start may take, or a present image"


def _earliest(history: History, at_ns: int) -> int:
    """The earliest moment at which what was received then may have happened, by either watch."""
    return min(earliest_ns(history, kind, at_ns) for kind in ("Pod", history.facts.workload_kind))
