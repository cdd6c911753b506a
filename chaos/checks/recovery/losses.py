"""The replicas that were lost, one record each: by what cause, until when they are due back, and what came of it.

Each loss has one deadline, which counts from when the replica ceased to be Ready, or from the heal of a fault that kept
it so. Nothing else that happens later moves it: no further loss, no rise of desired replicas, no scale-in after it was
due.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chaos.checks.base import timings_of
from chaos.checks.recovery.causes import Causes, ended_by_kubelet
from chaos.checks.recovery.delay_reasons import kept_wait, quota_wait, room_wait
from chaos.checks.recovery.missing_replicas import Missing, turn_ns, whole_ns_after
from chaos.checks.recovery.node_losses import NodeLoss
from chaos.checks.recovery.replacements import replacements
from chaos.clock import NS
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import IN_CONTAINERS, PodLife, pod_lives, pod_states, struck_container
from chaos.history.facts.replica_counts import desired_replicas, owner_replicas, ready_replicas
from chaos.history.facts.reported_reasons import liveness_kills
from chaos.history.facts.terminations import endings
from chaos.history.step_function import Steps
from chaos.semantics import Bound, Part, RecoveryPath, restart_bound
from chaos.semantics.recovery_bounds import AT_ONCE

__all__ = ["AWAY", "KILLS", "REPLACES", "Loss", "longer_grace", "losses", "moved_from", "victims_of"]

EXITS = frozenset({"process-crash", "memory-hog"})
"""Faults that end a container; every other one leaves it to the probes."""

HOLDS = frozenset({"not-ready", "network-partition"})
"""Faults that keep a replica from being Ready for as long as they are held, and that no probe can end."""

TAKES_NONE = frozenset({*IN_CONTAINERS, "network-partition"})
"""Faults that delete no pod: one that was deleted meanwhile, or ended by its kubelet, others took."""

KILLS = ("delete-pod", "evict-pod")
"""The actions by which faults take pods."""

AWAY: tuple[RecoveryPath, ...] = ("replaced", "moved")
"""The paths on which another pod takes the place of the lost one."""

REPLACES = "a trial in which its own controller replaces it"
"""What settles whether a victim without a replacement was to have one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Loss(Missing):
    """One replica that was lost, and the one that is to be there in its place: itself where it came back itself.

    Attributes:
        life: the replica.
        fault: the fault that took it; None if it fell by itself.
        lost_ns: when it ceased to be Ready; None if it was hit for certain, and never seen to fall.
        path: how it came back, or has to.
        short: whether fewer replicas than desired were ready when it was lost.
        needed: whether as many were wanted of its owner until it was due.
        rolled: whether only its owner wanted fewer, and the workload did not: a rollout took its place.
    """

    life: PodLife
    fault: Fault | None
    lost_ns: int | None
    path: RecoveryPath
    short: bool
    needed: bool
    rolled: bool = False

    @property
    def who(self) -> str:
        return f"{self.life.name} ({self.life.uid[:8]})"

    @property
    def ready_ns(self) -> int | None:
        if self.replacement is None or self.replacement.uid != self.life.uid:
            return None if self.replacement is None else self.replacement.ready_ns
        return next((begin_ns for begin_ns, _ in self.life.served_spans if begin_ns > self.since_ns), None)

    @property
    def unreplaced(self) -> str:
        """That as many were wanted, and no pod was made in its place; empty if that is not so."""
        if self.path not in AWAY or not self.needed or self.replacement is not None:
            return ""
        return f"no pod of the same owner was made after the loss of {self.life.name}"

    @property
    def waiting(self) -> PodLife | None:
        gone = self.life.left_ns is not None and self.life.left_ns <= self.due_ns
        pod = self.replacement if gone and self.path in AWAY else None if gone else self.life
        return pod if pod is not None and pod.created_ns <= self.due_ns else None


@once
def losses(history: History) -> tuple[Loss, ...]:
    """Every replica that ceased to be Ready, and every one that was hit for certain, in the order of their losses."""
    lives = pod_lives(history)
    causes = Causes.of(history)
    taken = {(life.uid, at_ns): fault for fault, life, at_ns in _taken(history, lives)}
    found = [
        _loss(history, causes, life, taken.pop((life.uid, at_ns), None), at_ns)
        for life in lives
        for _, at_ns in life.ready_spans
        if at_ns is not None
    ]
    by_uid = {life.uid: life for life in lives}
    # What is left was hit, and nothing ever came of it.
    found += [_loss(history, causes, by_uid[uid], fault, None) for (uid, _), fault in taken.items()]
    turns = (turn_ns(history, one.life.name, one.since_ns) if one.path in AWAY else None for one in found)
    placed = (replace(one, turn_ns=turn) for one, turn in zip(found, turns, strict=True))
    return tuple(sorted(placed, key=lambda loss: loss.since_ns))


