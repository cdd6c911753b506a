"""Ask the API server for the system's objects."""

from collections.abc import Mapping, Sequence
from typing import Any

from chaos.cluster import Done, Executor, mutations, ref_of
from chaos.errors import ClusterRefused, GamedayError, UsageError
from chaos.objects.base import Raw, Ref
from chaos.system.manifests.names import MANAGER, selector
from chaos.system.manifests.render import manifests
from chaos.system.spec.system_spec import SystemSpec
from chaos.system.system import System

__all__ = ["applied", "deploy", "refusal"]


def deploy(executor: Executor, spec: SystemSpec, namespace: str, *, run: str, force: bool = False) -> System:
    """Apply the system's objects by server-side apply; doing it again changes nothing.

    `force` takes fields over that others own. Returns as soon as the API server has the objects: `wait_available`
    waits for the pods. Raises `UsageError` for what the server finds invalid, `ClusterRefused` for the rest; both name
    the object.
    """
    objects = [applied(executor, manifest, force=force) for manifest in manifests(spec, namespace, run=run)]
    of_kind = {raw["kind"]: raw for raw in objects}
    workload, service = of_kind["Deployment"], of_kind["Service"]
    return System(
        spec=spec,
        namespace=namespace,
        selector=selector(spec),
        workload=ref_of(workload),
        service=service["metadata"]["name"],
        port=spec.service_port,
        cluster_ip=service["spec"].get("clusterIP", ""),
        generations={kind: raw["metadata"].get("generation", 0) for kind, raw in of_kind.items()},
        pods_before=workload.get("status", {}).get("replicas", 0),
        objects=tuple(map(ref_of, objects)),
    )


def applied(executor: Executor, manifest: Raw, *, force: bool = False) -> Raw:
    """Apply one object, and give it as the server has it. Raises as `deploy` does."""
    done = executor.do(mutations.apply(manifest, field_manager=MANAGER, force=force))
    if done.outcome != "ok" or isinstance(done.body, str):
        metadata = manifest["metadata"]
        raise refusal("applied", Ref(manifest["kind"], metadata["namespace"], metadata["name"]), done)
    return done.body


def refusal(what: str, ref: Ref, done: Done) -> GamedayError:
    """Give the error for an object that was not applied, created or deleted; `what` is that verb, as a participle.

    A mistake in the spec is a `UsageError`, everything else a `ClusterRefused`. Both name the object.
    """
    where = f"{ref.kind} {ref.namespace}/{ref.name}" if ref.namespace else f"{ref.kind} {ref.name}"
    if done.outcome == "info":
        return ClusterRefused(
            f"{where}: nobody can know whether it was {what}: {done.reason}", "see what is there, then run again"
        )
    return _by_cause(where, what, done) or _by_status(where, what, ref, done)


def _by_cause(where: str, what: str, done: Done) -> GamedayError | None:
    causes = _causes(done)
    kinds = {str(cause.get("reason", "")) for cause in causes}
    if "FieldManagerConflict" in kinds:
        fields = "; ".join(
            f"{cause.get('field', '?')} ({cause.get('message', 'owned by another')})" for cause in causes
        )
        return ClusterRefused(
            f"{where}: others own fields that gameday would change: {fields}",
            "undo the other's change, or apply with force",
        )
    if "NamespaceTerminating" in kinds:
        return ClusterRefused(f"{where} was not {what}: its namespace is being deleted", "use another namespace")
    return None


def _by_status(where: str, what: str, ref: Ref, done: Done) -> GamedayError:
    if done.status == 404 and ref.namespace:
        return ClusterRefused(f"{where} was not {what}: {_message(done)}", f"create namespace {ref.namespace} first")
    if done.status == 403:
        return ClusterRefused(
            f"{where} is forbidden: {_message(done)}", "ask for that right, or change what forbids it"
        )
    if done.status in {400, 422}:
        causes = "; ".join(f"{cause.get('field', '?')}: {cause.get('message', '?')}" for cause in _causes(done))
        return UsageError(f"{where} is invalid: {causes or _message(done)}", "correct the system's spec")
    return ClusterRefused(f"{where} was not {what}: {done.reason or 'no reason given'}")


def _causes(done: Done) -> Sequence[Mapping[str, Any]]:
    details = done.body.get("details") if isinstance(done.body, Mapping) else None
    return (details or {}).get("causes") or ()


def _message(done: Done) -> str:
    message = done.body.get("message") if isinstance(done.body, Mapping) else ""
    return " ".join(str(message or done.reason).split())
