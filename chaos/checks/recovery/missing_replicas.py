"""The replicas that are missing though none was lost: desired and not there yet, from the start or since a rise."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chaos.checks.recovery.causes import Causes
from chaos.checks.recovery.delay_reasons import RoomWait, room_wait
from chaos.checks.recovery.replacements import replacements
from chaos.clock import NS
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas, workload_states
from chaos.objects.base import Raw
from chaos.semantics import Bound

__all__ = ["Missing", "member_name", "new_replicas", "turn_ns", "whole_ns_after"]

NEWS_NS = NS
"""Word of a new pod may come this much before word of the number that asked for it, over another watch."""

TOGETHER_NS = 5 * NS
"""Losses within so much of each other are of one blow, though word of them comes one by one."""


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
        held_ns: until when a fault of ours kept it from being back, None if none did.
        room: how its pod waited for room, None if it did not.
    """

    since_ns: int
    cause: str
    bound: Bound
    replacement: PodLife | None
    whole_ns: int | None
    turn_ns: int | None = None
    held_ns: int | None = None
    room: RoomWait | None = None

    @property
    def who(self) -> str:
        return "a new replica"

    @property
    def counts_ns(self) -> int:
        return max(self.since_ns, self.turn_ns or 0, self.held_ns or 0)

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
        wanted = desired.value_at(at_ns) or 0
        before = 0 if at_ns == start_ns else desired.value_at(at_ns - 1) or 0
        kind = MissingAtStart if at_ns == start_ns else Missing
        count = min(wanted - (ready.value_at(at_ns) or 0), wanted - before)
        for number in range(wanted - count, wanted):
            pod = next((life for life in spare if life.created_ns >= at_ns - NEWS_NS), None)
            if pod is not None:
                spare.remove(pod)
            cause = causes.growth(at_ns, pod)
            one = kind(
                since_ns=at_ns,
                cause=cause.words,
                bound=cause.bound,
                replacement=pod,
                whole_ns=whole_ns_after(history, at_ns),
                room=room_wait(history, None, pod),
            )
            name = member_name(history, number, at_ns) if pod is None else pod.name
            turns = (turn_ns(history, name, at_ns), struck_ns if at_ns == start_ns else None)
            found.append(replace(one, turn_ns=max((turn for turn in turns if turn is not None), default=None)))
    return tuple(found)


def turn_ns(history: History, name: str, since_ns: int) -> int | None:
    """When a member of an OrderedReady StatefulSet may be made: once all of lower ordinals are there and available.

    That is Ready for minReadySeconds, and not being deleted (pkg/controller/statefulset: `processReplica`). None where
    nothing has to wait, the end of the record where one of them never was.
    """
    spec = _spec_at(history, since_ns)
    if history.facts.workload_kind != "StatefulSet" or spec.get("podManagementPolicy") == "Parallel":
        return None
    available_ns = round(float(spec.get("minReadySeconds") or 0) * NS)
    first = int((spec.get("ordinals") or {}).get("start") or 0)
    spans: dict[int, list[tuple[int, int | None]]] = {number: [] for number in range(first, _ordinal(name))}
    for life in pod_lives(history):
        for begin_ns, end_ns in life.ready_spans if _ordinal(life.name) in spans else ():
            sure_ns = begin_ns + (0 if life.listed and begin_ns == life.created_ns else available_ns)
            if end_ns is None or sure_ns < end_ns:
                spans[_ordinal(life.name)].append((sure_ns, end_ns))
    turn = since_ns
    lacking = sorted(gap for own in spans.values() for gap in _between(sorted(own), history.ended_ns))
    for begin_ns, end_ns in lacking:
        if begin_ns <= turn + TOGETHER_NS:
            turn = max(turn, end_ns)
    return turn if turn > since_ns else None


def member_name(history: History, number: int, at_ns: int) -> str:
    """The name of a StatefulSet's member by its place, from 0 on."""
    first = int((_spec_at(history, at_ns).get("ordinals") or {}).get("start") or 0)
    return f"{history.facts.workload_name}-{first + number}"


def _spec_at(history: History, at_ns: int) -> Raw:
    """The workload's spec at a moment; the last one before it, or else the first."""
    states = workload_states(history)
    known = [view for known_ns, view in states if known_ns <= at_ns] or [view for _, view in states[:1]]
    return known[-1].spec if known else {}


def _ordinal(name: str) -> int:
    number = name.rpartition("-")[2]
    return int(number) if number.isdecimal() else 0


def _between(spans: list[tuple[int, int | None]], ended_ns: int) -> Iterator[tuple[int, int]]:
    """What lies before, between and after spans in order; what one of them has no end is never over."""
    since_ns = 0
    for begin_ns, end_ns in spans:
        if begin_ns > since_ns:
            yield since_ns, begin_ns
        since_ns = max(since_ns, ended_ns if end_ns is None else end_ns)
    if since_ns < ended_ns:
        yield since_ns, ended_ns


def _waiting(history: History, at_ns: int) -> list[PodLife]:
    """The pods that were there when the record began, and not Ready."""
    alive = (life for life in pod_lives(history) if life.listed and (life.left_ns is None or life.left_ns > at_ns))
    return [life for life in alive if life.created_ns <= at_ns and not life.ready_at(at_ns)]


def whole_ns_after(history: History, since_ns: int) -> int | None:
    """When ready replicas were next as many as desired, if no fewer were desired than at first."""
    desired, short = desired_replicas(history), ready_replicas(history).minus(desired_replicas(history))
    first = desired.value_at(since_ns)
    for at_ns, difference in short.points:
        if at_ns > since_ns and difference >= 0 and (desired.value_at(at_ns) or 0) >= (first or 0):
            return at_ns
    return None
