"""One pod's life, as it is read from its states in order."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from chaos.clock import NS
from chaos.history.model import WatchEvent
from chaos.objects.base import Raw
from chaos.objects.pod import PodView

__all__ = ["BY_KUBELET", "LifeReader", "NoRoom", "PodLife"]

OWN_SCHEDULER = "default-scheduler"
SCHEDULED_NS = 5 * NS
"""Kubernetes' objective for pod startup, which a scheduler that takes longer has used up."""

BY_KUBELET = "TerminationByKubelet"
"""The reason of the condition DisruptionTarget of a pod that its kubelet ended."""


@dataclass(frozen=True, slots=True)
class NoRoom:
    """A pod that no node took, by its condition PodScheduled; `end_ns`: when one took it, None if none did."""

    begin_ns: int
    end_ns: int | None
    words: str


@dataclass(frozen=True, slots=True)
class PodLife:
    """One pod of the system. Every moment is when we received word of it, on the trial's clock; None: never seen.

    Attributes:
        created_ns: when it was first seen.
        listed: it was in a list then, hence older than that.
        no_room: when the scheduler said that it could not place it, and its last words; None: it never did. Of another
            than Kubernetes' own also how long it took.
        started_ns: all containers run, or have run and ended.
        ready_spans: Ready and not being deleted; an end of None means to the last.
        terminating_ns: its deletion was accepted.
        released_ns: its controller let go of it, so that it replaces it.
        finished_ns: its phase was Succeeded or Failed, so that no controller counts it any more.
        gone_ns: the object is gone.
        gone_uncertain: it vanished in a gap, so that `gone_ns` is only the latest moment possible.
        restarts_ns: of each container each time a restart was seen, but while its controller had let go of the pod.
        init_restarts_ns: the same of its init containers that are no sidecars.
        changed_ns: of each container each time that its owners changed it in place, so that the kubelet restarts it, or
            that it did so at last.
        earlier_restarts_ns: of each container that was restarted before the record: the latest that each of those
            restarts can have been.
        first_index: its place in `History.watch`, which orders what shares a moment.
        lost_index: where it ceased to count for its controller: finished, being deleted, or gone.
        spec: the raw pod spec last seen.
        disruption: why the control plane took it down, by its condition DisruptionTarget; empty if it did not.
        leads: it leads a group of pods, and is a replica with all of them only.
        whole_spans: of such a one, where it was Ready with its group.
    """

    uid: str
    name: str
    node: str
    owner_uid: str
    created_ns: int
    listed: bool
    scheduled_ns: int | None
    no_room: NoRoom | None
    started_ns: int | None
    ready_spans: tuple[tuple[int, int | None], ...]
    terminating_ns: int | None
    released_ns: int | None
    finished_ns: int | None
    gone_ns: int | None
    gone_uncertain: bool
    restarts_ns: Mapping[str, tuple[int, ...]]
    init_restarts_ns: Mapping[str, tuple[int, ...]]
    changed_ns: Mapping[str, tuple[int, ...]]
    earlier_restarts_ns: Mapping[str, tuple[int, ...]]
    first_index: int
    lost_index: int | None
    spec: Raw
    disruption: str
    leads: bool = False
    whole_spans: tuple[tuple[int, int | None], ...] = ()

    @property
    def who(self) -> str:
        """The pod for people: its name, and enough of its UID to tell it from a successor of that name."""
        return f"{self.name} ({self.uid[:8]})"

    @property
    def lost_ns(self) -> int | None:
        """When it ceased to count as a replica: deleted, released, or gone without notice."""
        marked = [at_ns for at_ns in (self.terminating_ns, self.released_ns) if at_ns is not None]
        return min(marked, default=self.gone_ns)

    @property
    def restarted_ns(self) -> tuple[int, ...]:
        """Each moment at which a restart of any container was seen."""
        return tuple(sorted({at_ns for moments in self.restarts_ns.values() for at_ns in moments}))

    @property
    def restarts_of_each(self) -> Mapping[str, tuple[int, ...]]:
        """Of each container, init containers too, each time that a restart was seen."""
        return {**self.init_restarts_ns, **self.restarts_ns}

    def restarts_of(self, container: str) -> tuple[int, ...]:
        """Each moment at which a restart of that container was seen; of any, where none is named."""
        return self.restarts_ns.get(container, ()) if container else self.restarted_ns

    @property
    def all_restarts_ns(self) -> Mapping[str, tuple[int, ...]]:
        """The restarts of each container, those before the record too."""
        names = {*self.earlier_restarts_ns, *self.restarts_ns}
        return {name: self.earlier_restarts_ns.get(name, ()) + self.restarts_ns.get(name, ()) for name in names}

    @property
    def left_ns(self) -> int | None:
        """When its controller ceased to count it: lost, or finished before that."""
        return min((at_ns for at_ns in (self.lost_ns, self.finished_ns) if at_ns is not None), default=None)

    @property
    def ended_by_kubelet(self) -> bool:
        """Whether no deletion ended it but its kubelet (KEP-3329), for node pressure or as its node was shut down."""
        return self.disruption == BY_KUBELET and self.finished_ns is not None and self.finished_ns == self.left_ns

    @property
    def served_spans(self) -> tuple[tuple[int, int | None], ...]:
        """Where it was a Ready replica: with its group, if it leads one."""
        return self.whole_spans if self.leads else self.ready_spans

    @property
    def ready_ns(self) -> int | None:
        """When it was first a Ready replica."""
        return self.served_spans[0][0] if self.served_spans else None

    def ready_at(self, at_ns: int) -> bool:
        """Whether it was a Ready replica at a moment."""
        return any(begin <= at_ns and (end is None or at_ns < end) for begin, end in self.served_spans)


