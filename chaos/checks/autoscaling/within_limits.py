"""Always: the autoscaler keeps the workload between its own minimum and maximum."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.base import NEWS, UNCUT, Summary, finding, judged, lasted_ns, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.history import History
from chaos.history.facts.autoscaler import KIND, AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.scaled_object import scaled_object_at

__all__ = ["WithinLimits", "WithinLimitsDetail"]


@dataclass(frozen=True, slots=True)
class WithinLimitsDetail:
    """The least and the most replicas that were desired, and how often that lay outside of the limits."""

    desired_min: int | None
    desired_max: int | None
    outside: int
    grace_s: float


@dataclass(frozen=True, slots=True)
class WithinLimits:
    """Desired replicas lie within minReplicas and maxReplicas, whatever the load asks for.

    An autoscaler that is new, or was given other limits, or whose workload somebody else changed, has one sync to
    bring the number back: UNKNOWN where the trial, or the autoscaler, ended before. That desired replicas reached the
    maximum is allowed; whether it was enough, `ScaledUp` says.
    """

    name: ClassVar[str] = "within-limits"
    Detail: ClassVar[type] = WithinLimitsDetail

    def __call__(self, history: History) -> Finding:
        scaler, found = scaling.one_autoscaler(history), scaling.scalers_in(history)
        lives = found if scaling.in_turn(found) else []
        begin_ns = scaling.watched_since_ns(history, lives[0]) if lives else history.began_ns
        grace_s = timings_of(history).hpa_sync_s + timings_of(history).allowance_s
        owed = [one for life in lives for one in _outside(history, life, grace_s)]
        outside = len(owed)
        desired = desired_replicas(history)
        low, high = desired.min(begin_ns, desired.end_ns), desired.max(begin_ns, desired.end_ns)
        measured = "desired unknown" if low is None else f"desired {low} to {high}"
        limits = f"{lives[-1].states[-1][1].least} to {lives[-1].states[-1][1].most}" if lives else ""
        if isinstance(scaler, Obligation) and not lives:
            owed.append(scaler)
        elif low is None:
            owed.append(unknown("desired replicas", "the desired number was never seen", "a watch of the workload"))
        elif not outside and _at_zero(history, lives, begin_ns):
            text = "no replica was desired for a while, by whomever: that switches the autoscaler off"
            owed.append(unknown("desired replicas", text, "a trial in which the workload is never at zero"))
        elif not outside:
            owed.append(Obligation("desired replicas", measured=measured, bound=limits))
        return finding(
            self.name,
            "Desired replicas stay between the autoscaler's minimum and maximum.",
            scaling.unless_unseen(scaling.unwatched(history, begin_ns), owed),
            Summary(
                measured=measured,
                limit=f"{limits or 'minReplicas to maxReplicas'}, brought back within {grace_s:g} s",
                detail=WithinLimitsDetail(low, high, outside, grace_s),
            ),
        )


def _at_zero(history: History, lives: list[AutoscalerLife], begin_ns: int) -> bool:
    """Whether the workload was at zero in the time that is judged, where the autoscaler's minimum is more."""
    until_ns = scaling.watched_until_ns(history)
    zero = any(0 in (one.before, one.after) for one in scaling.rescales(history) if begin_ns <= one.at_ns <= until_ns)
    zero = zero or desired_replicas(history).max(begin_ns, until_ns) == 0
    scaled = scaled_object_at(history, until_ns)
    keda = scaled is not None and scaled.idle == 0  # which takes it to zero itself, whatever its autoscaler's minimum
    return zero and not keda and all(life.at(begin_ns).least > 0 for life in lives)


def _outside(history: History, life: AutoscalerLife, grace_s: float) -> Iterator[Obligation]:
    """That each number outside of the limits in force is brought back within the grace."""
    until_ns = min(scaling.watched_until_ns(history), life.gone_ns or history.ended_ns)
    moments = {until_ns, *(at_ns for at_ns, _ in (*desired_replicas(history).points, *life.states))}
    since: tuple[int, tuple[int, int, int]] | None = None
    for at_ns in sorted(one for one in moments if life.first_ns <= one <= until_ns):
        desired, view = desired_replicas(history).value_at(at_ns) or 0, life.at(at_ns)
        wrong = desired > 0 and not view.least <= desired <= view.most
        now = (desired, view.least, view.most) if wrong else None
        if since is not None and now != since[1]:
            doubt = scaling.assumed(history, "hpa_sync_s") if now is None else ""
            one = _brought_back(history, (since[0], at_ns), since[1], grace_s, doubt)
            # From one such number to another it is not back yet.
            if now is None or one.answer is not Answer.PASS:
                yield one
        if since is None or now != since[1]:
            since = None if now is None else (at_ns, now)
    if since is not None:
        yield _brought_back(history, (since[0], until_ns), since[1], grace_s, ended=True)


def _brought_back(
    history: History,
    span: tuple[int, int],
    numbers: tuple[int, int, int],
    grace_s: float,
    doubt: str = "",
    *,
    ended: bool = False,
) -> Obligation:
    """One number outside of the limits; `doubt`: on what unrecorded flag its grace rests. `ended`: it still was."""
    desired, least, most = numbers
    shortest_ns, longest_ns = lasted_ns(history, (KIND, history.facts.workload_kind), *span)
    lasted_s, reason, settle = seconds(span[1] - span[0]), "", ""
    text = f"{desired} replicas desired for {lasted_s:.1f} s, limits {least} to {most}"
    if shortest_ns > grace_s * NS:
        reason = f"{text}{', late ' if doubt else ''}{doubt}"
        settle = "cluster.timings in gameday.toml with hpa_sync_s" if doubt else ""
    elif longest_ns > grace_s * NS:
        reason, settle = f"{text}, or {NEWS}", UNCUT
    elif ended:
        reason = f"{text}, and not brought back yet as the trial or the autoscaler ended"
        settle = "a trial that lasts longer"
    measured, bound = f"brought back after {lasted_s:.1f} s", f"{grace_s:g} s"
    moment = Evidence(span[0], text)
    return judged(f"{desired} desired replicas", reason, settle, measured=measured, bound=bound, evidence=(moment,))
