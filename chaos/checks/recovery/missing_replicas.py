"""The replicas that are missing though none was lost: desired and not there yet, from the start or since a rise."""

from __future__ import annotations

from dataclasses import dataclass, replace

from chaos.checks.recovery.hold_ups import RoomWait, room_wait
from chaos.checks.recovery.node_losses import Causes
from chaos.checks.recovery.replacements import replacements
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas
from chaos.semantics import Bound

__all__ = ["Missing", "new_replicas", "whole_ns_after"]

NEWS_NS = NS
"""Word of a new pod may come this much before word of the number that asked for it, over another watch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """One replica that is missing: one more that was desired, or a `Loss`.

    Attributes:
        since_ns: from when on it was missing.
        cause: why, for people, and what the bound is for.
        bound: how long it may be missing.
        replacement: the pod that was made for it, or came back; None if there was none.
        whole_ns: when ready replicas were next back at what was desired then, or at more.
        turn_ns: when it was its turn, where members are made in order.
        room: how its pod waited for room, None if it did not.
    """

    since_ns: int
    cause: str
    bound: Bound
    replacement: PodLife | None
    whole_ns: int | None
    turn_ns: int | None = None
    room: RoomWait | None = None

    @property
    def who(self) -> str:
        return "a new replica"

    @property
    def counts_ns(self) -> int:
        return max(self.since_ns, self.turn_ns or 0)

    @property
    def due_ns(self) -> int:
        """When it must be there at the latest."""
        return self.counts_ns + round(self.bound.total_s * NS)

    @property
    def ready_ns(self) -> int | None:
        """When its pod was Ready, None if it was not seen to be."""
        return None if self.replacement is None else self.replacement.ready_ns

    @property
    def back_ns(self) -> int | None:
        """When it was there: its own pod, or any other that made the number whole."""
        return min((at_ns for at_ns in (self.ready_ns, self.whole_ns) if at_ns is not None), default=None)

    @property
    def waiting(self) -> PodLife | None:
        """The pod that had to be Ready when it was due, None if there was none."""
        pod = self.replacement
        return pod if pod is not None and pod.created_ns <= self.due_ns else None


@dataclass(frozen=True, slots=True, kw_only=True)
class MissingAtStart(Missing):
    """One replica that was missing when the record began: its bound counts from the first fault."""

    @property
    def who(self) -> str:
        return "a replica that was missing at the start"


def new_replicas(history: History) -> tuple[Missing, ...]:
    """Every replica that was desired when the record began, or since, and was not there yet, in order."""
    desired, ready, causes = desired_replicas(history), ready_replicas(history), Causes.of(history)
    start_ns = ready.minus(desired).begin_ns
    struck_ns = min((fault.begin_ns for fault in history.faults), default=None)
    spare = [*_waiting(history, start_ns), *replacements(history).extra]
    found: list[Missing] = []
    for at_ns in (start_ns, *(one for one in desired.rises(history.began_ns, desired.end_ns) if one != start_ns)):
        cause, wanted = causes.growth(at_ns), desired.value_at(at_ns) or 0
        before = 0 if at_ns == start_ns else desired.value_at(at_ns - 1) or 0
        kind = MissingAtStart if at_ns == start_ns else Missing
        for _ in range(min(wanted - (ready.value_at(at_ns) or 0), wanted - before)):
            pod = next((life for life in spare if life.created_ns >= at_ns - NEWS_NS), None)
            if pod is not None:
                spare.remove(pod)
            one = kind(
                since_ns=at_ns,
                cause=cause.words,
                bound=cause.bound,
                replacement=pod,
                whole_ns=whole_ns_after(history, at_ns),
                room=room_wait(history, None, pod),
            )
            found.append(replace(one, turn_ns=struck_ns) if at_ns == start_ns else one)
    return tuple(found)


def _waiting(history: History, at_ns: int) -> list[PodLife]:
    """The pods that were there when the record began, and not Ready."""
    alive = (life for life in pod_lives(history) if life.listed and (life.lost_ns is None or life.lost_ns > at_ns))
    return [life for life in alive if life.created_ns <= at_ns and not life.ready_at(at_ns)]


def whole_ns_after(history: History, since_ns: int) -> int | None:
    """When ready replicas were next as many as desired, if no fewer were desired than at first."""
    desired, short = desired_replicas(history), ready_replicas(history).minus(desired_replicas(history))
    first = desired.value_at(since_ns)
    for at_ns, difference in short.points:
        if at_ns > since_ns and difference >= 0 and (desired.value_at(at_ns) or 0) >= (first or 0):
            return at_ns
    return None
