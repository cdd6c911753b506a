"""Always: a replica that is told to end brings to their end the requests that it has taken."""

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, judged_since_ns, judged_until_ns, timings_of, unknown, watched
from chaos.checks.formatting import seconds_words
from chaos.checks.recovery.client_impact import why_unnamed
from chaos.checks.termination.in_flight import HeldRequests, held_requests, longest_s
from chaos.checks.termination.nameless import Unnamed, unnamed
from chaos.checks.traffic.accounting import account
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.clock import seconds
from chaos.errors import plural
from chaos.history import History
from chaos.history.facts.canary import why_no_canary
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.semantics import Timings, grace_needed, pre_stop_needed_s

__all__ = ["EndedReplicaDetail", "GracefulTermination", "GracefulTerminationDetail"]

SETTLE = "a trial with long answers under way when replicas are deleted with their grace, pods watched without a gap"

NO_END = unknown("the replicas", "no replica was deleted", SETTLE)

EXAMPLES = 5

SEEN_S = 5.0
"""Word of a container's end may come so long after it: what was cut earlier was not cut by it."""

AT_THE_END_S = 2.0
"""A server that cuts its answers so shortly before SIGKILL has used up its grace."""


@dataclass(frozen=True, slots=True)
class EndedReplicaDetail:
    """The end of one replica in numbers.

    Attributes:
        grace_s: what its deletion gave it, None if that was not seen.
        forced: whether the object vanished without waiting for its containers.
        under_way, accepted_after, cut, errors: requests, as in `HeldRequests`.
        accepted_last_s, stopped_s: when the last was accepted, and the last container had ended, from the deletion on.
    """

    pod: str
    grace_s: int | None
    forced: bool
    under_way: int
    accepted_after: int
    accepted_last_s: float | None
    cut: int
    errors: int
    exit_codes: tuple[int, ...]
    stopped_s: float | None


@dataclass(frozen=True, slots=True)
class GracefulTerminationDetail:
    """The end of every replica."""

    replicas: tuple[EndedReplicaDetail, ...]


@dataclass(frozen=True, slots=True)
class GracefulTermination:
    """Every replica that was deleted, evicted or rolled answered in full what it had taken, also after its deletion.

    FAIL if an answer was cut, by SIGKILL or by a server that closes, if a replica answered with errors (5xx) after its
    deletion, or if connections were refused just while a replica ended and others had been Ready. UNKNOWN for each end
    at which no request was under way, unless another end had some and every request of the time was answered in full
    by a replica that it names: then chance left it idle, and it lost nothing. UNKNOWN too if the longest answer of the
    trial does not fit into the grace (then it was luck), for a forced deletion, a lost node, an end by the kubelet
    itself, requests that nobody answered, that were refused as the client's fault (4xx) more often than before any
    fault, or whose kept connection broke at once, and a gap in the watch of pods. A failed hook and a server that
    SIGKILL had to end are told.

    Where no answer names its replica, the requests that a replica held are those that the canary gave it to answer just
    before a fault that ended it; users' that were lost meanwhile count as before.
    """

    name: ClassVar[str] = "graceful-termination"
    Detail: ClassVar[type] = GracefulTerminationDetail

    def __call__(self, history: History) -> Finding:
        timings, ends, longest = timings_of(history), held_requests(history), longest_s(history)
        graceful = [one for one in ends if one.graceful]
        shown = any(one.under_way and not (one.lost or one.unsure or one.hollow) for one in graceful)
        strays = unnamed(history, ends)
        lost = sum(one.lost for one in graceful) + strays.meanwhile.height
        measured = plural(len(ends), "replica") + " ended"
        measured += f", {plural(sum(one.under_way for one in ends), 'request')} under way"
        measured += " by the canary" if any(one.by_canary and one.under_way for one in ends) else ""
        measured += f", {sum(one.accepted for one in ends)} accepted afterwards, {lost} lost"
        spare = [one.ending.grace_s - _needed_s(one, longest) for one in graceful if one.ending.grace_s is not None]
        return finding(
            self.name,
            "A replica that is told to end answers in full what it has taken.",
            [
                *(_obligation(one, longest, timings, shown=shown) for one in ends),
                *_unnamed(strays, ends, timings),
                *_by_kubelet(history),
                *_records(history, ends),
            ],
            Summary(
                measured + ("" if longest is None else f"; longest answer {seconds_words(longest)}"),
                ", ".join(_limits(graceful)) or "0 requests lost",
                f"{min(spare):.1f} s of grace to spare" if spare and longest is not None and min(spare) >= 0 else "",
                detail=GracefulTerminationDetail(tuple(_detail(one) for one in ends)),
            ),
        )


def _limits(ends: list[HeldRequests]) -> Iterator[str]:
    """The graces and hooks that there were, each once."""
    for grace_s, sleep_s in sorted({(one.termination.grace_s, one.termination.pre_stop.best_s) for one in ends}):
        yield f"0 requests lost with grace {grace_s:g} s, preStop {sleep_s:g} s"


