"""Eventually: when a load spike is over, the extra replicas go: never before the window, and not too late."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import polars as pl

from chaos.checks.autoscaling.common import (
    Rescale,
    behaviour_at,
    confirmed,
    one_autoscaler,
    rescale_evidence,
    rescales,
    stood_still,
    timings_of,
    unwatched,
    watched_until_ns,
)
from chaos.checks.autoscaling.scale_in import Taken, taken
from chaos.checks.formatting import plural
from chaos.checks.rollouts.common import Said, weighed, worst
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.load_spikes import LoadSpike, load_spikes
from chaos.history.facts.replica_counts import desired_replicas
from chaos.semantics import Bound
from chaos.semantics.hpa.bounds import fall_bound

__all__ = ["ScaledDown"]

DELIVERY_S = 2.0
"""Two changes of one object may be received that much closer together than they were made."""


@dataclass(frozen=True, slots=True)
class _Descent:
    """The way down from one spike. `calm_ns`: its last request was answered. `back_ns`: desired is back at `bottom`."""

    spike: LoadSpike
    calm_ns: int
    peak: int
    bottom: int
    bound: Bound
    falls: tuple[Rescale, ...]
    back_ns: int | None
    until_ns: int
    measured: str
    taken: tuple[Taken, ...]

    @property
    def deadline_ns(self) -> int:
        """When desired replicas must be back."""
        return self.calm_ns + round(self.bound.total_s * NS)

    @property
    def values(self) -> dict[str, Any]:
        """The descent in numbers; seconds count from the last answer of the spike."""

        def after(at_ns: int | None) -> float | None:
            return None if at_ns is None else round(seconds(at_ns - self.calm_ns), 3)

        return {
            "calm_ns": self.calm_ns,
            "peak": self.peak,
            "bottom": self.bottom,
            "first_fall_s": after(self.falls[0].at_ns if self.falls else None),
            "back_s": after(self.back_ns),
            "bound_s": self.bound.total_s,
            "pods_taken": len(self.taken),
            "answers_under_way": sum(one.under_way for one in self.taken),
            "answers_lost": sum(one.lost for one in self.taken),
            "falls": [(one.at_ns, one.before, one.after) for one in self.falls],
        }


@dataclass(frozen=True, slots=True)
class ScaledDown:
    """After every spike desired replicas return to what they were before it, within the derived bound.

    And no fall comes before its window: within `stabilizationWindowSeconds` before a fall to n the autoscaler asked for
    no more than n. The bound counts from the last answer to a request of the spike: while that waits, there is load.
    How many answers the pods that went had under way is shown; whether one was lost is for `SloMet` to say.
    Load that still holds the replicas up, and a record that ends before the bound, are UNKNOWN.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "scaled-down"

    def __call__(self, history: History) -> Finding:
        """Judge the way down from every spike, and every fall of the trial."""
        scaler = one_autoscaler(history)
        said = list(unwatched(history, min((one.begin_ns for one in load_spikes(history)), default=history.began_ns)))
        descents: list[_Descent] = []
        if isinstance(scaler, Said):
            said.append(scaler)
        else:
            descents = list(_descents(history, scaler))
            said += _too_early(history, scaler)
            said += [one for descent in descents for one in _in_time(history, scaler, descent)]
        if not any(descent.peak > descent.bottom for descent in descents) and not isinstance(scaler, Said):
            said.append(Said(Answer.UNKNOWN, "no load spike was followed up and ended", "a spike that ends"))
        answer, reason, settle = worst(weighed(said))
        slowest = max(descents, key=lambda one: one.back_ns or 1 << 62, default=None)
        return Finding(
            check=self.name,
            answer=answer,
            rule="After a spike the extra replicas go: not before the window, and not later than the derived bound.",
            limit="back within the derived bound" if slowest is None else f"back within {slowest.bound.total_s:g} s",
            measured=_measured(slowest),
            margin="" if slowest is None else slowest.bound.words,
            reason=reason,
            settle=settle,
            detail={"spikes": [one.values for one in descents]},
            evidence=tuple(sorted((e for one in descents for e in _evidence(one)), key=lambda one: one.at_ns)),
        )


def _measured(descent: _Descent | None) -> str:
    if descent is None:
        return "no spike ended"
    if descent.back_ns is None:
        return f"desired {descent.peak}, not back at {descent.bottom}"
    took_s = seconds(descent.back_ns - descent.calm_ns)
    met = sum(one.under_way for one in descent.taken)
    gone = f"{plural(len(descent.taken), 'pod')} taken with {plural(met, 'answer')} under way"
    return f"desired {descent.peak} back at {descent.bottom} {took_s:.1f} s after the last answer of the spike, {gone}"


def _evidence(descent: _Descent) -> Iterator[Evidence]:
    yield Evidence(descent.calm_ns, "the last request of the spike was answered")
    yield from rescale_evidence(descent.falls)
    for pod in descent.taken:
        yield Evidence(pod.at_ns, pod.words)


