"""Eventually: once the system has recovered, its replicas are spread over the nodes or zones that could take them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

from chaos.checks.placement.placement import Placement, placements
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.history import History
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import pod_lives

__all__ = ["Spread"]

KINDS = ("Pod", "Node")
SHOWN = 50
"""How many placements a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class Spread:
    """At the end of recovery no domain of `key` holds over `max_skew` ready replicas more than another.

    A domain is one value of that node label. Only domains count that could take a replica then: a node of theirs is
    open, Ready, chosen by the pods' node selector and affinity, and tolerated. Kubernetes spreads pods as it places
    them and never moves one afterwards, so a node that is opened again stays empty: the finding says if that is why.
    """

    key: str = "kubernetes.io/hostname"
    max_skew: int = 1

    def __post_init__(self) -> None:
        if self.max_skew < 1:
            raise ValueError(f"Spread.max_skew: {self.max_skew} is not at least 1")

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "spread"

    def __call__(self, history: History) -> Finding:
        """Judge where the replicas were at the end of recovery."""
        at_ns = _end_ns(history)
        if at_ns is None:
            return self._finding(Answer.UNKNOWN, (), None, "no recovery was recorded", "a trial with a recovery phase")
        every = tuple(placements(history, self.key))
        last = next((one for one in reversed(every) if one.at_ns <= at_ns), None)
        if blind := [kind for kind in KINDS if not covered(history, kind, at_ns, at_ns)]:
            words = f"{' and '.join(f'{kind}s' for kind in blind)} were not watched at the end of recovery"
            return self._finding(Answer.UNKNOWN, every, last, words, "a trial whose watch has no gap there")
        if last is None or not last.ready:
            return self._finding(Answer.UNKNOWN, every, last, "no replica was ready then", "a trial that recovers")
        if len(last.domains) < 2:
            words = (
                f"{len(last.domains)} domain of {self.key} could take a replica, so there was nothing to spread over"
            )
            return self._finding(Answer.UNKNOWN, every, last, words, "more nodes that carry the label")
        if last.skew > self.max_skew:
            return self._finding(Answer.FAIL, every, last, self._why(history, every, last), "")
        return self._finding(Answer.PASS, every, last, "", "")

    def _why(self, history: History, every: tuple[Placement, ...], last: Placement) -> str:
        fullest = max(last.domains, key=lambda name: last.domains[name])
        emptiest = min(last.domains, key=lambda name: last.domains[name])
        words = f"{fullest} holds {last.domains[fullest]} ready replicas, {emptiest} {last.domains[emptiest]}"
        placed = max((life.scheduled_ns or 0 for life in pod_lives(history) if life.ready_at(last.at_ns)), default=0)
        back_ns = [
            after.at_ns
            for before, after in pairwise(every)
            if after.at_ns <= last.at_ns and emptiest in after.domains and emptiest not in before.domains
        ]
        if back_ns and max(back_ns) > placed:
            words += f"; {emptiest} could take none when the last was placed, and Kubernetes moves no pod afterwards"
        return words

    def _finding(
        self, answer: Answer, every: tuple[Placement, ...], last: Placement | None, reason: str, settle: str
    ) -> Finding:
        return Finding(
            check=self.name,
            answer=answer,
            rule=f"Ready replicas are spread over {self.key} at the end of recovery.",
            limit=f"skew at most {self.max_skew}",
            measured="nothing seen" if last is None else f"skew {last.skew} ({last.words or 'no replica'})",
            reason=reason,
            settle=settle,
            detail={
                "key": self.key,
                "max_skew": self.max_skew,
                "skew": None if last is None else last.skew,
                "skew_max_over_time": max((one.skew for one in every), default=None),
                "domains": {} if last is None else dict(last.domains),
                "elsewhere": None if last is None else last.elsewhere,
                "placements_count": len(every),
                "placements": [
                    {"at_ns": one.at_ns, "domains": dict(one.domains), "elsewhere": one.elsewhere}
                    for one in every[-SHOWN:]
                ],
            },
            evidence=tuple(_evidence(every[-SHOWN:])),
        )


def _end_ns(history: History) -> int | None:
    """The end of the last recovery, or of the last phase without one."""
    ends = [(phase.name == "recovery", phase.end_ns) for phase in history.phases if phase.end_ns is not None]
    return max(ends, default=(False, None))[1]


def _evidence(every: tuple[Placement, ...]) -> Iterator[Evidence]:
    for one in every:
        yield Evidence(one.at_ns, f"ready replicas: {one.words or 'none'}")
