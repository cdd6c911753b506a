"""Changes of a Deployment's pod template, and the counts of its pods at every revision while they were replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chaos.checks.base import timings_of
from chaos.checks.recovery.delay_reasons import room_wait
from chaos.checks.recovery.losses import longer_grace
from chaos.history import Fault, History
from chaos.history.facts.membership import Membership
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas, workload_states
from chaos.history.facts.revisions import Revision, by_revision
from chaos.history.facts.templates import is_wanted, owner_templates
from chaos.objects.base import Raw
from chaos.objects.kinds import DeploymentView
from chaos.objects.pod import PodView
from chaos.objects.pod_template import same_template
from chaos.semantics import Bound, Part
from chaos.semantics.recovery_bounds import AT_ONCE, termination_part
from chaos.semantics.rollout import Strategy, rollout_bound

__all__ = ["Count", "Rollout", "counted_within", "old_pods_end", "owners_of", "rollout_of"]


@dataclass(frozen=True, slots=True)
class Count:
    """The pods of a rollout from one revision on.

    `active` are pods that neither are being deleted, nor have finished, nor were let go by their ReplicaSet; `ready`
    those of them that are Ready, `new` the Ready ones of the template in question, and `others` the active ones of any
    other.
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

    def until(self, history: History, at_ns: int) -> Rollout:
        """The same, held to the numbers that were desired up to a moment: those of later bear on nothing before it."""
        values = desired_replicas(history).values_in(self.fault.begin_ns, at_ns)
        return replace(self, desired=values or self.desired)

    def bound(self, history: History, template: Raw) -> Bound:
        """How long replacing all pods by those of a template may take, as they are when they were admitted."""
        other = self.made if same_template(template, self.former) else self.former
        spec, owners = template.get("spec") or {}, owners_of(history, template)
        made = next((life for life in pod_lives(history) if life.owner_uid in owners), None)
        return rollout_bound(
            spec if made is None else made.spec,
            self.strategy,
            max(self.desired),
            timings_of(history),
            former=other.get("spec") or {},
            waits="no node had room before old pods were gone" if _waited_for_room(history, template) else "",
        )


def rollout_of(history: History, fault: Fault) -> Rollout | None:
    """The change of template that a fault made, None if the watch shows none."""
    states = [(at_ns, DeploymentView(view.raw)) for at_ns, view in workload_states(history)]
    before = [view for at_ns, view in states if at_ns <= fault.begin_ns]
    if history.facts.workload_kind != "Deployment" or not before:
        return None
    former = before[-1].template
    after = [(at_ns, view) for at_ns, view in states if at_ns > fault.begin_ns]
    changed = next(((at_ns, view) for at_ns, view in after if view.template != former), None)
    if changed is None:
        return None
    changed_ns, view = changed
    made = view.template
    next_ns = next((at_ns for at_ns, one in after if at_ns > changed_ns and one.template != made), None)
    back_ns = next((at_ns for at_ns, one in after if at_ns > changed_ns and one.template == former), None)
    left = (at_ns for at_ns, one in after if back_ns and at_ns > back_ns and one.template != former)
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


def _waited_for_room(history: History, template: Raw) -> bool:
    """Whether a new pod without a node got the one of an old pod as soon as that was gone."""
    owners, lives = owners_of(history, template), pod_lives(history)
    old = [life for life in lives if life.owner_uid not in owners and life.gone_ns is not None]
    return any(
        (wait := room_wait(history, one, life)) is not None and wait.part is not None
        for life in lives
        for one in old
        if life.owner_uid in owners
    )


def old_pods_end(history: History, since_ns: int, at_ns: int) -> tuple[Part, ...]:
    """What is waited for before a new pod is made, beside what that itself takes; nothing where nothing is.

    A Deployment that recreates its pods makes none as long as one of a former template is there
    (pkg/controller/deployment/recreate.go: `oldPodsRunning`), a StatefulSet none as long as the member is there, whose
    deletion may have given it more than its spec.
    """
    if history.facts.workload.pods_by not in AT_ONCE:
        going = [life for life in pod_lives(history) if life.terminating_ns and (life.gone_ns or at_ns) >= since_ns]
        more = [part for life in going for part in longer_grace(history, life, termination_part(life.spec, "").seconds)]
        return tuple(sorted(more, key=lambda part: part.seconds)[-1:])
    states = [view for known_ns, view in workload_states(history) if known_ns <= at_ns]
    if history.facts.workload_kind != "Deployment" or not states or not Strategy.of(states[-1].spec).recreate:
        return ()
    there = (life for life in pod_lives(history) if life.gone_ns is None or life.gone_ns > since_ns)
    old = next((life for life in there if is_wanted(history, life, at_ns) is False), None)
    return () if old is None else (termination_part(old.spec, "Recreate waits for the old pods"),)


def counted(history: History, template: Raw) -> Iterator[Count]:
    """The counts of pods of a template, and of others, at every revision at which they changed."""
    owners = owners_of(history, template)
    active: dict[str, tuple[bool, bool]] = {}
    desired = 0
    last: Count | None = None
    for state, pod, gone in _steps(history):
        if isinstance(pod, PodView):
            if gone or pod.deleting or pod.finished:
                active.pop(pod.uid, None)
            else:
                active[pod.uid] = (pod.ready, pod.controller_uid in owners)
        else:
            desired = 0 if gone else pod.replicas
        ready = sum(is_ready for is_ready, _ in active.values())
        new = sum(is_ready and mine for is_ready, mine in active.values())
        others = sum(not mine for _, mine in active.values())
        count = Count(state.at_ns, desired, len(active), ready, new, others)
        if last is None or count != Count(count.at_ns, last.desired, last.active, last.ready, last.new, last.others):
            yield count
        last = count


def owners_of(history: History, template: Raw) -> frozenset[str]:
    """The ReplicaSets of a template, by UID."""
    return frozenset(uid for uid, one in owner_templates(history).items() if same_template(one, template))


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


def _steps(history: History) -> Iterator[tuple[Revision, PodView | DeploymentView, bool]]:
    """Each state of the workload and of its pods, and whether that is gone, or let go by its controller."""
    membership, facts = Membership.of(history), history.facts
    for state in by_revision(history, ("Pod", "Deployment")).states:
        if state.kind == "Pod":
            pod = PodView(state.object)
            if membership.has(pod.uid, pod):
                yield state, pod, state.gone or not membership.counts(pod.uid, pod)
        else:
            workload = DeploymentView(state.object)
            if (workload.name, workload.namespace) == (facts.workload_name, facts.namespace):
                yield state, workload, state.gone
