"""What a rollout owed: replicas that serve meanwhile, and its end in time; and what is said where it kept neither."""

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TypeVar

from chaos.checks.base import GAPLESS, judged, timings_of, undecided, unknown, watched
from chaos.checks.budgets.dips import Dip, dips_of
from chaos.checks.budgets.replay import replay
from chaos.checks.recovery.delay_reasons import lateness, room_wait, slow_start
from chaos.checks.rollouts.rollout import Count, Rollout, owners_of
from chaos.checks.verdict import Evidence, Obligation
from chaos.clock import NS, seconds
from chaos.history import Fault, History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import workload_states
from chaos.history.facts.reported_reasons import refusal_at
from chaos.objects.base import Raw
from chaos.semantics import recovery_bound

__all__ = [
    "RolloutDetail",
    "as_seen",
    "every_rollout",
    "floor_kept",
    "held_up",
    "in_time",
    "never_changed",
    "rollout_dips",
]

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
    """No fewer replicas were Ready than the strategy keeps: one obligation for each dip, or one that was kept.

    A strategy binds the rollout alone: where it would have kept enough without what others took, nothing is proved.
    """
    subject, bound = f"{rollout.fault.id}: ready replicas", f"at least {rollout.floor}"
    for dip in detail.dips:
        reason, settle = dip.words, GAPLESS if dip.unseen else ""
        if dip.begin_ns < rollout.changed_ns:
            reason, settle = f"fewer were ready before the rollout began: {dip.words}", "a whole system"
        elif dip.lowest + (others := sum(loss.by_others for loss in dip.losses)) >= dip.desired and others:
            reason, settle = f"not by the rollout alone: {dip.words}", "a trial in which nobody else takes replicas"
        yield judged(subject, reason, settle, measured=f"{dip.lowest} ready", bound=bound, evidence=dip.evidence)
    if not detail.dips and detail.ready_min is not None:
        yield Obligation(subject, measured=f"lowest {detail.ready_min} ready", bound=bound)


def in_time(
    history: History,
    rollout: Rollout,
    *,
    subject: str,
    template: Raw,
    begin_ns: int,
    done: Count | None,
    until_ns: int,
    evidence: tuple[Evidence, ...] = (),
) -> Obligation:
    """All pods are of a template, wanted since `begin_ns`, within the bound; it was watched until `until_ns`."""
    bound = rollout.bound(history, template)
    took_s = seconds(max(0, (until_ns if done is None else done.at_ns) - begin_ns))
    reason = settle = ""
    if done is not None and not done.desired:
        reason, settle = "no replica was desired any more, so none had to be Ready", "a Deployment that keeps replicas"
    elif done is not None and _news_decides(history, rollout, begin_ns, done, bound.total_s):
        reason, settle = f"complete after {took_s:.1f} s, but news came late from the watch", GAPLESS
    elif took_s <= bound.total_s and done is None:
        settle = "a trial that waits for the rollout"
        reason = f"not complete when the watch of it ended, {took_s:.1f} s into a bound of {bound.total_s:g} s"
    elif took_s > bound.total_s:
        over = f"not complete {took_s:.1f} s later" if done is None else f"complete only after {took_s:.1f} s"
        reason = f"{over}, bound {bound.total_s:g} s"
        owners = owners_of(history, template)
        new = [life for life in pod_lives(history) if life.owner_uid in owners and life.created_ns >= begin_ns]
        due_ns = begin_ns + round(bound.total_s * NS)
        held, promised = held_up(history, new, due_ns)
        if _paused(history, begin_ns, due_ns):
            reason, settle = f"{reason}, but no promise was broken: the Deployment was paused meanwhile", RESUMED
        elif not promised:
            reason, settle = f"{reason}, but no promise was broken: {held}", SPEC
        elif held:
            reason = f"{reason}: {held}"
    measured = "not complete" if done is None else f"complete after {took_s:.1f} s"
    reason = f"{subject}: {reason}" if reason else ""
    return judged(subject, reason, settle, measured=measured, bound=f"{bound.total_s:g} s", evidence=evidence)


def _news_decides(history: History, rollout: Rollout, begin_ns: int, done: Count, bound_s: float) -> bool:
    """Whether a bound was kept or not, as news is read that a resumed watch may have brought late."""
    began_ns = max(rollout.fault.begin_ns, earliest_ns(history, "Deployment", begin_ns))
    done_ns = min(earliest_ns(history, kind, done.at_ns) for kind in ("Pod", "Deployment"))
    return seconds(done_ns - begin_ns) <= bound_s < seconds(done.at_ns - began_ns)


def _paused(history: History, begin_ns: int, due_ns: int) -> bool:
    """Whether the Deployment was paused at some time in a span, so that its controller traded no pods then."""
    states = [(at_ns, view) for at_ns, view in workload_states(history) if at_ns <= due_ns]
    first_ns = max((at_ns for at_ns, _ in states if at_ns <= begin_ns), default=begin_ns)
    return any(view.spec.get("paused") for at_ns, view in states if at_ns >= first_ns)


RESUMED = "a trial in which nobody pauses the Deployment"
SPEC = "a startup probe, an image that need not be pulled, and room for one pod more"


def held_up(history: History, new: Iterable[PodLife], due_ns: int) -> tuple[str, bool]:
    """What held the pods of a new template up, in words, and whether better was promised.

    Each is held to the time of a single pod, because it is made when others had theirs.
    """
    timings, ended_ns = timings_of(history), history.covered_ns.get("Pod", (0, history.ended_ns))[1]
    guilty: list[str] = []
    excuses: list[str] = []
    for pod in new:
        one = recovery_bound(pod.spec, timings)
        own_ns = pod.created_ns + round(one.total_s * NS)
        late = pod.ready_ns is None or pod.ready_ns > own_ns
        if not late or (pod.left_ns or own_ns) < own_ns:
            continue
        over, known_ns = slow_start(history, pod, one, pod.created_ns), pod.ready_ns or pod.left_ns or ended_ns
        late_by = lateness(history, pod, one, over, due_ns=own_ns, known_ns=known_ns)
        blocker, room = late_by.blocker, room_wait(history, None, pod)
        if room and room.excuse:
            excuses.append(room.excuse)
        elif late_by.excuses:
            excuses += late_by.excuses
        else:
            words = blocker.words if blocker else f"was not {late_by.stage} in its own time"
            guilty.append(f"{pod.name}: {words}" if blocker else f"{pod.name} {words}")
    if not guilty and not excuses and (refusal := refusal_at(history, due_ns)):
        guilty.append(refusal.words)
    return "; ".join(dict.fromkeys(guilty or excuses)), bool(guilty) or not excuses