def moved_from(history: History, life: PodLife, lost: NodeLoss, bound: Bound, due_ns: int) -> Loss:
    """The loss of a replica whose node lost its power, which is to be replaced elsewhere until it is due."""
    return Loss(
        life=life,
        fault=lost.fault,
        lost_ns=(lost_ns := unready_ns(life, lost.begin_ns)),
        since_ns=lost.begin_ns if lost_ns is None else lost_ns,
        path="moved",
        cause="replacement after the loss of a node",
        bound=bound,
        replacement=replacements(history).of.get(life.uid),
        whole_ns=None,
        short=True,
        needed=_needed(history, life, lost.begin_ns, due_ns),
    )


def victims_of(history: History, fault: Fault, lives: tuple[PodLife, ...]) -> tuple[PodLife, ...]:
    """The replicas that a fault was aimed at: by UID, or because they were on a victim node."""
    acted = [action.target for action in history.actions if action.fault == fault.id and action.outcome != "fail"]
    refs = (*fault.victims, *acted)
    uids = {ref.uid for ref in refs if ref.kind == "Pod" and ref.uid}
    nodes = {ref.name for ref in refs if ref.kind == "Node"}
    return tuple(life for life in lives if life.uid in uids or life.node in nodes)


def unready_ns(life: PodLife, since_ns: int) -> int | None:
    """When it first ceased to be Ready from a moment on."""
    return min((end for _, end in life.ready_spans if end is not None and end >= since_ns), default=None)


def _taken(history: History, lives: tuple[PodLife, ...]) -> Iterator[tuple[Fault, PodLife, int]]:
    """Whom each fault took, and when: the first moment not Ready since it began. Of two faults the later one did it.

    A process that was proved to hang or to have crashed is taken even if nothing ever came of it. One that was spared
    (an eviction was refused, a drain stopped before it), or was not Ready anyway, is not; nor is one that others
    deleted, or that fell long after the heal.
    """
    for fault in history.faults:
        if fault.missed:
            continue
        aimed = {ref.uid for ref in fault.victims if ref.kind == "Pod"}
        proved = fault.name.startswith("process") and fault.landed_ns is not None
        for life in victims_of(history, fault, lives):
            at_ns = unready_ns(life, fault.begin_ns)
            if at_ns is not None and not _its_doing(history, fault, life, at_ns, aimed=life.uid in aimed):
                at_ns = None
            if life.uid in aimed or life.ready_at(fault.begin_ns):
                if at_ns is not None:
                    yield fault, life, at_ns
                elif proved and life.uid in aimed:
                    yield fault, life, -fault.begin_ns


def _its_doing(history: History, fault: Fault, life: PodLife, at_ns: int, *, aimed: bool) -> bool:
    """Whether a fault may have taken a replica that fell then.

    One that takes pods took whom it asked for, unless each time it was refused. One that takes none deleted nobody, and
    has no effect after its heal but what a restart may take.
    """
    kills = [one for one in history.actions if one.fault == fault.id and one.name in KILLS]
    own = [one.outcome for one in kills if one.target.uid == life.uid]
    if (own or (kills and not aimed)) and all(outcome == "fail" for outcome in own):
        return False
    if fault.name not in TAKES_NONE:
        return True
    restart_ns = round(restart_bound(life.spec, timings_of(history)).total_s * NS)
    taken = at_ns == life.lost_ns or (life.ended_by_kubelet and at_ns == life.finished_ns)
    return not taken and (fault.healed_ns is None or at_ns <= fault.healed_ns + restart_ns)


def _loss(history: History, causes: Causes, life: PodLife, fault: Fault | None, lost_ns: int | None) -> Loss:
    path, desired = _path(causes, fault, life, lost_ns), desired_replicas(history)
    held_ns = _held_ns(history, fault, life, path)
    cause = causes.cause_of(life, lost_ns, held_ns=held_ns if path == "restarted" else None)
    replacement = replacements(history).of.get(life.uid) if path in AWAY else life
    since_ns = lost_ns if lost_ns is not None else fault.begin_ns if fault is not None else 0
    room = room_wait(history, life if path == "replaced" else None, replacement) if path in AWAY else None
    if room is None and path == "replaced":
        waited = quota_wait if history.facts.workload.pods_by in AT_ONCE else kept_wait
        room = waited(history, life, replacement)
    bound = cause.bound if room is None or room.part is None else cause.bound.after(room.part)
    if path == "replaced":
        spec_s = sum(part.seconds for part in cause.bound.parts if part.name == "termination")
        bound = bound.after(*longer_grace(history, life, spec_s))
    due_ns = since_ns + round(bound.total_s * NS)
    needed = path not in AWAY or _needed(history, life, since_ns, due_ns)
    below = None if lost_ns is None else ready_replicas(history).minus(desired).value_at(lost_ns)
    return Loss(
        life=life,
        fault=fault,
        lost_ns=lost_ns,
        since_ns=since_ns,
        path=path,
        cause=cause.words,
        bound=bound,
        room=room,
        replacement=replacement,
        whole_ns=None if lost_ns is None else whole_ns_after(history, lost_ns),
        held_ns=held_ns,
        short=below is not None and below < 0,
        needed=needed,
        rolled=not needed and _as_many(desired, since_ns, due_ns),
    )


