"""Always: the autoscaler does not go back and forth."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

from chaos.checks.autoscaling.common import Rescale, one_autoscaler, rescale_evidence, rescales, unwatched
from chaos.checks.formatting import plural
from chaos.checks.rollouts.common import Said, weighed, worst
from chaos.checks.verdict import Answer, Finding
from chaos.history import History

__all__ = ["NoFlapping"]


@dataclass(frozen=True, slots=True)
class NoFlapping:
    """Desired replicas change their direction at most `reversals_max` times: up and down again once is one reversal.

    Counted from the begin of the first phase. An autoscaler that changed nothing was not put to the test: UNKNOWN.
    """

    reversals_max: int = 1

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "no-flapping"

    def __call__(self, history: History) -> Finding:
        """Judge every change of desired replicas since the first phase began."""
        begin_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
        changes = tuple(one for one in rescales(history) if one.at_ns >= begin_ns)
        turns = tuple(after for before, after in pairwise(changes) if before.up != after.up)
        answer, reason, settle = worst(self._said(history, begin_ns, changes, turns))
        return Finding(
            check=self.name,
            answer=answer,
            rule="The autoscaler does not go back and forth.",
            limit=f"at most {plural(self.reversals_max, 'reversal')}",
            measured=f"{plural(len(turns), 'reversal')} in {plural(len(changes), 'change')} of desired replicas",
            reason=reason,
            settle=settle,
            detail={
                "reversals": len(turns),
                "reversals_max": self.reversals_max,
                "desired": [(one.at_ns, one.before, one.after) for one in changes],
            },
            evidence=tuple(rescale_evidence(changes)),
        )

    def _said(
        self, history: History, begin_ns: int, changes: tuple[Rescale, ...], turns: tuple[Rescale, ...]
    ) -> list[Said]:
        said = list(unwatched(history, begin_ns))
        scaler = one_autoscaler(history)
        if isinstance(scaler, Said):
            said.append(scaler)
        if len(turns) > self.reversals_max:
            course = ", ".join(str(number) for number in (changes[0].before, *(one.after for one in changes)))
            both = f"; {scaler.text}" if isinstance(scaler, Said) else ""
            said.append(Said(Answer.FAIL, f"desired replicas went {course}{both}"))
        elif not changes:
            said.append(Said(Answer.UNKNOWN, "desired replicas never changed", "a trial in which the load changes"))
        return weighed(said)
