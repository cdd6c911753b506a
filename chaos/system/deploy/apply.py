"""Ask the API server for the system's objects, and take them away again."""

from __future__ import annotations

from chaos.cluster import Cluster, Executor, mutations, selector_of
from chaos.objects.base import Raw, Ref
from chaos.system.deploy.apply_errors import refusal
from chaos.system.manifests.labels import MANAGER, selector
from chaos.system.manifests.render import manifests
from chaos.system.spec.system_spec import SystemSpec
from chaos.system.system import System
from chaos.wait import until

__all__ = ["deploy", "teardown"]

TEARDOWN_ALLOWANCE_S = 30.0
"""Beside the pods' grace: the garbage collector, and the kubelet's last status."""


def deploy(executor: Executor, spec: SystemSpec, namespace: str, *, run: str, force: bool = False) -> System:
    """Apply the system's objects by server-side apply; doing it again changes nothing.

    `force` takes fields over that others own. Returns as soon as the API server has the objects: `wait_available`
    waits for the pods. Raises `UsageError` for what the server finds invalid, `ClusterRefused` for the rest; both name
    the object.
    """
    applied = [_applied(executor, manifest, force=force) for manifest in manifests(spec, namespace, run=run)]
    of_kind = {raw["kind"]: raw for raw in applied}
    workload, service = of_kind["Deployment"], of_kind["Service"]
    return System(
        spec=spec,
        namespace=namespace,
        selector=selector(spec),
        workload=_ref(workload),
        service=service["metadata"]["name"],
        port=spec.service_port,
        cluster_ip=service["spec"].get("clusterIP", ""),
        generations={kind: raw["metadata"].get("generation", 0) for kind, raw in of_kind.items()},
        pods_before=workload.get("status", {}).get("replicas", 0),
        objects=tuple(map(_ref, applied)),
    )


def teardown(cluster: Cluster, executor: Executor, system: System) -> None:
    """Delete the system's objects, the last first, and wait until they and the pods are gone.

    For a system in a namespace that stays. Raises `ClusterRefused` if one may not be deleted, `TimedOut` if one stays.
    """
    for ref in reversed(system.objects):
        done = executor.do(mutations.delete(ref))
        if done.outcome == "fail" and done.status not in {404, 409}:
            raise refusal("deleted", ref, done)
    chosen = selector_of(system.selector)
    left: list[str] = []

    def gone() -> bool:
        pods = cluster.list("Pod", system.namespace, selector=chosen)
        left[:] = [f"Pod {pod['metadata']['name']}" for pod in pods]
        for ref in system.objects:
            raw = cluster.get(ref.kind, ref.namespace, ref.name)
            if raw is not None and raw["metadata"]["uid"] == ref.uid:
                left.append(f"{ref.kind} {ref.name}")
        return not left

    until(
        gone,
        deadline_s=system.spec.grace_s + TEARDOWN_ALLOWANCE_S,
        poll_s=0.25,
        awaited=f"system {system.namespace}/{system.spec.name} to be gone",
        last_seen=lambda: ", ".join(left),
    )


def _applied(executor: Executor, manifest: Raw, *, force: bool) -> Raw:
    done = executor.do(mutations.apply(manifest, field_manager=MANAGER, force=force))
    if done.outcome != "ok" or isinstance(done.body, str):
        metadata = manifest["metadata"]
        raise refusal("applied", Ref(manifest["kind"], metadata["namespace"], metadata["name"]), done)
    return done.body


def _ref(raw: Raw) -> Ref:
    metadata = raw["metadata"]
    return Ref(raw["kind"], metadata["namespace"], metadata["name"], metadata["uid"])
