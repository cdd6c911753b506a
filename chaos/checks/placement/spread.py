"""Eventually: once the system has recovered, its replicas are spread over the nodes or zones that could take them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from chaos.checks.base import Summary, finding, unknown
from chaos.checks.formatting import plural
from chaos.checks.placement.placement import Placement, placements
from chaos.checks.verdict import Answer, Evidence, Finding, Obligation
from chaos.history import History
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas

__all__ = ["Spread", "SpreadDetail"]

KINDS = ("Pod", "Node")
SHOWN = 50
"""How many placements a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class SpreadDetail:
    """Where the ready replicas were at the end of recovery, and before.

    Attributes:
        key: the node label whose values are the domains.
        max_skew: how many more ready replicas one domain may hold than another.
        skew: how many more it was at the end, None if nothing was seen.
        skew_max_over_time: the most that it ever was.
        domains: ready replicas for each domain that could take one.
        closed: ready replicas for each domain that could take no more.
        elsewhere: ready replicas on nodes without the label.
        placements_count: how often that changed.
        placements: the last changes.
    """

    key: str
    max_skew: int
    skew: int | None
    skew_max_over_time: int | None
    domains: Mapping[str, int]
    closed: Mapping[str, int]
    elsewhere: int | None
    placements_count: int
    placements: tuple[Placement, ...]


@dataclass(frozen=True, slots=True)
class Spread:
    """At the end of recovery no domain of `key` holds over `max_skew` ready replicas more than another.

    A domain is one value of that node label. The emptiest counts among those that could take a replica then: a node of
    theirs is open, Ready, chosen by the pods' node selector and affinity, tolerated, and has the devices that they ask
    for. Kubernetes spreads pods as it places them and never moves one afterwards, so a node that is opened again stays
    empty: the finding says if that is why.
    """

    name: ClassVar[str] = "spread"
    Detail: ClassVar[type] = SpreadDetail

    key: str = "kubernetes.io/hostname"
    max_skew: int = 1

    def __post_init__(self) -> None:
        if self.max_skew < 1:
            raise ValueError(f"Spread.max_skew: {self.max_skew} is not at least 1")

    def __call__(self, history: History) -> Finding:
        """Judge where the replicas were at the end of recovery."""
        at_ns = _end_ns(history)
        every = () if at_ns is None else tuple(placements(history, self.key))
        last = next((one for one in reversed(every) if at_ns is not None and one.at_ns <= at_ns), None)
        detail = SpreadDetail(
            key=self.key,
            max_skew=self.max_skew,
            skew=None if last is None else last.skew,
            skew_max_over_time=max((one.skew for one in every), default=None),
            domains={} if last is None else last.domains,
            closed={} if last is None else last.closed,
            elsewhere=None if last is None else last.elsewhere,
            placements_count=len(every),
            placements=every[-SHOWN:],
        )
        return finding(
            self.name,
            f"Ready replicas are spread over {self.key} at the end of recovery.",
            [] if at_ns is None else self._owed(history, at_ns, every, last),
            Summary(
                "nothing seen" if last is None else f"skew {last.skew} ({last.words or 'no replica'})",
                f"skew at most {self.max_skew}",
                detail=detail,
                evidence=tuple(Evidence(one.at_ns, f"ready replicas: {one.words or 'none'}") for one in every[-SHOWN:]),
            ),
            nothing=unknown("recovery", "no recovery was recorded", "a trial with a recovery phase"),
        )

    def _owed(
        self, history: History, at_ns: int, every: tuple[Placement, ...], last: Placement | None
    ) -> Iterator[Obligation]:
        """That all replicas are there to be spread, and for each domain that it holds not too many of them."""
        if blind := [kind for kind in KINDS if not covered(history, kind, at_ns, at_ns)]:
            reason = f"{' and '.join(f'{kind}s' for kind in blind)} were not watched at the end of recovery"
            yield unknown("the watch", reason, "a trial whose watch has no gap there")
            return
        if last is None or not last.ready:
            yield unknown("the replicas", "no replica was ready then", "a trial that recovers")
            return
        if len(last.domains) < 2:
            could = plural(len(last.domains), "domain")
            reason = f"{could} of {self.key} could take a replica, so there was nothing to spread over"
            yield unknown("the nodes", reason, "more nodes that carry the label")
            return
        desired = desired_replicas(history).value_at(at_ns) or 0
        if last.elsewhere:
            reason = f"{plural(last.elsewhere, 'ready replica')} of {last.ready} on nodes without the label {self.key}"
            yield unknown("the nodes", reason, "nodes that carry the label")
        if last.ready < max(2, desired):
            reason = f"{last.ready} of {desired} replicas ready, so how all are spread is not known"
            if last.ready >= desired:
                reason = "a single replica cannot be spread"
            yield unknown("the replicas", reason, "a trial that ends with all of two or more replicas Ready")
        emptiest = min(last.domains, key=lambda name: last.domains[name])
        least = last.domains[emptiest]
        for name, count in {**last.domains, **last.closed}.items():
            over = count - least > self.max_skew
            yield Obligation(
                name,
                Answer.FAIL if over else Answer.PASS,
                f"{name} holds {count} ready replicas, {emptiest} {least}{_too_late(history, every, last, emptiest)}"
                if over
                else "",
                measured=plural(count, "ready replica"),
                bound=f"at most {least + self.max_skew}",
            )


def _end_ns(history: History) -> int | None:
    """The end of the last recovery, or of the last phase without one."""
    ends = [(phase.name == "recovery", phase.end_ns) for phase in history.phases if phase.end_ns is not None]
    return max(ends, default=(False, None))[1]


def _too_late(history: History, every: tuple[Placement, ...], last: Placement, emptiest: str) -> str:
    """Whether the emptiest domain could take none when the last replica was placed, in words."""
    placed_ns = max((life.scheduled_ns or 0 for life in pod_lives(history) if life.ready_at(last.at_ns)), default=0)
    opened_ns = [
        after.at_ns
        for before, after in pairwise(every)
        if after.at_ns <= last.at_ns and emptiest in after.domains and emptiest not in before.domains
    ]
    if not opened_ns or max(opened_ns) <= placed_ns:
        return ""
    return f"; {emptiest} could take none when the last was placed, and Kubernetes moves no pod afterwards"
