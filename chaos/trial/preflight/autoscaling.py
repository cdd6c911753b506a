"""What keeps an autoscaler from working at all, said in one line before a trial of it, with what to change.

Nothing is written. What this user may not see is no objection: the trial's findings say what they lacked.
"""

from collections.abc import Iterator

from chaos.cluster import Cluster, MetricsReader, questions_of, selector_of
from chaos.errors import ClusterRefused, UsageError
from chaos.history.facts.autoscaler import AutoscalerView
from chaos.objects.base import Raw
from chaos.objects.scaled_object import ScaledObjectView
from chaos.system.adopt.find import Adopted
from chaos.system.adopt.scaled_objects import scaled_object_of

__all__ = ["autoscaling_objections", "require_autoscaling"]

AMBIGUOUS = "AmbiguousSelector"

AUTHENTICATION = "TriggerAuthentication.keda.sh"

FORBIDDEN = "403 "


def require_autoscaling(cluster: Cluster, found: Adopted) -> None:
    """See that what scales the workload can. Raises `ClusterRefused` with the first thing that keeps it from that."""
    for what, fix in autoscaling_objections(cluster, found):
        raise ClusterRefused(what, fix)


def autoscaling_objections(cluster: Cluster, found: Adopted) -> Iterator[tuple[str, str]]:
    """Everything that keeps the workload's autoscaling from working, each with what to change."""
    system = found.system
    raws = [one for one in found.raws if one.get("kind") == "HorizontalPodAutoscaler"]
    scaled = scaled_object_of(cluster, system.namespace, (system.workload.kind, system.workload.name))
    if scaled is not None:
        yield from _of_scaled_object(cluster, ScaledObjectView(scaled), raws)
    for raw in raws:
        yield from _of_autoscaler(AutoscalerView(raw))
    reader = MetricsReader(cluster.read)
    for question in questions_of(raws, selector_of(system.selector)):
        said, metric = reader.said(question), question.metric
        error = said.get("error", "") or ("" if said["values"] else "it has no value")
        nobody = metric.type == "Pods" and not system.pods_before
        if error and not nobody and not error.startswith(FORBIDDEN):
            server = "external.metrics.k8s.io" if question.external else "custom.metrics.k8s.io"
            yield (
                f"the autoscaler looks at {metric.type} metric {metric.name}, which nobody serves: {error}",
                f"correct its name and labels, or see that its adapter runs: kubectl get apiservices | grep {server}",
            )


def _of_autoscaler(view: AutoscalerView) -> Iterator[tuple[str, str]]:
    if view.least > view.most:
        name = f"HorizontalPodAutoscaler {view.name}"
        yield f"{name} has minReplicas {view.least} over maxReplicas {view.most}", "raise maxReplicas"
    if view.inactive.startswith(AMBIGUOUS):
        yield (
            f"HorizontalPodAutoscaler {view.name} does nothing ({view.inactive})",
            "leave one autoscaler over these pods: kubectl get hpa, and labels of their own for each workload",
        )


def _of_scaled_object(cluster: Cluster, scaled: ScaledObjectView, raws: list[Raw]) -> Iterator[tuple[str, str]]:
    name, edit = f"ScaledObject {scaled.name}", f"kubectl edit scaledobject {scaled.name} -n {scaled.namespace}"
    if paused := scaled.paused:
        key = paused.partition("=")[0]
        undo = f"kubectl annotate scaledobject {scaled.name} -n {scaled.namespace} {key}-"
        yield f"{name} is paused ({paused}), so that nothing scales the workload", undo
    if scaled.least > scaled.most:
        yield f"{name} has minReplicaCount {scaled.least} over maxReplicaCount {scaled.most}", f"correct them: {edit}"
    if "idleReplicaCount" in scaled.spec and scaled.idle >= scaled.least:
        yield (
            f"{name} has idleReplicaCount {scaled.idle}, which must be less than minReplicaCount {scaled.least}",
            f"correct them: {edit}",
        )
    for trigger in scaled.triggers:
        ref = trigger.get("authenticationRef") or {}
        if ref.get("name") and ref.get("kind", "TriggerAuthentication") == "TriggerAuthentication":
            yield from _of_authentication(cluster, scaled, str(trigger.get("type", "")), str(ref["name"]))
    if words := scaled.not_ready:
        yield f"{name} is not Ready, by KEDA's own words: {words}", f"mend what they name: {edit}"
    for view in map(AutoscalerView, raws):
        ours = view.name == scaled.autoscaler
        if not ours:
            yield (
                f"{name} and HorizontalPodAutoscaler {view.name} scale the same workload",
                f"leave one of them: kubectl delete hpa {view.name} -n {scaled.namespace}",
            )
        elif not scaled.paused and view.most != scaled.most:
            yield (
                f"{name} says at most {scaled.most} replicas, its autoscaler {view.name} {view.most}",
                "see that KEDA's operator runs, and that nobody else writes the autoscaler",
            )


def _of_authentication(cluster: Cluster, scaled: ScaledObjectView, type_: str, name: str) -> Iterator[tuple[str, str]]:
    try:
        known = cluster.get(AUTHENTICATION, scaled.namespace, name)
    except (ClusterRefused, UsageError):  # this user may not look
        return
    if known is None:
        yield (
            f"trigger {type_} of ScaledObject {scaled.name} has no credentials: no TriggerAuthentication {name}",
            f"make it in namespace {scaled.namespace}, or correct authenticationRef",
        )
