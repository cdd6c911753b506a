"""Always: answers are those of the requests that got them: right as often as before, and never another user's."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import polars as pl

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.chance import at_least, share_most
from chaos.checks.formatting import share_words
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History

__all__ = ["AnswersRight", "AnswersRightDetail", "leaks"]

SURE = 1e-6
"""Wrong answers that come by chance more seldom than this, from a model as unreliable as it may have been before."""

USUAL = 0.01
"""And those that come by chance at least this often, from one as unreliable as it was."""

LEAST = 20
"""Of fewer answers before nobody knows how often the model is wrong, so that any wrong one since is in doubt."""

NONCE = "a profile with nonce = true, and a model that can repeat a number"
MORE = "a longer baseline, more requests, or a model that repeats a number more reliably"
EXAMPLES = 5


@dataclass(frozen=True, slots=True)
class AnswersRightDetail:
    """Answers in full to requests that asked for a number to be repeated, before anything was done and since."""

    right_before: int
    wrong_before: int
    right_since: int
    wrong_since: int
    foreign: int


@dataclass(frozen=True, slots=True)
class AnswersRight:
    """Answers hold the number that their request asked for as often as in the baseline, and never another request's.

    FAIL: an answer holds the number of another request, whatever became of it otherwise, at any time of the trial; or
    more are wrong since the first fault (without one, since the end of the baseline) than a model may get wrong that
    got so many wrong in the baseline, once in a million. UNKNOWN: no request asked for a number; the model never
    repeated one in the baseline; there are too few answers for even all of them to be conspicuous; some are wrong, and
    few of before say how usual that is; or more are wrong than is usual, but not so many that it cannot be chance.
    """

    name: ClassVar[str] = "answers-right"
    Detail: ClassVar[type] = AnswersRightDetail

    def __call__(self, history: History) -> Finding:
        """Judge every answer to a request with a number."""
        ends = [phase.end_ns for phase in history.phases if phase.name == "baseline" and phase.end_ns is not None]
        since_ns = min((fault.begin_ns for fault in history.faults), default=min(ends, default=history.ended_ns))
        asked = history.requests.filter(pl.col("echo").is_in(["right", "wrong"]))
        before, since = asked.filter(pl.col("end_ns") < since_ns), asked.filter(pl.col("end_ns") >= since_ns)
        foreign = leaks(history.requests)
        counts = AnswersRightDetail(*_counts(before), *_counts(since), foreign.height)
        told = before.height + since.height + foreign.height
        return finding(
            self.name,
            "Answers are right as often as before, and none is that of another request.",
            [*leaked(foreign), *(_since(counts) if told else ())],
            Summary(
                f"{counts.wrong_since} of {plural(since.height, 'answer')} wrong since, {counts.wrong_before} of"
                f" {before.height} before, {foreign.height} foreign",
                "as many wrong as before within chance, none foreign",
                detail=counts,
                evidence=tuple(
                    Evidence(row["end_ns"], f"{row['stream']} request {row['id']}: {row['error']}")
                    for row in foreign.head(EXAMPLES).iter_rows(named=True)
                ),
            ),
            nothing=unknown("answers", "no answer was asked to repeat a number, so nobody knows if it is right", NONCE),
        )


def leaks(requests: pl.DataFrame) -> pl.DataFrame:
    """The requests whose answer holds the number of another one."""
    return requests.filter(pl.col("echo") == "foreign").sort("end_ns")


def leaked(foreign: pl.DataFrame) -> Iterator[Obligation]:
    """That no answer holds another's number; listed only where one does."""
    if not foreign.is_empty():
        first = foreign.row(0, named=True)
        text = (
            f"{plural(foreign.height, 'answer')} held what was another user's: {first['stream']} request {first['id']}"
        )
        by = f", by {first['replica']}" if first["replica"] else ""
        yield Obligation("foreign answers", Answer.FAIL, f"{text}, {first['error']}{by}", measured=str(foreign.height))


def _counts(rows: pl.DataFrame) -> tuple[int, int]:
    """How many are right, and how many wrong."""
    right = rows.filter(pl.col("echo") == "right").height
    return right, rows.height - right


def _since(counts: AnswersRightDetail) -> Iterator[Obligation]:
    """What the answers since owe, by what those before were worth."""
    before, since = counts.right_before + counts.wrong_before, counts.right_since + counts.wrong_since
    worth = f"{counts.right_before} of {plural(before, 'answer')} right in the baseline"
    if not before or not since:
        missing = "before" if not before else "since"
        yield unknown("answers", f"no answer that was asked to repeat a number came {missing}", MORE)
    elif not counts.right_before:
        yield unknown("answers", f"the model never repeated a number ({worth}), so a wrong one says nothing", NONCE)
    elif at_least(since, since, most := share_most(counts.wrong_before, before)) >= SURE:
        text = f"not even {plural(since, 'wrong answer')} of {since} would show anything, with {worth}"
        yield unknown("answers", text, MORE)
    else:
        text = f"{counts.wrong_since} of {plural(since, 'answer')} wrong, with {worth}"
        measured, bound = f"{counts.wrong_since} of {since} wrong", f"at most {share_words(most)} of them"
        usual = (counts.wrong_before + 1) / (before + 2)
        if at_least(counts.wrong_since, since, most) < SURE:
            yield Obligation("answers", Answer.FAIL, text, measured=measured, bound=bound)
        elif counts.wrong_since and before < LEAST:
            yield unknown("answers", f"{text}: too few to say how often a wrong one is usual", MORE)
        elif at_least(counts.wrong_since, since, usual) < USUAL:
            yield unknown("answers", f"{text}: more than usual, but it may be chance", MORE)
        else:
            yield Obligation("answers", measured=measured, bound=bound)
