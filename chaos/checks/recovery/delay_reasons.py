"""Why a replacement is not scheduled, or does not start: a claim on a lost node, no room, or what was reported."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.pod_lifecycles import NoRoom, PodLife, pod_states
from chaos.history.facts.reported_reasons import blocker_at, node_coming, pod_reports, quota_refusal
from chaos.objects.base import Raw, View
from chaos.objects.readiness_blockers import Blocker
from chaos.semantics import Bound, Part, Stage
from chaos.semantics.recovery_bounds import POD_STARTUP, termination_part

__all__ = [
    "RoomWait",
    "excused",
    "held_up_by",
    "kept_wait",
    "lacking",
    "lateness",
    "pulled_again",
    "quota_wait",
    "room_wait",
    "slow_start",
    "volume_terms",
]

PREEMPTED = "PreemptionByScheduler"
"""The reason of the condition DisruptionTarget of a pod that made room for one of higher priority."""

AT_ONCE_NS = 10 * NS
"""A pod that waits for room is tried again when another is gone: 5 s, as for any start, and as much again."""

HOSTNAME = "kubernetes.io/hostname"

DEBUGGING = "spec.ephemeralContainers"
"""Where Events say that they are about a container that somebody put into the pod to look at it."""


def held_up_by(history: History, life: PodLife, lost: Collection[str], at_ns: int) -> str:
    """Why a pod is held up before its start, in words: a claim of its that is stuck, or what Kubernetes says of it.

    Empty if nothing says why. `lost` are the nodes that are lost.
    """
    stuck = [words for name in _claims(life) if (words := _stuck(history, name, lost, at_ns))]
    if stuck:
        return "; ".join(dict.fromkeys(stuck))
    blocker = blocker_at(history, life.uid, at_ns)
    return "" if blocker is None else blocker.words


def excused(pod: PodLife | None, excuses: Collection[str], blocker: Blocker | None) -> tuple[str, ...]:
    """What excuses a pod that was late, given what stood in its way when it was due.

    A pull or a start that takes long is no excuse where the kubelet named something else. Of volumes Kubernetes'
    objective for pod startup says nothing ("stateless pods"), but one that never came was not only slow.
    """
    if pod is not None and pod.leads and pod.started_ns is not None:
        excuses = (*excuses, f"nobody promises how soon the group of pods that {pod.name} leads is whole")
    if blocker is None or (blocker.patience_s is None and blocker.kind not in ("volume", "sandbox")):
        return tuple(excuses)
    if blocker.kind == "volume" and pod is not None and pod.started_ns is not None:
        return (f"{blocker.words}; how soon a volume is there nobody promises",)
    return ()


def slow_start(history: History, pod: PodLife | None, bound: Bound, since_ns: int) -> tuple[float, str]:
    """How many seconds longer than Kubernetes' objective a pod took to start since a moment, and what excuses it.

    What comes after the start is not late by them, e.g. by a pull. Nothing for a pod that has not started, or that was
    held up by what excuses nothing.
    """
    if pod is None or pod.started_ns is None:
        return 0.0, ""
    took_s = seconds(pod.started_ns - max(since_ns, pod.scheduled_ns or pod.created_ns))
    blocker = blocker_at(history, pod.uid, pod.started_ns - 1) if took_s > POD_STARTUP else None
    excuses = excused(pod, bound.excuses("started"), blocker) if took_s > POD_STARTUP else ()
    return took_s - POD_STARTUP, f"{pod.name} took {took_s:.1f} s to start: {'; '.join(excuses)}" if excuses else ""


@dataclass(frozen=True, slots=True)
class Lateness:
    """What a pod that was late lacked, since when it had been due then, what stood in its way, and what excuses it."""

    stage: Stage
    due_ns: int
    blocker: Blocker | None
    excuses: tuple[str, ...]


def lateness(
    history: History,
    pod: PodLife,
    bound: Bound,
    over: tuple[float, str],
    *,
    due_ns: int,
    known_ns: int,
    own_ns: int | None = None,
) -> Lateness:
    """How a pod was late that was due at a moment, and Ready, or known not to be, only at another.

    `over`: how many seconds its start, or a pull, took longer than is promised, and what excuses that: a start that
    took long excuses itself, and not what had its own time after it. `own_ns`: when it was due without what it was
    granted besides.
    """
    (over_s, slow), stage = over, lacking(pod, due_ns)
    in_time = known_ns <= (due_ns if own_ns is None else own_ns) + round(over_s * NS)
    if slow and stage == "ready" and in_time:
        return Lateness(stage, due_ns, None, (slow,))
    if slow and stage == "started" and not in_time:
        stage, due_ns = "ready", due_ns + round(over_s * NS)
    blocker = blocker_at(history, pod.uid, due_ns)
    return Lateness(stage, due_ns, blocker, excused(pod, bound.excuses(stage), blocker))


def lacking(pod: PodLife | None, at_ns: int) -> Stage:
    """What a pod that was not Ready at its deadline still lacked."""
    if pod is None:
        return "created"
    if pod.scheduled_ns is None or pod.scheduled_ns > at_ns:
        return "scheduled"
    if pod.started_ns is None or pod.started_ns > at_ns:
        return "started"
    return "ready"


def pulled_again(history: History, life: PodLife, span: tuple[int, int], due_ns: int) -> tuple[float, str]:
    """How many seconds of a span a pod that was restarted in place waited for an image, and what excuses that.

    A kubelet asks the registry at each start of a container whose imagePullPolicy is Always, and for any image that it
    has removed meanwhile (Kubernetes documentation, "Images"); its Events say when. Nothing for an image that the
    registry did not give when the pod was due.
    """
    begun: dict[str, int] = {}
    waited_ns: Counter[str] = Counter()
    reports = [(event, reason) for event, reason, _ in pod_reports(history, life.uid) if event.type != "LISTED"]
    for event, reason in reports:
        about = str((event.object.get("involvedObject") or {}).get("fieldPath") or "")
        if reason == "Pulling" and event.at_ns <= span[1] and not about.startswith(DEBUGGING):
            begun.setdefault(about, event.at_ns)
        elif reason in ("Pulled", "Started") and event.at_ns <= span[1] and about in begun:
            waited_ns[about] += max(0, event.at_ns - max(begun.pop(about), span[0]))
    for about, since_ns in begun.items():
        waited_ns[about] += max(0, span[1] - max(since_ns, span[0]))
    waited_s = seconds(max(waited_ns.values(), default=0))
    words = f"{life.name} waited {waited_s:.1f} s for its image, which nobody promises to come sooner"
    excuses = excused(life, (words,), blocker_at(history, life.uid, due_ns)) if waited_s else ()
    return waited_s, "; ".join(excuses)


@dataclass(frozen=True, slots=True)
class RoomWait:
    """A replacement that no node took when it was made, or that no quota allowed to be made.

    Attributes:
        begin_ns, end_ns: from when until when no node took it, or it was not made; None: to the last.
        excuse: why nobody promises that it came sooner; empty where it never got room, and none was on its way.
        part: the lost pod's grace, where it got that pod's own room as soon as that was gone.
        unmade: it could not even be made.
        settle: what would let it be made; empty where that is room.
    """

    begin_ns: int
    end_ns: int | None
    excuse: str
    part: Part | None
    unmade: bool = False
    settle: str = ""

    def seconds_until(self, at_ns: int) -> float:
        return seconds((at_ns if self.end_ns is None else self.end_ns) - self.begin_ns)


def room_wait(history: History, victim: PodLife | None, pod: PodLife | None) -> RoomWait | None:
    """How a pod waited for room, None if it did not. Kubernetes' objective for pod startup leaves that time out.

    `victim` is the pod in whose place it was made, where that one may still hold what it needs until it has ended.
    """
    if pod is None or pod.no_room is None:
        return None
    said, part = pod.no_room, None
    words = f"no node took {pod.name}: {said.words}"
    excuse = "" if said.end_ns is None else "how soon there is room nobody promises"
    if victim is not None and victim.gone_ns is None and victim.terminating_ns is not None and said.end_ns is None:
        excuse = f"{victim.name}, which it replaces, had not ended and still held its own"
    elif victim is not None and victim.disruption == PREEMPTED:
        excuse = f"{victim.name} was preempted for a pod of higher priority"
    elif coming := node_coming(history, pod.uid, history.ended_ns):
        excuse = f"a node was on its way: {coming}"
    if victim is not None and _took_over(victim, pod, said):
        part = termination_part(victim.spec, f"no node had room before {victim.name} was gone", name="room")
    return RoomWait(said.begin_ns, said.end_ns, f"{words}; {excuse}" if excuse else "", part)


def quota_wait(history: History, victim: PodLife, pod: PodLife | None) -> RoomWait | None:
    """How a quota did not allow a pod in place of one that still had its share of it, None if that is not so.

    A pod that is being deleted is charged until it is gone (pkg/quota/v1/evaluator/core/pods.go: `QuotaV1Pod`). How
    soon its controller asks again nobody promises: it backs off each time that it is refused.
    """
    begin_ns, end_ns = victim.terminating_ns, None if pod is None else pod.created_ns
    if begin_ns is None or (end_ns is not None and end_ns <= begin_ns + AT_ONCE_NS):
        return None
    last_ns = min(at_ns for at_ns in (victim.gone_ns, end_ns, history.ended_ns) if at_ns is not None)
    if not (words := quota_refusal(history, victim.owner_uid, begin_ns, last_ns)):
        return None
    why = f"{victim.name}, which it replaces, had its share of the quota until it was gone"
    excuse = f"{words}; {why}" if pod is not None or victim.gone_ns is None else ""
    waited = end_ns is not None and victim.gone_ns is not None and victim.gone_ns <= end_ns
    return RoomWait(begin_ns, end_ns, excuse, termination_part(victim.spec, why) if waited else None, unmade=True)


def kept_wait(history: History, victim: PodLife, pod: PodLife | None) -> RoomWait | None:
    """How the object of a pod outlasted its containers, for which a pod in its place had to wait, None if it did not.

    Each finalizer keeps it until somebody has done what that stands for (Kubernetes documentation, "Finalizers").
    """
    states = pod_states(history, victim.uid) if victim.terminating_ns is not None else ()
    kept = [
        (at_ns, view.metadata["finalizers"])
        for at_ns, view in states
        if view.deleting and view.metadata.get("finalizers") and not any(one.running_since for one in view.containers)
    ]
    made_ns = None if pod is None else pod.created_ns
    end_ns = min((at_ns for at_ns in (victim.gone_ns, made_ns) if at_ns is not None), default=None)
    if not kept or (end_ns is not None and end_ns <= kept[0][0]):
        return None
    words = f"{victim.name}, which it replaces, was kept by its finalizers ({', '.join(kept[0][1])})"
    settle = "a trial whose pods have no finalizers that others remove"
    excuse = f"{words}, and nobody promises how soon these are removed"
    return RoomWait(kept[0][0], end_ns, excuse, None, unmade=True, settle=settle)


def volume_terms(history: History, life: PodLife, at_ns: int) -> tuple[Sequence[Raw], ...]:
    """From which nodes the volumes of a pod's claims can be reached: terms of each that does not say from all."""
    claims = (_last(history, "PersistentVolumeClaim", name, at_ns) for name in _claims(life))
    names = (str((one.get("spec") or {}).get("volumeName") or "") for one in claims)
    return tuple(terms for name in names if name and (terms := _terms(_last(history, "PersistentVolume", name, at_ns))))