@dataclass(slots=True)
class LifeReader:
    """A life while it is being read; `ahead_ns`: how far the clock of the record is ahead of the cluster's."""

    uid: str
    created_ns: int
    listed: bool
    first_index: int
    last: PodView
    ahead_ns: int
    owner_uid: str = ""
    scheduled_ns: int | None = None
    no_room: NoRoom | None = None
    started_ns: int | None = None
    ready_since_ns: int | None = None
    spans: list[tuple[int, int | None]] = field(default_factory=list)
    terminating_ns: int | None = None
    released_ns: int | None = None
    finished_ns: int | None = None
    gone_ns: int | None = None
    gone_uncertain: bool = False
    counts: dict[str, int] = field(default_factory=dict)
    restarts_ns: dict[str, list[int]] = field(default_factory=dict)
    init_counts: dict[str, int] = field(default_factory=dict)
    init_restarts_ns: dict[str, list[int]] = field(default_factory=dict)
    changed_ns: dict[str, list[int]] = field(default_factory=dict)
    earlier_ns: dict[str, list[int]] = field(default_factory=dict)
    lost_index: int | None = None

    def read(self, event: WatchEvent, pod: PodView, at_ns: int, index: int, *, released: bool) -> None:
        """Take one event into account; `released`: its controller has let go of it."""
        # What a pod was made without is of its time; it may come with restarts when it is listed, or adopted.
        self._milestones(pod, at_ns, old=self.listed or index == self.first_index, released=released)
        deleting = pod.deleting
        ready = not event.gone and not deleting and not released and pod.ready_condition
        if ready and self.ready_since_ns is None:
            self.ready_since_ns = at_ns
        elif not ready and self.ready_since_ns is not None:
            self.spans.append((self.ready_since_ns, at_ns))
            self.ready_since_ns = None
        if event.gone:
            self.gone_ns, self.gone_uncertain = at_ns, event.type == "VANISHED"
        elif deleting and self.terminating_ns is None:
            self.terminating_ns = at_ns
        if self.finished_ns is None and pod.finished:
            self.finished_ns = at_ns
        if not released:
            self.owner_uid = pod.controller_uid
            if self.released_ns is not None:  # its controller took it back
                self.released_ns = self.lost_index = None
        elif self.released_ns is None:
            self.released_ns = at_ns
        if self.lost_index is None and (event.gone or deleting or released or pod.finished):
            self.lost_index = index

    def _milestones(self, pod: PodView, at_ns: int, *, old: bool, released: bool) -> None:
        for name in pod.changed_since(self.last):
            self.changed_ns.setdefault(name, []).append(at_ns)
        self.last = pod
        if self.scheduled_ns is None and pod.node:
            self.scheduled_ns = at_ns
            if self.no_room is not None:
                self.no_room = replace(self.no_room, end_ns=at_ns)
        elif not pod.node and (waits := pod.condition("PodScheduled")).get("status") == "False":
            begin_ns = at_ns if self.no_room is None else self.no_room.begin_ns
            words = str(waits.get("message") or waits.get("reason") or "no reason given")
            self.no_room = NoRoom(begin_ns, None, words)
        if self.started_ns is None and pod.begun:
            self.started_ns = at_ns
        for container in pod.containers:
            if container.name not in self.counts:
                told_ns = container.began_ns
                began_ns = at_ns if told_ns is None else min(at_ns, told_ns + self.ahead_ns)
                self.counts[container.name] = container.restarts if old else 0
                self.earlier_ns[container.name] = [began_ns] * self.counts[container.name]
            more = container.restarts - self.counts[container.name]
            if more > 0:
                self.restarts_ns.setdefault(container.name, []).extend([] if released else [at_ns] * more)
                self.counts[container.name] = container.restarts
        for init in pod.preparing:
            known = self.init_counts.setdefault(init.name, init.restarts if old else 0)
            more = 0 if released else init.restarts - known
            self.init_restarts_ns.setdefault(init.name, []).extend([at_ns] * more)
            self.init_counts[init.name] = max(known, init.restarts)

    def _queued(self) -> NoRoom | None:
        """How it waited for a scheduler that is not Kubernetes' own, and need not say so; None where it did not."""
        name = str(self.last.spec.get("schedulerName") or OWN_SCHEDULER)
        waited = self.scheduled_ns is None or self.scheduled_ns - self.created_ns > SCHEDULED_NS
        words = f"scheduler {name} had not placed it"
        return NoRoom(self.created_ns, self.scheduled_ns, words) if waited and name != OWN_SCHEDULER else None

    def done(self) -> PodLife:
        """The life as it was."""
        spans = (*self.spans, *([(self.ready_since_ns, None)] if self.ready_since_ns is not None else []))
        return PodLife(
            uid=self.uid,
            name=self.last.name,
            node=self.last.node,
            owner_uid=self.owner_uid,
            created_ns=self.created_ns,
            listed=self.listed,
            scheduled_ns=self.scheduled_ns,
            no_room=self.no_room or self._queued(),
            started_ns=self.started_ns,
            ready_spans=spans,
            terminating_ns=self.terminating_ns,
            released_ns=self.released_ns,
            finished_ns=self.finished_ns,
            gone_ns=self.gone_ns,
            gone_uncertain=self.gone_uncertain,
            restarts_ns={name: tuple(moments) for name, moments in self.restarts_ns.items()},
            init_restarts_ns={name: tuple(moments) for name, moments in self.init_restarts_ns.items() if moments},
            changed_ns={name: tuple(moments) for name, moments in self.changed_ns.items()},
            earlier_restarts_ns={name: tuple(moments) for name, moments in self.earlier_ns.items() if moments},
            first_index=self.first_index,
            lost_index=self.lost_index,
            spec=self.last.spec,
            disruption=self.last.disruption,
        )
