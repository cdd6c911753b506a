"""What the two claims about rollouts share: answers with their words, being in time, and what leaves both open."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from chaos.checks.budgets.shortfalls import Shortage
from chaos.checks.rollouts.rollouts import KINDS, Count, Rollout, order_doubt
from chaos.checks.verdict import Answer, Evidence
from chaos.checks.watch_coverage import blind_spots
from chaos.clock import seconds
from chaos.history import Fault, History
from chaos.semantics import Bound

__all__ = ["GAPLESS", "Said", "dip_evidence", "dips_said", "in_time", "unseen", "weighed", "worst"]

GAPLESS = "a trial whose watch has no gap"


@dataclass(frozen=True, slots=True)
class Said:
    """One thing that speaks against a claim (FAIL) or leaves it open (UNKNOWN); `blind`: something was not seen."""

    answer: Answer
    text: str
    settle: str = ""
    blind: bool = False


def worst(said: list[Said]) -> tuple[Answer, str, str]:
    """The answer, its reason, and what would settle it; PASS if nothing is said."""
    answer = max((one.answer for one in said), default=Answer.PASS)
    told = [one for one in said if one.answer is answer]
    reason = "; ".join(dict.fromkeys(one.text for one in told))
    settle = "; ".join(dict.fromkeys(one.settle for one in told if one.settle))
    return answer, reason, settle if answer is Answer.UNKNOWN else ""


def unseen(history: History, fault: Fault, begin_ns: int, until_ns: int) -> Iterator[Said]:
    """What leaves any claim about a rollout open: a dry run, a fault that missed, a watch that did not see it all."""
    if history.facts.dry_run:
        yield Said(Answer.UNKNOWN, "a dry run (--gameday-dry-run) rolls nothing out", "run the trial for real")
    if fault.missed or fault.landed_ns is None:
        yield Said(
            Answer.UNKNOWN, f"{fault.id} did not land: {fault.missed or 'no proof'}", "a trial in which it lands"
        )
    for text in blind_spots(history, KINDS, begin_ns, until_ns):
        yield Said(Answer.UNKNOWN, text, GAPLESS, blind=True)
    if doubt := order_doubt(history):
        yield Said(Answer.UNKNOWN, doubt, "a cluster whose resourceVersions count all kinds together", blind=True)


def weighed(said: list[Said]) -> list[Said]:
    """What remains of it: where something was not seen, all else may have been otherwise, so that it is open too."""
    if not any(one.blind for one in said):
        return said
    return [replace(one, answer=Answer.UNKNOWN, settle=one.settle or GAPLESS) for one in said]


def dips_said(rollout: Rollout, dips: tuple[Shortage, ...]) -> Iterator[Said]:
    """What dips below the rollout's floor say of it."""
    for dip in dips:
        if dip.begin_ns < rollout.changed_ns:
            yield Said(Answer.UNKNOWN, f"fewer were ready before the rollout began: {dip.words}", "a whole system")
        else:
            yield Said(Answer.UNKNOWN if dip.unseen else Answer.FAIL, dip.words, GAPLESS)


def in_time(bound: Bound, begin_ns: int, done: Count | None, until_ns: int) -> Iterator[Said]:
    """What is to be said of a rollout that had to be complete by its bound, and was watched until `until_ns`."""
    took_s = seconds(max(0, (until_ns if done is None else done.at_ns) - begin_ns))
    if done is not None and took_s <= bound.total_s:
        return
    if took_s <= bound.total_s:
        text = f"not complete when the watch of it ended, {took_s:.1f} s into a bound of {bound.total_s:g} s"
        yield Said(Answer.UNKNOWN, text, "a trial that waits for the rollout")
        return
    over = f"not complete {took_s:.1f} s later" if done is None else f"complete only after {took_s:.1f} s"
    text = f"{over}, bound {bound.total_s:g} s"
    if bound.unpromised:
        why = "; ".join(one.reason for one in bound.unpromised)
        settle = "a startup probe, and an image that need not be pulled"
        yield Said(Answer.UNKNOWN, f"{text}, but no promise was broken: {why}", settle)
    else:
        yield Said(Answer.FAIL, text)


def dip_evidence(dips: tuple[Shortage, ...]) -> Iterator[Evidence]:
    """The moments of dips."""
    for dip in dips:
        yield from dip.evidence()