def _claims(life: PodLife) -> Iterator[str]:
    for volume in life.spec.get("volumes") or ():
        if name := (volume.get("persistentVolumeClaim") or {}).get("claimName"):
            yield str(name)
        elif "ephemeral" in volume:
            yield f"{life.name}-{volume['name']}"


def _stuck(history: History, claim: str, lost: Collection[str], at_ns: int) -> str:
    found = _last(history, "PersistentVolumeClaim", claim, at_ns)
    volume = str((found.get("spec") or {}).get("volumeName", ""))
    hosts = tuple(_hosts(_last(history, "PersistentVolume", volume, at_ns))) if volume else ()
    if not hosts or not set(hosts) <= set(lost):
        return ""
    return f"claim {claim} is stuck to the lost node {', '.join(hosts)}: its volume {volume} is only there"


def _terms(volume: Raw) -> Sequence[Raw]:
    required = ((volume.get("spec") or {}).get("nodeAffinity") or {}).get("required") or {}
    return required.get("nodeSelectorTerms") or ()


def _hosts(volume: Raw) -> Iterator[str]:
    """The nodes that a volume's node affinity names by their hostname."""
    for term in _terms(volume):
        for expression in term.get("matchExpressions") or ():
            if expression.get("key") == HOSTNAME and expression.get("operator") == "In":
                yield from map(str, expression.get("values") or ())


def _last(history: History, kind: str, name: str, at_ns: int) -> Mapping[str, Any]:
    """The last state of an object by its name that was known at a moment; empty if there was none."""
    found: Mapping[str, Any] = {}
    for event in history.watch:
        if event.kind == kind and event.at_ns <= at_ns and View(event.object).name == name:
            found = event.object
    return found


def _took_over(victim: PodLife, pod: PodLife, said: NoRoom) -> bool:
    """Whether a pod without a node got that of another as soon as this was gone."""
    gone_ns, end_ns = victim.gone_ns, said.end_ns
    if gone_ns is None or end_ns is None or pod.node != victim.node:
        return False
    return said.begin_ns < gone_ns <= end_ns <= gone_ns + AT_ONCE_NS
