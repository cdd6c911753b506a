"""Changes of a Deployment's pod template, and the counts of its pods at every revision while they were replaced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from chaos.checks.base import GAPLESS, judged, timings_of, undecided, unknown, watched
from chaos.checks.budgets.dips import Dip, dips_of
from chaos.checks.budgets.replay import replay
from chaos.checks.verdict import Evidence, Obligation
from chaos.clock import seconds
from chaos.history import Fault, History
from chaos.history.cache import once
from chaos.history.facts.membership import Membership
from chaos.history.facts.replica_counts import workload_states
from chaos.history.facts.revisions import Revision, by_revision
from chaos.objects.base import Raw
from chaos.objects.kinds import DeploymentView, ReplicaSetView
from chaos.objects.pod import PodView
from chaos.semantics import Bound
from chaos.semantics.rollout import Strategy, rollout_bound

__all__ = [
    "Count",
    "Rollout",
    "RolloutDetail",
    "as_seen",
    "counted_within",
    "floor_kept",
    "in_time",
    "never_changed",
    "rollout_dips",
    "rollout_of",
]

HASH = "pod-template-hash"


@dataclass(frozen=True, slots=True)
class Count:
    """The pods of a rollout from one revision on.

    `active` are pods that neither are being deleted nor have finished; `ready` those of them that are Ready, `new` the
    Ready ones of the template in question, and `others` the active ones of any other.
    """

    at_ns: int
    desired: int
    active: int
    ready: int
    new: int
    others: int

    @property
    def complete(self) -> bool:
        """Whether exactly the desired pods are there, all of the template and Ready."""
        return self.new == self.active == self.desired


@dataclass(frozen=True, slots=True)
class Rollout:
    """One change of the template: from `former` to `made` at `changed_ns`; `next_ns` is when it changed again.

    From `back_ns` to `left_ns` it was the former one again; each is None if that never came.
    """

    fault: Fault
    former: Raw
    made: Raw
    changed_ns: int
    next_ns: int | None
    back_ns: int | None
    left_ns: int | None
    desired: tuple[int, ...]
    strategy: Strategy

    @property
    def floor(self) -> int:
        """How many must stay ready: the least desired number less what may be unavailable of it."""
        least = min(self.desired)
        return least - self.strategy.unavailable(least)

    @property
    def ceiling(self) -> int:
        """How many active pods there may be: the greatest desired number and the surge on it."""
        most = max(self.desired)
        return most + self.strategy.surge(most)

    def bound(self, history: History, template: Raw) -> Bound:
        """How long replacing all pods by those of a template may take."""
        timings = timings_of(history)
        return rollout_bound(template.get("spec") or {}, self.strategy, max(self.desired), timings)


def rollout_of(history: History, fault: Fault) -> Rollout | None:
    """The change of template that a fault made, None if the watch shows none."""
    states = [(at_ns, DeploymentView(view.raw)) for at_ns, view in workload_states(history)]
    before = [view for at_ns, view in states if at_ns <= fault.begin_ns]
    if history.facts.workload_kind != "Deployment" or not before:
        return None
    former = _template(before[-1])
    after = [(at_ns, view) for at_ns, view in states if at_ns > fault.begin_ns]
    changed = next(((at_ns, view) for at_ns, view in after if _template(view) != former), None)
    if changed is None:
        return None
    changed_ns, view = changed
    made = _template(view)
    next_ns = next((at_ns for at_ns, one in after if at_ns > changed_ns and _template(one) != made), None)
    back_ns = next((at_ns for at_ns, one in after if at_ns > changed_ns and _template(one) == former), None)
    left = (at_ns for at_ns, one in after if back_ns and at_ns > back_ns and _template(one) != former)
    span = [before[-1], *(one for at_ns, one in after if next_ns is None or at_ns < next_ns)]
    return Rollout(
        fault=fault,
        former=former,
        made=made,
        changed_ns=changed_ns,
        next_ns=next_ns,
        back_ns=back_ns,
        left_ns=next(left, None),
        desired=tuple(one.replicas for one in span),
        strategy=Strategy.of(view.spec),
    )


def counted(history: History, template: Raw) -> Iterator[Count]:
    """The counts of pods of a template, and of others, at every revision at which they changed."""
    owners = {uid for uid, one in _templates(history).items() if one == _bare(template)}
    active: dict[str, tuple[bool, bool]] = {}
    desired = 0
    last: Count | None = None
    for state, pod in _steps(history):
        if isinstance(pod, PodView):
            if state.gone or pod.deleting or pod.finished:
                active.pop(pod.uid, None)
            else:
                active[pod.uid] = (pod.ready, pod.controller_uid in owners)
        else:
            desired = 0 if state.gone else pod.replicas
        ready = sum(is_ready for is_ready, _ in active.values())
        new = sum(is_ready and mine for is_ready, mine in active.values())
        others = sum(not mine for _, mine in active.values())
        count = Count(state.at_ns, desired, len(active), ready, new, others)
        if last is None or count != Count(count.at_ns, last.desired, last.active, last.ready, last.new, last.others):
            yield count
        last = count


def counted_within(history: History, template: Raw, begin_ns: int, until_ns: int) -> Iterator[Count]:
    """The same from one moment up to another, first as it was when that began.

    Each kind has a watch of its own, so word of the pods may come before word of the template that made or ended them.
    """
    before: Count | None = None
    for count in counted(history, template):
        if count.at_ns >= until_ns:
            break
        if count.at_ns <= begin_ns:
            before = count
            continue
        if before is not None:
            yield replace(before, at_ns=begin_ns)
            before = None
        yield count
    if before is not None:
        yield replace(before, at_ns=begin_ns)


def _steps(history: History) -> Iterator[tuple[Revision, PodView | DeploymentView]]:
    membership, facts = Membership.of(history), history.facts
    for state in by_revision(history, ("Pod", "Deployment")).states:
        if state.kind == "Pod":
            pod = PodView(state.object)
            if membership.has(pod.uid, pod):
                yield state, pod
        else:
            workload = DeploymentView(state.object)
            if (workload.name, workload.namespace) == (facts.workload_name, facts.namespace):
                yield state, workload


@once
def _templates(history: History) -> Mapping[str, Raw]:
    """The template of every ReplicaSet, by UID, without the label that its Deployment adds."""
    views = (ReplicaSetView(event.object) for event in history.watch if event.kind == "ReplicaSet")
    return {view.uid: _bare(_template(view)) for view in views}


def _template(view: ReplicaSetView) -> Raw:
    return view.spec.get("template") or {}


def _bare(template: Raw) -> Raw:
    metadata: dict[str, Any] = dict(template.get("metadata") or {})
    labels = {key: value for key, value in (metadata.get("labels") or {}).items() if key != HASH}
    return {**template, "metadata": {**metadata, "labels": labels}}


KINDS = ("Pod", "Deployment", "ReplicaSet")


@dataclass(frozen=True, slots=True)
class RolloutDetail:
    """What is known of any rollout in numbers.

    Attributes:
        bound_s: how long replacing all pods may take; None if no change of the template was seen.
        ready_min: the fewest Ready pods meanwhile; the strategy keeps `ready_floor`, and `dips` are the spans below.
    """

    fault: str
    bound_s: float | None = None
    ready_min: int | None = None
    ready_floor: int | None = None
    dips: tuple[Dip, ...] = ()


D = TypeVar("D", bound=RolloutDetail)


def every_rollout(
    history: History, fault: str, judge: Callable[[History, Fault], tuple[D, tuple[Obligation, ...]]], none: D
) -> tuple[D, tuple[D, ...], list[Obligation]]:
    """The worst rollout of a kind of fault (`none` without any), all of them, and what they owed."""
    found = [judge(history, one) for one in history.faults if one.name == fault]
    worst, _ = max(found, key=lambda one: max(owed.answer for owed in one[1]), default=(none, ()))
    return worst, tuple(detail for detail, _ in found), [one for _, owed in found for one in owed]


def never_changed(history: History, fault: Fault) -> tuple[Obligation, ...]:
    """What is said of a rollout that the watch does not show."""
    unchanged = unknown(fault.id, f"{fault.id}: the watch shows no change of the template", "a watched rollout")
    return as_seen(history, fault, fault.begin_ns, [unchanged])


def as_seen(history: History, fault: Fault, until_ns: int, owed: Iterable[Obligation]) -> tuple[Obligation, ...]:
    """What a rollout owed, and what leaves it open: a dry run, a fault that missed, a watch that did not see it all."""
    if history.facts.dry_run:
        reason = "a dry run (--gameday-dry-run) rolls nothing out"
        owed = (unknown(fault.id, reason, "run the trial for real"), *owed)
    if fault.missed or fault.landed_ns is None:
        reason = f"{fault.id} did not land: {fault.missed or 'no proof'}"
        owed = (unknown(fault.id, reason, "a trial in which it lands"), *owed)
    blind = (*watched(history, KINDS, fault.begin_ns, until_ns), *replay(history).ordered())
    return (*blind, *(undecided(owed) if blind else owed))


def rollout_dips(history: History, rollout: Rollout, until_ns: int) -> tuple[Dip, ...]:
    """Every dip of the system's ready pods below a rollout's floor, from its change of the template on."""
    played = replay(history)
    of = "the rollout's strategy"
    found = dips_of(history, played, played.system, rollout.changed_ns, of=of, at_least=rollout.floor)
    return tuple(dip for dip in found if dip.begin_ns <= until_ns)


def floor_kept(rollout: Rollout, detail: RolloutDetail) -> Iterator[Obligation]:
    """No fewer replicas were Ready than the strategy keeps: one obligation for each dip, or one that was kept."""
    subject, bound = f"{rollout.fault.id}: ready replicas", f"at least {rollout.floor}"
    for dip in detail.dips:
        reason, settle = dip.words, GAPLESS if dip.unseen else ""
        if dip.begin_ns < rollout.changed_ns:
            reason, settle = f"fewer were ready before the rollout began: {dip.words}", "a whole system"
        yield judged(subject, reason, settle, measured=f"{dip.lowest} ready", bound=bound, evidence=dip.evidence)
    if not detail.dips and detail.ready_min is not None:
        yield Obligation(subject, measured=f"lowest {detail.ready_min} ready", bound=bound)


def in_time(
    subject: str, bound: Bound, begin_ns: int, done: Count | None, until_ns: int, *, evidence: tuple[Evidence, ...] = ()
) -> Obligation:
    """A rollout that began at `begin_ns` is complete by its bound; it was watched until `until_ns`."""
    took_s = seconds(max(0, (until_ns if done is None else done.at_ns) - begin_ns))
    reason = settle = ""
    if took_s <= bound.total_s and done is None:
        settle = "a trial that waits for the rollout"
        reason = f"not complete when the watch of it ended, {took_s:.1f} s into a bound of {bound.total_s:g} s"
    elif took_s > bound.total_s:
        over = f"not complete {took_s:.1f} s later" if done is None else f"complete only after {took_s:.1f} s"
        reason = f"{over}, bound {bound.total_s:g} s"
        if bound.unpromised:
            why = "; ".join(one.reason for one in bound.unpromised)
            reason = f"{reason}, but no promise was broken: {why}"
            settle = "a startup probe, and an image that need not be pulled"
    measured = "not complete" if done is None else f"complete after {took_s:.1f} s"
    reason = f"{subject}: {reason}" if reason else ""
    return judged(subject, reason, settle, measured=measured, bound=f"{bound.total_s:g} s", evidence=evidence)
