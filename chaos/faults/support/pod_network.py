"""How a single pod is cut off from the network: by the lab's means, or by a NetworkPolicy that lets nothing through."""

from __future__ import annotations

from typing import Any

from chaos.cluster import DRY_RUN, DryRunExecutor, mutations
from chaos.faults.base import Field
from chaos.faults.support.infrastructure import PodNetwork
from chaos.objects.base import Ref
from chaos.objects.pod import PodView
from chaos.safety import Inverse

__all__ = ["cut_off", "reconnect"]

MARK = "gameday.dev/cut"


def cut_off(field: Field, means: PodNetwork | None, pod: PodView) -> str:
    """Cut a pod off. Return an empty string, or why that could not be done."""
    ref = Ref("Pod", pod.namespace, pod.name, pod.uid)
    if means is not None:
        with field.journal.action("cut-off", ref, fault=field.fault, detail={"by": means.words}) as entry:
            reason = DRY_RUN if isinstance(field.executor, DryRunExecutor) else means.cut(pod.node, address_of(pod))
            entry.end("fail" if reason else "ok", **({"reason": reason} if reason else {}))
        return reason
    if reason := field.undo.promise(_inverse(ref), fault=field.fault):
        return f"pod {pod.name}: {reason}"
    marked = field.executor.do(_marking(ref, field.fault, on=True))
    if marked.outcome != "ok":
        return f"pod {pod.name} cannot be marked for a NetworkPolicy: {marked.reason}"
    made = field.executor.do(mutations.create(_policy(ref, field.fault), fault=field.fault))
    return "" if made.outcome == "ok" else f"the NetworkPolicy for {pod.name} cannot be made: {made.reason}"


def reconnect(field: Field, means: PodNetwork | None, pod: PodView) -> str:
    """Let a pod be reached again. Return an empty string, or what is left and how to mend it by hand."""
    ref = Ref("Pod", pod.namespace, pod.name, pod.uid)
    if means is not None:
        if isinstance(field.executor, DryRunExecutor):
            return ""
        with field.journal.action("reconnect", ref, fault=field.fault) as entry:
            reason = means.restore(pod.node, address_of(pod))
            entry.end("fail" if reason else "ok", **({"reason": reason} if reason else {}))
        return reason
    inverse = _inverse(ref)
    gone = field.executor.do(mutations.delete(inverse.target, fault=field.fault))
    if gone.outcome != "ok" and gone.status != 404 and not isinstance(field.executor, DryRunExecutor):
        return f"NetworkPolicy {inverse.target.name} is still there ({gone.reason}); run: {inverse.by_hand}"
    field.undo.kept(inverse)
    # The pod may be gone by now, and its mark with it.
    field.executor.do(_marking(ref, field.fault, on=False))
    return ""


def address_of(pod: PodView) -> str:
    """A pod's address."""
    return str(pod.status.get("podIP", ""))


def _inverse(pod: Ref) -> Inverse:
    """What undoes a cut by a policy: its end. The mark that is left on the pod then means nothing."""
    policy = Ref("NetworkPolicy", pod.namespace, _name(pod))
    return Inverse("delete-policy", policy, f"kubectl delete networkpolicy -n {policy.namespace} {policy.name}")


def _name(pod: Ref) -> str:
    return f"gameday-cut-{pod.uid[:8]}"


def _marking(pod: Ref, fault: str, *, on: bool) -> mutations.Mutation:
    body = {"metadata": {"labels": {MARK: pod.uid if on else None}}}
    return mutations.patch(pod, body, action="mark" if on else "unmark", fault=fault)


def _policy(pod: Ref, fault: str) -> dict[str, Any]:
    """A policy for this very pod that allows nothing in and nothing out."""
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": _name(pod), "namespace": pod.namespace, "annotations": {"gameday.dev/fault": fault}},
        "spec": {"podSelector": {"matchLabels": {MARK: pod.uid}}, "policyTypes": ["Ingress", "Egress"]},
    }