def _needed_s(one: HeldRequests, longest: float | None) -> float:
    """What the grace has to hold: the hook, as far as its length is known, and the longest answer."""
    return one.termination.pre_stop.best_s + (longest or 0.0)


def _obligation(one: HeldRequests, longest: float | None, timings: Timings, *, shown: bool) -> Obligation:
    """What the end of one replica owed: an answer to each request that it held. `shown`: another end held some."""
    answer, reason = Answer.PASS, "; ".join(_doubts(one, longest, shown=shown))
    if one.graceful and one.lost:
        answer, reason = Answer.FAIL, _failure(one, longest, timings)
    elif reason:
        answer = Answer.UNKNOWN
    return Obligation(
        one.name,
        answer,
        "; ".join(text for text in (reason, *(f"{one.name}: {remark}" for remark in one.remarks)) if text),
        SETTLE if answer is Answer.UNKNOWN else "",
        measured=f"{plural(one.under_way + one.accepted, 'request')} held, {one.lost} lost",
        bound="0 lost",
        evidence=tuple(_moments(one)),
    )


def _doubts(one: HeldRequests, longest: float | None, *, shown: bool) -> Iterator[str]:
    if not one.ending.sure:
        yield f"when {one.name} was deleted was not seen"
    elif one.ending.forced:
        yield f"{one.name} was deleted by force, which is not graceful, and lost {plural(one.lost, 'request')}"
    elif one.node_lost:
        yield f"the node of {one.name} was lost, so that no kubelet ended it"
    elif not one.under_way and one.by_canary:
        yield f"whether {one.name} had a request when it was told to end is not known, and it had none of the canary's"
    elif not one.under_way and not (shown and one.whole_meanwhile):
        yield f"no request was under way when {one.name} was told to end, so nothing was proved of it"
    elif longest is not None and _needed_s(one, longest) > one.termination.grace_s:
        yield (
            f"{one.name} cut nothing by luck: its grace of {one.termination.grace_s:g} s does not hold preStop"
            f" ({one.termination.pre_stop.best_s:g} s) and the longest answer ({seconds_words(longest)})"
        )
    if one.hollow:
        count = plural(one.hollow, "answer")
        yield f"{count} that {one.name} may have held lack a finish reason or tokens, as others have, and may be cut"
    if one.unsure:
        yield f"what became of {plural(one.unsure, 'request')} that {one.name} held says nothing of its end"


def _records(history: History, ends: tuple[HeldRequests, ...]) -> Iterator[Obligation]:
    """What the record owes: pods watched all the time, every arrival with its record, replicas named by answers."""
    yield from watched(history, ("Pod",), judged_since_ns(history), judged_until_ns(history))
    if missing := account(history).counts.missing:
        yield unknown("the requests", f"{plural(missing, 'arrival')} left no record", SETTLE)
    why = why_unnamed(history)
    if why and not (ends and all(one.under_way for one in ends if one.graceful)):
        nothing = why_no_canary(history) or "what the canary asks before a fault is not under way at every end"
        yield unknown("the requests", f"{why}, and {nothing}", SETTLE)
    if not ends:
        yield NO_END


def _by_kubelet(history: History) -> Iterator[Obligation]:
    """Replicas that no deletion ended but their kubelet, for node pressure or as its node is shut down."""
    for life in pod_lives(history):
        if life.ready_spans and life.ended_by_kubelet:
            reason = f"{life.name} was ended by its kubelet (node pressure or shutdown), with a grace of its own"
            yield unknown(life.name, reason, SETTLE)


def _unnamed(strays: Unnamed, ends: tuple[HeldRequests, ...], timings: Timings) -> Iterator[Obligation]:
    """Requests without a name: lost by the replicas that ended where nothing else lost any, else in doubt."""
    graceful = {one.name for one in ends if one.graceful}
    surely = not strays.meanwhile.is_empty() and not strays.otherwise and graceful.issuperset(strays.names)
    lost = strays.meanwhile.height + strays.alone
    if surely:
        outcomes = ", ".join(sorted(set(strays.meanwhile["outcome"])))
        count, names = plural(strays.meanwhile.height, "request"), ", ".join(strays.names)
        reason = (
            f"{count} ({outcomes}) found nobody while {names} ended and another replica had long been Ready: a server"
            " has to go on taking connections until every node knows"
            f" (a preStop sleep of {pre_stop_needed_s(timings)} s suffices)"
        )
        if outcomes == "truncated":
            reasons = ", ".join(sorted(set(strays.meanwhile["finish_reason"].drop_nulls())))
            how = f" (finish reason {reasons})" if reasons else ""
            reason = f"{count} cut{how} while {names} ended: a server has to finish what it has taken"
        yield Obligation("the requests", Answer.FAIL, reason, measured=f"{lost} lost", bound="0 lost")
    elif lost:
        words = plural(lost, "request was", "requests were")
        yield unknown("the requests", f"{words} lost meanwhile, and nothing says by whom", SETTLE)
    if strays.unanswered:
        words = plural(strays.unanswered, "request")
        yield unknown("the requests", f"{words} found no answer meanwhile, and nothing says from whom", SETTLE)


