"""Eventually: a rolling update replaces every pod in time, and stays within its own strategy all the while."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, unknown
from chaos.checks.rollouts.rollout import Count, Rollout, counted_within, rollout_of
from chaos.checks.rollouts.rollout_judge import (
    RolloutDetail,
    as_seen,
    every_rollout,
    floor_kept,
    in_time,
    never_changed,
    rollout_dips,
)
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import Fault, History
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import owner_replicas
from chaos.semantics.recovery_bounds import API_CALL

__all__ = ["RolledOut", "RolledOutDetail", "RollingUpdateDetail"]

FAULT = "rolling-update"


@dataclass(frozen=True, slots=True)
class RollingUpdateDetail(RolloutDetail):
    """One rolling update in numbers.

    Attributes:
        seconds: from the change of the template to its end, None if it never was complete.
        pods_max: the most pods that were there at once; the strategy allows `pods_ceiling`.
    """

    seconds: float | None = None
    pods_max: int | None = None
    pods_ceiling: int | None = None

    @property
    def limit(self) -> str:
        if self.bound_s is None:
            return "complete within the derived bound"
        return f"at least {self.ready_floor} ready, at most {self.pods_ceiling} pods, bound {self.bound_s:g} s"

    @property
    def measured(self) -> str:
        if self.ready_min is None:
            return "no rollout seen"
        took = "not complete" if self.seconds is None else f"complete after {self.seconds:.1f} s"
        return f"{took}, lowest {self.ready_min} ready, at most {self.pods_max} pods"


@dataclass(frozen=True, slots=True)
class RolledOutDetail:
    """Every rolling update of the trial."""

    rollouts: tuple[RollingUpdateDetail, ...]


@dataclass(frozen=True, slots=True)
class RolledOut:
    """Every rolling update was complete within the derived bound: all pods of the new template and Ready, no others.

    All the while no fewer pods were Ready than desired - maxUnavailable, and no more were there than desired +
    maxSurge. Pods that are being deleted count for neither, as Kubernetes documents for Deployments; nor do finished
    ones, nor, against the surge, those that their ReplicaSet is about to delete. If the desired number changed
    meanwhile, the most lenient one counts.
    """

    name: ClassVar[str] = "rolled-out"
    Detail: ClassVar[type] = RolledOutDetail

    def __call__(self, history: History) -> Finding:
        worst, details, owed = every_rollout(history, FAULT, _judge, RollingUpdateDetail(""))
        return finding(
            self.name,
            "A rolling update replaces every pod in time, within maxUnavailable and maxSurge.",
            owed,
            Summary(worst.measured, worst.limit, detail=RolledOutDetail(details)),
            nothing=unknown("a rolling update", "no rolling update was made", "a trial with a rolling update"),
        )


def _judge(history: History, fault: Fault) -> tuple[RollingUpdateDetail, tuple[Obligation, ...]]:
    """One rolling update in numbers, and what it owed: its floor, its ceiling, its end in time."""
    rollout = rollout_of(history, fault)
    if rollout is None:
        return RollingUpdateDetail(fault.id), never_changed(history, fault)
    until_ns = history.ended_ns if rollout.next_ns is None else rollout.next_ns
    counts = tuple(counted_within(history, rollout.made, rollout.changed_ns, until_ns))
    done = next((one for one in counts if one.complete), None)
    if done is not None:
        until_ns, counts = done.at_ns, counts[: counts.index(done) + 1]
    rollout = rollout.until(history, until_ns)
    bound = rollout.bound(history, rollout.made)
    detail = RollingUpdateDetail(
        fault=fault.id,
        seconds=None if done is None else seconds(done.at_ns - rollout.changed_ns),
        bound_s=bound.total_s,
        ready_min=min((one.ready for one in counts), default=None),
        ready_floor=rollout.floor,
        pods_max=max((_asked_for(history, rollout, one) for one in counts), default=None),
        pods_ceiling=rollout.ceiling,
        dips=rollout_dips(history, rollout, until_ns),
    )
    watched_ns = min(until_ns, history.covered_ns.get("Pod", (until_ns, until_ns))[1])
    owed = [
        *floor_kept(rollout, detail),
        *_ceiling_kept(rollout, detail.pods_max),
        in_time(
            history,
            rollout,
            subject=fault.id,
            template=rollout.made,
            begin_ns=rollout.changed_ns,
            done=done,
            until_ns=watched_ns,
            evidence=_evidence(rollout, counts, done),
        ),
    ]
    return detail, as_seen(history, fault, watched_ns, owed)


def _asked_for(history: History, rollout: Rollout, count: Count) -> int:
    """The pods of a count; of too many, less those that their ReplicaSets want no more, and take within a call's time.

    The Deployment's controller counts what it asks its ReplicaSets for, and these delete the pods (Kubernetes'
    pkg/controller/deployment/util/deployment_util.go, `NewRSNewReplicas`): a new one may be made some ms before.
    """
    if count.active <= rollout.ceiling:
        return count.active
    at_ns, soon_ns = count.at_ns, count.at_ns + round(API_CALL * NS)
    there = [one for one in pod_lives(history) if one.created_ns <= at_ns and (one.left_ns or at_ns + 1) > at_ns]
    going = 0
    for owner in {one.owner_uid for one in there}:
        own, wanted = [one for one in there if one.owner_uid == owner], owner_replicas(history, owner)
        if (now := wanted.value_at(at_ns)) is None:
            continue
        # Made when more were wanted: a ReplicaSet that makes more than it was asked for is not excused.
        asked = [one for one in own if (wanted.value_at(max(one.created_ns, wanted.begin_ns)) or 0) > now]
        taken = sum(one.terminating_ns is not None and one.terminating_ns <= soon_ns for one in asked)
        going += min(taken, max(0, len(own) - now))
    return count.active - going


def _ceiling_kept(rollout: Rollout, most: int | None) -> Iterator[Obligation]:
    if most is None:
        return
    over = most > rollout.ceiling
    yield judged(
        f"{rollout.fault.id}: pods at once",
        f"{most} pods were there at once, desired and maxSurge make {rollout.ceiling}" if over else "",
        measured=f"at most {most}",
        bound=f"at most {rollout.ceiling}",
    )


def _evidence(rollout: Rollout, counts: tuple[Count, ...], done: Count | None) -> tuple[Evidence, ...]:
    new = (
        Evidence(count.at_ns, f"{count.new} of {count.desired} pods of the new template Ready")
        for before, count in pairwise(counts)
        if count.new > before.new
    )
    end = () if done is None else (Evidence(done.at_ns, "the rollout was complete"),)
    return (Evidence(rollout.changed_ns, f"{rollout.fault.id}: the template was changed"), *new, *end)
