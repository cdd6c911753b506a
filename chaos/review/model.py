"""Manifests as the rules read them: workloads, and what binds, reaches and scales these."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from chaos.objects.base import Raw, kind_in
from chaos.review.shapes import meant_number, quoted, rows, sub, texts, whole

__all__ = ["SELECTOR_FIELDS", "Manifest", "Metric", "Scaler", "Workload"]

GRACE_S = 30
"""terminationGracePeriodSeconds of a pod that names none."""

ASIDE = re.compile(r"metric|monitor|admin|manage|zmq|ucx", re.IGNORECASE)
"""Names of ports that no user asks."""

BESIDE = re.compile(r"istio|linkerd|envoy|oauth2|cloud-?sql|fluent|otel|vault|exporter|sidecar", re.IGNORECASE)
"""Names and images of containers that stand beside a server."""

SELECTOR_FIELDS = frozenset({"matchLabels", "matchExpressions"})
"""What a selector holds; that of a ReplicationController is the labels alone."""


@dataclass(frozen=True, slots=True, eq=False)
class Manifest:
    """One object, and where it was read: the file as given, and the line on which it begins."""

    raw: Raw
    path: str = ""
    line: int = 1
    usual_namespace: str = ""

    @property
    def kind(self) -> str:
        """Its kind among all kinds: `Rollout.argoproj.io`, but `Deployment`."""
        return kind_in(self.raw.get("apiVersion", ""), self.raw.get("kind", ""))

    @property
    def name(self) -> str:
        """Its name."""
        return str(sub(self.raw, "metadata").get("name") or "")

    @property
    def namespace(self) -> str:
        """Its namespace; where it names none, the only one that the others name; empty if that is not known."""
        return str(sub(self.raw, "metadata").get("namespace") or self.usual_namespace)

    @property
    def spec(self) -> Raw:
        """What is wanted."""
        return sub(self.raw, "spec")

    @property
    def label(self) -> str:
        """Kind and name, for people."""
        return f"{self.raw.get('kind')} {self.name}"

    @property
    def words(self) -> str:
        """The same with its namespace, if that is known."""
        return f"{self.label} in namespace {self.namespace}" if self.namespace else self.label


@dataclass(frozen=True, slots=True)
class Metric:
    """What an autoscaler measures of a resource: `container` is empty for all of a pod's containers."""

    resource: str
    target: str
    container: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Scaler:
    """A HorizontalPodAutoscaler, or KEDA's ScaledObject, which makes one. Bounds are None where they are no numbers."""

    manifest: Manifest

    @property
    def keda(self) -> bool:
        """Whether it is KEDA's."""
        return self.manifest.kind == "ScaledObject.keda.sh"

    @property
    def target(self) -> tuple[str, str]:
        """Kind and name of what it scales."""
        ref = sub(self.manifest.spec, "scaleTargetRef")
        kind = kind_in(ref.get("apiVersion", ""), ref.get("kind") or ("Deployment" if self.keda else ""))
        return kind, str(ref.get("name", ""))

    @property
    def floor(self) -> int | None:
        """The least number of replicas; Kubernetes' default is 1, KEDA's 0."""
        key, usual = ("minReplicaCount", 0) if self.keda else ("minReplicas", 1)
        return whole(self.manifest.spec.get(key, usual))

    @property
    def ceiling(self) -> int | None:
        """The greatest number of replicas; KEDA's default is 100."""
        key, usual = ("maxReplicaCount", 100) if self.keda else ("maxReplicas", None)
        return whole(self.manifest.spec.get(key, usual))

    @property
    def behavior(self) -> Raw:
        """How fast it scales."""
        path = ("advanced", "horizontalPodAutoscalerConfig", "behavior") if self.keda else ("behavior",)
        return sub(self.manifest.spec, *path)

    @property
    def metrics(self) -> tuple[Metric, ...]:
        """The resources that it measures. One that names no metric at all is given 80 % of the CPU request."""
        spec = self.manifest.spec
        if self.keda:
            return tuple(_triggered(spec))
        if "targetCPUUtilizationPercentage" in spec or not rows(spec, "metrics"):
            return (Metric("cpu", "Utilization"),)
        return tuple(_measured(spec))


def _triggered(spec: Raw) -> Iterator[Metric]:
    for one in rows(spec, "triggers"):
        if one.get("type") in ("cpu", "memory"):
            target = one.get("metricType") or sub(one, "metadata").get("type") or "Utilization"
            yield Metric(str(one["type"]), str(target), str(sub(one, "metadata").get("containerName", "")))


def _measured(spec: Raw) -> Iterator[Metric]:
    for one in rows(spec, "metrics"):
        given = sub(one, "resource") or sub(one, "containerResource")
        if given:
            old = "Utilization" if "targetAverageUtilization" in given else "AverageValue"
            target = sub(given, "target").get("type") or old
            yield Metric(str(given.get("name", "")), str(target), str(given.get("container", "")))


