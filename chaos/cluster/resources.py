"""Kinds of object: where each lives in the API, how to name one, and discovery of kinds that were added."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.errors import UsageError
from chaos.objects.base import Ref, kind_in
from chaos.objects.scaled_object import SCALED_OBJECT

__all__ = [
    "KINDS",
    "Kind",
    "complete",
    "kind_of",
    "path_of",
    "proxy_path",
    "ref_of",
    "resource_of",
    "segment",
    "selector_of",
    "served_kind",
]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of object and its place in the API.

    `name` is its name among all kinds: with its group (`Rollout.argoproj.io`) where it is none of `KINDS`.
    `bookmarks` says whether the server proves an idle watch of it alive about once a minute. It does for whatever its
    watch cache holds, which Events bypass.
    """

    name: str
    api_version: str
    plural: str
    namespaced: bool = True
    bookmarks: bool = True

    @property
    def group(self) -> str:
        """The API group; empty for the core group."""
        return self.api_version.rpartition("/")[0]

    @property
    def resource(self) -> str:
        """How kubectl and RBAC name it: `rollouts.argoproj.io`; without a dot in the core group."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    def path(self, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
        """The path of an object, or of the collection if `name` is empty.

        `namespace` is ignored for kinds that have none; for the others, None means all namespaces.
        Raises `UsageError` for what is no name, and would lead elsewhere.
        """
        words = [("/apis/" if self.group else "/api/") + self.api_version]
        if self.namespaced and namespace:
            words += ["namespaces", segment(namespace)]
        words += [segment(word) for word in (self.plural, name, subresource) if word]
        return "/".join(words)


def segment(word: str) -> str:
    """One step of a path. A name may come from where others write, and `..` in it would lead to another object.

    No object has such a name (`IsValidPathSegmentName`, apimachinery); after `?` or `#` the path would be over.
    """
    if word in (".", "..") or any(one in word for one in "/%?#"):
        raise UsageError(f"{word!r:.80} is no name of an object", "name it as kubectl get shows it")
    return word


KINDS: Mapping[str, Kind] = {
    kind.name: kind
    for kind in (
        Kind("Namespace", "v1", "namespaces", namespaced=False),
        Kind("Node", "v1", "nodes", namespaced=False),
        Kind("PersistentVolume", "v1", "persistentvolumes", namespaced=False),
        Kind("Pod", "v1", "pods"),
        Kind("Service", "v1", "services"),
        Kind("ConfigMap", "v1", "configmaps"),
        Kind("Secret", "v1", "secrets"),
        Kind("ServiceAccount", "v1", "serviceaccounts"),
        Kind("PersistentVolumeClaim", "v1", "persistentvolumeclaims"),
        Kind("ResourceQuota", "v1", "resourcequotas"),
        Kind("Event", "v1", "events", bookmarks=False),
        Kind("Deployment", "apps/v1", "deployments"),
        Kind("ReplicaSet", "apps/v1", "replicasets"),
        Kind("StatefulSet", "apps/v1", "statefulsets"),
        Kind("ReplicationController", "v1", "replicationcontrollers"),
        Kind("DaemonSet", "apps/v1", "daemonsets"),
        Kind("Job", "batch/v1", "jobs"),
        Kind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers"),
        Kind("PodDisruptionBudget", "policy/v1", "poddisruptionbudgets"),
        Kind("EndpointSlice", "discovery.k8s.io/v1", "endpointslices"),
        Kind("NetworkPolicy", "networking.k8s.io/v1", "networkpolicies"),
        Kind("Lease", "coordination.k8s.io/v1", "leases"),
        Kind("APIService", "apiregistration.k8s.io/v1", "apiservices", namespaced=False),
        Kind("StorageClass", "storage.k8s.io/v1", "storageclasses", namespaced=False),
        Kind("PriorityClass", "scheduling.k8s.io/v1", "priorityclasses", namespaced=False),
        Kind("Role", "rbac.authorization.k8s.io/v1", "roles"),
        Kind("RoleBinding", "rbac.authorization.k8s.io/v1", "rolebindings"),
        Kind("ClusterRole", "rbac.authorization.k8s.io/v1", "clusterroles", namespaced=False),
        Kind("ClusterRoleBinding", "rbac.authorization.k8s.io/v1", "clusterrolebindings", namespaced=False),
        Kind("CustomResourceDefinition", "apiextensions.k8s.io/v1", "customresourcedefinitions", namespaced=False),
        Kind("PodMetrics", "metrics.k8s.io/v1beta1", "pods"),
        Kind("NodeMetrics", "metrics.k8s.io/v1beta1", "nodes", namespaced=False),
    )
}


ADDED: Mapping[str, Kind] = {SCALED_OBJECT: Kind(SCALED_OBJECT, "keda.sh/v1alpha1", "scaledobjects")}
"""Kinds that trials write where a cluster has them; what is read of others the server is asked for."""


def kind_of(name: str) -> Kind:
    """Look a kind up by its name. Raises `UsageError` naming those that are known."""
    try:
        return ADDED[name] if name in ADDED else KINDS[name]
    except KeyError:
        raise UsageError(f"no such kind: {name}", f"use one of {', '.join(sorted(KINDS))}") from None


def path_of(kind: str, namespace: str | None = None, name: str = "", subresource: str = "") -> str:
    """As `Kind.path`, for one of `KINDS`."""
    return kind_of(kind).path(namespace, name, subresource)


def proxy_path(kind: str, namespace: str, name: str, port: int) -> str:
    """Where the API server passes requests on to that port of a pod or a Service; the request's own path follows."""
    return path_of(kind, namespace, f"{name}:{port}", "proxy")


