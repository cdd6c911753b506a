"""Sometimes: a spike asks for more than the autoscaler may give, and it gives all of it until the spike is over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from chaos.checks.autoscaling.common import Rescale, confirmed, one_autoscaler, rescales, unwatched
from chaos.checks.rollouts.common import Said, weighed, worst
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.clock import seconds
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.load_spikes import LoadSpike, load_spikes
from chaos.history.facts.replica_counts import desired_replicas

__all__ = ["HeldAtMaximum"]

BEYOND = "TooManyReplicas"
"""Kubernetes' word for a wish that the maximum cut."""

HIGHER = "a higher rate, or a lower maximum"


@dataclass(frozen=True, slots=True)
class _Stay:
    """One spike at the maximum. Moments are None for what was not seen before the spike ended.

    `reached_ns`: desired replicas were at the maximum. `beyond_ns`: from then on, the autoscaler first said that it
    wished for more. `left`: the first change away from the maximum.
    """

    spike: LoadSpike
    end_ns: int
    most: int
    highest: int
    reached_ns: int | None
    beyond_ns: int | None
    left: Rescale | None

    @property
    def values(self) -> dict[str, Any]:
        """The stay in numbers; seconds count from the step."""

        def after(at_ns: int | None) -> float | None:
            return None if at_ns is None else round(seconds(at_ns - self.spike.begin_ns), 3)

        until_ns = self.end_ns if self.left is None else self.left.at_ns
        return {
            "spike_begin_ns": self.spike.begin_ns,
            "peak_rps": self.spike.peak_rps,
            "replicas_max": self.most,
            "desired_highest": self.highest,
            "reached_s": after(self.reached_ns),
            "beyond_s": after(self.beyond_ns),
            "held_s": None if self.reached_ns is None else round(seconds(until_ns - self.reached_ns), 3),
        }

    @property
    def measured(self) -> str:
        """The stay for people."""
        if self.reached_ns is None:
            return f"desired at most {self.highest} of {self.most}"
        held = self.values
        return f"desired {self.most} from {held['reached_s']:.1f} s after the step, for {held['held_s']:.1f} s"

    def evidence(self) -> Iterator[Evidence]:
        """The moments that the stay consists of."""
        yield Evidence(self.spike.begin_ns, f"the load rose from {self.spike.words}")
        if self.reached_ns is not None:
            yield Evidence(self.reached_ns, f"desired replicas reached the maximum of {self.most}")
        if self.beyond_ns is not None:
            yield Evidence(self.beyond_ns, f"the autoscaler wished for more than {self.most} ({BEYOND})")
        if self.left is not None:
            yield Evidence(self.left.at_ns, self.left.words)


@dataclass(frozen=True, slots=True)
class HeldAtMaximum:
    """In a spike desired replicas reach the autoscaler's maximum, and stay there until the spike ends.

    The autoscaler must have wished for more, in its own status, or the maximum was not put to the test: UNKNOWN. So it
    is where desired replicas never reached it, or the autoscaler itself took some away because its metrics asked for
    fewer. A number that something else changed meanwhile is a FAIL. Whether users were well with so many is for
    `SloMet` and `ScaledUp`; whether more were desired than the maximum, for `WithinLimits`.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "held-at-maximum"

    def __call__(self, history: History) -> Finding:
        """Judge every spike of the trial."""
        raised, scaler = load_spikes(history), one_autoscaler(history)
        said: list[Said] = []
        stays: list[_Stay] = []
        if not raised:
            said.append(Said(Answer.UNKNOWN, "the load never rose by half or more", "a trial with a spike"))
        if isinstance(scaler, Said):
            said.append(scaler)
        else:
            stays = [_stay(history, scaler, spike) for spike in raised]
            for stay in stays:
                unseen = unwatched(history, stay.spike.begin_ns, stay.end_ns)
                said += weighed([*unseen, *_judged(scaler, stay)])
        answer, reason, settle = worst(said)
        return Finding(
            check=self.name,
            answer=answer,
            rule="While a spike asks for more than the maximum, desired replicas stay at the maximum.",
            limit="the maximum" if not stays else f"{stays[0].most} replicas until the spike ends",
            measured="; ".join(stay.measured for stay in stays) or "nothing",
            reason=reason,
            settle=settle,
            detail={"spikes": [stay.values for stay in stays]},
            evidence=tuple(moment for stay in stays for moment in stay.evidence()),
        )


def _stay(history: History, life: AutoscalerLife, spike: LoadSpike) -> _Stay:
    """Read one spike off the history."""
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


def _judged(life: AutoscalerLife, stay: _Stay) -> Iterator[Said]:
    """What speaks against a stay, or leaves it open."""
    if stay.reached_ns is None:
        text = f"at most {stay.highest} replicas were desired: the spike did not ask for the maximum of {stay.most}"
        yield Said(Answer.UNKNOWN, text, HIGHER)
        return
    if stay.left is not None and confirmed(life, stay.left):
        text = f"{stay.left.words}, by the autoscaler: the spike did not ask for the maximum of {stay.most} any more"
        yield Said(Answer.UNKNOWN, text, HIGHER)
    elif stay.left is not None:
        yield Said(Answer.FAIL, f"{stay.left.words} in the spike, and the autoscaler did not ask for it")
    elif stay.beyond_ns is None:
        text = f"the autoscaler never wished for more than its maximum of {stay.most}"
        yield Said(Answer.UNKNOWN, text, HIGHER)
