"""Upgrade the cluster under the service: the control plane first, then node by node, as Kubernetes asks for it."""

from __future__ import annotations

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import ClassVar

from typing_extensions import override

from chaos.cluster import Recorder
from chaos.errors import ClusterRefused
from chaos.faults.base import API_ALLOWANCE_S, Injection, Until
from chaos.faults.context import FaultContext
from chaos.faults.infrastructure import NO_CLUSTER_UPGRADE, ClusterUpgrader
from chaos.faults.rolling_pool_drain import PoolDrain, RollingPoolDrain
from chaos.faults.support.background_task import Ending
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.semantics import bound_by
from chaos.semantics.budgets import Scales, ScaleUnknown, budget_status

__all__ = ["ClusterUpgrade"]

CONTROL_PLANE_S = 300.0
"""For the new API server to be ready, and for watches to pass the moment at which it began to know what happens."""

BOOKMARKS_S = 180.0
"""The API server sends a bookmark about once a minute, and what it speaks of may be older."""

API_SERVER = Ref("Service", "default", "kubernetes")


@dataclass(frozen=True, slots=True)
class ClusterUpgrade(RollingPoolDrain):
    """Bring the control plane to the next minor version, then every target node: drained, replaced, opened again.

    Only where the infrastructure can do it, as the lab's can. Refused before anything is touched where it cannot, where
    there is no next version, and where a disruption budget would let none of the system's pods go. The next node
    follows when as many replicas are Ready as are desired. An upgrade is not undone: healing ends it after the node
    that is under way, and opens that node.
    """

    name: ClassVar[str] = "cluster-upgrade"
    if_run_dies: ClassVar[str] = (
        "a node that it closed stays so until `gameday undo` runs, and what was half upgraded until `gameday lab down`"
    )

    node_deadline_s: float = 120.0

    @property
    @override
    def words(self) -> str:
        return f"upgrade the cluster: the control plane, then {self.targets.words}, one after the other"

    @property
    @override
    def landing_deadline_s(self) -> float:
        """The proof is the answer of the new API server."""
        return CONTROL_PLANE_S

    @property
    @override
    def takes_every_node(self) -> bool:
        """They are taken one after the other, and each comes back."""
        return True

    @override
    def inject(self, context: FaultContext) -> Injection:
        """Begin with the control plane."""
        upgrader = context.infrastructure.upgrade
        if upgrader is None:
            return Injection(self, context, missed=NO_CLUSTER_UPGRADE)
        if missed := upgrader.objection() or blocking_budgets(context):
            return Injection(self, context, missed=missed)
        return _Upgrade(self, context, upgrader)


def blocking_budgets(context: FaultContext) -> str:
    """Which disruption budgets let none of the system's pods go even when all are Ready; empty if none does.

    One whose count nobody can make is left to the drain, which says what was refused.
    """
    recorder, found = context.recorder, list[str]()
    pods = [pod for pod in map(PodView, recorder.objects("Pod")) if not pod.finished]
    kinds = dict.fromkeys((context.workload_kind.name, "ReplicaSet", "StatefulSet"))
    scales = Scales(
        [raw for kind in kinds for raw in _known(recorder, kind)],
        [context.workload_kind],
    )
    budgets = {budget.uid: budget for pod in pods for budget in bound_by(recorder.objects("PodDisruptionBudget"), pod)}
    for budget in budgets.values():
        try:
            counted = budget_status(budget.raw, recorder.objects("Pod"), scales, at=datetime.now(UTC))
        except ScaleUnknown:
            continue
        if not counted.failed and counted.expected and counted.desired >= counted.expected:
            found.append(f"{budget.name} needs {counted.desired} of {counted.expected} healthy")
    if not found:
        return ""
    return f"no node can be drained, as the disruption budget {'; '.join(found)}: nothing was touched"


def _known(recorder: Recorder, kind: str) -> tuple[dict[str, object], ...]:
    """The objects of a kind; none where it is not watched."""
    try:
        return recorder.objects(kind)
    except KeyError:
        return ()


class _Upgrade(PoolDrain):
    def __init__(self, fault: ClusterUpgrade, context: FaultContext, upgrader: ClusterUpgrader) -> None:
        self._upgrader = upgrader
        self._served = ""
        super().__init__(fault, context)

    @property
    @override
    def ended(self) -> Until:
        """See `RollingPoolDrain.ended`."""
        drained = super().ended
        return Until("the upgrade ends", drained.seen, CONTROL_PLANE_S + drained.deadline_s + API_ALLOWANCE_S)

    @override
    def landed(self) -> str:
        """The API server that answers is of the new version."""
        return f"the API server answers as {self._served}" if self._served else ""

    @override
    def _to_close_first(self) -> tuple[Ref, ...]:
        return ()

    @override
    def _drain_all(self) -> Ending:
        if reason := self._control_plane():
            if not self._served:
                self.missed = reason  # nothing is there that could still be proved
            return Ending("stopped" if self._work.stopping else "failed", reason)
        return super()._drain_all()

    @override
    def _passes_over(self, node: Ref) -> bool:
        return False

    @override
    def _emptied(self, node: Ref) -> Ending:
        ending = super()._emptied(node)
        if ending.result != "finished":
            return ending
        context, upgrader = self.context, self._upgrader
        reason = context.act("upgrade-node", node, lambda: upgrader.node(node.name), version=upgrader.version)
        return Ending("failed", reason, ending.detail) if reason else ending

    def _control_plane(self) -> str:
        """Bring the control plane to the new version. Return an empty string, or what went wrong.

        Both API servers run until each watch is past the moment at which the new one began: it cannot tell what came
        before, and a watch that asked it for that would have a gap.
        """
        context, upgrader, version = self.context, self._upgrader, self._upgrader.version
        started = context.act("upgrade-api-server", API_SERVER, upgrader.start_api_server, version=version)
        if started:
            return started
        try:
            newest = int(context.cluster.read("/api/v1/nodes", {"limit": "1"}).json()["metadata"]["resourceVersion"])
        except (ClusterRefused, LookupError, ValueError, TypeError) as error:
            return f"the API server does not say how far it is: {error}"
        until_s = time.monotonic() + BOOKMARKS_S
        recorder = context.recorder
        if not self._work.wait_for(recorder, lambda: recorder.heard_rv() >= newest, until_s):
            context.journal.event("note", text="watches were not past the start of the new API server: gaps are likely")
        if ended := context.act("end-api-server", API_SERVER, upgrader.end_api_server):
            return ended
        try:  # only now, as a connection that stands goes on to the former one
            served = str(context.cluster.read("/version").json()["gitVersion"])
        except (ClusterRefused, LookupError, ValueError, TypeError) as error:
            return f"the new API server does not say what it is: {error}"
        if served != version:
            return f"the API server answers as {served}, not as {version}"
        self._served = served
        return context.act("upgrade-controllers", API_SERVER, upgrader.controllers, version=version)