def resource_of(kind: str) -> tuple[str, str]:
    """The plural and the group of a kind, for a rule of RBAC; one that is none of `KINDS` is named as a resource."""
    if known := KINDS.get(kind, ADDED.get(kind)):
        return known.plural, known.group
    plural, _, group = kind.partition(".")
    return plural, group


def selector_of(labels: Mapping[str, str]) -> str:
    """The label selector that asks for all of these."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def ref_of(obj: Mapping[str, Any]) -> Ref:
    """The reference to a raw object that says what kind it is."""
    metadata, kind = obj["metadata"], str(obj["kind"])
    group = str(obj.get("apiVersion", "")).rpartition("/")[0]
    if kind not in KINDS or (group and KINDS[kind].group != group):
        kind = kind_in(obj.get("apiVersion", ""), kind)
    return Ref(kind, metadata.get("namespace") or "", metadata.get("name") or "", metadata.get("uid") or "")


def complete(kind: str, obj: dict[str, Any]) -> dict[str, Any]:
    """Put `kind` and `apiVersion` into an object that came in a list, where the server leaves them out.

    Objects of kinds that are none of `KINDS` say both themselves, wherever they stand.
    """
    if known := KINDS.get(kind):
        obj.setdefault("kind", kind)
        obj.setdefault("apiVersion", known.api_version)
    return obj


Served = Callable[[str], Mapping[str, Any] | None]
"""Reads a path of the API; None if there is nothing at it."""


def served_kind(read: Served, name: str) -> tuple[Kind, frozenset[str]]:
    """A kind by `Rollout.argoproj.io`, or by its resource, `rollouts.argoproj.io`; and its subresources.

    The version is the one that the group prefers, or another where that does not have the kind. Raises `UsageError`,
    naming the resource that may have been meant.
    """
    word, _, group = name.partition(".")
    versions = _versions(read(f"/apis/{segment(group)}")) if group else ()
    meant = ""
    for version in versions:
        resources = (read(f"/apis/{version}") or {}).get("resources") or ()
        for one in resources:
            if "/" in one["name"]:
                continue
            if word in (one["kind"], one["name"]):
                plural = str(one["name"])
                parts = frozenset(
                    str(part["name"]).partition("/")[2]
                    for part in resources
                    if str(part["name"]).startswith(f"{plural}/")
                )
                kind = Kind(kind_in(version, one["kind"]), version, plural, namespaced=bool(one["namespaced"]))
                return kind, parts
            if word in (str(one["kind"]).lower(), one.get("singularName")):
                meant = f"{one['name']}.{group}"
    if meant:
        raise UsageError(f"{name} is no resource of the API", f"write {meant}")
    has = f"the group {group} has no such resource" if versions else f"no group {group} is served"
    raise UsageError(
        f"the cluster knows no {name}: {has}",
        "name it as kubectl api-resources does: PLURAL.GROUP, e.g. rollouts.argoproj.io",
    )


def _versions(group: Mapping[str, Any] | None) -> tuple[str, ...]:
    """All that the group is served in, the preferred one first."""
    if group is None:
        return ()
    preferred = str((group.get("preferredVersion") or {}).get("groupVersion", ""))
    others = [str(one["groupVersion"]) for one in group.get("versions") or ()]
    return tuple(dict.fromkeys([preferred, *others] if preferred else others))
