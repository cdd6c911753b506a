"""Where ready replicas were, and where they could have been, at every moment at which that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.facts.membership import Membership
from chaos.objects.base import Raw
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.semantics.scheduling import could_take

__all__ = ["Placement", "placements"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where ready replicas were from one moment on.

    Attributes:
        at_ns: the moment.
        domains: ready replicas for each domain that could take one.
        closed: ready replicas for each domain that could take no more.
        elsewhere: those on nodes that lack the label, or were not seen.
    """

    at_ns: int
    domains: Mapping[str, int]
    closed: Mapping[str, int]
    elsewhere: int

    @property
    def ready(self) -> int:
        """All ready replicas."""
        return sum(self.domains.values()) + sum(self.closed.values()) + self.elsewhere

    @property
    def skew(self) -> int:
        """The fullest domain less the emptiest that could take a replica, 0 without any such."""
        return max((*self.domains.values(), *self.closed.values())) - min(self.domains.values()) if self.domains else 0

    @property
    def words(self) -> str:
        """The counts in words, e.g. `n1 2, n2 1`."""
        counts = [f"{name} {count}" for name, count in sorted(self.domains.items())]
        counts += [f"{name} {count} (closed)" for name, count in sorted(self.closed.items())]
        return ", ".join([*counts, *([f"elsewhere {self.elsewhere}"] if self.elsewhere else [])])


@dataclass(slots=True)
class _Nodes:
    """Nodes and ready replicas as they were last seen. What every event asks for is kept, not counted anew."""

    key: str
    nodes: dict[str, NodeView] = field(default_factory=dict)
    ready: dict[str, PodView] = field(default_factory=dict)
    on: Counter[str] = field(default_factory=Counter)
    owners: Counter[str] = field(default_factory=Counter)
    specs: dict[str, Raw] = field(default_factory=dict)
    open: frozenset[str] = frozenset()

    def node(self, node: NodeView, *, gone: bool) -> bool:
        """Take a state of a node; say whether it matters."""
        before = self.nodes.pop(node.name, None)
        if not gone:
            self.nodes[node.name] = node
        if before is not None and not gone and _gist(before) == _gist(node):
            return False
        self._reopen()
        return True

    def pod(self, pod: PodView, *, gone: bool) -> bool:
        """Take a state of a replica; say whether it matters."""
        before = self.ready.pop(pod.uid, None)
        now = pod if pod.ready and not gone else None
        if now is not None:
            self.ready[pod.uid] = now
        if (before is None) == (now is None):
            return False
        one, change = (now, 1) if now is not None else (before or pod, -1)
        owners = len(+self.owners)
        self.on[one.node] += change
        self.owners[one.controller_uid] += change
        self.specs[one.controller_uid] = one.spec
        if len(+self.owners) != owners:
            self._reopen()
        return True

    def _reopen(self) -> None:
        """See anew which nodes could take a replica."""
        specs = [self.specs[owner] for owner, count in self.owners.items() if count]
        self.open = frozenset(
            name
            for name, node in self.nodes.items()
            if self.key in node.labels and any(could_take(node, spec) for spec in specs)
        )

    def placed(self, at_ns: int) -> Placement:
        """How the ready replicas stand."""
        domains = dict.fromkeys(sorted(str(self.nodes[name].labels[self.key]) for name in self.open), 0)
        closed: Counter[str] = Counter()
        elsewhere = 0
        for name, count in self.on.items():
            node = self.nodes.get(name)
            if node is None or self.key not in node.labels:
                elsewhere += count
                continue
            domain = str(node.labels[self.key])
            if domain in domains:
                domains[domain] += count
            elif count:
                closed[domain] += count
        return Placement(at_ns, domains, dict(closed), elsewhere)


def placements(history: History, key: str) -> Iterator[Placement]:
    """Every placement, by the node label `key`, in order of time; one for each moment at which it changed."""
    membership, nodes = Membership.of(history), _Nodes(key)
    last: Placement | None = None
    for event in history.watch:
        gone = event.type in ("DELETED", "VANISHED")
        if event.kind == "Node":
            changed = nodes.node(NodeView(event.object), gone=gone)
        elif event.kind == "Pod":
            pod = PodView(event.object)
            changed = membership.has(pod.uid, pod) and nodes.pod(pod, gone=gone)
        else:
            continue
        if not changed:
            continue
        now = nodes.placed(settled_ns(history, event.kind, event.at_ns))
        if last is None or last != replace(now, at_ns=last.at_ns):
            yield now
        last = now


def _gist(node: NodeView) -> tuple[object, ...]:
    """All of a node that decides whether it could take a pod."""
    return node.ready, node.unschedulable, node.labels, node.taints, node.status.get("allocatable")
