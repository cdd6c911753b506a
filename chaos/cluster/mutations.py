"""The changes that may be asked of the API server, as plain data: built here, sent by an executor."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from chaos.cluster.resources import kind_of, path_of, ref_of
from chaos.errors import UsageError
from chaos.history.writing.redaction import redacted
from chaos.objects.base import Ref

__all__ = [
    "JSON",
    "MERGE",
    "STRATEGIC",
    "Mutation",
    "apply",
    "create",
    "delete",
    "delete_pod",
    "evict_pod",
    "patch",
    "scale",
]

MERGE = "application/merge-patch+json"
"""A patch that merges objects and replaces lists."""

STRATEGIC = "application/strategic-merge-patch+json"
"""A patch that merges lists by their keys; built-in kinds only."""

JSON = "application/json-patch+json"
"""A patch that is a list of operations, which may test what they replace."""

_APPLY = "application/apply-patch+yaml"

MANAGER = "gameday"
"""Our field manager."""


@dataclass(frozen=True, slots=True)
class Mutation:
    """One change: `action` is its name in the journal, `target` whom it hits, `fault` the fault that it belongs to.

    `timeout_s` is how long the server may be silent before the outcome counts as unknown. `idempotent`: done twice, it
    leads to the same as done once.
    """

    action: str
    method: str
    path: str
    target: Ref
    body: Any = None
    content_type: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)
    fault: str | None = None
    timeout_s: float = 20.0
    idempotent: bool = False

    def detail(self) -> dict[str, Any]:
        """What the journal keeps of it: all but the contents of a Secret."""
        body = redacted(self.target.kind, self.body)
        return {"method": self.method, "path": self.path, "query": dict(self.query), "body": body}


def delete_pod(ref: Ref, *, grace_s: int | None, fault: str | None = None) -> Mutation:
    """Delete this very pod; a successor of the same name is safe, because the UID is a precondition.

    `grace_s`: None is the pod's own terminationGracePeriodSeconds, 0 forces the object away at once. Bypasses
    disruption budgets by design. Raises `UsageError` for a pod without a UID.
    """
    body = _delete_options(_with_uid(ref), grace_s=grace_s)
    return Mutation("delete-pod", "DELETE", _path(ref), ref, body=body, fault=fault, idempotent=True)


def evict_pod(ref: Ref, *, grace_s: int | None = None, dry_run: bool = False, fault: str | None = None) -> Mutation:
    """Ask for this very pod to be evicted, within its disruption budget (`policy/v1` Eviction).

    A dry run checks the budget and spends nothing of it. Raises `UsageError` for a pod without a UID.
    """
    body = {
        "apiVersion": "policy/v1",
        "kind": "Eviction",
        "metadata": {"name": ref.name, "namespace": ref.namespace},
        "deleteOptions": _delete_options(_with_uid(ref), grace_s=grace_s),
    }
    query = {"dryRun": "All"} if dry_run else {}
    return Mutation("evict-pod", "POST", _path(ref, "eviction"), ref, body=body, query=query, fault=fault)


def apply(
    obj: Mapping[str, Any], *, field_manager: str = MANAGER, force: bool = True, fault: str | None = None
) -> Mutation:
    """Make the object's fields what `obj` says and leave the others alone (server-side apply).

    `force` takes over fields that another manager owns. Leave `spec.replicas` out where an autoscaler sets it.
    """
    ref = ref_of(obj)
    query = {"fieldManager": field_manager, "force": "true" if force else "false"}
    return Mutation(
        "apply", "PATCH", _path(ref), ref, body=obj, content_type=_APPLY, query=query, fault=fault, idempotent=True
    )


def create(obj: Mapping[str, Any], *, fault: str | None = None) -> Mutation:
    """Create an object that does not exist yet; it may leave its name to the server (`generateName`)."""
    ref = ref_of(obj)
    path = path_of(ref.kind, _namespace(ref))
    return Mutation("create", "POST", path, ref, body=obj, query={"fieldManager": MANAGER}, fault=fault)


def delete(ref: Ref, *, grace_s: int | None = None, fault: str | None = None) -> Mutation:
    """Delete an object and what it owns; where `ref` has a UID, only that very object."""
    body = _delete_options(ref, grace_s=grace_s) | {"propagationPolicy": "Background"}
    # Without a UID the second one might hit a successor.
    return Mutation("delete", "DELETE", _path(ref), ref, body=body, fault=fault, idempotent=bool(ref.uid))


def patch(
    ref: Ref,
    body: object,
    content_type: str = MERGE,
    *,
    subresource: str = "",
    action: str = "patch",
    field_manager: str = MANAGER,
    fault: str | None = None,
) -> Mutation:
    """Patch an object, or one of its subresources (`status`); `action` names the action in the journal, e.g. `cordon`.

    Where `ref` has a UID and the patch is an object, the server refuses it for a successor of the same name.
    """
    # Operations that test what they replace, or a resourceVersion, are refused the second time.
    again = bool(ref.uid) and isinstance(body, Mapping) and "resourceVersion" not in (body.get("metadata") or {})
    if isinstance(body, Mapping):
        body = _of_this_very(ref, body)
    return Mutation(
        action,
        "PATCH",
        _path(ref, subresource),
        ref,
        body=body,
        content_type=content_type,
        query={"fieldManager": field_manager},
        fault=fault,
        idempotent=again,
    )


def scale(ref: Ref, replicas: int) -> Mutation:
    """Set the number of replicas of a Deployment, ReplicaSet or StatefulSet through its `scale` subresource."""
    body = _of_this_very(ref, {"spec": {"replicas": replicas}})
    path, again = _path(ref, "scale"), bool(ref.uid)
    return Mutation("scale", "PATCH", path, ref, body=body, content_type=MERGE, idempotent=again)


def _path(ref: Ref, subresource: str = "") -> str:
    if not ref.name:
        raise UsageError(f"a {ref.kind} without a name cannot be changed", "give the object's name")
    return path_of(ref.kind, _namespace(ref), ref.name, subresource)


def _namespace(ref: Ref) -> str:
    """The namespace. Raises `UsageError` where one is missing: the change would hit another object than was meant."""
    if kind_of(ref.kind).namespaced and not ref.namespace:
        raise UsageError(f"the {ref.kind} {ref.name} has no namespace", "name the namespace; there is no default")
    return ref.namespace


def _with_uid(ref: Ref) -> Ref:
    if not ref.uid:
        raise UsageError(f"the {ref.kind} {ref.name} has no UID", "take victims from the cluster, never by name alone")
    return ref


def _of_this_very(ref: Ref, body: Mapping[str, Any]) -> Mapping[str, Any]:
    """The patch with the UID in it, which the server compares."""
    return {**body, "metadata": {**(body.get("metadata") or {}), "uid": ref.uid}} if ref.uid else body


def _delete_options(ref: Ref, *, grace_s: int | None) -> dict[str, Any]:
    options: dict[str, Any] = {"apiVersion": "v1", "kind": "DeleteOptions"}
    if ref.uid:
        options["preconditions"] = {"uid": ref.uid}
    if grace_s is not None:
        options["gracePeriodSeconds"] = grace_s
    return options
