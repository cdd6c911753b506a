"""Eventually: when the trial ends every desired replica is Ready, among the endpoints, and of the wanted template."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chaos.checks.autoscaling.quiet_times import asleep_at, may_be_zero
from chaos.checks.base import (
    GAPLESS,
    Summary,
    finding,
    judged,
    judged_until_ns,
    timings_of,
    undecided,
    unknown,
    unseen_at,
)
from chaos.checks.log_words import with_log_words
from chaos.checks.recovery.causes import Causes
from chaos.checks.recovery.delay_reasons import excused, lacking, pulled_again, room_wait, slow_start
from chaos.checks.recovery.losses import losses
from chaos.checks.recovery.missing_replicas import member_name, turn_ns
from chaos.checks.recovery.replacements import replacements
from chaos.checks.rollouts.rollout import old_pods_end
from chaos.checks.rollouts.rollout_judge import held_up
from chaos.checks.verdict import Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import (
    active_replicas,
    desired_replicas,
    endpoint_spans,
    endpoint_spans_by_family,
    workload_states,
)
from chaos.history.facts.reported_reasons import blocker_at, refusal_at
from chaos.history.facts.routing import families_left, publishes_unready, selected, unruled
from chaos.history.facts.templates import is_wanted
from chaos.objects.kinds import ReplicaSetView
from chaos.objects.pod_template import same_template
from chaos.semantics import Bound, endpoint_bound
from chaos.semantics.rollout import release_bound

__all__ = ["EndState", "EndStateDetail"]

LONGER = "a longer recovery phase"
REVISED = ("Deployment", "StatefulSet")
"""Kinds that say which template they want."""

RECORDED = "a record that holds the workload's revision and its pods' owners"

TO_ITS_END = "a trial that comes to its end, with every fault healed"


@dataclass(frozen=True, slots=True)
class EndStateDetail:
    """How many replicas were desired at the end, and how many of these kept each part; None where it is not known.

    `short` says what was lacking, in the cluster's own words.
    """

    desired: int | None
    ready: int
    in_endpoints: int | None
    of_template: int | None
    short: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EndState:
    """At the end of the trial every desired replica is Ready, among the endpoints of the Service, and of its template.

    The end is that of the last phase, or of the last heal. The wanted template is the workload's own one then: not for
    a StatefulSet's OnDelete or ordinals below its partition, nor for kinds that name none. FAIL: something is lacking
    beyond its derived bound, counted from the last heal at the earliest; it is named in the words of the scheduler,
    the quota or the kubelet. UNKNOWN: it is still within that bound, nobody promises it, the trial was stopped, a fault
    was not healed, or the record cannot say: a watch was broken then, or endpoints were not watched.
    """

    name: ClassVar[str] = "end-state"
    Detail: ClassVar[type] = EndStateDetail

    def __call__(self, history: History) -> Finding:
        end = _End.of(history)
        owed = tuple(with_log_words(history, _owed(end)))
        if history.stopped or not history.finished or any(fault.healed_ns is None for fault in history.faults):
            owed = tuple(undecided(owed, TO_ITS_END))
        short = tuple(dict.fromkeys(one.reason for one in owed if one.reason))
        detail = end.detail(short)
        parts = [f"{detail.ready} of {detail.desired or 0} ready"]
        parts += [] if detail.in_endpoints is None else [f"{detail.in_endpoints} among the endpoints"]
        parts += [] if detail.of_template is None else [f"{detail.of_template} of the wanted template"]
        return finding(
            self.name,
            "At the end every desired replica is Ready, reachable, and of the wanted template.",
            owed,
            Summary(", ".join(parts), "all desired replicas", detail=detail),
            nothing=unknown("the replicas", "no replica was desired at the end", "a trial that ends with replicas"),
        )


@dataclass(frozen=True, slots=True)
class _End:
    """The system as it was when the trial ended; `replicas` are the pods that count, at most as many as desired."""

    history: History
    at_ns: int
    since_ns: int
    desired: int | None
    replicas: tuple[PodLife, ...]

    @classmethod
    def of(cls, history: History) -> _End:
        """Of more pods than are desired those count that lack the least."""
        at_ns, wanted = judged_until_ns(history), desired_replicas(history)
        there = [
            life
            for life in pod_lives(history)
            if life.created_ns <= at_ns and (life.left_ns is None or life.left_ns > at_ns)
        ]
        desired = wanted.value_at(at_ns)
        ready, numbers = sum(life.ready_at(at_ns) for life in there), pairwise(wanted.points)
        # What is lacking now was not, as long as no more were desired than are Ready now.
        rises = [rise_ns for (_, few), (rise_ns, more) in numbers if few <= ready < more and rise_ns <= at_ns]
        heals = [
            fault.healed_ns for fault in history.faults if fault.healed_ns is not None and fault.healed_ns <= at_ns
        ]
        end = cls(history, at_ns, max([history.began_ns, *rises, *heals]), desired, ())
        best = sorted(there, key=lambda life: (not life.ready_at(at_ns), not end.wanted(life), not end.reachable(life)))
        return cls(history, at_ns, end.since_ns, desired, tuple(best[: desired or 0]))

    def wanted(self, life: PodLife) -> bool | None:
        return is_wanted(self.history, life, self.at_ns)

    def reachable(self, life: PodLife) -> bool:
        """Whether it is among the ready endpoints, for clients of every family of addresses that the Service has."""
        left, families = families_left(self.history, self.at_ns), endpoint_spans_by_family(self.history)
        spans = [family.get(life.uid, ()) for name, family in families.items() if family and name not in left]
        return bool(spans) and all(
            any(begin <= self.at_ns and (end is None or end > self.at_ns) for begin, end in one) for one in spans
        )

    @property
    def no_endpoints(self) -> str:
        """Why the endpoints of the record prove nothing, empty if they do."""
        if unseen_at(self.history, ("EndpointSlice",), self.at_ns):
            return "the endpoints were not watched at the end"
        if not endpoint_spans(self.history):
            return f"no endpoint of Service {self.history.facts.service} was ever seen"
        if publishes_unready(self.history):
            return f"{unruled(self.history)}, so its endpoints prove nothing"
        return ""

    def detail(self, short: tuple[str, ...]) -> EndStateDetail:
        revised = self.history.facts.workload_kind in REVISED
        templates = [self.wanted(life) for life in self.replicas] if revised else [None]
        return EndStateDetail(
            desired=self.desired,
            ready=sum(life.ready_at(self.at_ns) for life in self.replicas),
            in_endpoints=None if self.no_endpoints else sum(map(self.reachable, self.replicas)),
            of_template=None if None in templates else sum(map(bool, templates)),
            short=short,
        )


def _owed(end: _End) -> Iterator[Obligation]:
    if blind := unseen_at(end.history, ("Pod", end.history.facts.workload_kind), end.at_ns):
        reason = f"the watch of {' and '.join(f'{kind}s' for kind in blind)} was broken at the end"
        yield unknown("the watch", reason, GAPLESS)
        return
    if end.desired is None:
        yield unknown("the replicas", "how many replicas are desired was not known at the end", GAPLESS)
        return
    if end.desired == 0 and may_be_zero(end.history, end.at_ns):
        yield asleep_at(end.history, end.at_ns)
    for life in end.replicas:
        yield _ready(end, life)
    if len(end.replicas) < end.desired:
        yield _missing(end, end.desired - len(end.replicas))
    ready = [life for life in end.replicas if life.ready_at(end.at_ns)]
    yield from _endpoints(end, ready)
    yield from _templates(end, ready)


def _judged(end: _End, subject: str, lacks: str, since_ns: int, bound: Bound, *, excuse: str = "") -> Obligation:
    """Something is lacking at the end: a FAIL beyond its bound, if nothing excuses it."""
    took_s = seconds(end.at_ns - max(since_ns, end.since_ns))
    measured, limit = f"{took_s:.1f} s", f"{bound.total_s:g} s"
    if took_s <= bound.total_s:
        reason = f"{lacks}, {took_s:.1f} s into a bound of {limit} when the trial ended"
        return judged(subject, reason, LONGER, measured=measured, bound=limit)
    if excuse:
        reason = f"{lacks}, over the bound of {limit}, but no promise was broken: {excuse}"
        return judged(subject, reason, "a spec that says how long each step may take, and room for every replica")
    return judged(subject, f"{lacks}, {took_s:.1f} s after it could be, bound {limit}", measured=measured, bound=limit)


def _ready(end: _End, life: PodLife) -> Obligation:
    if life.ready_at(end.at_ns):
        return Obligation(life.who, measured="Ready")
    causes = Causes.of(end.history)
    fell_ns = max((at_ns for _, at_ns in life.ready_spans if at_ns is not None and at_ns <= end.at_ns), default=None)
    bound = causes.growth(life.created_ns, life).bound if fell_ns is None else causes.cause_of(life, fell_ns).bound
    places = replacements(end.history).of
    victim = next((one for one in pod_lives(end.history) if places.get(one.uid) is life), None)
    blocker, room = blocker_at(end.history, life.uid, end.at_ns), room_wait(end.history, victim, life)
    stage = lacking(life, end.at_ns) if fell_ns is None else "ready"
    excuse = "; ".join(excused(life, bound.excuses(stage), blocker))
    since_ns = life.created_ns if fell_ns is None else fell_ns
    if fell_ns is None:
        over_s, slow = slow_start(end.history, life, bound, since_ns)
    else:
        over_s, slow = pulled_again(end.history, life, (since_ns, end.at_ns), end.at_ns)
    if stage == "ready" and seconds(end.at_ns - since_ns) - over_s <= bound.total_s:
        excuse = excuse or slow
    if room is not None and room.excuse:
        excuse = room.excuse
    words = f"{life.name} is not Ready" + (f" ({blocker.words})" if blocker else "")
    return _judged(end, life.who, words, since_ns, bound, excuse=excuse)


def _missing(end: _End, count: int) -> Obligation:
    """Fewer pods than desired: since when, and who refused to make them."""
    short = active_replicas(end.history).minus(desired_replicas(end.history))
    spans = ((begin_ns, until_ns) for begin_ns, until_ns in short.spans_below(0) if begin_ns <= end.at_ns)
    lasting = (begin_ns for begin_ns, until_ns in spans if until_ns is None or until_ns > end.at_ns)
    since_ns = max(lasting, default=end.since_ns)
    refusal = refusal_at(end.history, end.at_ns)
    names = [member_name(end.history, number, end.at_ns) for number in range(end.desired or 0)]
    there = {life.name for life in end.replicas}
    turn = next((turn_ns(end.history, name, since_ns) for name in names if name not in there), None)
    bound = Causes.of(end.history).growth(end.at_ns).bound.after(*old_pods_end(end.history, since_ns, end.at_ns))
    words = f"{count} of {plural(end.desired or 0, 'desired replica')} had no pod"
    words += f" ({refusal.words})" if refusal else ""
    held = [one.room.excuse for one in losses(end.history) if one.replacement is None and one.room and one.room.excuse]
    excuse = held[0] if len(held) >= count else ""
    return _judged(end, "missing pods", words, max(since_ns, min(turn or 0, end.at_ns)), bound, excuse=excuse)


def _endpoints(end: _End, ready: Sequence[PodLife]) -> Iterator[Obligation]:
    if not ready:
        return
    if end.no_endpoints:
        yield unknown("the endpoints", end.no_endpoints, "a trial whose Service and endpoints are watched to the end")
        return
    for life in ready:
        subject = f"{life.who}: endpoint"
        if end.reachable(life):
            yield Obligation(subject, measured="among the endpoints")
            continue
        since_ns = max(begin_ns for begin_ns, _ in life.ready_spans if begin_ns <= end.at_ns)
        bound = endpoint_bound(timings_of(end.history))
        elsewhere = not selected(end.history, life.uid, max(since_ns, end.since_ns), end.at_ns)
        excuse = f"Service {end.history.facts.service} does not select it" if elsewhere else unruled(end.history)
        lacks = f"{life.name} is Ready, and not among the endpoints"
        yield _judged(end, subject, lacks, since_ns, bound, excuse=excuse)


def _templates(end: _End, ready: Sequence[PodLife]) -> Iterator[Obligation]:
    """Replicas of a former template, once the rollout of the wanted one had its time."""
    states = [(at_ns, view) for at_ns, view in workload_states(end.history) if at_ns <= end.at_ns]
    if not ready or not states or end.history.facts.workload_kind not in REVISED:
        return
    known = [(life, end.wanted(life)) for life in ready]
    if any(wanted is None for _, wanted in known):
        reason, settle = "which template each replica is of was not recorded", RECORDED
        if states[-1][1].spec.get("paused"):
            reason, settle = "the Deployment is paused, so that nothing replaces pods of a former template", "a resume"
        yield unknown("the template", reason, settle)
    former = [life for life, wanted in known if wanted is False]
    for life, wanted in known:
        if wanted:
            yield Obligation(f"{life.who}: template", measured="of the wanted template")
    if not former:
        return
    now = states[-1][1]
    since_ns = max((at_ns for (_, before), (at_ns, _) in pairwise(states) if _asks_more(before, now)), default=0)
    new = [life for life in pod_lives(end.history) if life.created_ns >= since_ns and end.wanted(life)]
    spec = new[0].spec if new else now.pod_spec
    kind, desired = end.history.facts.workload_kind, end.desired or 1
    bound = release_bound(kind, now.spec, spec, timings_of(end.history), desired=desired, former=former[0].spec)
    held, promised = held_up(end.history, new, end.at_ns)
    lacks = plural(len(former), "replica is", "replicas are") + " of a former template"
    lacks += f" ({held})" if held and promised else ""
    yield _judged(end, "the template", lacks, since_ns, bound, excuse="" if promised else held)


def _asks_more(before: ReplicaSetView, now: ReplicaSetView) -> bool:
    """Whether replicas that were wanted before need not be any more: another template, partition, or no pause."""
    changed = any(before.spec.get(key) != now.spec.get(key) for key in ("paused", "updateStrategy"))
    return changed or not same_template(before.template, now.template)
