"""The reference model as a team deploys it: nothing of ours on it, in a namespace that the suite did not make."""

from __future__ import annotations

from typing import Any

from chaos.cluster import Cluster, NullJournal, OpenHand, mutations
from chaos.history import Ref
from chaos.history.views import DeploymentView
from chaos.lab.model_image import MODEL_IMAGE
from chaos.system import SystemSpec
from chaos.system.labels import MANAGED_BY, RUN_LABEL
from chaos.system.manifests import manifests
from chaos.wait import until

__all__ = ["NAME", "consent", "deploy_plainly", "settled", "spec_with"]

NAME = "chat"
AVAILABLE_S = 120.0


def spec_with(fields: dict[str, Any]) -> SystemSpec:
    """What the team wants to run."""
    plain = SystemSpec(name=NAME, image=MODEL_IMAGE, image_pull_policy="Never", profile="openai-chat")
    return plain.having(**fields)


def deploy_plainly(admin: Cluster, spec: SystemSpec, namespace: str) -> None:
    """Apply its objects as kubectl does, and wait until all replicas are available."""
    hand = OpenHand(admin, NullJournal())
    _done(hand, mutations.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}))
    for one in manifests(spec, namespace, run="none"):
        _done(hand, mutations.apply(_without_ours(one), field_manager="kubectl"))
    settled(admin, namespace)


def settled(admin: Cluster, namespace: str) -> None:
    """Wait until every replica that is wanted is there, no pod is on its way out, and no node is closed."""

    def still() -> bool:
        view = DeploymentView(admin.get("Deployment", namespace, NAME) or {})
        leaving = [one for one in admin.list("Pod", namespace) if "deletionTimestamp" in one["metadata"]]
        closed = [one for one in admin.list("Node") if one["spec"].get("unschedulable") or one["spec"].get("taints")]
        return view.rolled_out and view.ready_replicas >= view.replicas and not leaving and not closed

    until(still, deadline_s=AVAILABLE_S, awaited=f"{NAME} in {namespace} and the nodes to stand still")


def consent(admin: Cluster, namespace: str, *, pods: str, nodes: str) -> None:
    """Consent as the owners give it: for the namespace, the workload, and every node."""
    hand = OpenHand(admin, NullJournal())
    given = [
        (Ref("Namespace", "", namespace), "adopt", "enabled"),
        (Ref("Deployment", namespace, NAME), "allow", pods),
        *((Ref("Node", "", one["metadata"]["name"]), "allow", nodes) for one in admin.list("Node")),
    ]
    for ref, key, value in given:
        patch = {"metadata": {"annotations": {f"gameday.dev/{key}": value}}}
        _done(hand, mutations.patch(ref, patch, field_manager="kubectl"))


def _done(hand: OpenHand, mutation: mutations.Mutation) -> None:
    done = hand.do(mutation)
    assert done.outcome == "ok", done.reason


def _without_ours(value: Any) -> Any:
    """The same without the labels by which gameday finds what is its own."""
    if isinstance(value, dict):
        return {key: _without_ours(one) for key, one in value.items() if key not in (MANAGED_BY, RUN_LABEL)}
    return [_without_ours(one) for one in value] if isinstance(value, list) else value
