"""Sometimes: a load spike asks for more than the autoscaler may give, and it gives all of it until the end."""

from dataclasses import dataclass, replace
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.new_pods import ready_in_time, replicas_made
from chaos.checks.base import Summary, after_s, finding, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import LoadSpike, load_spikes
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas, ready_replicas

__all__ = ["HeldAtMaximum", "HeldAtMaximumDetail"]

BEYOND = "TooManyReplicas"
"""Kubernetes' word for a number that the maximum cut."""

HIGHER = "a higher rate, or a lower maximum"


@dataclass(frozen=True, slots=True)
class StayDetail:
    """One load spike at the maximum; seconds count from the step, None: not seen before the spike ended.

    Attributes:
        reached_s: when desired replicas were at the maximum, and `held_s` for how long.
        beyond_s: when the autoscaler first said, from then on, that it would set more.
    """

    spike_begin_ns: int
    peak_rps: float
    replicas_max: int
    desired_highest: int
    reached_s: float | None
    beyond_s: float | None
    held_s: float | None

    @property
    def words(self) -> str:
        if self.reached_s is None:
            return f"desired at most {self.desired_highest} of {self.replicas_max}"
        return f"desired {self.replicas_max} from {self.reached_s:.1f} s after the step, for {self.held_s:.1f} s"


@dataclass(frozen=True, slots=True)
class HeldAtMaximumDetail:
    """Each load spike at the maximum."""

    spikes: tuple[StayDetail, ...]


@dataclass(frozen=True, slots=True)
class HeldAtMaximum:
    """In a load spike desired replicas reach the autoscaler's maximum, get their pods Ready, and stay until it ends.

    The autoscaler must have asked for more, in its own status, or the maximum was not put to the test: UNKNOWN. So it
    is where desired replicas never reached it, or the autoscaler itself took some away because its metrics asked for
    fewer, or replicas that were there before are not Ready when the spike ends. A number that something else changed
    meanwhile is a FAIL. Whether users were well with so many is for `SloMet` and `ScaledUp`; whether more were desired
    than the maximum, for `WithinLimits`.
    """

    name: ClassVar[str] = "held-at-maximum"
    Detail: ClassVar[type] = HeldAtMaximumDetail

    def __call__(self, history: History) -> Finding:
        owed: list[Obligation] = []
        stays: list[StayDetail] = []
        for spike in load_spikes(history):
            scaler = scaling.one_autoscaler(history, spike.begin_ns, spike.end_ns)
            if isinstance(scaler, Obligation):
                owed.append(scaler)
                continue
            end_ns = history.ended_ns if spike.end_ns is None else spike.end_ns
            stay, judged = _judged(history, scaler, spike, end_ns)
            stays.append(stay)
            owed += scaling.unless_unseen(scaling.unwatched(history, spike.begin_ns, end_ns), judged)
        return finding(
            self.name,
            "While a load spike asks for more than the maximum, desired replicas stay at the maximum.",
            owed,
            Summary(
                measured="; ".join(stay.words for stay in stays) or "nothing",
                limit="the maximum" if not stays else f"{stays[0].replicas_max} replicas until the spike ends",
                detail=HeldAtMaximumDetail(tuple(stays)),
            ),
            nothing=unknown("the load", "the load never rose by half or more", "a trial with a spike"),
        )


def _judged(
    history: History, life: AutoscalerLife, spike: LoadSpike, end_ns: int
) -> tuple[StayDetail, list[Obligation]]:
    """One load spike in numbers; that the maximum is reached, kept and put to the test, and each replica made."""
    most, desired, begin_ns = life.at(end_ns).most, desired_replicas(history), spike.begin_ns
    changes = [one for one in scaling.rescales(history) if begin_ns < one.at_ns <= end_ns]
    reached_ns: int | None = next((one.at_ns for one in changes if one.after >= most), None)
    if (desired.value_at(begin_ns) or 0) >= most:
        reached_ns = begin_ns
    left = beyond_ns = held_s = None
    if reached_ns is not None:
        left = next((one for one in changes if one.at_ns > reached_ns and one.after != most), None)
        states = life.within(reached_ns, end_ns)
        beyond_ns = next((at_ns for at_ns, view in states if view.limited == BEYOND and not view.inactive), None)
        held_s = after_s(end_ns if left is None else left.at_ns, reached_ns)
    highest = desired.max(begin_ns, end_ns) or 0
    stay = StayDetail(
        begin_ns, spike.peak_rps, most, highest, after_s(reached_ns, begin_ns), after_s(beyond_ns, begin_ns), held_s
    )
    owed: list[Obligation] = []
    if reached_ns is not None:
        rises = (change for change in changes if change.at_ns <= reached_ns and change.up)
        owed = [one for change in rises for one in replicas_made(history, change, end_ns)]
        made = (life for life in pod_lives(history) if begin_ns < life.created_ns <= end_ns)
        owed += [one for life in made for one in ready_in_time(history, life, end_ns)]
        ready = ready_replicas(history).value_at(end_ns)
        if ready is not None and ready < most and left is None and all(one.answer is Answer.PASS for one in owed):
            text = f"{ready} of {most} replicas were Ready when the spike ended"
            owed.append(unknown("replicas", text, "replicas that stay Ready"))
    moments = [Evidence(begin_ns, f"the load rose from {spike.words}")]
    if reached_ns is not None:
        moments.append(Evidence(reached_ns, f"desired replicas reached the maximum of {most}"))
    if beyond_ns is not None:
        moments.append(Evidence(beyond_ns, f"the autoscaler would have set more than {most} ({BEYOND})"))
    moments += scaling.rescale_evidence([] if left is None else [left])
    at_maximum = replace(_at_maximum(history, life, stay, left), evidence=tuple(moments))
    return stay, [*owed, at_maximum]


def _at_maximum(history: History, life: AutoscalerLife, stay: StayDetail, left: scaling.Rescale | None) -> Obligation:
    """That desired replicas stayed at the maximum, from which `left` was the first change away."""
    subject, most = "maximum", stay.replicas_max
    if stay.reached_s is None:
        text = f"at most {stay.desired_highest} replicas were desired: the spike did not ask for the maximum of {most}"
        return unknown(subject, text, HIGHER)
    if left is not None and scaling.confirmed(history, life, left):
        text = f"{left.words}, by the autoscaler: the spike did not ask for the maximum of {most} any more"
        return unknown(subject, text, HIGHER)
    if left is not None:
        return Obligation(subject, Answer.FAIL, f"{left.words} in the spike, and {scaling.not_asked(history, left)}")
    if stay.beyond_s is None:
        return unknown(subject, f"the autoscaler never asked for more than its maximum of {most}", HIGHER)
    return Obligation(subject, measured=stay.words, bound=f"{most} replicas until the spike ends")
