"""What every check is made of: obligations. A finding is the worst of what was owed.

An obligation is one thing that the system owed to one subject: a victim its replacement, an eviction its room in the
budget, a claim its data, a rollout its end, the watch its coverage. A check lists all of them, kept or not, and
`finding` sums them up. A check that owes nothing has nothing to prove, so it cannot pass.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import CATCH_UP_NS, covered, earliest_ns, gaps_in
from chaos.semantics import Timings

__all__ = [
    "GAPLESS",
    "NEWS",
    "UNCUT",
    "Summary",
    "after_s",
    "blind_spots",
    "finding",
    "judged",
    "judged_since_ns",
    "judged_until_ns",
    "lasted_ns",
    "late_news",
    "timings_of",
    "undecided",
    "unknown",
    "unseen_at",
    "watched",
]

GAPLESS = "a trial whose watch has no gap"
NEWS = "news came late from the watch"
UNCUT = "a trial whose watch is not cut off"


@dataclass(frozen=True, slots=True)
class Summary:
    """The comparison as a whole, for people: what was measured, against which limit, and the room that was left.

    Attributes:
        measured: what was seen, e.g. `2 evictions accepted, 1 refused`.
        limit: what it is compared with, e.g. `at least 3 ready`.
        margin: the room left or missing, empty where that says nothing.
        detail: the same in numbers: a frozen dataclass of the check's own.
        evidence: moments beside those of the obligations.
    """

    measured: str
    limit: str
    margin: str = ""
    detail: object = None
    evidence: tuple[Evidence, ...] = ()


NOTHING = Obligation("the trial", Answer.UNKNOWN, "there was nothing to prove")


def finding(
    check: str, rule: str, owed: Iterable[Obligation], summary: Summary, *, nothing: Obligation = NOTHING
) -> Finding:
    """Sum up what was owed: the worst answer, with the reasons of all obligations that have it.

    Args:
        check: the name of the check.
        rule: the claim in one sentence.
        owed: every obligation, in the order in which reasons are shown.
        summary: the comparison as a whole.
        nothing: what is said if nothing was owed; its answer is UNKNOWN.
    """
    listed = tuple(owed) or (nothing,)
    answer = max(one.answer for one in listed)
    worst = [one for one in listed if one.answer is answer]
    evidence = (*summary.evidence, *(moment for one in listed for moment in one.evidence))
    return Finding(
        check=check,
        answer=answer,
        rule=rule,
        limit=summary.limit,
        measured=summary.measured,
        margin=summary.margin,
        reason=_joined(one.reason for one in worst),
        settle=_joined(one.settle for one in worst) if answer is Answer.UNKNOWN else "",
        detail=summary.detail,
        evidence=tuple(sorted(evidence, key=lambda moment: moment.at_ns)),
        obligations=listed,
    )


def after_s(at_ns: int | None, since_ns: int) -> float | None:
    """Seconds from one moment to another, None if that has not come."""
    return None if at_ns is None else round(seconds(at_ns - since_ns), 3)


def unknown(subject: str, reason: str, settle: str = "") -> Obligation:
    """An obligation that the evidence does not decide: why, and what would settle it."""
    return Obligation(subject, Answer.UNKNOWN, reason=reason, settle=settle)


def judged(
    subject: str,
    reason: str = "",
    settle: str = "",
    *,
    measured: str = "",
    bound: str = "",
    evidence: tuple[Evidence, ...] = (),
) -> Obligation:
    """An obligation: kept if nothing speaks against it, else a FAIL, or UNKNOWN if something would settle it."""
    answer = Answer.PASS if not reason else Answer.UNKNOWN if settle else Answer.FAIL
    return Obligation(subject, answer, reason, settle, measured, bound, evidence)


def late_news(history: History, kinds: Iterable[str], since_ns: int, until_ns: int) -> bool:
    """Whether news of some kind may have come late in a span."""
    spans = [span for span in history.late if span.kind in kinds]
    return any(span.since_ns <= until_ns and span.until_ns >= since_ns for span in spans)


def unseen_at(history: History, kinds: Iterable[str], at_ns: int) -> tuple[str, ...]:
    """The kinds of which the record does not say how they were at a moment: not watched then, or with news to come."""
    return tuple(
        kind
        for kind in kinds
        if late_news(history, (kind,), at_ns - CATCH_UP_NS, at_ns) or not covered(history, kind, at_ns, at_ns)
    )


def lasted_ns(history: History, kinds: Iterable[str], begin_ns: int, end_ns: int) -> tuple[int, int]:
    """How long something lasted at least, and at most, whose begin and end were news of these kinds, late or not."""
    begun_ns, ended_ns = (min(earliest_ns(history, kind, at_ns) for kind in kinds) for at_ns in (begin_ns, end_ns))
    return max(0, ended_ns - begin_ns), end_ns - begun_ns


def timings_of(history: History) -> Timings:
    """How the trial's cluster is timed."""
    return Timings.of(history.facts.raw.get("timings") or {})


def undecided(owed: Iterable[Obligation], settle: str = GAPLESS) -> Iterator[Obligation]:
    """The same obligations where something was not seen: what looks broken may have been otherwise, so it is open."""
    for one in owed:
        broken = one.answer is Answer.FAIL
        yield replace(one, answer=Answer.UNKNOWN, settle=one.settle or settle) if broken else one


def watched(history: History, kinds: Iterable[str], since_ns: int, until_ns: int) -> Iterator[Obligation]:
    """What the record owes: a watch of each kind that has no gap over a span. Only what it failed to give is listed."""
    for text in blind_spots(history, kinds, since_ns, until_ns):
        yield unknown("the watch", text, GAPLESS)


def _joined(texts: Iterable[str]) -> str:
    return "; ".join(dict.fromkeys(text for text in texts if text))


def judged_since_ns(history: History) -> int:
    """The begin of the first phase; of the recording, if there is none."""
    return min((phase.begin_ns for phase in history.phases), default=history.began_ns)


def judged_until_ns(history: History) -> int:
    """The end of the last phase or fault; of the recording, if none has an end."""
    ends = [phase.end_ns for phase in history.phases if phase.end_ns is not None]
    ends += [fault.healed_ns for fault in history.faults if fault.healed_ns is not None]
    return max(ends, default=history.ended_ns)


def blind_spots(history: History, kinds: Iterable[str], since_ns: int, until_ns: int) -> Iterator[str]:
    """Why the watch of some kind does not carry a PASS over a span, in words."""
    for kind in kinds:
        gaps = gaps_in(history, kind, since_ns, until_ns)
        if gaps:
            lost_s = sum(seconds(gap.until_ns - gap.since_ns) for gap in gaps)
            yield f"the watch of {kind}s had {plural(len(gaps), 'gap')} ({lost_s:.1f} s) in the time that is judged"
        elif not covered(history, kind, since_ns, until_ns):
            yield f"the watch of {kind}s did not cover the time that is judged"
