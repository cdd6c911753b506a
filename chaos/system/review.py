"""What a system lacks for its replicas to be kept and its pods to recover, with patches, never repaired. Pure.

Read from live objects, or from a folder of manifests before they are deployed.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import Any

import yaml

from chaos.cluster import KINDS
from chaos.errors import UsageError, printable
from chaos.objects.base import Raw, View
from chaos.system.adopt.find import Adopted, adopt
from chaos.system.adopt.live_spec import serving_container
from chaos.system.deploy.manifest_folder import Manifests, read_manifests
from chaos.system.spec.compatibility import may_go

__all__ = ["Lack", "lacks_of", "review"]

PATCHED = frozenset({"Deployment", "StatefulSet"})
"""Kinds whose fields are known, and whose controllers bring a new template to their pods."""

HANDLERS = ("httpGet", "grpc", "tcpSocket", "exec")

PATIENCE = 6
"""Failures in a row after which a liveness probe may be believed that asks what readiness asks: twice the default."""


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that a service lacks: why it matters, and a patch; empty where only people can know it.

    `new`: the patch is a whole object, which is to be made; else it is a part of one that is there.
    """

    text: str
    patch: Raw = field(default_factory=dict)
    new: bool = False

    @property
    def manifest(self) -> str:
        """The patch as YAML."""
        return _yaml(self.patch)

    def command(self, context: str) -> str:
        """The command that mends it in a cluster. A patch, as an apply would take away what its manager set before."""
        if self.new:
            return f"kubectl --context {quote(context)} apply -f - <<'EOF'\n{self.manifest}EOF"
        kind, metadata = str(self.patch["kind"]).lower(), self.patch["metadata"]
        change = {key: value for key, value in self.patch.items() if key not in {"apiVersion", "kind", "metadata"}}
        who = f"{kind} {metadata['name']} -n {metadata['namespace']}"
        return f"kubectl --context {quote(context)} patch {who} --patch {quote(_yaml(change))}"


def lacks_of(found: Adopted) -> tuple[Lack, ...]:
    """What the service lacks for its replicas to be kept and its pods to recover, as far as its objects show."""
    return tuple(_lacks(found))


def _lacks(found: Adopted) -> Iterator[Lack]:
    system, spec = found.system, found.system.spec
    if spec.disruption_budget is None:
        yield Lack(
            "no disruption budget: a drain may take every replica at once",
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": system.workload.name, "namespace": system.namespace},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(system.selector)}},
            },
            new=True,
        )
    elif not may_go(spec.disruption_budget, spec.replicas_floor):
        yield Lack(f"the disruption budget lets none of {spec.replicas_floor} replicas go: it blocks every drain")
    if spec.replicas_floor < 2:
        yield Lack("one replica: any loss is an outage", _second_replica(found))
    yield from _probes(found)
    yield from _resources(found)
    if _tag(spec.image) in ("", "latest"):
        yield Lack(f"image {spec.image} names no version: two replicas may run two programs, and no rollback is one")


def _second_replica(found: Adopted) -> dict[str, Any]:
    """Two replicas, asked of whoever decides on their number."""
    if found.system.spec.autoscale is None:
        return _patch(found, spec={"replicas": 2})
    (scaler,) = [ref for ref in found.system.objects if ref.kind == "HorizontalPodAutoscaler"]
    metadata = {"name": scaler.name, "namespace": scaler.namespace}
    return {"apiVersion": "autoscaling/v2", "kind": scaler.kind, "metadata": metadata, "spec": {"minReplicas": 2}}


def _probes(found: Adopted) -> Iterator[Lack]:
    """Probes that are missing. A patch asks what another probe asks already: no path is guessed at."""
    container = serving_container(found.system.template)
    readiness, liveness = container.get("readinessProbe"), container.get("livenessProbe")
    port = {"tcpSocket": {"port": found.system.spec.port}}
    if not readiness:
        asks = _handler(container, "startupProbe", "livenessProbe")
        yield Lack(
            "no readiness probe: traffic is sent to pods that cannot answer"
            + (
                ""
                if asks
                else "; the patch only sees whether the port is open, a path that answers when ready is better"
            ),
            _container_patch(found, readinessProbe={**(asks or port), "periodSeconds": 5}),
        )
    if not liveness:
        asks = _handler(container, "startupProbe", "readinessProbe")
        patient = {"periodSeconds": 10, "timeoutSeconds": 5, "failureThreshold": PATIENCE}
        yield Lack(
            "no liveness probe: a process that hangs is never started anew"
            + (
                ""
                if asks
                else "; the patch only sees whether the port is open, which a process that hangs may leave so"
            ),
            _container_patch(found, livenessProbe={**(asks or port), **patient}),
        )
    same = (readiness or {}).get("httpGet") == (liveness or {}).get("httpGet")
    if same and (liveness or {}).get("httpGet") and int((liveness or {}).get("failureThreshold", 3)) < PATIENCE:
        yield Lack("liveness and readiness ask the same path: a pod that is only busy is killed")


