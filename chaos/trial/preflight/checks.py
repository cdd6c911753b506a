"""Before anything is written: API versions that the cluster must serve, rights and metrics."""

from collections.abc import Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from shlex import quote

from chaos.cluster import KINDS, WATCHED, Cluster, Kind, selector_of
from chaos.errors import ClusterRefused, UsageError
from chaos.faults.permissions import Activity, Right, object_names, rights_of
from chaos.history.facts.autoscaler import AutoscalerView
from chaos.objects.base import View
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.safety.undo_journal import own_namespace
from chaos.system.adopt.find import Adopted
from chaos.trial.preflight.adopted_cluster import Adoption
from chaos.trial.preflight.autoscaling import require_autoscaling
from chaos.trial.preflight.rbac import HOME, HOME_NAMES

__all__ = [
    "ADOPTED_KINDS",
    "DEPLOYED_KINDS",
    "require_metrics",
    "require_rights",
    "require_served",
    "require_to_deploy",
    "require_usage",
    "without_keda",
    "without_metrics",
]

SINCE = {
    "autoscaling/v2": "Kubernetes 1.23",
    "policy/v1": "Kubernetes 1.21",
    "discovery.k8s.io/v1": "Kubernetes 1.21",
    "networking.k8s.io/v1": "Kubernetes 1.19",
}
"""Which release serves a version first, where there are clusters in use that are older."""

ADOPTED_KINDS = ("Node", *WATCHED, "Namespace", "Service", "ConfigMap", "Lease", "Deployment", "StatefulSet")
DEPLOYED_KINDS = ("Node", *WATCHED, "Namespace", "Service", "ConfigMap", "Deployment")

METRICS = "metrics.k8s.io/v1beta1"
FIX = "see that metrics-server, or another server of metrics.k8s.io, runs and knows the pods: kubectl top pods"

ADD_KEDA = "install it, on the lab gameday lab add keda prometheus"

QUESTIONS_AT_ONCE = 8


def require_served(cluster: Cluster, kinds: Iterable[str]) -> None:
    """Ask for each API version that these kinds live in, once. Raises `ClusterRefused` naming all that is missing."""
    by_version: dict[str, list[Kind]] = {}
    for kind in (KINDS[name] for name in kinds):
        by_version.setdefault(kind.api_version, []).append(kind)
    if missing := [words for version, needed in by_version.items() if (words := _missing(cluster, version, needed))]:
        raise ClusterRefused(
            f"context {cluster.facts.context} (Kubernetes {cluster.facts.version}) does not serve {'; '.join(missing)}",
            "use a cluster that serves them, or turn them on in its API server (--runtime-config)",
        )


def _missing(cluster: Cluster, version: str, kinds: list[Kind]) -> str:
    """What of one API version is not served, in words; empty if all is."""
    answer = cluster.read(f"/apis/{version}" if "/" in version else f"/api/{version}")
    names = ", ".join(kind.name for kind in kinds)
    if answer.status == 404:
        since = f", which {SINCE[version]} has first" if version in SINCE else ""
        return f"{version} ({names}){since}"
    body = answer.json()
    if not answer.ok or not isinstance(body, dict):
        raise ClusterRefused(f"ask whether {version} is served: the API server refused: {answer.words()}")
    served = {str(one.get("name")) for one in body.get("resources") or ()}
    lacking = [kind.plural for kind in kinds if kind.plural not in served]
    return f"{', '.join(lacking)} of {version}" if lacking else ""


def without_metrics(cluster: Cluster) -> str:
    """Say that the metrics API does not answer, and what to do about it; empty if it does."""
    answer = cluster.read(f"/apis/{METRICS}")
    return "" if answer.ok else f"{METRICS} does not answer ({answer.words()}), and the autoscaler reads it: {FIX}"


def without_keda(cluster: Cluster) -> str:
    """Say that the cluster has no KEDA, and what to do about it; empty if it serves ScaledObjects."""
    try:
        cluster.kind(SCALED_OBJECT)
    except UsageError:
        return f"the cluster has no KEDA, and a ScaledObject is to scale the system: {ADD_KEDA}"
    return ""


