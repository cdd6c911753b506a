"""Typed views of raw API objects: the fields that are read, and nothing else.

A view holds the object as the server sent it and reads a field when it is asked for, so that a view costs nothing to
make. What an object lacks reads as Kubernetes defaults it, or as empty. Pure: the same views serve a live recorder and
a saved history.
"""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from chaos.objects.base import Raw, View, matches

__all__ = [
    "SERVICE_NAME",
    "TEMPLATE_HASH",
    "DeploymentView",
    "EndpointSliceView",
    "EndpointView",
    "EventLog",
    "NodeView",
    "PodDisruptionBudgetView",
    "ReplicaSetView",
    "ServiceView",
]

TEMPLATE_HASH = "pod-template-hash"
"""The label by which a Deployment tells its ReplicaSets and their pods apart."""

SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class ReplicaSetView(View):
    """A ReplicaSet; StatefulSet and Deployment share these fields."""

    @property
    def replicas(self) -> int:
        """How many pods are desired; Kubernetes takes an absent number as 1."""
        given = self.spec.get("replicas")
        return 1 if given is None else int(given)

    @property
    def selector(self) -> Raw:
        """The label selector of its pods."""
        return self.spec.get("selector") or {}

    @property
    def template(self) -> Raw:
        """What it makes pods of."""
        return self.spec.get("template") or {}

    @property
    def pod_spec(self) -> Raw:
        """The spec that it gives its pods."""
        return self.template.get("spec") or {}

    @property
    def status_replicas(self) -> int:
        """How many pods its controller last counted."""
        return int(self.status.get("replicas") or 0)

    @property
    def ready_replicas(self) -> int:
        """How many of them its controller last counted as Ready."""
        return int(self.status.get("readyReplicas") or 0)

    @property
    def available_replicas(self) -> int:
        """How many of them its controller last counted as Ready for minReadySeconds."""
        return int(self.status.get("availableReplicas") or 0)


@dataclass(frozen=True, slots=True)
class DeploymentView(ReplicaSetView):
    """A Deployment."""

    @property
    def updated_replicas(self) -> int:
        """How many pods have the newest template."""
        return int(self.status.get("updatedReplicas") or 0)

    @property
    def replaced(self) -> bool:
        """Whether its controller has no pod left to replace by the newest template."""
        seen = self.observed_generation >= self.generation
        return seen and self.updated_replicas >= self.replicas and self.status_replicas <= self.updated_replicas

    @property
    def rolled_out(self) -> bool:
        """Whether every desired pod has the newest template and is available, as `kubectl rollout status` decides."""
        return self.replaced and self.available_replicas >= self.updated_replicas

    @property
    def stuck(self) -> str:
        """Why the rollout makes no progress, empty if the controller does not say that."""
        progressing = self.condition("Progressing")
        if progressing.get("reason") != "ProgressDeadlineExceeded":
            return ""
        return str(progressing.get("message") or "progress deadline exceeded")


@dataclass(frozen=True, slots=True)
class EndpointView:
    """One endpoint of a slice. A nil condition means: ready and serving yes, terminating no (KEP-1672)."""

    raw: Raw

    def _condition(self, name: str, *, nil: bool) -> bool:
        given = (self.raw.get("conditions") or {}).get(name)
        return nil if given is None else bool(given)

    @property
    def ready(self) -> bool:
        """Whether new connections are sent to it."""
        return self._condition("ready", nil=True)

    @property
    def serving(self) -> bool:
        """Whether its pod is Ready, also while it terminates."""
        return self._condition("serving", nil=self.ready)

    @property
    def terminating(self) -> bool:
        """Whether its pod is being deleted."""
        return self._condition("terminating", nil=False)

    @property
    def pod_uid(self) -> str:
        """The UID of its pod."""
        return str((self.raw.get("targetRef") or {}).get("uid") or "")

    @property
    def addresses(self) -> tuple[str, ...]:
        """Its IP addresses, one in practice."""
        return tuple(self.raw.get("addresses") or ())


@dataclass(frozen=True, slots=True)
class EndpointSliceView(View):
    """A slice of the endpoints of a Service."""

    @property
    def service(self) -> str:
        """The Service it belongs to."""
        return str(self.labels.get(SERVICE_NAME, ""))

    @property
    def family(self) -> str:
        """The kind of its addresses: IPv4, IPv6 or FQDN."""
        return str(self.raw.get("addressType", ""))

    @property
    def endpoints(self) -> tuple[EndpointView, ...]:
        """Its endpoints; the same pod may stand in two slices while it is moved."""
        return tuple(EndpointView(raw) for raw in self.raw.get("endpoints") or ())


