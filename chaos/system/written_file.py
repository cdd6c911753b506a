"""gameday.toml for a system that was found, and what that system lacks, with patches. Pure."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.cluster import ClusterFacts
from chaos.history.objects import Raw, View
from chaos.system.adopt import Adopted

__all__ = ["Lack", "file_text", "findings_of"]


@dataclass(frozen=True, slots=True)
class Lack:
    """One thing that a service lacks: why it matters, and the object to apply; empty where only people can know it."""

    text: str
    patch: Raw = field(default_factory=dict)


def file_text(found: Adopted, facts: ClusterFacts, kubeconfig: str) -> str:
    """The file, with what people have to fill in as comments."""
    system, spec = found.system, found.system.spec
    names = {ref.kind: ref.name for ref in system.objects}
    optional = {
        "disruption_budget": names.get("PodDisruptionBudget"),
        "autoscaler": names.get("HorizontalPodAutoscaler"),
    }
    path = next((probe.path for probe in (spec.readiness, spec.liveness) if probe), "/")
    lines = [
        "[cluster]",
        _line("context", facts.context),
        *([_line("kubeconfig", kubeconfig)] if kubeconfig else []),
        f"{_line('uid', facts.uid)}  # of its namespace kube-system: no other cluster has it",
        "# timings = { hpa_sync_s = 15 }  # where the cluster differs from Kubernetes' defaults",
        "",
        "[system]",
        _line("namespace", system.namespace),
        _line(system.workload.kind.lower(), system.workload.name),
        _line("service", system.service),
        f"port = {system.port}",
        *(_line(key, value) for key, value in optional.items() if value),
        f"tolerance = {spec.losses_tolerated}  # replicas that may be lost at once within the promise to users",
        "",
        "[traffic]",
        '# url = "https://…"  # how this host reaches the service; without it through the API server\'s proxy',
        'profile = "http"  # or openai-chat, with request = { model = "…", prompts = ["…"] }',
        f"request = {{ path = {json.dumps(path)} }}  # a request of your users says more than a probe's path",
        "",
        "[slo]",
        "availability = 0.99",
        "# latency_p99_s = 2.0",
        "",
        "[safety]",
        f"pods_max = {max(1, spec.losses_tolerated)}",
        "nodes_max = 1",
        '# allow = ["pod-kill", "evict"]  # within what the annotations in the cluster allow',
    ]
    return "\n".join(lines) + "\n"


def findings_of(found: Adopted) -> tuple[Lack, ...]:
    """What the service lacks for its replicas to be kept and its pods to recover, as far as its objects show."""
    return tuple(_findings(found))


def _line(key: str, value: str) -> str:
    return f"{key} = {json.dumps(value, ensure_ascii=False)}"


def _findings(found: Adopted) -> Iterator[Lack]:
    system, spec = found.system, found.system.spec
    container = View(found.workload).spec["template"]["spec"]["containers"][0]
    if spec.disruption_budget is None:
        yield Lack(
            "no disruption budget: a drain may take every replica at once",
            {
                "apiVersion": "policy/v1",
                "kind": "PodDisruptionBudget",
                "metadata": {"name": system.workload.name, "namespace": system.namespace},
                "spec": {"maxUnavailable": 1, "selector": {"matchLabels": dict(system.selector)}},
            },
        )
    if spec.replicas_floor < 2:
        yield Lack("one replica: any loss is an outage", _patch(found, spec={"replicas": 2}))
    if "readinessProbe" not in container:
        yield Lack("no readiness probe: traffic is sent to pods that cannot answer", _probe(found, "readinessProbe"))
    if "livenessProbe" not in container:
        yield Lack("no liveness probe: a process that hangs is never started anew", _probe(found, "livenessProbe"))
    same = container.get("readinessProbe", {}).get("httpGet") == container.get("livenessProbe", {}).get("httpGet")
    if same and container.get("livenessProbe", {}).get("httpGet"):
        yield Lack("liveness and readiness ask the same path: a pod that is only busy is killed")
    yield from _resources(found)
    if _tag(spec.image) in ("", "latest"):
        yield Lack(f"image {spec.image} names no version: two replicas may run two programs, and no rollback is one")


def _resources(found: Adopted) -> Iterator[Lack]:
    spec = found.system.spec
    asked = {"cpu": "100m", "memory": "128Mi"}
    missing = {name: asked[name] for name in asked if getattr(spec, f"{name}_request") is None}
    if spec.autoscale and "cpu" in missing and spec.cpu_limit is None:
        yield Lack("an autoscaler on CPU, and no CPU request: it has nothing to measure against and never scales")
    if missing:
        name = View(found.workload).spec["template"]["spec"]["containers"][0]["name"]
        inner: dict[str, Any] = {"containers": [{"name": name, "resources": {"requests": missing}}]}
        told = " and ".join(missing)
        yield Lack(
            f"no {told} request: the scheduler packs pods as if they took nothing",
            _patch(found, spec={"template": {"spec": inner}}),
        )


def _probe(found: Adopted, which: str) -> dict[str, Any]:
    container = View(found.workload).spec["template"]["spec"]["containers"][0]
    probe = {"httpGet": {"path": "/healthz", "port": found.system.spec.port}, "periodSeconds": 5}
    return _patch(found, spec={"template": {"spec": {"containers": [{"name": container["name"], which: probe}]}}})


def _patch(found: Adopted, **fields: Any) -> dict[str, Any]:
    workload = found.system.workload
    metadata = {"name": workload.name, "namespace": workload.namespace}
    return {"apiVersion": "apps/v1", "kind": workload.kind, "metadata": metadata, **fields}


def _tag(image: str) -> str:
    """The tag or digest of an image; a colon before the last slash belongs to the registry's port."""
    return image.partition("@")[2] or image.rpartition("/")[2].partition(":")[2]
