"""Eventually: while nobody asks the workload goes to zero replicas, in time, and stays there until somebody does."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.new_pods import replicas_taken
from chaos.checks.autoscaling.quiet_times import (
    BY_THE_CLOCK,
    KEDA,
    Quiet,
    by_clock,
    keda_says,
    quiet_times,
    zero_bound,
    zero_doubt,
)
from chaos.checks.base import Summary, after_s, finding, undecided, unknown, watched
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.scaled_object import scaled_object_at
from chaos.objects.scaled_object import SCALED_OBJECT

__all__ = ["ScaledToZero", "ScaledToZeroDetail"]

SUBJECT = "zero replicas"

ALONE = "a trial without a canary, or a trigger that does not count it"

FLAGS = "cluster.timings in gameday.toml with the controller's flags"

LONGER = "a quiet time that lasts longer than the bound"


@dataclass(frozen=True, slots=True)
class QuietDetail:
    """One time in which nobody asked: how long, when zero replicas were desired, and by when they had to be.

    `zero_s` is None if they never were, `bound_s` if nobody promises when.
    """

    begin_ns: int
    lasted_s: float
    zero_s: float | None
    bound_s: float | None

    @property
    def too_short(self) -> bool:
        """Whether it ended before zero was due, and there was none."""
        return self.zero_s is None and self.bound_s is not None and self.lasted_s < self.bound_s


@dataclass(frozen=True, slots=True)
class ScaledToZeroDetail:
    """Each time in which nobody asked, and that is long enough to count."""

    quiet: tuple[QuietDetail, ...]


@dataclass(frozen=True, slots=True)
class ScaledToZero:
    """While no request comes desired replicas go to zero within the bound, their pods go, and none comes back.

    The bound is `within_s` from the last answer, else what the ScaledObject's cooldown and polling interval, or the
    autoscaler with a minimum of zero, imply. It goes to zero by its own spec or not at all: FAIL with `within_s` where
    that forbids it, UNKNOWN without. UNKNOWN too: no quiet time is as long as the bound, nobody promises how soon the
    metric shows it, the ScaledObject is paused, somebody else set the number, it went to zero though somebody had just
    asked, or the canary went on asking.
    """

    name: ClassVar[str] = "scaled-to-zero"
    Detail: ClassVar[type] = ScaledToZeroDetail

    within_s: float | None = None

    def __call__(self, history: History) -> Finding:
        owed: list[Obligation] = []
        details: list[QuietDetail] = []
        for quiet in quiet_times(history):
            detail, judged = self._judged(history, quiet)
            # The end of a trial that was at zero before is no quiet time of its own, as long as nothing is due in it.
            if not judged or (details and detail.too_short):
                continue
            details.append(detail)
            kinds = ("Pod", history.facts.workload_kind)
            unseen = list(watched(history, kinds, quiet.begin_ns, quiet.end_ns))
            judged = list(_beside_canary(history, quiet, judged))
            if self.within_s is None and (flags := _unrecorded(history, quiet)):
                judged = [_open(one, flags) for one in judged]
            owed += [*unseen, *(undecided(judged) if unseen else judged)]
        seen = [f"zero after {one.zero_s:.1f} s" if one.zero_s is not None else "never at zero" for one in details]
        bounds = [f"{one.bound_s:g} s" for one in details if one.bound_s is not None]
        return finding(
            self.name,
            "While nobody asks there is no replica, within the bound, and none comes until somebody does.",
            owed,
            Summary(
                measured="; ".join(seen) or "no time without requests",
                limit=f"zero within {bounds[0] if bounds else 'a bound that nobody declared'} of the last answer",
                detail=ScaledToZeroDetail(tuple(details)),
            ),
            nothing=unknown("the load", "there was no quiet time as long as the bound", LONGER),
        )

    def _judged(self, history: History, quiet: Quiet) -> tuple[QuietDetail, list[Obligation]]:
        """One quiet time in numbers, and what it owes: nothing where it is too short to owe anything, and not last."""
        bound, steps = zero_bound(history, quiet.begin_ns), desired_replicas(history)
        promised = None if bound is None or bound.unpromised else bound.total_s
        bound_s, lasted_s = self.within_s or promised, seconds(quiet.end_ns - quiet.begin_ns)
        # What was at zero before is waking up, or nobody asked in between: neither is a way down.
        inside = [(at_ns, count) for at_ns, count in steps.points if quiet.begin_ns < at_ns <= quiet.end_ns]
        zero_ns = next((at_ns for at_ns, count in inside if count == 0), None)
        detail = QuietDetail(quiet.begin_ns, lasted_s, after_s(zero_ns, quiet.begin_ns), bound_s)
        if not steps.value_at(quiet.begin_ns):
            return detail, []
        if zero_ns is None and quiet.asked_ns is not None and lasted_s < (bound_s or float("inf")):
            return detail, []
        moment = (Evidence(quiet.begin_ns, "the last request was answered"),)
        if zero_ns is None:
            return detail, [self._not_zero(history, quiet, bound_s)]
        return detail, [*_zero(history, quiet, zero_ns, bound_s, moment)]

    def _not_zero(self, history: History, quiet: Quiet, bound_s: float | None) -> Obligation:
        """Replicas stayed for as long as nobody asked."""
        lasted_s, scaled = seconds(quiet.end_ns - quiet.begin_ns), scaled_object_at(history, quiet.begin_ns)
        text = f"not at zero {lasted_s:.1f} s after the last answer"
        if scaled is not None and scaled.paused:
            return unknown(SUBJECT, f"{text}: ScaledObject {scaled.name} is paused", "a ScaledObject that works")
        bound = zero_bound(history, quiet.begin_ns)
        if bound is None and self.within_s is None:
            reason = "nothing that scales the workload may go to zero (minReplicas, minReplicaCount)"
            if SCALED_OBJECT not in history.covered_ns:
                reason += "; no ScaledObject was watched: there was none, or no right to"
            return unknown(SUBJECT, f"{text}: {reason}", "a minimum of zero")
        if bound_s is None:
            reason = bound.unpromised[0].reason if bound and bound.unpromised else "nobody promises how soon"
            return unknown(SUBJECT, f"{text}: {reason}", "within_s, or cluster.timings with metric_delay_s")
        if lasted_s < bound_s:
            return unknown(SUBJECT, f"{text}, bound {bound_s:g} s, when the trial ended", LONGER)
        never = "; nothing that scales it may go to zero" if bound is None else keda_says(history, quiet.end_ns)
        return Obligation(SUBJECT, Answer.FAIL, f"{text}, bound {bound_s:g} s{never}", bound=f"{bound_s:g} s")


def _unrecorded(history: History, quiet: Quiet) -> str:
    """On which flags of the autoscaler's controller the bound rests that nobody recorded, in words; else empty."""
    lives = scaling.scalers_in(history, quiet.begin_ns, quiet.begin_ns)
    if scaled_object_at(history, quiet.begin_ns) is not None or not lives:
        return ""
    if scaling.window_assumed(history, lives[0], quiet.begin_ns):
        return scaling.assumed(history, "hpa_downscale_stabilization_s")
    return scaling.assumed(history, "hpa_sync_s")