def _handler(container: Raw, *probes: str) -> Raw:
    """What the first of these probes asks that the container has."""
    given: Raw = next((container[name] for name in probes if container.get(name)), {})
    return {name: given[name] for name in HANDLERS if name in given}


def _resources(found: Adopted) -> Iterator[Lack]:
    spec = found.system.spec
    usual = {"cpu": "100m", "memory": "128Mi"}
    missing = {name: usual[name] for name in usual if getattr(spec, f"{name}_request") is None}
    if spec.autoscale and "cpu" in missing and spec.cpu_limit is None:
        yield Lack("an autoscaler on CPU, and no CPU request: it has nothing to measure against and never scales")
    if missing:
        yield Lack(
            f"no {' and '.join(missing)} request: the scheduler packs pods as if they took nothing; "
            "write what kubectl top pod shows, the patch holds a placeholder",
            _container_patch(found, resources={"requests": missing}),
        )


def _container_patch(found: Adopted, **fields: Raw) -> dict[str, Any]:
    container = {"name": serving_container(found.system.template)["name"], **fields}
    return _patch(found, spec={"template": {"spec": {"containers": [container]}}})


def _patch(found: Adopted, **fields: Any) -> dict[str, Any]:
    """A patch of the workload; empty where nobody knows the fields of its kind."""
    workload = found.system.workload
    if workload.kind not in PATCHED:
        return {}
    metadata = {"name": workload.name, "namespace": workload.namespace}
    return {"apiVersion": "apps/v1", "kind": workload.kind, "metadata": metadata, **fields}


def _tag(image: str) -> str:
    """The tag or digest of an image; a colon before the last slash belongs to the registry's port."""
    return image.partition("@")[2] or image.rpartition("/")[2].partition(":")[2]


def _yaml(value: Raw) -> str:
    """YAML that steers neither a terminal nor a CI system: what would is written in one line, and escaped."""
    text = str(yaml.safe_dump(dict(value), sort_keys=False))
    if printable(text) == text:
        return text
    line = json.dumps(dict(value), ensure_ascii=False, default=str).replace("##", "#\\u0023")
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in line) + "\n"


def review(folder: Path) -> tuple[Lack, ...]:
    """Review a folder. Raises `UsageError` for what is no manifest, or more or less than one workload."""
    manifests = read_manifests(folder, current=False)
    query = manifests.query("")
    found = list(_versions(manifests))
    try:
        adopted = adopt(manifests, query)
    except UsageError as unmet:
        workload = manifests.get(query.kind, "", query.name) or {}
        service = _service(workload)
        found.append(Lack(unmet.what.replace(" in namespace ", " "), service, new=True))
        # With a Service the rest can be read.
        adopted = adopt(replace(manifests, objects=(*manifests.objects, service)), query)
    found += list(_fights(manifests, query.kind, query.name))
    return (*found, *lacks_of(adopted))


def _versions(manifests: Manifests) -> Iterator[Lack]:
    for one in manifests.objects:
        wanted, name = KINDS[one["kind"]].api_version, View(one).name
        if one.get("apiVersion") != wanted:
            yield Lack(f"{one['kind']} {name} has the version {one.get('apiVersion')}: write {wanted}")


def _service(workload: Mapping[str, Any]) -> dict[str, Any]:
    spec = View(workload).spec
    ports = [
        port["containerPort"] for one in spec["template"]["spec"]["containers"] for port in one.get("ports") or ()
    ] or [8080]
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": View(workload).name},
        "spec": {
            "selector": dict(spec["selector"].get("matchLabels") or {}),
            "ports": [{"port": 80, "targetPort": ports[0]}],
        },
    }


def _fights(manifests: Manifests, kind: str, name: str) -> Iterator[Lack]:
    """A number of replicas beside an autoscaler: each apply puts it back, and the autoscaler takes it away again."""
    workload = manifests.get(kind, "", name) or {}
    for scaler in manifests.list("HorizontalPodAutoscaler"):
        target, given = View(scaler).spec.get("scaleTargetRef") or {}, View(workload).spec.get("replicas")
        if (target.get("kind"), target.get("name")) == (kind, name) and given is not None:
            spec = View(scaler).spec
            bounds = f"{spec.get('minReplicas', 1)} to {spec.get('maxReplicas')}"
            yield Lack(
                f"{kind} {name} says {given} replicas beside an autoscaler of {bounds}: each apply fights it; "
                "leave the number out"
            )
