"""Always: the autoscaler keeps the workload between its own minimum and maximum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.autoscaling.common import (
    in_turn,
    one_autoscaler,
    scalers_in,
    unless_unseen,
    unwatched,
    watched_since_ns,
    watched_until_ns,
)
from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas

__all__ = ["WithinLimits", "WithinLimitsDetail"]


@dataclass(frozen=True, slots=True)
class WithinLimitsDetail:
    """The least and the most replicas that were desired, and how often that lay outside of the limits."""

    desired_min: int | None
    desired_max: int | None
    outside: int
    grace_s: float


@dataclass(frozen=True, slots=True)
class _Outside:
    """A span in which desired replicas lay outside the limits."""

    begin_ns: int
    end_ns: int
    desired: int
    least: int
    most: int

    def obligation(self, grace_s: float) -> Obligation:
        """That the number is brought back within the grace."""
        lasted_s = seconds(self.end_ns - self.begin_ns)
        text = f"{self.desired} replicas desired for {lasted_s:.1f} s, limits {self.least} to {self.most}"
        late = self.end_ns - self.begin_ns > grace_s * NS
        return Obligation(
            f"{self.desired} desired replicas",
            Answer.FAIL if late else Answer.PASS,
            text if late else "",
            measured=f"brought back after {lasted_s:.1f} s",
            bound=f"{grace_s:g} s",
            evidence=(Evidence(self.begin_ns, text),),
        )


@dataclass(frozen=True, slots=True)
class WithinLimits:
    """Desired replicas lie within minReplicas and maxReplicas, whatever the load asks for.

    An autoscaler that is new, or was given other limits, or whose workload somebody else changed, has one sync to
    bring the number back. That desired replicas reached the maximum is allowed; whether it was enough, `ScaledUp` says.
    """

    name: ClassVar[str] = "within-limits"
    Detail: ClassVar[type] = WithinLimitsDetail

    def __call__(self, history: History) -> Finding:
        """Judge every moment of the trial since the autoscaler was first seen."""
        scaler, found = one_autoscaler(history), scalers_in(history)
        lives = found if in_turn(found) else []
        begin_ns = watched_since_ns(history, lives[0]) if lives else history.began_ns
        grace_s = timings_of(history).hpa_sync_s + timings_of(history).allowance_s
        outside = [span for life in lives for span in _outside(history, life)]
        owed = [span.obligation(grace_s) for span in outside]
        desired = desired_replicas(history)
        low, high = desired.min(begin_ns, desired.end_ns), desired.max(begin_ns, desired.end_ns)
        measured = "desired unknown" if low is None else f"desired {low} to {high}"
        limits = f"{lives[-1].states[-1][1].least} to {lives[-1].states[-1][1].most}" if lives else ""
        if isinstance(scaler, Obligation) and not lives:
            owed.append(scaler)
        elif low is None:
            owed.append(unknown("desired replicas", "the desired number was never seen", "a watch of the workload"))
        elif not outside:
            owed.append(Obligation("desired replicas", measured=measured, bound=limits))
        return finding(
            self.name,
            "Desired replicas stay between the autoscaler's minimum and maximum.",
            unless_unseen(unwatched(history, begin_ns), owed),
            Summary(
                measured=measured,
                limit=f"{limits or 'minReplicas to maxReplicas'}, brought back within {grace_s:g} s",
                detail=WithinLimitsDetail(low, high, len(outside), grace_s),
            ),
            nothing=unknown("desired replicas", "nothing was desired", "a whole record"),
        )


def _outside(history: History, life: AutoscalerLife) -> Iterator[_Outside]:
    """Spans in which one number lay outside the limits in force when they began or changed."""
    until_ns = min(watched_until_ns(history), life.gone_ns or history.ended_ns)
    points = desired_replicas(history).points
    moments = sorted({*(at_ns for at_ns, _ in points), *(at_ns for at_ns, _ in life.states), until_ns})
    open_span: _Outside | None = None
    for at_ns in moments:
        desired = desired_replicas(history).value_at(at_ns)
        if at_ns < life.first_ns or at_ns > until_ns:
            continue
        view = life.at(at_ns)
        if open_span is not None:
            open_span = _Outside(open_span.begin_ns, at_ns, open_span.desired, open_span.least, open_span.most)
        wrong = desired is not None and desired > 0 and not view.least <= desired <= view.most
        now = _Outside(at_ns, at_ns, desired or 0, view.least, view.most) if wrong else None
        if open_span is not None and _same(open_span, now):
            continue
        if open_span is not None:
            yield open_span
        open_span = now
    if open_span is not None:
        yield open_span


def _same(one: _Outside, other: _Outside | None) -> bool:
    return other is not None and (one.desired, one.least, one.most) == (other.desired, other.least, other.most)
