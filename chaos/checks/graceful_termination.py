"""Always: a replica that is told to end brings to their end the requests that it has taken."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import polars as pl

from chaos.checks.arrivals import account
from chaos.checks.held import Held, Unnamed, held, longest_s, unnamed
from chaos.checks.sight import blind_spots, judged_until_ns
from chaos.checks.words import plural, seconds_words
from chaos.clock import seconds
from chaos.history import History
from chaos.semantics import Timings, grace_needed, pre_stop_needed_s
from chaos.verdict import Answer, Evidence, Finding

__all__ = ["GracefulTermination"]

EXAMPLES = 5

AT_THE_END_S = 2.0
"""A server that cuts its answers so shortly before SIGKILL has used up its grace."""


@dataclass(frozen=True, slots=True)
class GracefulTermination:
    """Every replica that was deleted, evicted or rolled answered in full what it had taken, also after its deletion.

    FAIL if an answer was cut, by SIGKILL or by a server that closes, if a replica answered with errors after its
    deletion, or if connections were refused just while a replica ended and others had been Ready. UNKNOWN if no request
    was under way at any end, if the longest answer of the trial does not fit into the grace (then it was luck), for a
    forced deletion, a lost node, and a gap in the watch of pods.
    """

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "graceful-termination"

    def __call__(self, history: History) -> Finding:
        """Judge the end of every replica."""
        timings = Timings.of(history.facts.raw.get("timings") or {})
        ends = held(history)
        graceful = [one for one in ends if one.graceful]
        strays, longest = unnamed(history, ends), longest_s(history)
        failures = [_failure(one, longest, timings) for one in graceful if one.lost]
        failures += _refusals(strays, ends, timings)
        doubts = list(_doubts(history, ends, strays, longest))
        answer = Answer.FAIL if failures else Answer.UNKNOWN if doubts else Answer.PASS
        lost = sum(one.lost for one in graceful) + strays.meanwhile.height
        told = plural(len(ends), "replica") + " ended"
        told += f", {plural(sum(one.under_way for one in ends), 'request')} under way"
        told += f", {sum(one.accepted for one in ends)} accepted afterwards, {lost} lost"
        spare = [one.ending.grace_s - _needed_s(one, longest) for one in graceful if one.ending.grace_s is not None]
        return Finding(
            check=self.name,
            answer=answer,
            rule="A replica that is told to end answers in full what it has taken.",
            limit=", ".join(_limits(graceful)) or "0 requests lost",
            measured=told + ("" if longest is None else f"; longest answer {seconds_words(longest)}"),
            margin=f"{min(spare):.1f} s of grace to spare" if spare and longest is not None and min(spare) >= 0 else "",
            reason="; ".join(failures or doubts),
            settle="a trial with long answers under way when replicas are deleted with their grace, pods watched"
            " without a gap"
            if answer is Answer.UNKNOWN
            else "",
            values={
                "longest_answer_s": None if longest is None else round(longest, 3),
                "refused_meanwhile": strays.meanwhile.height,
                "replicas": [_values(one) for one in ends],
            },
            evidence=tuple(moment for one in ends for moment in _evidence(one)),
        )


def _limits(ends: list[Held]) -> Iterator[str]:
    """The graces and hooks that there were, each once."""
    for grace_s, sleep_s in sorted({(one.termination.grace_s, one.termination.pre_stop.best_s) for one in ends}):
        yield f"0 requests lost with grace {grace_s:g} s, preStop {sleep_s:g} s"


def _needed_s(one: Held, longest: float | None) -> float:
    """What the grace has to hold: the hook, as far as its length is known, and the longest answer."""
    return one.termination.pre_stop.best_s + (longest or 0.0)


def _failure(one: Held, longest: float | None, timings: Timings) -> str:
    """What a replica lost, how it came about, and what would have sufficed."""
    said = []
    if one.cut.height:
        said.append(f"{_cut(one)} ({_arithmetic(one, longest, timings)})")
    if one.errors.height:
        statuses = ", ".join(str(status) for status in sorted(set(one.errors["status"])))
        said.append(f"answered {plural(one.errors.height, 'request')} with status {statuses} after its deletion")
    return f"{one.name} " + ", and ".join(said)


def _cut(one: Held) -> str:
    """Who cut the answers, and when."""
    count, grace_s = plural(one.cut.height, "request"), one.termination.grace_s
    cut_s = seconds(one.cut.select(pl.col("end_ns").max()).item() - one.ending.asked_ns)
    if one.ending.killed:
        return f"cut {count} by SIGKILL (exit code 137) {cut_s:.1f} s after its deletion, grace {grace_s:g} s"
    left_s = one.termination.kill.best_s - cut_s
    if left_s <= AT_THE_END_S:
        return f"cut {count} {cut_s:.1f} s after its deletion, at the end of its grace of {grace_s:g} s"
    codes = ", ".join(f"exit code {code}" for code in sorted({exited.code for exited in one.ending.exits}))
    end = f" and ended ({codes})" if codes else ""
    return (
        f"cut {count} {cut_s:.1f} s after its deletion{end}, with {left_s:.1f} s of its grace left: its server does not"
        " finish what it has taken"
    )


def _arithmetic(one: Held, longest: float | None, timings: Timings) -> str:
    """The grace that would have sufficed; what was cut was on its way for some time already, and may take longer."""
    cut_s = seconds(one.cut.select((pl.col("end_ns") - pl.col("sent_ns")).max()).item())
    need = grace_needed(max(cut_s, longest or 0.0), one.termination.pre_stop.best_s, timings)
    whole_s, least = math.ceil(need.total_s), "at least " if longest is None or cut_s > longest else ""
    enough = one.termination.grace_s >= need.total_s and not least
    return f"{need.words}: a grace of {least}{whole_s} s {'suffices' if enough else 'would have sufficed'}"


def _refusals(strays: Unnamed, ends: tuple[Held, ...], timings: Timings) -> Iterator[str]:
    """Requests that can only have been lost by the replicas that ended, since nothing else lost any."""
    graceful = {one.name for one in ends if one.graceful}
    if strays.meanwhile.is_empty() or strays.otherwise or not graceful.issuperset(strays.names):
        return
    outcomes = ", ".join(sorted(set(strays.meanwhile["outcome"])))
    yield (
        f"{plural(strays.meanwhile.height, 'request')} ({outcomes}) found nobody while {', '.join(strays.names)} ended"
        " and another replica had long been Ready: a server has to go on taking connections until every node knows"
        f" (a preStop sleep of {pre_stop_needed_s(timings)} s suffices)"
    )


def _doubts(history: History, ends: tuple[Held, ...], strays: Unnamed, longest: float | None) -> Iterator[str]:
    """Why the ends that were seen do not prove the claim."""
    since_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
    yield from blind_spots(history, ("Pod",), since_ns, judged_until_ns(history))
    if missing := account(history).missing:
        yield f"{plural(missing, 'arrival')} left no record"
    if history.requests["replica"].is_null().all():
        yield "no answer names the replica that gave it"
    if not ends:
        yield "no replica was deleted"
    elif not any(one.under_way for one in ends if one.graceful):
        yield "no request was under way when a replica was told to end, so nothing was proved"
    for one in ends:
        yield from _doubts_of(one, longest)
    unnamed_lost = strays.meanwhile.height + strays.alone
    if unnamed_lost:
        yield f"{plural(unnamed_lost, 'request was', 'requests were')} lost meanwhile, and nothing says by whom"


def _doubts_of(one: Held, longest: float | None) -> Iterator[str]:
    """Why the end of one replica is in doubt."""
    if not one.ending.sure:
        yield f"when {one.name} was deleted was not seen"
    elif one.ending.forced:
        yield f"{one.name} was deleted by force, which is not graceful, and lost {plural(one.lost, 'request')}"
    elif one.node_lost:
        yield f"the node of {one.name} was lost, so that no kubelet ended it"
    elif longest is not None and _needed_s(one, longest) > one.termination.grace_s:
        yield (
            f"{one.name} cut nothing by luck: its grace of {one.termination.grace_s:g} s does not hold preStop"
            f" ({one.termination.pre_stop.best_s:g} s) and the longest answer ({seconds_words(longest)})"
        )
    if one.unsure:
        yield f"what became of {plural(one.unsure, 'request')} that {one.name} held says nothing of its end"


def _values(one: Held) -> dict[str, object]:
    ending = one.ending
    stopped_s = None if ending.stopped_ns is None else round(seconds(ending.stopped_ns - ending.asked_ns), 3)
    return {
        "pod": one.name,
        "grace_s": ending.grace_s,
        "pre_stop_s": one.termination.pre_stop.best_s if one.termination.pre_stop.exact else None,
        "forced": ending.forced,
        "under_way": one.under_way,
        "accepted_after": one.accepted,
        "accepted_last_s": None if one.accepted_last_s is None else round(one.accepted_last_s, 3),
        "cut": one.cut.height,
        "errors": one.errors.height,
        "exit_codes": [exited.code for exited in ending.exits],
        "stopped_s": stopped_s,
    }


def _evidence(one: Held) -> Iterator[Evidence]:
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