def _held_ns(history: History, fault: Fault | None, life: PodLife, path: RecoveryPath) -> int | None:
    """Until when a fault kept it from being Ready again: its heal, or when others took it.

    A restart ends what was done in a container, and no partition.
    """
    if fault is None or fault.name not in HOLDS:
        return None
    healed_ns = history.ended_ns if fault.healed_ns is None else fault.healed_ns
    if path == "replaced":
        return min(healed_ns, life.left_ns or healed_ns)
    held = path == "returned" or (path == "restarted" and fault.name not in IN_CONTAINERS)
    return healed_ns if held else None


def longer_grace(history: History, life: PodLife, spec_s: float) -> tuple[Part, ...]:
    """By how much its deletion gave a pod more than so much grace, where its controller waits for its end.

    Whoever deletes or evicts a pod may say how long it has (Kubernetes API reference, DeleteOptions).
    """
    if history.facts.workload.pods_by in AT_ONCE:
        return ()
    given_s = next((one.grace_s for one in endings(history) if one.life.uid == life.uid), None) or 0
    source = "deletionGracePeriodSeconds: what the deletion of the former pod gave it"
    return (Part("termination", given_s - spec_s, source),) if given_s > spec_s else ()


def _path(causes: Causes, fault: Fault | None, life: PodLife, lost_ns: int | None) -> RecoveryPath:
    since_ns = lost_ns if fault is None else fault.begin_ns
    again_ns = next((begin for begin, _ in life.ready_spans if lost_ns is not None and begin > lost_ns), None)
    ended_ns = life.left_ns if lost_ns is not None and life.left_ns is not None and life.left_ns >= lost_ns else None
    container = "" if fault is None else struck_container(fault, life)
    restarted_ns = next((at_ns for at_ns in life.restarts_of(container) if at_ns >= (since_ns or 0)), None)
    if again_ns is not None:
        ended_ns = None
        restarted_ns = restarted_ns if restarted_ns is not None and restarted_ns <= again_ns else None
    exits = fault is not None and fault.name in EXITS
    exits = exits and not _outlived(causes.history, life, container, since_ns or 0, restarted_ns)
    if restarted_ns is not None and (ended_ns is None or restarted_ns < ended_ns):
        return "crashed" if exits else "restarted"
    node_lost = lost_ns is not None and lost_ns != life.left_ns and causes.node_lost(life.node, lost_ns)
    node_lost = node_lost and not ended_by_kubelet(life, lost_ns)
    if ended_ns is not None:
        return "moved" if node_lost else "replaced"
    if lost_ns is not None:
        return "node back" if node_lost else "returned"
    return "crashed" if exits else "restarted"


def _outlived(history: History, life: PodLife, container: str, since_ns: int, restarted_ns: int | None) -> bool:
    """Whether a container outlived the process that a fault ended in it, so that its liveness probe had to find that.

    Its kubelet said that it ends it for the probe; or it was not restarted, and never seen but running.
    """
    if restarted_ns is not None:
        return any(liveness_kills(history, life.uid, container, since_ns, restarted_ns))
    states = (pod for at_ns, pod in pod_states(history, life.uid) if at_ns >= since_ns)
    return all(one.running_since for pod in states for one in pod.containers if one.name == container)


def _needed(history: History, life: PodLife, since_ns: int, due_ns: int) -> bool:
    """Whether its owner wanted as many until it was due; what is wanted later excuses nothing."""
    wanted = owner_replicas(history, life.owner_uid) or desired_replicas(history)
    return life.uid not in replacements(history).given_up and _as_many(wanted, since_ns, due_ns)


def _as_many(wanted: Steps, since_ns: int, due_ns: int) -> bool:
    before, after = wanted.value_at(since_ns), wanted.min(since_ns, min(due_ns, wanted.end_ns))
    return before is None or after is None or after >= before
