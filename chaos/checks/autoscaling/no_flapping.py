"""Always: the autoscaler does not go back and forth."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chaos.checks.autoscaling import scaling
from chaos.checks.base import Summary, finding, unknown
from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Finding, Obligation
from chaos.history import History
from chaos.history.facts.autoscaler import AutoscalerLife

__all__ = ["NoFlapping", "NoFlappingDetail"]


@dataclass(frozen=True, slots=True)
class NoFlappingDetail:
    """How often desired replicas turned, and each change of them: its moment (ns), the number before and after."""

    reversals: int
    reversals_max: int
    desired: tuple[tuple[int, int, int], ...]


@dataclass(frozen=True, slots=True)
class NoFlapping:
    """Desired replicas change their direction at most `reversals_max` times: up and down again once is one reversal.

    Counted from the begin of the first phase. An autoscaler that changed nothing was not put to the test: UNKNOWN. So
    is a change that it did not ask for: what it would have done without that, nobody can tell.
    """

    name: ClassVar[str] = "no-flapping"
    Detail: ClassVar[type] = NoFlappingDetail

    reversals_max: int = 1

    def __call__(self, history: History) -> Finding:
        begin_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
        changes = [one for one in scaling.rescales(history) if one.at_ns >= begin_ns]
        scaler, turns = scaling.one_autoscaler(history), _turns(changes)
        return finding(
            self.name,
            "The autoscaler does not go back and forth.",
            scaling.unless_unseen(scaling.unwatched(history, begin_ns), self._owed(scaler, changes)),
            Summary(
                measured=f"{plural(turns, 'reversal')} in {plural(len(changes), 'change')} of desired replicas",
                limit=f"at most {plural(self.reversals_max, 'reversal')}",
                detail=NoFlappingDetail(
                    turns, self.reversals_max, tuple((one.at_ns, one.before, one.after) for one in changes)
                ),
                evidence=scaling.rescale_evidence(changes),
            ),
            nothing=unknown("desired replicas", "desired replicas never changed", "a trial in which the load changes"),
        )

    def _owed(self, scaler: AutoscalerLife | Obligation, changes: list[scaling.Rescale]) -> Iterator[Obligation]:
        """That an autoscaler is there, that each change is its own, and that they do not turn too often."""
        own = changes
        if isinstance(scaler, Obligation):
            yield scaler
        else:
            own = [one for one in changes if scaling.confirmed(scaler, one)]
            # Of some of the changes there are never more reversals than of all.
            few = bool(own) and _turns(changes) <= self.reversals_max
            for one in changes:
                if one not in own and not few:
                    yield unknown(
                        one.words, f"{one.words}, and {scaling.NOT_ASKED}", "a trial in which nobody else scales"
                    )
        if (turns := _turns(own)) > self.reversals_max:
            numbers = ", ".join(str(number) for number in (own[0].before, *(one.after for one in own)))
            both = f"; {scaler.reason}" if isinstance(scaler, Obligation) else ""
            yield Obligation("desired replicas", Answer.FAIL, f"desired replicas went {numbers}{both}")
        elif own:
            measured, bound = plural(turns, "reversal"), f"at most {self.reversals_max}"
            yield Obligation("desired replicas", measured=measured, bound=bound)


def _turns(changes: list[scaling.Rescale]) -> int:
    return sum(before.up != after.up for before, after in pairwise(changes))
