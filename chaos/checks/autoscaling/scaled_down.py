"""Eventually: when a load spike is over, the extra replicas go: never before the window, and not too late."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.new_pods import replicas_taken
from chaos.checks.autoscaling.other_orders import FORGOT, ONE_PROCESS, forgot_ns
from chaos.checks.autoscaling.scale_down import Descent, DescentDetail, descents
from chaos.checks.base import NEWS, UNCUT, Summary, finding, unknown
from chaos.checks.verdict import Answer, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.coverage import earliest_ns
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.offered_load import load_spikes
from chaos.history.facts.replica_counts import desired_replicas

__all__ = ["ScaledDown", "ScaledDownDetail"]

ASSUMED = "if the controller's window is Kubernetes' default, which nobody recorded"
DECLARED = (
    "cluster.timings in gameday.toml with the controller's flags and metrics-server's, a window of the autoscaler's own"
)

DELIVERY_S = 2.0
"""Two changes of one object may be received that much closer together than they were made."""


@dataclass(frozen=True, slots=True)
class ScaledDownDetail:
    """The way down from each load spike."""

    spikes: tuple[DescentDetail, ...]


@dataclass(frozen=True, slots=True)
class ScaledDown:
    """After every load spike desired replicas return to what they were before it, within the derived bound.

    Or to where the controller's own arithmetic keeps them: its metrics, rounded up, ask for so many (its algorithm in
    the Kubernetes documentation, "Horizontal Pod Autoscaling"). And no fall comes before its window: within
    `stabilizationWindowSeconds` before a fall to n the autoscaler asked for no more than n. The bound counts from the
    last answer to a request of the spike: while that waits, there is load. After each fall no more pods stay than are
    desired: their controllers have to mark the others to go.
    How many answers the pods that went had under way is shown; whether one was lost is for `SloMet` to say.
    Load that still holds all replicas up, replicas that come back without a spike, a fall that the autoscaler did not
    ask for, a metric of which nobody says how soon it shows the load, and a record that ends before the bound, are
    UNKNOWN.
    """

    name: ClassVar[str] = "scaled-down"
    Detail: ClassVar[type] = ScaledDownDetail

    def __call__(self, history: History) -> Finding:
        scaler = scaling.one_autoscaler(history)
        begin_ns = min((one.begin_ns for one in load_spikes(history)), default=history.began_ns)
        owed: list[Obligation] = []
        found: list[Descent] = []
        if isinstance(scaler, Obligation):
            owed.append(scaler)
        else:
            found = list(descents(history, scaler))
            followed = [one for one in found if one.detail.peak > one.detail.bottom]
            owed += _falls(history, scaler)
            owed += [_back(history, scaler, one) for one in followed]
            if not followed:
                owed.append(unknown("load spike", "no load spike was followed up and ended", "a spike that ends"))
        slowest = max(found, key=lambda one: one.back_ns or 1 << 62, default=None)
        bound = "the derived bound" if slowest is None else f"{slowest.bound.total_s:g} s"
        return finding(
            self.name,
            "After a load spike the extra replicas go: not before the window, and not later than the derived bound.",
            scaling.unless_unseen(scaling.unwatched(history, begin_ns), owed),
            Summary(
                measured="no load spike ended" if slowest is None else slowest.detail.words,
                limit=f"back within {bound}",
                margin="" if slowest is None else slowest.bound.words,
                detail=ScaledDownDetail(tuple(one.detail for one in found)),
                evidence=tuple(moment for one in found for moment in one.evidence),
            ),
        )


def _falls(history: History, life: AutoscalerLife) -> Iterator[Obligation]:
    """That each fall is the autoscaler's own, no sooner than its window after more were asked for, and takes pods."""
    changes = scaling.rescales(history)
    for index, fall in enumerate(changes):
        if fall.up or fall.at_ns < life.first_ns or fall.before > life.at(fall.at_ns).most:
            continue
        if not scaling.confirmed(history, life, fall):
            text = f"{fall.words}, and {scaling.not_asked(history, fall)}"
            yield unknown(fall.words, text, "a trial in which nobody else scales")
            continue
        window_s = scaling.behaviour_at(history, life, fall.at_ns).down.window_s
        kind = history.facts.workload_kind
        rises = [one for one in changes[:index] if _recommended(history, life, one)]
        recommended = [(earliest_ns(history, kind, one.at_ns), one.after) for one in rises]
        fell_ns = earliest_ns(history, kind, fall.at_ns)
        near = [one for one in rises if one.after > fall.after and seconds(fell_ns - one.at_ns) < window_s - DELIVERY_S]
        if not life.listed:
            recommended.append((life.first_ns, desired_replicas(history).value_at(life.first_ns) or 0))
        early = [
            (at_ns, f"{fall.words} {seconds(fall.at_ns - at_ns):.1f} s after {number} had been asked for")
            for at_ns, number in recommended
            if number > fall.after and seconds(fall.at_ns - at_ns) < window_s - DELIVERY_S
        ]
        bound = f"no sooner than {window_s:g} s after more were asked for"
        for since_ns, text in early:
            reason = f"{text}, before its window of {window_s:g} s was over"
            if scaling.edited_ns(life, since_ns, fall.at_ns) is not None:
                yield unknown(fall.words, f"{reason}, but {scaling.EDITED}", scaling.UNEDITED)
            elif scaling.window_assumed(history, life, fall.at_ns):
                yield unknown(fall.words, f"{reason}, {ASSUMED}", DECLARED)
            else:
                yield Obligation(fall.words, Answer.FAIL, reason, bound=bound)
        if not early and near:
            yield unknown(fall.words, f"whether {fall.words} came after its window is not known: {NEWS}", UNCUT)
        elif not early:
            yield Obligation(fall.words, measured="after its window", bound=bound)
        yield from replicas_taken(history, fall, scaling.watched_until_ns(history))


