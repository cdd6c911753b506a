"""Always: a replica that is told to end brings to their end the requests that it has taken."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from chaos.checks.formatting import plural, seconds_words
from chaos.checks.termination.in_flight import Held, Unnamed, held, longest_s, unnamed
from chaos.checks.termination.messages import failure, moments, refusals
from chaos.checks.traffic.accounting import account
from chaos.checks.verdict import Answer, Finding
from chaos.checks.watch_coverage import blind_spots, judged_until_ns
from chaos.clock import seconds
from chaos.history import History
from chaos.semantics import Timings

__all__ = ["GracefulTermination"]


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
        failures = [failure(one, longest, timings) for one in graceful if one.lost]
        failures += refusals(strays, ends, timings)
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
            detail={
                "longest_answer_s": None if longest is None else round(longest, 3),
                "refused_meanwhile": strays.meanwhile.height,
                "replicas": [_values(one) for one in ends],
            },
            evidence=tuple(moment for one in ends for moment in moments(one)),
        )


def _limits(ends: list[Held]) -> Iterator[str]:
    """The graces and hooks that there were, each once."""
    for grace_s, sleep_s in sorted({(one.termination.grace_s, one.termination.pre_stop.best_s) for one in ends}):
        yield f"0 requests lost with grace {grace_s:g} s, preStop {sleep_s:g} s"


def _needed_s(one: Held, longest: float | None) -> float:
    """What the grace has to hold: the hook, as far as its length is known, and the longest answer."""
    return one.termination.pre_stop.best_s + (longest or 0.0)


def _doubts(history: History, ends: tuple[Held, ...], strays: Unnamed, longest: float | None) -> Iterator[str]:
    """Why the ends that were seen do not prove the claim."""
    since_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
    yield from blind_spots(history, ("Pod",), since_ns, judged_until_ns(history))
    if missing := account(history).counts.missing:
        yield f"{plural(missing, 'arrival')} left no record"
    if history.requests["replica"].is_null().all():
        yield "no answer names the replica that gave it"
    if not ends:
        yield "no replica was deleted"
    elif (graceful := [one for one in ends if one.graceful]) and not any(one.under_way for one in graceful):
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