def _descents(history: History, life: AutoscalerLife) -> Iterator[_Descent]:
    """The way down from each spike that ended, up to the next one."""
    raised, desired = load_spikes(history), desired_replicas(history)
    nexts = [*(one.begin_ns for one in raised[1:]), watched_until_ns(history)]
    for spike, until_ns in zip(raised, nexts, strict=True):
        if spike.end_ns is None:
            continue
        calm_ns = _calm_ns(history, spike, spike.end_ns)
        bottom = desired.value_at(spike.begin_ns) or 0
        peak = desired.max(spike.begin_ns, until_ns) or 0
        falls = tuple(one for one in rescales(history) if spike.end_ns < one.at_ns <= until_ns and not one.up)
        back = [one.at_ns for one in falls if one.after <= bottom]
        yield _Descent(
            spike=spike,
            calm_ns=calm_ns,
            peak=peak,
            bottom=bottom,
            bound=fall_bound(behaviour_at(life, spike.end_ns), timings_of(history), peak=peak, bottom=bottom),
            falls=falls,
            back_ns=back[0] if back else None,
            until_ns=until_ns,
            measured=_holding(life, until_ns),
            taken=tuple(taken(history, spike.end_ns, until_ns)),
        )


def _calm_ns(history: History, spike: LoadSpike, end_ns: int) -> int:
    """When the last request that was intended in the spike met its fate."""
    meant = pl.col("intended_ns").is_between(spike.begin_ns, end_ns, closed="left")
    last_ns: int | None = history.requests.filter(meant).select(pl.col("end_ns").max()).item()
    return max(end_ns, last_ns or 0)


def _holding(life: AutoscalerLife, at_ns: int) -> str:
    """Which metric still holds the replicas up at a moment, in words; empty if none is known to."""
    view, down = life.at(at_ns), behaviour_at(life, at_ns).down.tolerance
    for wish, seen in zip(view.metrics, view.measured, strict=False):
        if wish.percent and seen.percent is not None and seen.percent / wish.percent >= 1.0 - down:
            return f"{wish.name} is at {seen.percent} % of {wish.percent} %"
    return ""


def _too_early(history: History, life: AutoscalerLife) -> Iterator[Said]:
    """Falls within the window after the autoscaler itself had asked for more."""
    changes = rescales(history)
    for index, fall in enumerate(changes):
        if fall.up or fall.at_ns < life.first_ns or fall.before > life.at(fall.at_ns).most:
            continue
        window_s = behaviour_at(life, fall.at_ns).down.window_s
        asked = [(one.at_ns, one.after) for one in changes[:index] if one.up and confirmed(life, one)]
        if not life.listed:
            asked.append((life.first_ns, desired_replicas(history).value_at(life.first_ns) or 0))
        for at_ns, number in asked:
            since_s = seconds(fall.at_ns - at_ns)
            if number > fall.after and since_s < window_s - DELIVERY_S:
                text = f"{fall.words} {since_s:.1f} s after {number} had been asked for"
                yield Said(Answer.FAIL, f"{text}, before its window of {window_s:g} s was over")


def _in_time(history: History, life: AutoscalerLife, descent: _Descent) -> Iterator[Said]:
    """What speaks against the way down from one spike, or leaves it open."""
    if descent.peak <= descent.bottom:
        return
    bound_s = descent.bound.total_s
    if descent.back_ns is not None:
        took_s = seconds(earliest_ns(history, history.facts.workload_kind, descent.back_ns) - descent.calm_ns)
        if took_s > bound_s:
            yield _late(life, descent, f"back at {descent.bottom} only after {took_s:.1f} s, bound {bound_s:g} s")
        return
    if descent.until_ns < descent.deadline_ns:
        left_s = seconds(max(0, descent.until_ns - descent.calm_ns))
        text = f"not back at {descent.bottom} when the record or the next spike came, {left_s:.1f} s into {bound_s:g} s"
        yield Said(Answer.UNKNOWN, text, "a trial that waits for the fall")
        return
    yield _late(life, descent, f"not back at {descent.bottom} within {bound_s:g} s")


def _late(life: AutoscalerLife, descent: _Descent, text: str) -> Said:
    """The fall came too late: a FAIL, unless nothing promised it."""
    if blind := stood_still(life, descent.calm_ns, descent.until_ns):
        return Said(Answer.UNKNOWN, f"{text}: the autoscaler had no metrics: {blind.why}", "metrics that it can read")
    if descent.back_ns is None and descent.measured:
        return Said(Answer.UNKNOWN, f"{text}: {descent.measured}, so nothing was to fall", "less load after the spike")
    if descent.bound.unpromised:
        return Said(Answer.UNKNOWN, f"{text}: {descent.bound.unpromised[0].reason}", "other rates")
    return Said(Answer.FAIL, text)