def _open(one: Obligation, flags: str) -> Obligation:
    """The same, but no FAIL of the bound."""
    broken = one.answer is Answer.FAIL and one.subject == SUBJECT and one.bound
    return unknown(SUBJECT, f"{one.reason}, {flags}", FLAGS) if broken else one


def _beside_canary(history: History, quiet: Quiet, judged: Sequence[Obligation]) -> Iterator[Obligation]:
    """The same, open where the canary asked while no user did: what scales the replicas may count its requests.

    Whatever may not go to zero would not have done so without it.
    """
    asked = history.canary.requests if history.canary else ()
    counted = any(quiet.begin_ns < one.end_ns <= quiet.end_ns for one in asked)
    for one in judged:
        if counted and one.answer is Answer.FAIL and one.subject == SUBJECT and zero_bound(history, quiet.begin_ns):
            yield unknown(SUBJECT, f"{one.reason}; the canary went on asking, and may have been counted", ALONE)
        else:
            yield one


def _zero(
    history: History, quiet: Quiet, zero_ns: int, bound_s: float | None, moment: tuple[Evidence, ...]
) -> Iterator[Obligation]:
    """Zero in time; then that no pod stays, and none comes back while nobody asks."""
    kind = history.facts.workload_kind
    took_s = seconds(max(0, earliest_ns(history, kind, zero_ns) - quiet.begin_ns))
    evidence = (*moment, Evidence(zero_ns, "no replica was desired"))
    limit = "" if bound_s is None else f"{bound_s:g} s"
    scaled, others = scaled_object_at(history, zero_ns), zero_doubt(history, zero_ns)
    if bound_s is not None and took_s > bound_s and not (scaled is not None and scaled.paused):
        text = f"at zero only {took_s:.1f} s after the last answer, bound {limit}"
        yield Obligation(SUBJECT, Answer.FAIL, text, "", f"{took_s:.1f} s", limit, evidence)
    elif others:
        text = f"at zero {took_s:.1f} s after the last answer, but {others}"
        yield unknown(SUBJECT, text, "a trial in which the workload goes to zero by what scales it")
    else:
        yield Obligation(SUBJECT, measured=f"{took_s:.1f} s", bound=limit, evidence=evidence)
    for change in scaling.rescales(history):
        if change.at_ns == zero_ns and change.after == 0:
            yield from replicas_taken(history, change, quiet.end_ns)
        if zero_ns < change.at_ns <= quiet.end_ns - NS and change.before == 0:
            writer = scaling.scale_writer(history, change)
            text = f"{change.words} while nobody asked"
            if writer is not None and writer.foreign and not writer.name.startswith(KEDA):
                yield unknown(SUBJECT, f"{text}: {writer.name} did that", "a trial in which nobody else scales")
            elif by_clock(history, change.at_ns):
                yield unknown(SUBJECT, f"{text}: {BY_THE_CLOCK}", "a trial at a time of day that asks for none")
            else:
                yield Obligation(SUBJECT, Answer.FAIL, text, evidence=(Evidence(change.at_ns, text),))
