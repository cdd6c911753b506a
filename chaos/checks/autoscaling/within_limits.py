"""Always: the autoscaler keeps the workload between its own minimum and maximum."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.autoscaling.common import one_autoscaler, timings_of, unwatched, watched_since_ns, watched_until_ns
from chaos.checks.rollouts.common import Said, weighed, worst
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas

__all__ = ["WithinLimits"]


@dataclass(frozen=True, slots=True)
class _Outside:
    """A span in which desired replicas lay outside the limits."""

    begin_ns: int
    end_ns: int
    desired: int
    least: int
    most: int

    @property
    def words(self) -> str:
        """The span for people."""
        lasted_s = seconds(self.end_ns - self.begin_ns)
        return f"{self.desired} replicas desired for {lasted_s:.1f} s, limits {self.least} to {self.most}"


@dataclass(frozen=True, slots=True)
class WithinLimits:
    """Desired replicas lie within minReplicas and maxReplicas, whatever the load asks for.

    An autoscaler that is new, or was given other limits, or whose workload somebody else changed, has one sync to
    bring the number back. That desired replicas reached the maximum is allowed; whether it was enough, `ScaledUp` says.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "within-limits"

    def __call__(self, history: History) -> Finding:
        """Judge every moment of the trial since the autoscaler was first seen."""
        scaler = one_autoscaler(history)
        begin_ns = history.began_ns if isinstance(scaler, Said) else watched_since_ns(history, scaler)
        grace_s = timings_of(history).hpa_sync_s + timings_of(history).allowance_s
        outside = () if isinstance(scaler, Said) else tuple(_outside(history, scaler))
        said = list(unwatched(history, begin_ns))
        if isinstance(scaler, Said):
            said.append(scaler)
        said += [Said(Answer.FAIL, one.words) for one in outside if one.end_ns - one.begin_ns > grace_s * NS]
        answer, reason, settle = worst(weighed(said))
        desired = desired_replicas(history)
        low, high = desired.min(begin_ns, desired.end_ns), desired.max(begin_ns, desired.end_ns)
        limits = "" if isinstance(scaler, Said) else f"{scaler.states[-1][1].least} to {scaler.states[-1][1].most}"
        return Finding(
            check=self.name,
            answer=answer,
            rule="Desired replicas stay between the autoscaler's minimum and maximum.",
            limit=f"{limits or 'minReplicas to maxReplicas'}, brought back within {grace_s:g} s",
            measured="desired unknown" if low is None else f"desired {low} to {high}",
            reason=reason,
            settle=settle,
            detail={"desired_min": low, "desired_max": high, "outside": len(outside), "grace_s": grace_s},
            evidence=tuple(Evidence(one.begin_ns, one.words) for one in outside),
        )


def _outside(history: History, life: AutoscalerLife) -> Iterator[_Outside]:
    """Spans in which one number lay outside the limits that stood when they began or changed."""
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
