"""Where ready replicas were, and where they could have been, at every moment at which that changed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.facts.membership import Membership
from chaos.objects.base import Raw, matches
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView

__all__ = ["Placement", "could_take", "placements"]

KEEP_OUT = ("NoSchedule", "NoExecute")


@dataclass(frozen=True, slots=True)
class Placement:
    """Ready replicas for each domain that could take one; `elsewhere` are those in no such domain."""

    at_ns: int
    domains: Mapping[str, int]
    elsewhere: int

    @property
    def ready(self) -> int:
        """All ready replicas."""
        return sum(self.domains.values()) + self.elsewhere

    @property
    def skew(self) -> int:
        """The fullest domain less the emptiest, 0 without any."""
        return max(self.domains.values(), default=0) - min(self.domains.values(), default=0)

    @property
    def words(self) -> str:
        """The counts in words, e.g. `n1 2, n2 1`."""
        counts = [f"{name} {count}" for name, count in sorted(self.domains.items())]
        return ", ".join([*counts, *([f"elsewhere {self.elsewhere}"] if self.elsewhere else [])])


@dataclass(slots=True)
class _Scene:
    """Nodes and ready replicas as they were last told. What is asked for at every event is kept, not counted anew."""

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
        elsewhere = 0
        for name, count in self.on.items():
            node = self.nodes.get(name)
            domain = "" if node is None else str(node.labels.get(self.key, ""))
            if domain in domains:
                domains[domain] += count
            else:
                elsewhere += count
        return Placement(at_ns, domains, elsewhere)


def placements(history: History, key: str) -> Iterator[Placement]:
    """Every placement, by the node label `key`, in order of time; one for each moment at which it changed."""
    membership, scene = Membership.of(history), _Scene(key)
    last: Placement | None = None
    for event in history.watch:
        gone = event.type in ("DELETED", "VANISHED")
        if event.kind == "Node":
            changed = scene.node(NodeView(event.object), gone=gone)
        elif event.kind == "Pod":
            pod = PodView(event.object)
            changed = membership.has(pod.uid, pod) and scene.pod(pod, gone=gone)
        else:
            continue
        if not changed:
            continue
        now = scene.placed(settled_ns(history, event.kind, event.at_ns))
        if last is None or (last.domains, last.elsewhere) != (now.domains, now.elsewhere):
            yield now
        last = now


def _gist(node: NodeView) -> tuple[object, ...]:
    """All of a node that decides whether it could take a pod."""
    return node.ready, node.unschedulable, node.labels, node.taints


def could_take(node: NodeView, pod_spec: Raw) -> bool:
    """Whether the scheduler could put a pod of that spec there: open, Ready, of the pod's choice, and tolerated.

    Room (requests against what is allocatable) is left out.
    """
    if node.unschedulable or not node.ready:
        return False
    chosen = matches({"matchLabels": pod_spec.get("nodeSelector") or {}}, node.labels)
    return chosen and _affine(node, pod_spec) and _tolerated(node.taints, pod_spec.get("tolerations") or ())


def _affine(node: NodeView, pod_spec: Raw) -> bool:
    """Required node affinity: one of its terms must match. Comparisons of numbers (`Gt`, `Lt`) do not."""
    affinity = (pod_spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
    if not required:
        return True
    return any(_term(term, node) for term in required.get("nodeSelectorTerms") or ())


def _term(term: Raw, node: NodeView) -> bool:
    fields = {"metadata.name": node.name}
    try:
        return matches({"matchExpressions": term.get("matchExpressions") or ()}, node.labels) and matches(
            {"matchExpressions": term.get("matchFields") or ()}, fields
        )
    except ValueError:
        return False


def _tolerated(taints: Iterable[Raw], tolerations: Iterable[Raw]) -> bool:
    given = tuple(tolerations)
    keep_out = (taint for taint in taints if taint.get("effect") in KEEP_OUT)
    return all(any(_tolerates(one, taint) for one in given) for taint in keep_out)


def _tolerates(toleration: Raw, taint: Raw) -> bool:
    if toleration.get("effect") not in (None, "", taint.get("effect")):
        return False
    key = toleration.get("key")
    if toleration.get("operator") == "Exists":
        return key in (None, "", taint.get("key"))
    return bool(key == taint.get("key") and (toleration.get("value") or "") == (taint.get("value") or ""))