def _detail(one: HeldRequests) -> EndedReplicaDetail:
    ending = one.ending
    stopped_s = None if ending.stopped_ns is None else round(seconds(ending.stopped_ns - ending.asked_ns), 3)
    return EndedReplicaDetail(
        pod=one.name,
        grace_s=ending.grace_s,
        forced=ending.forced,
        under_way=one.under_way,
        accepted_after=one.accepted,
        accepted_last_s=None if one.accepted_last_s is None else round(one.accepted_last_s, 3),
        cut=one.cut.height,
        errors=one.errors.height,
        exit_codes=tuple(exited.code for exited in ending.exits),
        stopped_s=stopped_s,
    )


def _failure(one: HeldRequests, longest: float | None, timings: Timings) -> str:
    """What a replica lost, how it came about, and what would have sufficed."""
    lost = []
    if one.cut.height:
        lost.append(f"{_cut(one)} ({_arithmetic(one, longest, timings)})")
    if one.errors.height:
        statuses = ", ".join(str(status) for status in sorted(set(one.errors["status"])))
        lost.append(f"answered {plural(one.errors.height, 'request')} with status {statuses} after its deletion")
    return f"{one.name} " + ", and ".join(lost)


def _moments(one: HeldRequests) -> Iterator[Evidence]:
    """Each end, and the first requests that it cost."""
    ending = one.ending
    grace = "by force" if ending.forced else f"with a grace of {one.termination.grace_s:g} s"
    held_words = f"{plural(one.under_way, 'request')} under way, {one.accepted} accepted afterwards, {one.lost} lost"
    yield Evidence(ending.asked_ns, f"{one.name} was deleted {grace}: {held_words}")
    for row in one.cut.sort("end_ns").head(EXAMPLES).iter_rows(named=True):
        lasted_s = seconds(row["end_ns"] - row["sent_ns"])
        yield Evidence(row["end_ns"], f"{row['stream']} request {row['id']} was cut after {seconds_words(lasted_s)}")
    if ending.stopped_ns is not None:
        codes = ", ".join(str(exited.code) for exited in ending.exits)
        took_s = seconds(ending.stopped_ns - ending.asked_ns)
        yield Evidence(ending.stopped_ns, f"{one.name} ended {took_s:.1f} s later with exit code {codes}")


def _cut(one: HeldRequests) -> str:
    """Who cut the answers, and when."""
    count = plural(one.cut.height, "request") + (" of the canary's" if one.by_canary else "")
    grace_s = one.termination.grace_s
    cut_s = seconds(one.cut.select(pl.col("end_ns").max()).item() - one.ending.asked_ns)
    killed_ns = min((exited.seen_ns for exited in one.ending.killed), default=None)
    if killed_ns is not None and seconds(killed_ns - one.ending.asked_ns) - cut_s <= SEEN_S:
        return f"cut {count} by SIGKILL (exit code 137) {cut_s:.1f} s after its deletion, grace {grace_s:g} s"
    left_s = one.termination.kill.best_s - cut_s
    if left_s <= AT_THE_END_S:
        return f"cut {count} {cut_s:.1f} s after its deletion, at the end of its grace of {grace_s:g} s"
    if early := _ended_before_others(one, cut_s):
        return f"cut {count} {cut_s:.1f} s after its deletion, with {left_s:.1f} s of its grace left, {early}"
    codes = ", ".join(f"exit code {code}" for code in sorted({exited.code for exited in one.ending.exits}))
    end = f" and ended ({codes})" if codes else ""
    return (
        f"cut {count} {cut_s:.1f} s after its deletion{end}, with {left_s:.1f} s of its grace left: its server does not"
        " finish what it has taken"
    )


def _ended_before_others(one: HeldRequests, cut_s: float) -> str:
    """Which container ended as the answers were cut while others ran on, e.g. a proxy before its server; else empty."""
    after_s = {exited: seconds(exited.seen_ns - one.ending.asked_ns) - cut_s for exited in one.ending.exits}
    ended = [exited for exited, late_s in after_s.items() if late_s <= SEEN_S]
    others = [exited.container for exited, late_s in after_s.items() if late_s > SEEN_S] + [*one.ending.running]
    if not ended or not others:
        return ""
    names = ", ".join(f"{exited.container} (exit code {exited.code})" for exited in ended)
    return f"as container {names} ended, while {', '.join(others)} ran on: it has to outlast what goes through it"


def _arithmetic(one: HeldRequests, longest: float | None, timings: Timings) -> str:
    """The grace that would have sufficed; what was cut was on its way for some time already, and may take longer."""
    cut_s = seconds(one.cut.select((pl.col("end_ns") - pl.col("sent_ns")).max()).item())
    need = grace_needed(max(cut_s, longest or 0.0), one.termination.pre_stop.best_s, timings)
    whole_s, least = math.ceil(need.total_s), "at least " if longest is None or cut_s > longest else ""
    enough = one.termination.grace_s >= need.total_s and not least
    return f"{need.words}: a grace of {least}{whole_s} s {'suffices' if enough else 'would have sufficed'}"
