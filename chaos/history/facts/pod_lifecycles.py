"""The life of each replica, from its creation to its end, as the watch log tells it."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from chaos.history.cache import once
from chaos.history.coverage import settled_ns
from chaos.history.facts.membership import Membership
from chaos.history.facts.pod_life import BY_KUBELET, LifeReader, NoRoom, PodLife
from chaos.history.facts.server_clock import clocks_apart_ns
from chaos.history.model import Fault, History
from chaos.history.step_function import Steps
from chaos.objects.kinds import ReplicaSetView
from chaos.objects.pod import PodView

__all__ = [
    "BY_KUBELET",
    "IN_CONTAINERS",
    "NoRoom",
    "PodLife",
    "nameless",
    "pod_lives",
    "pod_states",
    "struck_container",
]

IN_CONTAINERS = ("process-hang", "process-crash", "memory-hog", "not-ready")
"""The faults that strike one container of a pod: the one that they name, else the pod's first."""


Span = tuple[int, int | None]


@once
def pod_lives(history: History) -> tuple[PodLife, ...]:
    """The lives of all pods of the system that were ever seen, in the order in which they were first seen."""
    membership = Membership.of(history)
    readers: dict[str, LifeReader] = {}
    for index, event in enumerate(history.watch):
        if event.kind != "Pod":
            continue
        pod = PodView(event.object)
        uid = pod.uid
        if not membership.has(uid, pod):
            continue
        at_ns = settled_ns(history, "Pod", event.at_ns)
        reader = readers.get(uid)
        if reader is None:
            reader = LifeReader(uid, at_ns, event.type == "LISTED", index, pod, max(clocks_apart_ns(history)))
            readers[uid] = reader
        reader.read(event, pod, at_ns, index, released=not membership.counts(uid, pod))
    lives = tuple(reader.done() for reader in readers.values())
    groups = _groups(history)
    leading = {life.owner_uid for life in lives if life.uid in groups}
    return tuple(_with_group(life, groups.get(life.uid, ())) if life.owner_uid in leading else life for life in lives)


@once
def nameless(history: History) -> pl.Expr:
    """Which requests name none of the pods: no name at all, or that of a gateway or another workload's pod."""
    names = list(dict.fromkeys(life.name for life in pod_lives(history)))
    return ~pl.col("replica").is_in(names).fill_null(value=False)


def _groups(history: History) -> Mapping[str, Sequence[Span]]:
    """By the UID of each pod that leads others, where all of these were Ready by their own controller's status.

    That one's controller is the pod that leads, as a LeaderWorkerSet has it.
    """
    kind = history.facts.workload
    states: dict[str, list[tuple[int, int]]] = {}
    for event in (one for one in history.watch if one.kind in kind.through):
        view = ReplicaSetView(event.object)
        if view.controller_kind == "Pod":
            wanted, ready = kind.named(event.kind).wanted(event.object), int(view.status.get("readyReplicas") or 0)
            whole = not event.gone and ready >= (wanted or 0)
            moment = (settled_ns(history, event.kind, event.at_ns), int(not whole))
            states.setdefault(view.controller_uid, []).append(moment)
    return {uid: Steps.of(seen, history.ended_ns).spans_below(1) for uid, seen in states.items()}


def _with_group(life: PodLife, whole: Sequence[Span]) -> PodLife:
    """The life of a pod that leads others, or is to: those beside it of the same owner do."""
    both = [
        (max(begin, own_begin), min((at_ns for at_ns in (end, own_end) if at_ns is not None), default=None))
        for own_begin, own_end in life.ready_spans
        for begin, end in whole
    ]
    return replace(life, leads=True, whole_spans=tuple(span for span in both if span[1] is None or span[0] < span[1]))


def pod_states(history: History, uid: str) -> tuple[tuple[int, PodView], ...]:
    """Every state of one pod with the moment of its receipt, in order."""
    pods = ((event.at_ns, PodView(event.object)) for event in history.watch if event.kind == "Pod")
    return tuple((at_ns, pod) for at_ns, pod in pods if pod.uid == uid)


def struck_container(fault: Fault, life: PodLife) -> str:
    """The name of the container of a pod that a fault struck, empty for a fault of whole pods or nodes."""
    if fault.name not in IN_CONTAINERS:
        return ""
    named = str(fault.parameters.get("container") or "")
    return named or next((str(one.get("name", "")) for one in life.spec.get("containers") or ()), "")
