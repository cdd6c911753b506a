"""What the owners of a cluster allow, as it says itself: before a scenario, before each action, and until its end."""

import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Self

from typing_extensions import override

from chaos.cluster import Cluster
from chaos.errors import ClusterRefused
from chaos.faults import Disruption
from chaos.faults.permissions import LOAD, Activity
from chaos.objects.base import Raw, Ref, View
from chaos.objects.kinds import PodDisruptionBudgetView
from chaos.safety.consent import objections_of_namespace, objections_of_node, refusals
from chaos.safety.stop_condition import StopCondition
from chaos.system.adopt.find import Adopted
from chaos.system.spec.compatibility import may_go
from chaos.trial.preflight.adopted_cluster import Adoption

__all__ = ["Consent", "owners_of", "owners_of_nodes", "unallowed", "unallowed_on_nodes"]

LOOK_S = 3.0
"""How often the owners' annotations are read while a trial goes on: two small objects, and the nodes that it hits."""

BLIND_S = 15.0
"""Owners who could not be asked for so long may have objected: as long as a lease lasts that nobody renews."""

Actions = Mapping[str, tuple[Ref, ...]]
"""Actions by name, each with the nodes that it hits; a node without a UID is whichever has that name."""

Owners = Callable[[Actions], Iterable[str]]
"""Reads from the cluster what its owners object to; also to none. Raises `ClusterRefused` if that cannot be read."""


class Consent(StopCondition):
    """The owners' consent to what one trial does: asked right before each action, and looked at again until its end.

    `load` is the action that allows a load that rises. Without `owners` everything is allowed. Whoever has allowed
    nothing can withdraw nothing: a trial that only looks goes on.
    """

    def __init__(self, owners: Owners | None = None, *, load: str = LOAD.name) -> None:
        super().__init__("owners", every_s=LOOK_S, asks=owners is not None)
        self._owners = owners or (lambda _actions: ())
        self._load = load
        self._given: Actions = {}
        self._consented = False
        self._unread = "no answer"
        self._seen_s = 0.0

    def __call__(self, disruption: Disruption) -> str:
        """The objection to a fault, or to a load that rises; empty if there is none."""
        name = self._load if disruption.name == LOAD.name else disruption.name
        nodes = tuple(victim for victim in disruption.victims if victim.kind == "Node")
        objection = "; ".join(self._owners({name: tuple(replace(node, uid="") for node in nodes)}))
        if not objection:
            self._given = {**self._given, name: (*self._given.get(name, ()), *nodes)}
            self._consented = True
        return objection

    @property
    @override
    def objection(self) -> str:
        """Why the trial is to stop: consent that was withdrawn, or that nobody could read for too long."""
        blind_s = time.monotonic() - self._seen_s if self.started and self._asks and self._consented else 0.0
        if self._objection or blind_s <= BLIND_S:
            return self._objection
        return f"the owners could not be asked for {blind_s:.0f} s whether they still consent: {self._unread}"

    @override
    def ask(self) -> str:
        try:
            objection = "; ".join(self._owners(self._given))
        except ClusterRefused as refused:
            self._unread = refused.what
            return ""
        self._seen_s = time.monotonic()
        self._consented = self._consented or not objection
        return objection if self._consented else ""

    @override
    def __enter__(self) -> Self:
        self._seen_s = time.monotonic()
        return super().__enter__()


def owners_of(adoption: Adoption, found: Adopted) -> Owners:
    """The owners of a system that already runs, and of the nodes that are hit."""

    def objections(actions: Actions) -> Iterator[str]:
        if actions:
            yield from _refusals(adoption, found, actions)
        else:
            yield from objections_of_namespace(_namespace(adoption, found))
        yield from _of_nodes(adoption.cluster, actions)

    return objections


def owners_of_nodes(cluster: Cluster) -> Owners:
    """The owners of the nodes that are hit, where the system is the trial's own."""
    return lambda actions: _of_nodes(cluster, actions)


def unallowed(adoption: Adoption, found: Adopted, activities: Iterable[Activity]) -> Iterator[str]:
    """Say what speaks against these faults, each with the command that would allow it: read from the cluster now."""
    chosen = tuple(one for one in activities if not one.reads)
    yield from _refusals(adoption, found, [one.name for one in chosen])
    yield from unallowed_on_nodes(adoption.cluster, chosen)
    yield from _spent(adoption, found, chosen)


def unallowed_on_nodes(cluster: Cluster, activities: Iterable[Activity]) -> Iterator[str]:
    """Say which of these faults no node's owner allows."""
    hitting = [one for one in activities if one.hits_nodes]
    nodes = cluster.list("Node") if hitting else []
    for activity in hitting:
        objections = [objections_of_node(node, activity.name) for node in nodes]
        if objections and all(objections):
            yield objections[0]


def _namespace(adoption: Adoption, found: Adopted) -> Raw:
    name = found.system.namespace
    return adoption.cluster.get("Namespace", None, name) or {"metadata": {"name": name}}


def _refusals(adoption: Adoption, found: Adopted, names: Iterable[str]) -> Iterator[str]:
    system, cluster = found.system, adoption.cluster
    yield from refusals(
        names,
        namespace=_namespace(adoption, found),
        workload=cluster.get(system.workload.kind, system.namespace, system.workload.name) or found.workload,
        allow=adoption.config.safety.allow,
        resource=found.resource,
    )


def _of_nodes(cluster: Cluster, actions: Actions) -> Iterator[str]:
    """What the nodes' owners object to. One that is gone, or was made anew, is not the node that was asked about."""
    for name, nodes in actions.items():
        for node in dict.fromkeys(nodes):
            found = cluster.get("Node", None, node.name) or {"metadata": {"name": node.name}}
            same = not node.uid or View(found).uid == node.uid
            if same and (objection := objections_of_node(found, name)):
                yield objection


def _spent(adoption: Adoption, found: Adopted, activities: tuple[Activity, ...]) -> Iterator[str]:
    """Whether the disruption budget is at zero though it is meant to let somebody go: then somebody else spends it."""
    budget, bound = found.system.disruption_budget, found.system.spec.disruption_budget
    if budget is None or bound is None or not any(one.evicts for one in activities):
        return
    raw = adoption.cluster.get(budget.kind, budget.namespace, budget.name)
    if raw is None:
        return
    view, meant = PodDisruptionBudgetView(raw), may_go(bound, found.system.spec.replicas_floor)
    if meant and not view.allowed:
        yield (
            f"the disruption budget {view.name} is at zero though it should let {meant} go: "
            f"{view.healthy} of {view.expected} pods are healthy"
        )
