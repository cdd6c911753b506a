"""The listed cluster, indexed for the questions that a plan asks. Nothing in it changes."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chaos.cli.plan.listing import Listing
from chaos.cli.plan.pod_shape import Claims, Shape, ShapeBook
from chaos.objects.base import Raw, View
from chaos.objects.kinds import NodeView, PodDisruptionBudgetView, ReplicaSetView
from chaos.objects.pod import PodView
from chaos.objects.quantities import ONE
from chaos.semantics import BudgetState, Scales, ScaleUnknown, bound_by, budget_status
from chaos.semantics.budgets import controller_ref, disrupted
from chaos.semantics.scheduling import CORDON, HOST_PORT, allocatable

__all__ = ["Budget", "ClusterIndex", "Identity", "Node", "Pod"]

Identity = tuple[str, frozenset[tuple[str, str]]]
"""Namespace and labels: what a selector sees of a pod."""

REPLACING = frozenset({"ReplicaSet", "StatefulSet", "ReplicationController"})


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """A node, and the room that is left on it by the pods that are to stay."""

    name: str
    labels: Mapping[str, str]
    taints: Sequence[Raw]
    ready: bool
    cordoned: bool
    free: dict[str, int]

    def left(self, resource: str) -> int:
        """How much of a resource is left; every node has one of each host port."""
        return self.free.get(resource, ONE if resource.startswith(HOST_PORT) else 0)


@dataclass(frozen=True, slots=True, eq=False)
class Owner:
    """Who replaces a pod: `wanted` pods, of which `present` are there. Of other kinds nobody can tell."""

    uid: str
    words: str
    wanted: int
    present: int
    known: bool = True


@dataclass(frozen=True, slots=True, eq=False)
class Pod:
    """A pod; `key` is namespace/name, `budgets` are the keys of the disruption budgets that bind it."""

    view: PodView
    key: str
    node: str
    budgets: tuple[str, ...]
    shape: Shape
    identity: Identity
    owner: Owner | None


@dataclass(frozen=True, slots=True, eq=False)
class Budget:
    """A disruption budget at the start; `wanted` is how many pods there should be in all, by those who own them.

    `unready` are its pods that should be Ready and are not; `marked` are Ready pods that do not count, as their
    eviction was granted within the last two minutes.
    `unknown` is why it cannot be counted as its controller does: then its status is taken as the controller wrote it.
    """

    view: PodDisruptionBudgetView
    key: str
    state: BudgetState
    pods: tuple[Pod, ...]
    wanted: int
    unready: tuple[Pod, ...]
    marked: tuple[Pod, ...] = ()
    unknown: str = ""


@dataclass(frozen=True, slots=True)
class ClusterIndex:
    """Nodes, pods and disruption budgets by name. `active` pods take room: bound, not finished and to stay."""

    listing: Listing
    nodes: Mapping[str, Node]
    pods: Mapping[str, tuple[Pod, ...]]
    budgets: Mapping[str, Budget]
    identities: Mapping[Identity, Mapping[str, int]]
    active: tuple[Pod, ...]
    priority_min: int
    daemon_sets: Collection[tuple[str, str]] = field(default_factory=frozenset)

    @classmethod
    def of(cls, listing: Listing) -> ClusterIndex:
        """Index a listing."""
        nodes = {view.name: _node(view) for view in map(NodeView, listing.nodes)}
        pods = _pods(listing)
        active = tuple(pod for pod in pods if pod.node in nodes and not pod.view.finished and not pod.view.deleting)
        identities: dict[Identity, Counter[str]] = defaultdict(Counter)
        for pod in active:
            identities[pod.identity][pod.node] += 1
            free = nodes[pod.node].free
            for resource, amount in pod.shape.requests.items():
                free[resource] = nodes[pod.node].left(resource) - amount
        by_node: dict[str, list[Pod]] = defaultdict(list)
        for pod in pods:
            by_node[pod.node].append(pod)
        return cls(
            listing=listing,
            nodes=nodes,
            pods={name: tuple(found) for name, found in by_node.items()},
            budgets=_budgets(listing, pods),
            identities=identities,
            active=active,
            priority_min=min((pod.shape.priority for pod in active), default=0),
            daemon_sets={(view.namespace, view.name) for view in map(View, listing.daemon_sets)},
        )


def _node(view: NodeView) -> Node:
    taints = list(view.taints)
    if view.unschedulable and not any(taint.get("key") == CORDON["key"] for taint in taints):
        taints.append(CORDON)
    return Node(view.name, view.labels, taints, view.ready, view.unschedulable, allocatable(view.raw))


def _pods(listing: Listing) -> list[Pod]:
    book = ShapeBook(Claims.of(listing))
    views = [PodView(raw) for raw in listing.pods]
    budgets: dict[str, list[Raw]] = defaultdict(list)
    for raw in listing.budgets:
        budgets[View(raw).namespace].append(raw)
    owners = _owners(listing, views)
    bound: dict[Identity, tuple[str, ...]] = {}
    pods = []
    for view in views:
        identity: Identity = (view.namespace, frozenset(view.labels.items()))
        if identity not in bound:
            bound[identity] = tuple(_key(one) for one in bound_by(budgets[view.namespace], view))
        owner = owners.get(view.controller_uid)
        pods.append(Pod(view, _key(view), view.node, bound[identity], book.of(view), identity, owner))
    return pods


def _owners(listing: Listing, pods: Sequence[PodView]) -> dict[str, Owner]:
    """The immediate owner of each pod that has one: a ReplicaSet, not its Deployment."""
    controllers = {view.uid: view for view in map(ReplicaSetView, listing.controllers)}
    present = Counter(pod.controller_uid for pod in pods if not pod.finished and not pod.deleting)
    owners: dict[str, Owner] = {}
    for pod in pods:
        ref = controller_ref(pod)
        uid = str(ref.get("uid", ""))
        if not uid or uid in owners:
            continue
        words, found = f"{ref.get('kind')} {pod.namespace}/{ref.get('name')}", controllers.get(uid)
        if found is None or found.raw.get("kind") not in REPLACING:
            owners[uid] = Owner(uid, words, 0, 0, known=False)
        else:
            owners[uid] = Owner(uid, words, found.replicas, present[uid])
    return owners


def _budgets(listing: Listing, pods: Sequence[Pod]) -> dict[str, Budget]:
    scales = Scales(listing.controllers)
    bound: dict[str, list[Pod]] = defaultdict(list)
    for pod in pods:
        for key in pod.budgets:
            bound[key].append(pod)
    budgets = {}
    for raw in listing.budgets:
        view = PodDisruptionBudgetView(raw)
        budgets[_key(view)] = _budget(view, tuple(bound[_key(view)]), scales, listing)
    return budgets


def _budget(view: PodDisruptionBudgetView, pods: tuple[Pod, ...], scales: Scales, listing: Listing) -> Budget:
    """A disruption budget as its controller counts it now, whatever it last wrote."""
    key, written = _key(view), replace(BudgetState.of(view.raw), name=_key(view))
    owners = {pod.owner.uid: pod.owner.wanted for pod in pods if pod.owner and pod.owner.known}
    alone = sum(pod.owner is None or not pod.owner.known for pod in pods)
    wanted = sum(owners.values()) + alone
    unready = tuple(pod for pod in pods if not (pod.view.ready_condition or pod.view.deleting or pod.view.finished))
    try:
        now = budget_status(view.raw, [pod.view.raw for pod in pods], scales, at=listing.at)
    except ScaleUnknown as error:
        unknown = "" if view.up_to_date else f"{error}, and its controller has not counted it"
        return Budget(view, key, written, pods, wanted, unready, unknown=unknown)
    state = replace(
        written,
        healthy=now.healthy,
        desired=now.desired,
        allowed=now.allowed,
        failed=now.failed,
        expects=now.expected > 0,
    )
    marked = tuple(pod for pod in pods if pod.view.ready and disrupted(view, pod.view, at=listing.at))
    return Budget(view, key, state, pods, wanted, unready, marked)


def _key(view: View) -> str:
    return f"{view.namespace}/{view.name}"
