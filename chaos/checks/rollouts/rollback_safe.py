"""Always: a bad rollout halts while the old replicas serve, and once it is undone the former release is back whole."""

from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, judged_until_ns, unknown
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
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.history import Fault, History

__all__ = ["BadRolloutDetail", "RollbackSafe", "RollbackSafeDetail"]

FAULT = "bad-rollout"


@dataclass(frozen=True, slots=True)
class BadRolloutDetail(RolloutDetail):
    """One bad rollout in numbers.

    Attributes:
        active_s: how long the bad template was the Deployment's.
        back_after_s: from its undoing until all pods were of the former template and Ready, None if they never were.
    """

    active_s: float | None = None
    template_restored: bool = False
    back_after_s: float | None = None

    @property
    def limit(self) -> str:
        if self.bound_s is None:
            return "old replicas serve, and the former release is back"
        return f"at least {self.ready_floor} ready, former release back within {self.bound_s:g} s"

    @property
    def measured(self) -> str:
        if self.ready_min is None or self.active_s is None:
            return "no bad rollout seen"
        back = "not back whole" if self.back_after_s is None else f"back whole after {self.back_after_s:.1f} s"
        return f"lowest {self.ready_min} ready in the {self.active_s:.1f} s of the bad release, {back}"


@dataclass(frozen=True, slots=True)
class RollbackSafeDetail:
    """Every bad rollout of the trial."""

    rollouts: tuple[BadRolloutDetail, ...]


@dataclass(frozen=True, slots=True)
class RollbackSafe:
    """Every bad rollout halted: no fewer pods were Ready than desired - maxUnavailable, up to the end of its undoing.

    After the heal the Deployment has its former pod template again, and all pods are of it and Ready, within the
    derived bound. A release that became Ready was not bad, and a strategy that lets every pod go promises nothing:
    both are UNKNOWN.
    """

    name: ClassVar[str] = "rollback-safe"
    Detail: ClassVar[type] = RollbackSafeDetail

    def __call__(self, history: History) -> Finding:
        worst, details, owed = every_rollout(history, FAULT, _judge, BadRolloutDetail(""))
        return finding(
            self.name,
            "A bad rollout halts while old replicas serve, and its undoing brings the former release back whole.",
            owed,
            Summary(worst.measured, worst.limit, detail=RollbackSafeDetail(details)),
            nothing=unknown("a bad rollout", "no bad rollout was made", "a trial with a bad rollout"),
        )


def _judge(history: History, fault: Fault) -> tuple[BadRolloutDetail, tuple[Obligation, ...]]:
    """One bad rollout in numbers, and what it owed: that it halts, replicas that serve, and the way back."""
    rollout = rollout_of(history, fault)
    if rollout is None:
        return BadRolloutDetail(fault.id), never_changed(history, fault)
    until_ns = judged_until_ns(history) if rollout.left_ns is None else rollout.left_ns
    undone_ns = until_ns if rollout.next_ns is None else rollout.next_ns
    bad = tuple(counted_within(history, rollout.made, rollout.changed_ns, undone_ns))
    back = None
    if rollout.back_ns is not None:
        after = counted_within(history, rollout.former, rollout.back_ns, (rollout.left_ns or history.ended_ns) + 1)
        back = next((one for one in after if one.complete), None)
    end_ns = until_ns if back is None else back.at_ns
    rollout = rollout.until(history, end_ns)
    detail = BadRolloutDetail(
        fault=fault.id,
        active_s=seconds((rollout.next_ns or bad[-1].at_ns) - rollout.changed_ns) if bad else None,
        template_restored=rollout.back_ns is not None,
        back_after_s=None if back is None else seconds(back.at_ns - (rollout.back_ns or undone_ns)),
        bound_s=rollout.bound(history, rollout.former).total_s,
        ready_min=min((one.ready for one in bad), default=None),
        ready_floor=rollout.floor,
        dips=rollout_dips(history, rollout, end_ns),
    )
    owed = [
        _halted(rollout, bad),
        *floor_kept(rollout, detail),
        _restored(history, rollout, back, until_ns),
    ]
    return detail, as_seen(history, fault, end_ns, owed)


def _halted(rollout: Rollout, bad: tuple[Count, ...]) -> Obligation:
    """There was a bad release, and it did not replace what served."""
    reason = settle = ""
    if not any(one.active > one.others for one in bad):
        reason, settle = "no pod of the bad release was seen", "a trial that holds until one is there"
    elif any(one.complete for one in bad):
        reason, settle = "the release became Ready as a whole, so it was not bad", "a release that cannot work"
    elif rollout.floor < 1:
        reason = f"maxUnavailable lets all of {min(rollout.desired)} pods go, so that none need serve"
        settle = "a strategy that keeps pods"
    moments = [Evidence(rollout.changed_ns, f"{rollout.fault.id}: the template was changed")]
    if rollout.next_ns is not None:
        again = "back to the former one" if rollout.next_ns == rollout.back_ns else "to another one"
        moments.append(Evidence(rollout.next_ns, f"the template was changed {again}"))
    return judged(f"{rollout.fault.id}: it halts", reason, settle, evidence=tuple(moments))


def _restored(history: History, rollout: Rollout, back: Count | None, until_ns: int) -> Obligation:
    subject = "the former release"
    if rollout.fault.healed_ns is None:
        return unknown(subject, "the bad rollout was never healed", "a trial that comes to its end")
    if rollout.back_ns is None:
        reason = "the Deployment's pod template is not the former one, though it was healed"
        return Obligation(subject, Answer.FAIL, reason)
    evidence = () if back is None else (Evidence(back.at_ns, "all pods were of the former template and Ready"),)
    return in_time(
        history,
        rollout,
        subject=subject,
        template=rollout.former,
        begin_ns=rollout.back_ns,
        done=back,
        until_ns=until_ns,
        evidence=evidence,
    )