def _recommended(history: History, life: AutoscalerLife, rise: scaling.Rescale) -> bool:
    """Whether a rise was what the metrics asked for at that moment.

    Not one that only brings the number back to the minimum, for which no metric is looked at; nor, without a
    `behavior`, one to a number of the window before, which may be the highest of that. Source: Kubernetes'
    pkg/controller/podautoscaler/horizontal.go, `reconcileAutoscaler` and `stabilizeRecommendation`.
    """
    if not rise.up or rise.before < life.at(rise.at_ns).least or not scaling.confirmed(history, life, rise):
        return False
    behaviour, desired = scaling.behaviour_at(history, life, rise.at_ns), desired_replicas(history)
    window_ns = round(behaviour.down.window_s * NS)
    return behaviour.given or (desired.max(rise.at_ns - window_ns, rise.at_ns - 1) or 0) < rise.after


def _back(history: History, life: AutoscalerLife, descent: Descent) -> Obligation:
    subject, bound_s = "load spike", descent.bound.total_s
    detail, limit = descent.detail, f"back within {bound_s:g} s"
    end = f"back at {detail.bottom}" if detail.kept is None else f"down to {detail.kept}"
    text = f"not back at {detail.bottom}"
    if descent.back_ns is not None:
        took_s = seconds(earliest_ns(history, history.facts.workload_kind, descent.back_ns) - detail.calm_ns)
        last = desired_replicas(history).value_at(descent.until_ns) or 0
        if took_s <= bound_s and last > (detail.bottom if detail.kept is None else detail.kept):
            text = f"{end} after {took_s:.1f} s, and up at {last} again before the record ended or the next spike came"
            return unknown(subject, text, "a trial in which the load stays low")
        if took_s <= bound_s < (latest_s := seconds(descent.back_ns - detail.calm_ns)):
            return unknown(subject, f"{end} after {latest_s:.1f} s, bound {bound_s:g} s, but {NEWS}", UNCUT)
        if took_s <= bound_s:
            why = f", where it stays: {descent.holding}" if detail.kept is not None else ""
            return Obligation(subject, measured=f"{end} after {took_s:.1f} s{why}", bound=limit)
        text = f"{end} only after {took_s:.1f} s, bound {bound_s:g} s"
    elif descent.until_ns < detail.calm_ns + round(bound_s * NS):
        left_s = seconds(max(0, descent.until_ns - detail.calm_ns))
        text = f"{text} when the record or the next spike came, {left_s:.1f} s into {bound_s:g} s"
        return unknown(subject, text, "a trial that waits for the fall")
    else:
        text = f"{text} within {bound_s:g} s"
    reason, settle = _excuse(history, life, descent)
    if not reason and descent.edited:
        reason, settle = f", but {scaling.EDITED}", scaling.UNEDITED
    end_ns = descent.until_ns if descent.back_ns is None else descent.back_ns
    forgot = forgot_ns(history, detail.calm_ns, end_ns)
    if not reason and forgot is not None and seconds(end_ns - forgot) <= bound_s:
        reason, settle = f", but {FORGOT}", ONE_PROCESS
    if reason:
        return unknown(subject, f"{text}{reason}", settle)
    return Obligation(subject, Answer.FAIL, text, bound=limit)


def _excuse(history: History, life: AutoscalerLife, descent: Descent) -> tuple[str, str]:
    """Why a fall that came too late breaks no promise, and what would settle it; empty if it does."""
    if blind := scaling.stood_still(life, descent.detail.calm_ns, descent.until_ns):
        return f": {blind.why}", blind.settle
    if descent.back_ns is None and descent.holding:
        return f": {descent.holding}, so nothing was to fall", "less load after the spike"
    if scaling.window_assumed(history, life, descent.detail.calm_ns):
        return f", {ASSUMED}", DECLARED
    # However late a metric shows the load: once it does, the autoscaler has its own time.
    if descent.back_ns is None and descent.spare_s >= descent.bound.total_s:
        return "", ""
    if descent.bound.unpromised:
        return f": {descent.bound.unpromised[0].reason}", "other rates, or timings that say it"
    flags = scaling.assumed(history, "metrics_resolution_s", "hpa_sync_s")
    return (f", {flags}", DECLARED) if flags else ("", "")
