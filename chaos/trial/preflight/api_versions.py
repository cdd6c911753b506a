"""Before anything is written: whether the API server serves each kind that is needed, in the version that we speak."""

from __future__ import annotations

from collections.abc import Iterable

from chaos.cluster import KINDS, WATCHED, Cluster, Kind
from chaos.errors import ClusterRefused

__all__ = ["ADOPTED_KINDS", "DEPLOYED_KINDS", "require_metrics", "require_served", "without_metrics"]

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


def require_served(cluster: Cluster, kinds: Iterable[str]) -> None:
    """Ask for each API version that these kinds live in, once. Raises `ClusterRefused` naming all that is missing."""
    by_version: dict[str, list[Kind]] = {}
    for kind in (KINDS[name] for name in kinds):
        by_version.setdefault(kind.api_version, []).append(kind)
    if missing := [words for version, told in by_version.items() if (words := _missing(cluster, version, told))]:
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


def require_metrics(cluster: Cluster, namespace: str, pods: Iterable[str], *, why: str) -> None:
    """Ask the metrics API for these pods. Raises `ClusterRefused`, with what needs it, if it tells of none of them."""
    answer = cluster.read(f"/apis/{METRICS}/namespaces/{namespace}/pods")
    body = answer.json()
    if not answer.ok or not isinstance(body, dict):
        raise ClusterRefused(f"{why} needs the metrics API, which does not answer: {answer.words()}", FIX)
    known = {str(one["metadata"]["name"]) for one in body.get("items") or ()}
    if not known.intersection(pods):
        raise ClusterRefused(f"{why} needs the metrics API, which knows none of the pods in {namespace}", FIX)
