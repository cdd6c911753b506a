"""Always: replicas ran on the nodes of their pool only."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from chaos.checks.formatting import plural
from chaos.checks.verdict import Answer, Evidence, Finding
from chaos.checks.watch_coverage import blind_spots, judged_until_ns
from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.objects.kinds import NodeView

__all__ = ["StayedInPool"]

Labels = list[tuple[int, str | None]]
"""The values of a node's label, each from a moment on; None: it lacks the label."""


@dataclass(frozen=True, slots=True)
class StayedInPool:
    """Every pod of the system was, from being bound to a node until it was gone, on a node with this label.

    All through the trial, from the first phase to the last. A pod that waits for a node is nowhere, hence not outside.
    """

    label: str
    value: str

    @property
    def name(self) -> str:
        """How reports and JUnit call the check."""
        return "stayed-in-pool"

    def __call__(self, history: History) -> Finding:
        """Judge where every pod was."""
        since_ns = min((phase.begin_ns for phase in history.phases), default=history.began_ns)
        until_ns = judged_until_ns(history)
        nodes = _labels(history, self.label)
        lives = [life for life in pod_lives(history) if life.node and _lived(life, since_ns, until_ns)]
        outside = [stray for life in lives for stray in self._strays(life, nodes, since_ns, until_ns)]
        lost = [life for life in lives if life.node not in nodes]
        doubts = list(blind_spots(history, ("Pod", "Node"), since_ns, until_ns))
        doubts += [f"node {life.node}, with {life.name} on it, was never seen" for life in lost]
        if not lives:
            doubts.append("no pod of the system was on any node")
        answer = Answer.FAIL if outside else Answer.UNKNOWN if doubts else Answer.PASS
        said = [one.text for one in outside] or doubts
        return Finding(
            check=self.name,
            answer=answer,
            rule=f"Every replica runs on nodes with {self.label}={self.value} only.",
            limit=f"only {self.label}={self.value}",
            measured=f"{plural(len(lives), 'pod')} on {plural(len({life.node for life in lives}), 'node')}, "
            f"{len(outside)} outside",
            reason="; ".join(dict.fromkeys(said)),
            settle="a trial whose watch of pods and nodes has no gap" if answer is Answer.UNKNOWN else "",
            detail={
                "label": self.label,
                "value": self.value,
                "pods": len(lives),
                "outside": len(outside),
                "pods_by_node": {
                    node: sum(one.node == node for one in lives) for node in sorted({o.node for o in lives})
                },
            },
            evidence=tuple(outside),
        )

    def _strays(self, life: PodLife, nodes: Mapping[str, Labels], since_ns: int, until_ns: int) -> Iterator[Evidence]:
        """Where a pod was outside of the pool, once for each value that its node had then."""
        begin_ns = max(since_ns, life.scheduled_ns or life.created_ns)
        end_ns = until_ns if life.gone_ns is None else min(until_ns, life.gone_ns)
        values = nodes.get(life.node, [])
        place = max(0, bisect_right(values, begin_ns, key=lambda one: one[0]) - 1)
        for at_ns, value in values[place:]:
            if at_ns > end_ns:
                break
            if value != self.value:
                has = f"has {self.label}={value}" if value is not None else f"lacks the label {self.label}"
                yield Evidence(max(at_ns, begin_ns), f"{life.name} was on node {life.node}, which {has}")


def _lived(life: PodLife, since_ns: int, until_ns: int) -> bool:
    """Whether a pod was on its node at some time of a span."""
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
