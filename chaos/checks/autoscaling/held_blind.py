"""Always: while the autoscaler has no metrics it takes no replica away, and afterwards it follows again."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.autoscaling.shown_metrics import asked
from chaos.checks.base import Summary, finding, timings_of, unknown
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import NS, seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife
from chaos.history.facts.replica_counts import desired_replicas
from chaos.history.facts.scaled_object import scaled_object_at, scaled_object_states
from chaos.semantics.hpa.bounds import decision_bound

__all__ = ["HeldBlind", "HeldBlindDetail"]

SUBJECT, NOTHING_ASKED = "desired replicas", "nothing more was asked for"

BROKEN = "a trial in which the autoscaler's metrics fail for a while"
ABOVE = "a trial whose metrics fail above the minimum"


@dataclass(frozen=True, slots=True)
class BlindDetail:
    """One time without metrics: from when to when (None: to the end), in its words, and the numbers desired in it."""

    begin_ns: int
    end_ns: int | None
    words: str
    before: int
    numbers: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class HeldBlindDetail:
    """Each time in which the autoscaler had no metrics."""

    blind: tuple[BlindDetail, ...]


@dataclass(frozen=True, slots=True)
class HeldBlind:
    """While ScalingActive is False for want of metrics desired replicas do not fall, nor rise; then it follows.

    Nor do they while KEDA shows the autoscaler its fallback in the place of a trigger that fails. A rise up to the
    ScaledObject's fallback is right, and so is what brings the number between the limits. Afterwards,
    where the metrics go on asking for more, a rise comes within the autoscaler's own bound. UNKNOWN: it never lacked
    metrics, somebody else changed the number, it was at its minimum and nothing asked for more, or the record ends
    before the bound does. With a second metric that can be read it is not blind: `DecisionsRecomputed` judges that.
    """

    name: ClassVar[str] = "held-blind"
    Detail: ClassVar[type] = HeldBlindDetail

    def __call__(self, history: History) -> Finding:
        scaler = scaling.one_autoscaler(history)
        owed: list[Obligation] = []
        details: list[BlindDetail] = []
        if isinstance(scaler, Obligation):
            owed.append(scaler)
        else:
            details = [*_blind(history, scaler)]
            each = [[*_judged(history, scaler, detail)] for detail in details]
            # E.g. before the first metrics came: it neither proves the claim nor takes away what proves it.
            telling = [found for found in each if all(one.settle != ABOVE for one in found)]
            found = [one for obligations in telling or each for one in obligations]
            unseen = scaling.unwatched(history, scaling.watched_since_ns(history, scaler))
            owed = scaling.unless_unseen(unseen, found)
        seen = [f"{one.before} to {one.numbers[-1] if one.numbers else one.before}" for one in details]
        return finding(
            self.name,
            "Without metrics the autoscaler takes no replica away, and with them it follows again.",
            owed,
            Summary(
                measured=f"{plural(len(details), 'time')} without metrics, desired {', '.join(seen) or 'unchanged'}",
                limit="no change without metrics",
                detail=HeldBlindDetail(tuple(details)),
            ),
            nothing=unknown("metrics", "the autoscaler never lacked metrics", BROKEN),
        )


def _blind(history: History, life: AutoscalerLife) -> Iterator[BlindDetail]:
    """Each span in which the status says that no metric could be read, or KEDA that it shows its fallback."""
    since_ns, until_ns = scaling.watched_since_ns(history, life), scaling.watched_until_ns(history)
    own = (at_ns for at_ns, _ in life.within(since_ns, until_ns))
    keda = (at_ns for at_ns, _ in scaled_object_states(history) if since_ns < at_ns <= until_ns)
    begin: tuple[int, str] | None = None
    for at_ns in [*sorted({*own, *keda}), None]:
        words = _blindness(history, life, at_ns) if at_ns is not None else ""
        if words and begin is None and at_ns is not None:
            # KEDA says so before the autoscaler gets it, milliseconds that two watches may turn round.
            ahead_ns = 0 if life.at(at_ns).blind else scaling.AHEAD_NS
            begin = (max(since_ns, at_ns - ahead_ns), words)
        elif not words and begin is not None:
            desired = desired_replicas(history)
            numbers = tuple(
                n for when, n in desired.points if begin[0] < when <= (until_ns if at_ns is None else at_ns)
            )
            yield BlindDetail(begin[0], at_ns, begin[1], desired.value_at(begin[0]) or 0, numbers)
            begin = None


def _judged(history: History, life: AutoscalerLife, blind: BlindDetail) -> Iterator[Obligation]:
    """That it held in a span and followed afterwards; at its minimum it held for nothing, unless more was asked for."""
    held, after = [*_held(history, life, blind)], [*_after(history, life, blind)]
    least, idle = life.at(blind.begin_ns).least, all(one.measured == NOTHING_ASKED for one in after)
    if idle and blind.before <= least and [one.subject for one in held] == [SUBJECT]:
        text = f"held at its minimum of {least}, from which no replica can be taken, and nothing asked for more then"
        held = [unknown(SUBJECT, text, ABOVE)]
    yield from (*held, *after)


def _blindness(history: History, life: AutoscalerLife, at_ns: int) -> str:
    """Why the autoscaler sees no metric at a moment, in words; empty if it does."""
    view, scaled = life.at(at_ns), scaled_object_at(history, at_ns)
    if view.blind:
        return view.inactive
    return f"KEDA showed it the fallback of {scaled.fallback}" if scaled is not None and scaled.falls_back else ""


def _held(history: History, life: AutoscalerLife, blind: BlindDetail) -> Iterator[Obligation]:
    """That nothing changed in a span, but by the fallback or the limits."""
    changed = False
    end_ns = scaling.watched_until_ns(history) if blind.end_ns is None else blind.end_ns
    spare_ns = 0 if blind.end_ns is None else scaling.NEAR_NS
    for change in scaling.rescales(history):
        if not blind.begin_ns < change.at_ns <= end_ns:
            continue
        # The look that had metrics again, or one of them, tells of that only after it acted.
        told = scaling.announcing(history, life, change)
        scaled = scaled_object_at(history, change.at_ns + min(spare_ns, scaling.AHEAD_NS))
        fell_back = scaled is not None and scaled.falls_back
        seen = told is not None and not told.blind and not fell_back
        if seen or (told is None and change.at_ns > end_ns - spare_ns):
            continue
        changed, view = True, life.at(change.at_ns)
        fallback = scaled.fallback if scaled is not None else None
        why = f"KEDA showed it the fallback of {fallback}" if fell_back else blind.words
        text = f"{change.words} while the autoscaler had no metrics ({why})"
        evidence = (Evidence(change.at_ns, text),)
        if not view.least <= change.before <= view.most and view.least <= change.after <= view.most:
            yield Obligation(change.words, measured="back between the limits", evidence=evidence)
        elif change.up and fallback is not None and change.after <= max(fallback, view.least):
            yield Obligation(change.words, measured=f"the fallback of {fallback}", evidence=evidence)
        elif not scaling.confirmed(history, life, change):
            yield unknown(change.words, f"{text}, and {scaling.not_asked(history, change)}", "nobody else who scales")
        else:
            yield Obligation(change.words, Answer.FAIL, text, bound="no change", evidence=evidence)
    if not changed:
        lasted_s = seconds(end_ns - blind.begin_ns)
        yield Obligation(SUBJECT, measured=f"held at {blind.before} for {lasted_s:.1f} s", bound="no change")


def _after(history: History, life: AutoscalerLife, blind: BlindDetail) -> Iterator[Obligation]:
    """That a rise comes in time where the metrics ask for it from the moment on that they are back."""
    subject, until_ns = "after it", scaling.watched_until_ns(history)
    if blind.end_ns is None:
        yield unknown(subject, "the metrics were not back when the record ended", "metrics that come back")
        return
    behaviour, desired = scaling.behaviour_at(history, life, blind.end_ns), desired_replicas(history)
    current = desired.value_at(blind.end_ns) or 0
    past = scaling.changes_of(scaling.own_rescales(history, life, blind.end_ns))
    bound = decision_bound(behaviour, timings_of(history), current=current, changes=past, now_s=blind.end_ns / NS)
    due_ns = blind.end_ns + round(bound.total_s * NS)
    states = [*life.within(blind.end_ns, min(due_ns, until_ns))]
    short = [_short(history, life, at_ns) for at_ns, _ in states]
    rises = [
        one for one in scaling.rescales(history) if blind.end_ns - scaling.NEAR_NS < one.at_ns <= due_ns and one.up
    ]
    others = [one for one in rises if not scaling.confirmed(history, life, one)]
    if others and len(others) == len(rises) and all(short):
        text = f"metrics asked for more, but {others[0].words}, and {scaling.not_asked(history, others[0])}"
        yield unknown(subject, text, "nobody else who scales")
    elif rises or not all(short) or any(view.inactive for _, view in states):
        yield Obligation(subject, measured=rises[0].words if rises else NOTHING_ASKED)
    elif until_ns < due_ns:
        text = (
            f"no rise {seconds(until_ns - blind.end_ns):.1f} s after the metrics were back, bound {bound.total_s:g} s"
        )
        yield unknown(subject, text, "a trial that lasts longer")
    elif bound.unpromised:
        yield unknown(subject, bound.unpromised[0].reason, "other rates")
    else:
        text = f"metrics were back and asked for more, and no rise came within {bound.total_s:g} s"
        doubt = scaling.assumed(history, "hpa_sync_s")
        if doubt:
            yield unknown(subject, f"{text}, {doubt}", "cluster.timings in gameday.toml with the controller's flags")
        else:
            yield Obligation(subject, Answer.FAIL, text, bound=f"{bound.total_s:g} s")


def _short(history: History, life: AutoscalerLife, at_ns: int) -> bool:
    """Whether the metrics that the status shows ask for more replicas than are desired, within the maximum."""
    shown, current = asked(history, life, at_ns), desired_replicas(history).value_at(at_ns) or 0
    return shown is not None and shown.least > current and current < life.at(at_ns).most