@dataclass(frozen=True, slots=True, eq=False)
class Workload:
    """What has pods and a number of them, with the objects that bind, reach and scale these.

    `borrowers` only take its template, and keep pods of their own: a Rollout with a `workloadRef`.
    """

    manifest: Manifest
    budgets: list[Manifest] = field(default_factory=list)
    services: list[Manifest] = field(default_factory=list)
    scalers: list[Scaler] = field(default_factory=list)
    borrowers: list[Manifest] = field(default_factory=list)

    @property
    def label(self) -> str:
        """Kind and name."""
        return self.manifest.label

    @property
    def spec(self) -> Raw:
        """Its spec."""
        return self.manifest.spec

    @property
    def pod(self) -> Raw:
        """The spec of its pods."""
        return sub(self.spec, "template", "spec")

    @property
    def labels(self) -> dict[str, str]:
        """The labels of its pods."""
        return texts(self.spec, "template", "metadata", "labels")

    @property
    def selector(self) -> dict[str, Any]:
        """The selector of its pods; for a version that needs none, their labels. Kinds of old have labels alone."""
        given = sub(self.spec, "selector")
        if given and not SELECTOR_FIELDS & given.keys():
            return {"matchLabels": texts(self.spec, "selector")}
        return dict(given) if given else {"matchLabels": self.labels}

    @property
    def containers(self) -> list[Raw]:
        """The containers of its pods, without those that only prepare them."""
        return rows(self.pod, "containers")

    @property
    def sidecars(self) -> list[Raw]:
        """Init containers that always restart (KEP-753)."""
        return [one for one in rows(self.pod, "initContainers") if one.get("restartPolicy") == "Always"]

    def where(self, container: Raw) -> str:
        """Names the container where there are several."""
        return f"container {container.get('name')}: " if len(self.containers) > 1 else ""

    def list_of(self, container: Raw) -> str:
        """The field of the pod in which a container stands."""
        return "containers" if any(one is container for one in self.containers) else "initContainers"

    @property
    def grace_s(self) -> int:
        """What its pods have to end."""
        given = meant_number(self.pod.get("terminationGracePeriodSeconds"))
        return GRACE_S if given is None else given

    @property
    def floor(self) -> int | None:
        """The least number of replicas that there may be in ordinary operation; None if that is not known."""
        if self.borrowers:
            return None
        if self.scalers:
            floors = [one.floor for one in self.scalers]
            return None if None in floors else min(one for one in floors if one is not None)
        return whole(self.spec.get("replicas", 1))

    @property
    def ceiling(self) -> int | None:
        """The greatest number of replicas; None if that is not known."""
        if self.borrowers:
            return None
        ceilings = [one.ceiling for one in self.scalers] or [whole(self.spec.get("replicas", 1))]
        return None if None in ceilings else max(one for one in ceilings if one is not None)

    @property
    def serving(self) -> tuple[Raw, Any]:
        """The container that a Service's port leads to, and that port; else the likeliest, and a port that it may have.

        Where no container declares the port: the one with devices, none that is known to stand beside servers, and
        one with ports rather than without.
        """
        asked = list(_asked(self.services))
        for port in asked:
            for one in self.containers:
                if port in _ports(one):
                    return one, port
        likely = min(
            self.containers,
            key=lambda one: (not _devices(one), bool(BESIDE.search(_called(one))), not rows(one, "ports")),
        )
        own: Raw = next(iter(rows(likely, "ports")), {})
        number = next((port for port in asked if whole(port) is not None), None)
        return likely, number or own.get("name") or own.get("containerPort") or next(iter(asked), None)

    @property
    def serves(self) -> bool:
        """Whether anybody can ask it."""
        return bool(self.services or any(rows(one, "ports") for one in self.containers))

    @property
    def device(self) -> tuple[str, int]:
        """The resource of which each pod takes the most devices, and how many: nvidia.com/gpu; none: 0."""
        taken: Counter[str] = Counter()
        for one in self.containers:
            taken.update(_devices(one))
        return max(taken.items(), key=lambda one: one[1], default=("", 0))


def _devices(container: Raw) -> dict[str, int]:
    """How many devices it takes of each kind."""
    limits = texts(container, "resources", "limits")
    return {name: number for name, one in limits.items() if "/" in name and (number := quoted(one))}


def _called(container: Raw) -> str:
    """Its name and image."""
    return f"{container.get('name')} {container.get('image')}"


def _asked(services: list[Manifest]) -> Iterator[Any]:
    """The target ports of Services, those that only look after the pods last."""
    ports = [port for one in services for port in rows(one.spec, "ports")]
    for port in sorted(ports, key=lambda one: bool(ASIDE.search(str(one.get("name", ""))))):
        target = port.get("targetPort") or port.get("port")
        yield target if quoted(target) is None else quoted(target)


def _ports(container: Raw) -> list[Any]:
    return [value for one in rows(container, "ports") for value in (one.get("name"), one.get("containerPort")) if value]
