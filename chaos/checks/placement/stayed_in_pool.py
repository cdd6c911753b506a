"""Always: replicas ran on the nodes of their pool only."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, judged_until_ns, unknown, watched
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.kinds import NodeView

__all__ = ["StayedInPool", "StayedInPoolDetail"]

GAPLESS = "a trial whose watch of pods and nodes has no gap"

Labels = list[tuple[int, str | None]]
"""The values of a node's label, each from a moment on; None: it lacks the label."""


@dataclass(frozen=True, slots=True)
class StayedInPoolDetail:
    """How many pods there were, and how often one was outside the pool."""

    label: str
    value: str
    pods: int
    outside: int


@dataclass(frozen=True, slots=True)
class StayedInPool:
    """Every pod of the system was, from being bound to a node until it was gone, on a node with this label.

    All through the trial, from the first phase to the last. A pod that waits for a node is nowhere, hence not outside.
    """

    name: ClassVar[str] = "stayed-in-pool"
    Detail: ClassVar[type] = StayedInPoolDetail

    label: str
    value: str

    def __call__(self, history: History) -> Finding:
        since_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
        until_ns = judged_until_ns(history)
        nodes = _labels(history, self.label)
        lives = [life for life in pod_lives(history) if life.node and _lived(life, since_ns, until_ns)]
        owed = [self._stay(life, nodes, since_ns, until_ns) for life in lives]
        outside = sum(len(one.evidence) for one in owed)
        on = {life.node for life in lives}
        return finding(
            self.name,
            f"Every replica runs on nodes with {self.label}={self.value} only.",
            [*owed, *watched(history, ("Pod", "Node"), since_ns, until_ns)] if owed else [],
            Summary(
                f"{plural(len(lives), 'pod')} on {plural(len(on), 'node')}, {outside} outside",
                f"only {self.label}={self.value}",
                detail=StayedInPoolDetail(self.label, self.value, len(lives), outside),
            ),
            nothing=unknown("the replicas", "no pod of the system was on any node", GAPLESS),
        )

    def _stay(self, life: PodLife, nodes: Mapping[str, Labels], since_ns: int, until_ns: int) -> Obligation:
        """One pod was in the pool for as long as it was on its node."""
        if life.node not in nodes:
            return unknown(life.name, f"node {life.node}, with {life.name} on it, was never seen", GAPLESS)
        outside = tuple(self._strays(life, nodes[life.node], since_ns, until_ns))
        reason = "; ".join(one.text for one in outside)
        return judged(life.name, reason, measured=f"on node {life.node}", evidence=outside)

    def _strays(self, life: PodLife, values: Labels, since_ns: int, until_ns: int) -> Iterator[Evidence]:
        """Where a pod was outside of the pool, once for each value that its node had then."""
        begin_ns = max(since_ns, life.scheduled_ns or life.created_ns)
        end_ns = until_ns if life.gone_ns is None else min(until_ns, life.gone_ns)
        place = max(0, bisect_right(values, begin_ns, key=lambda one: one[0]) - 1)
        for at_ns, value in values[place:]:
            if at_ns > end_ns:
                break
            if value != self.value:
                has = f"has {self.label}={value}" if value is not None else f"lacks the label {self.label}"
                yield Evidence(max(at_ns, begin_ns), f"{life.name} was on node {life.node}, which {has}")


def _lived(life: PodLife, since_ns: int, until_ns: int) -> bool:
    begun = life.scheduled_ns is not None and life.scheduled_ns <= until_ns
    return begun and (life.gone_ns is None or life.gone_ns > since_ns)


def _labels(history: History, label: str) -> Mapping[str, Labels]:
    """The label's value on every node, by name, over time."""
    nodes: dict[str, Labels] = {}
    for event in history.watch:
        if event.kind == "Node" and event.type not in ("DELETED", "VANISHED"):
            node = NodeView(event.object)
            value = node.labels.get(label)
            values = nodes.setdefault(node.name, [])
            if not values or values[-1][1] != value:
                values.append((settled_ns(history, "Node", event.at_ns), value))
    return nodes