@dataclass(frozen=True, slots=True)
class ServiceView(View):
    """A Service."""

    @property
    def publishes_unready(self) -> bool:
        """Whether its slices call pods ready that are not."""
        return bool(self.spec.get("publishNotReadyAddresses"))

    @property
    def uneven(self) -> tuple[str, ...]:
        """What in its spec keeps new connections from being spread evenly over all ready endpoints."""
        spec = self.spec
        outside = spec.get("type") in ("NodePort", "LoadBalancer")
        said = {
            "sessionAffinity ClientIP keeps a client with one replica": spec.get("sessionAffinity") == "ClientIP",
            f"trafficDistribution {spec.get('trafficDistribution')}": bool(spec.get("trafficDistribution")),
            "internalTrafficPolicy Local": spec.get("internalTrafficPolicy") == "Local",
            "externalTrafficPolicy Local": outside and spec.get("externalTrafficPolicy") == "Local",
            "it is headless, so that each client chooses for itself": spec.get("clusterIP") == "None",
            "it is of type ExternalName, so that its name leads elsewhere": spec.get("type") == "ExternalName",
        }
        return tuple(words for words, holds in said.items() if holds)


@dataclass(frozen=True, slots=True)
class NodeView(View):
    """A node."""

    @property
    def ready(self) -> bool:
        """Whether its Ready condition is True; Unknown counts as not."""
        return self.condition("Ready").get("status") == "True"

    @property
    def ready_status(self) -> str:
        """`True`, `False` or `Unknown`, empty before its kubelet has reported."""
        return str(self.condition("Ready").get("status") or "")

    @property
    def unschedulable(self) -> bool:
        """Whether it is cordoned."""
        return bool(self.spec.get("unschedulable"))

    @property
    def taints(self) -> tuple[Raw, ...]:
        """Its taints, as `key`, `value`, `effect`."""
        return tuple(self.spec.get("taints") or ())


@dataclass(frozen=True, slots=True)
class PodDisruptionBudgetView(View):
    """A disruption budget; what its controller last counted is of the newest spec only if `up_to_date`."""

    def selects(self, pod: View) -> bool:
        """Whether it binds a pod: an empty selector selects all of its namespace, an absent one none (`policy/v1`)."""
        selector = self.spec.get("selector")
        return selector is not None and pod.namespace == self.namespace and matches(selector, pod.labels)

    @property
    def up_to_date(self) -> bool:
        """Whether its controller has counted by the newest spec; until then every eviction is refused."""
        return self.observed_generation >= self.generation

    @property
    def allowed(self) -> int:
        """How many more evictions it permits now (`disruptionsAllowed`)."""
        return int(self.status.get("disruptionsAllowed") or 0)

    @property
    def healthy(self) -> int:
        """How many healthy pods its controller last counted (`currentHealthy`)."""
        return int(self.status.get("currentHealthy") or 0)

    @property
    def desired(self) -> int:
        """How many of them must stay healthy (`desiredHealthy`)."""
        return int(self.status.get("desiredHealthy") or 0)

    @property
    def expected(self) -> int:
        """How many pods it counted in all (`expectedPods`)."""
        return int(self.status.get("expectedPods") or 0)

    @property
    def disrupted(self) -> frozenset[str]:
        """Names of pods whose eviction it has granted, and whose deletion its controller has not seen yet."""
        return frozenset(self.status.get("disruptedPods") or ())

    @property
    def bound(self) -> str:
        """Its bound in words, e.g. `maxUnavailable 1`."""
        bounds = [f"{key} {self.spec[key]}" for key in ("minAvailable", "maxUnavailable") if key in self.spec]
        return " ".join(bounds) or "no bound"


class EventLog:
    """Raw `v1` Events, by the UID of the object that they are about, in order of time."""

    def __init__(self, events: Iterable[Mapping[str, Any]]) -> None:
        self._about: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
        for event in sorted(events, key=_when):
            self._about[event.get("involvedObject", {}).get("uid") or ""].append(event)

    def last(self, uid: str, *reasons: str, container: str = "", saying: str = "", since: str = "") -> str:
        """Give the message of the latest event about `uid` with one of the reasons, empty if there is none.

        `container` leaves out events about another container of the pod. `saying` keeps only events whose message
        contains that text, `since` (UTC text) those last seen then or later.
        """
        for event in reversed(self._about.get(uid, [])):
            if container and _container(event) not in ("", container):
                continue
            message = str(event.get("message") or "")
            if event.get("reason") in reasons and saying in message and _when(event) >= since.rstrip("Z"):
                return " ".join(message.split())
        return ""


def _container(event: Mapping[str, Any]) -> str:
    """Which container of a pod it is about (`spec.containers{name}`); empty if none of them alone."""
    path = str((event.get("involvedObject") or {}).get("fieldPath") or "")
    return path.partition("{")[2].rstrip("}")


def _when(event: Mapping[str, Any]) -> str:
    """When it was seen last. The texts compare as times: all are UTC, and seconds come before any fraction."""
    series = event.get("series") or {}
    times = (series.get("lastObservedTime"), event.get("lastTimestamp"), event.get("eventTime"))
    first = event.get("metadata", {}).get("creationTimestamp")
    return max((str(time).rstrip("Z") for time in times if time), default=str(first or "").rstrip("Z"))
