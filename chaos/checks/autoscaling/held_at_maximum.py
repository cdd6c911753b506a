"""Sometimes: a load spike asks for more than the autoscaler may give, and it gives all of it until the end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.autoscaling.common import (
    NOT_ASKED,
    Rescale,
    confirmed,
    one_autoscaler,
    replicas_made,
    rescales,
    unless_unseen,
    unwatched,
)
from chaos.checks.base import Summary, finding, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import LoadSpike, load_spikes
from chaos.history.facts.replica_counts import desired_replicas

__all__ = ["HeldAtMaximum", "HeldAtMaximumDetail"]

BEYOND = "TooManyReplicas"
"""Kubernetes' word for a number that the maximum cut."""

HIGHER = "a higher rate, or a lower maximum"


@dataclass(frozen=True, slots=True)
class StayDetail:
    """One load spike at the maximum; seconds count from the step, None: not seen before the spike ended."""

    spike_begin_ns: int
    peak_rps: float
    replicas_max: int
    desired_highest: int
    reached_s: float | None
    beyond_s: float | None
    held_s: float | None


@dataclass(frozen=True, slots=True)
class HeldAtMaximumDetail:
    """Each load spike at the maximum."""

    spikes: tuple[StayDetail, ...]


@dataclass(frozen=True, slots=True)
class _Stay:
    """One load spike at the maximum. Moments are None for what was not seen before the spike ended.

    Attributes:
        reached_ns: when desired replicas were at the maximum.
        beyond_ns: when the autoscaler first said, from then on, that it would set more.
        left: the first change away from the maximum.
    """

    spike: LoadSpike
    end_ns: int
    most: int
    highest: int
    reached_ns: int | None
    beyond_ns: int | None
    left: Rescale | None

    @property
    def detail(self) -> StayDetail:
        """The stay in numbers."""

        def after(at_ns: int | None, since_ns: int) -> float | None:
            return None if at_ns is None else round(seconds(at_ns - since_ns), 3)

        begin_ns = self.spike.begin_ns
        until_ns = self.end_ns if self.left is None else self.left.at_ns
        return StayDetail(
            spike_begin_ns=begin_ns,
            peak_rps=self.spike.peak_rps,
            replicas_max=self.most,
            desired_highest=self.highest,
            reached_s=after(self.reached_ns, begin_ns),
            beyond_s=after(self.beyond_ns, begin_ns),
            held_s=None if self.reached_ns is None else after(until_ns, self.reached_ns),
        )

    @property
    def measured(self) -> str:
        """The stay for people."""
        held = self.detail
        if held.reached_s is None:
            return f"desired at most {self.highest} of {self.most}"
        return f"desired {self.most} from {held.reached_s:.1f} s after the step, for {held.held_s:.1f} s"

    def evidence(self) -> Iterator[Evidence]:
        """The moments that the stay consists of."""
        yield Evidence(self.spike.begin_ns, f"the load rose from {self.spike.words}")
        if self.reached_ns is not None:
            yield Evidence(self.reached_ns, f"desired replicas reached the maximum of {self.most}")
        if self.beyond_ns is not None:
            yield Evidence(self.beyond_ns, f"the autoscaler would have set more than {self.most} ({BEYOND})")
        if self.left is not None:
            yield Evidence(self.left.at_ns, self.left.words)


@dataclass(frozen=True, slots=True)
class HeldAtMaximum:
    """In a load spike desired replicas reach the autoscaler's maximum, get their pods, and stay until it ends.

    The autoscaler must have asked for more, in its own status, or the maximum was not put to the test: UNKNOWN. So it
    is where desired replicas never reached it, or the autoscaler itself took some away because its metrics asked for
    fewer. A number that something else changed meanwhile is a FAIL. Whether users were well with so many is for
    `SloMet` and `ScaledUp`; whether more were desired than the maximum, for `WithinLimits`.
    """

    name: ClassVar[str] = "held-at-maximum"
    Detail: ClassVar[type] = HeldAtMaximumDetail

    def __call__(self, history: History) -> Finding:
        """Judge every load spike of the trial."""
        owed: list[Obligation] = []
        stays: list[_Stay] = []
        for spike in load_spikes(history):
            scaler = one_autoscaler(history, spike.begin_ns, spike.end_ns)
            if isinstance(scaler, Obligation):
                owed.append(scaler)
                continue
            stays.append(stay := _stay(history, scaler, spike))
            owed += unless_unseen(unwatched(history, spike.begin_ns, stay.end_ns), _owed(history, scaler, stay))
        return finding(
            self.name,
            "While a load spike asks for more than the maximum, desired replicas stay at the maximum.",
            owed,
            Summary(
                measured="; ".join(stay.measured for stay in stays) or "nothing",
                limit="the maximum" if not stays else f"{stays[0].most} replicas until the spike ends",
                detail=HeldAtMaximumDetail(tuple(stay.detail for stay in stays)),
                evidence=tuple(moment for stay in stays for moment in stay.evidence()),
            ),
            nothing=unknown("the load", "the load never rose by half or more", "a trial with a spike"),
        )


def _stay(history: History, life: AutoscalerLife, spike: LoadSpike) -> _Stay:
    """Read one load spike off the history."""
    end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
    most, desired = life.at(end_ns).most, desired_replicas(history)
    changes = [one for one in rescales(history) if spike.begin_ns < one.at_ns <= end_ns]
    reached_ns: int | None = next((one.at_ns for one in changes if one.after >= most), None)
    if (desired.value_at(spike.begin_ns) or 0) >= most:
        reached_ns = spike.begin_ns
    left = beyond_ns = None
    if reached_ns is not None:
        left = next((one for one in changes if one.at_ns > reached_ns and one.after != most), None)
        states = [(reached_ns, life.at(reached_ns)), *(one for one in life.states if reached_ns < one[0] <= end_ns)]
        beyond_ns = next((at_ns for at_ns, view in states if view.limited == BEYOND), None)
    highest = desired.max(spike.begin_ns, end_ns) or 0
    return _Stay(spike, end_ns, most, highest, reached_ns, beyond_ns, left)


def _owed(history: History, life: AutoscalerLife, stay: _Stay) -> Iterator[Obligation]:
    """That the maximum is reached, kept and put to the test, and that each replica on the way there is made."""
    subject, most = "maximum", stay.most
    if stay.reached_ns is None:
        text = f"at most {stay.highest} replicas were desired: the spike did not ask for the maximum of {most}"
        yield unknown(subject, text, HIGHER)
        return
    for change in rescales(history):
        if stay.spike.begin_ns < change.at_ns <= stay.reached_ns and change.up:
            yield from replicas_made(history, change, stay.end_ns)
    if stay.left is not None and confirmed(life, stay.left):
        text = f"{stay.left.words}, by the autoscaler: the spike did not ask for the maximum of {most} any more"
        yield unknown(subject, text, HIGHER)
    elif stay.left is not None:
        yield Obligation(subject, Answer.FAIL, f"{stay.left.words} in the spike, and {NOT_ASKED}")
    elif stay.beyond_ns is None:
        yield unknown(subject, f"the autoscaler never asked for more than its maximum of {most}", HIGHER)
    else:
        yield Obligation(subject, measured=stay.measured, bound=f"{most} replicas until the spike ends")