def require_metrics(cluster: Cluster, namespace: str, pods: Iterable[str], *, why: str) -> None:
    """Ask the metrics API for these pods. Raises `ClusterRefused`, with what needs it, if it tells of none of them."""
    answer = cluster.read(f"/apis/{METRICS}/namespaces/{namespace}/pods")
    body = answer.json()
    if not answer.ok or not isinstance(body, dict):
        raise ClusterRefused(f"{why} needs the metrics API, which does not answer: {answer.words()}", FIX)
    known = {str(one["metadata"]["name"]) for one in body.get("items") or ()}
    if not known.intersection(pods):
        raise ClusterRefused(f"{why} needs the metrics API, which knows none of the pods in {namespace}", FIX)


def require_rights(
    adoption: Adoption, found: Adopted, activities: Iterable[Activity], *, load_pods: bool = False
) -> None:
    """Ask the API server for every right that is needed, and for the suite's own namespace.

    Raises `ClusterRefused` naming the verbs that are missing.
    """
    namespace, context = found.system.namespace, adoption.cluster.facts.context
    proxied = not adoption.config.traffic.url
    workload, data = found.system.workload, bool(adoption.config.system.data)
    debug = bool(adoption.config.system.debug_image)
    kinds, others = (workload.kind, *found.through), adoption.config.system.other_workloads()
    wanted = rights_of(activities, *kinds, proxied=proxied, load_pods=load_pods, data=data, debug=debug, others=others)
    names = object_names(namespace, workload.kind, workload.name, resource=found.resource, others=others)
    if missing := [right.words for right in wanted if not _may(adoption, right, namespace, names)]:
        raise ClusterRefused(
            f"context {context} may not, in namespace {namespace}: {', '.join(missing)}",
            "ask for these rights: gameday rbac prints the Roles and the ClusterRole",
        )
    if adoption.cluster.get("Namespace", None, own := own_namespace(namespace)) is None:
        raise ClusterRefused(
            f"there is no namespace {own}, in which gameday keeps what it has to undo, out of others' reach",
            f"apply what gameday rbac prints, or: kubectl --context {quote(context)} create namespace {own}",
        )


def require_usage(adoption: Adoption, found: Adopted, *, scales: bool) -> None:
    """See that an autoscaler (`scales`) can work, and that usage is reported where it or a limit in the file needs it.

    Raises `ClusterRefused` saying what is wrong, or which needs it.
    """
    limited = bool(adoption.config.safety.abort_usage)
    if scales:
        require_autoscaling(adoption.cluster, found)
    scalers = [AutoscalerView(one) for one in found.raws if one.get("kind") == "HorizontalPodAutoscaler"]
    # One that looks at other metrics alone needs no metrics-server.
    measured = not scalers or any(not metric.custom for one in scalers for metric in one.metrics)
    if not (limited or (scales and measured)):
        return
    namespace = found.system.namespace
    pods = adoption.cluster.list("Pod", namespace, selector=selector_of(found.system.selector))
    why = "a scenario of the autoscaler" if scales and measured else "safety.abort_usage"
    require_metrics(adoption.cluster, namespace, [View(pod).name for pod in pods], why=why)


def require_to_deploy(cluster: Cluster, rights: Sequence[Right]) -> None:
    """The same for trials that deploy their system. Raises `ClusterRefused` naming the verbs that are missing.

    Rights that are not for all namespaces are for `HOME`, which must be there.
    """
    at_home = [right for right in rights if not right.everywhere]
    if at_home and cluster.get("Namespace", None, HOME) is None:
        raise ClusterRefused(
            f"there is no namespace {HOME}, where a run that hits nodes holds its lease",
            f"kubectl create namespace {HOME}, or apply what gameday rbac --deploys prints",
        )

    def may(right: Right) -> bool:
        if right.everywhere:
            return cluster.may(right.verb, right.kind, None, subresource=right.subresource)
        return all(cluster.may(right.verb, right.kind, HOME, name=name) for name in right.held_to(HOME_NAMES) or ("",))

    with ThreadPoolExecutor(QUESTIONS_AT_ONCE) as pool:
        allowed = list(pool.map(may, rights))
    denied = [right for right, is_allowed in zip(rights, allowed, strict=True) if not is_allowed]
    if missing := [one.words if one.everywhere else f"{one.words} in namespace {HOME}" for one in denied]:
        raise ClusterRefused(
            f"context {cluster.facts.context} may not: {', '.join(missing)}",
            "ask for these rights: gameday rbac --deploys prints the ClusterRole",
        )


def _may(adoption: Adoption, right: Right, namespace: str, names: Mapping[str, tuple[str, ...]]) -> bool:
    where, named = right.within(namespace), right.held_to(names) or ("",)
    return all(adoption.may(right.verb, right.kind, where, right.subresource, name) for name in named)
