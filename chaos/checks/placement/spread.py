"""Eventually: once the system has recovered, its replicas are spread over the nodes or zones that could take them."""

from collections import Counter
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import ClassVar

from chaos.checks.base import Summary, finding, judged, unknown, unseen_at
from chaos.checks.recovery.delay_reasons import volume_terms
from chaos.checks.verdict import Evidence, Finding, Obligation
from chaos.errors import plural
from chaos.history import History
from chaos.history.coverage import settled_ns
from chaos.history.facts.membership import Membership
from chaos.history.facts.pod_lifecycles import pod_lives
from chaos.history.facts.replica_counts import desired_replicas
from chaos.objects.base import Raw
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.semantics.scheduling import could_take, fits_terms

__all__ = ["Placement", "Spread", "SpreadDetail"]


@dataclass(frozen=True, slots=True)
class Placement:
    """Where ready replicas were from one moment on.

    By domain where it could take one, and where it could take no more (`closed`); `elsewhere` are those on nodes that
    lack the label, or were not seen.
    """

    at_ns: int
    domains: Mapping[str, int]
    closed: Mapping[str, int]
    elsewhere: int

    @property
    def ready(self) -> int:
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
        """Take a state of a replica, `gone` also if it was let go; say whether it matters."""
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
            own = membership.counts(pod.uid, pod)
            changed = membership.has(pod.uid, pod) and nodes.pod(pod, gone=gone or not own)
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


KINDS = ("Pod", "Node")
SHOWN = 50
"""How many placements a finding lists; it says how many there were."""


@dataclass(frozen=True, slots=True)
class SpreadDetail:
    """Where the ready replicas were at the end of recovery, and before.

    Attributes:
        key: the node label whose values are the domains.
        skew: how many more ready replicas one domain held than another, None if nothing was seen.
        domains, closed, elsewhere: ready replicas, as in `Placement`.
    """

    key: str
    max_skew: int
    skew: int | None
    skew_max_over_time: int | None
    domains: Mapping[str, int]
    closed: Mapping[str, int]
    elsewhere: int | None


@dataclass(frozen=True, slots=True)
class Spread:
    """At the end of recovery no domain of `key` holds over `max_skew` ready replicas more than another.

    A domain is one value of that node label. The emptiest counts among those that could take a replica then: a node of
    theirs is open, Ready, chosen by the pods' node selector and affinity, tolerated, and has the room and the devices
    that they ask for; which devices claims find on an empty node is UNKNOWN, and so are replicas whose volumes cannot
    be reached from there. Kubernetes spreads pods as it places them and never moves one afterwards, so a node that is
    opened again stays empty: the finding says if that is why.
    """

    name: ClassVar[str] = "spread"
    Detail: ClassVar[type] = SpreadDetail

    key: str = "kubernetes.io/hostname"
    max_skew: int = 1

    def __post_init__(self) -> None:
        if self.max_skew < 1:
            raise ValueError(f"Spread.max_skew: {self.max_skew} is not at least 1")

    def __call__(self, history: History) -> Finding:
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
        if blind := unseen_at(history, KINDS, at_ns):
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
            why = _too_late(history, every, last, emptiest)
            reason = f"{name} holds {count} ready replicas, {emptiest} {least}{why}" if over else ""
            bound, settle = f"at most {least + self.max_skew}", ""
            if over and not least and any(life.spec.get("resourceClaims") for life in pod_lives(history)):
                reason, settle = (
                    f"{reason}; which nodes have the devices that its claims ask for is not recorded",
                    DEVICES,
                )
            emptier = [one for one, few in last.domains.items() if count - few > self.max_skew]
            if over and _bound_there(history, self.key, name, emptier, at_ns):
                reason, settle = f"{reason}; their volumes can be reached from none that holds fewer", REACHED
            yield judged(name, reason, settle, measured=plural(count, "ready replica"), bound=bound)


REACHED = "volumes that can be reached from every domain"
DEVICES = "replicas on every node that has such devices, or a node selector for these nodes"


def _bound_there(history: History, key: str, name: str, emptier: Collection[str], at_ns: int) -> bool:
    """Whether none of a domain's replicas could be in an emptier one, for the volumes that they hold."""
    nodes: dict[str, NodeView] = {}
    for event in history.watch:
        if event.kind == "Node" and event.at_ns <= at_ns:
            nodes[NodeView(event.object).name] = NodeView({} if event.gone else event.object)
    domain = {one.name: one.labels.get(key) for one in nodes.values()}
    there = (life for life in pod_lives(history) if life.ready_at(at_ns) and domain.get(life.node) == name)
    bound = [volume_terms(history, life, at_ns) for life in there]
    others = [one for one in nodes.values() if one.labels.get(key) in emptier]
    return bool(bound) and all(
        any(not fits_terms(terms, one.name, one.labels) for terms in volumes) for volumes in bound for one in others
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
