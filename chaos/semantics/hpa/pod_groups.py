"""What the horizontal autoscaler knows of each pod, and which pods it may count.

Follows `groupPods` of Kubernetes 1.36 (kubernetes.md A.7). Amounts are whole thousandths of a unit.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from chaos.objects.base import Raw
from chaos.objects.pod import PodView
from chaos.objects.quantities import milli
from chaos.semantics.scheduling import pod_requests

__all__ = ["Groups", "PodSample", "ReplicaState", "group_pods", "replica_state"]


@dataclass(frozen=True, slots=True)
class PodSample:
    """What the metrics API says of one pod: usage in thousandths, over the `window_s` seconds that ended at `at_s`."""

    usage: int
    at_s: float
    window_s: float


@dataclass(frozen=True, slots=True)
class ReplicaState:
    """What the calculator reads of a pod. Moments are seconds on the cluster's clock.

    `ready` is the Ready condition: True, False, or None where there is none or it is Unknown; `ready_since_s` is its
    last transition (None: no such condition). `request` is in thousandths, None if a container has none.
    """

    name: str
    phase: str = "Running"
    deleting: bool = False
    ready: bool | None = True
    ready_since_s: float | None = 0.0
    started_s: float | None = 0.0
    request: int | None = None


@dataclass(frozen=True, slots=True)
class Groups:
    """The pods by what may be said of them; `counted` is how many are measured and taken as they are."""

    counted: int
    unready: frozenset[str]
    missing: frozenset[str]
    ignored: frozenset[str]


def group_pods(
    pods: Iterable[ReplicaState],
    samples: Mapping[str, PodSample],
    *,
    cpu: bool,
    now_s: float,
    cpu_initialization_s: float,
    initial_readiness_s: float,
) -> Groups:
    """Sort the pods: going or failed ones are ignored, Pending ones unready, those without a sample missing.

    For CPU a young pod (within the initialisation period) is unready while it is not Ready, or while its sample does
    not lie wholly after its last turn; an older one only if it is not Ready and never was: its Ready condition last
    turned within the initial readiness delay of its start.
    """
    counted = 0
    unready: set[str] = set()
    missing: set[str] = set()
    ignored: set[str] = set()
    for pod in pods:
        if pod.deleting or pod.phase == "Failed":
            ignored.add(pod.name)
        elif pod.phase == "Pending":
            unready.add(pod.name)
        elif (sample := samples.get(pod.name)) is None:
            missing.add(pod.name)
        elif cpu and _too_young(pod, sample, now_s, cpu_initialization_s, initial_readiness_s):
            unready.add(pod.name)
        else:
            counted += 1
    return Groups(counted, frozenset(unready), frozenset(missing), frozenset(ignored))


def _too_young(
    pod: ReplicaState, sample: PodSample, now_s: float, cpu_initialization_s: float, initial_readiness_s: float
) -> bool:
    if pod.ready_since_s is None or pod.started_s is None:
        return True
    if pod.started_s + cpu_initialization_s > now_s:
        return pod.ready is False or sample.at_s < pod.ready_since_s + sample.window_s
    return pod.ready is False and pod.started_s + initial_readiness_s > pod.ready_since_s


def replica_state(pod: PodView, resource: str, container: str = "") -> ReplicaState:
    """Read a pod as the calculator does; `container` narrows its request to that container's."""
    condition = pod.condition("Ready")
    status = condition.get("status")
    return ReplicaState(
        name=pod.name,
        phase=pod.phase,
        deleting=pod.deleting,
        ready={"True": True, "False": False}.get(str(status)),
        ready_since_s=_moment_s(condition.get("lastTransitionTime")) if condition else None,
        started_s=_moment_s(pod.status.get("startTime")),
        request=_request(pod, resource, container),
    )


def _request(pod: PodView, resource: str, container: str) -> int | None:
    """Of a pod with requests of its own what the scheduler reserves, else the sum over its containers and sidecars.

    None if one has none. A container that the metric names comes before the pod's own requests (`calculateRequests`).
    """
    if not container and (pod.spec.get("resources") or {}).get("requests"):
        return pod_requests(pod.spec).get(resource)
    holders = [one for one in _lasting(pod) if not container or one.get("name") == container]
    asked = [((one.get("resources") or {}).get("requests") or {}).get(resource) for one in holders]
    if not asked or None in asked:
        return None
    return sum(milli(str(quantity)) for quantity in asked)


def _lasting(pod: PodView) -> Iterable[Raw]:
    yield from pod.spec.get("containers") or ()
    yield from (one for one in pod.spec.get("initContainers") or () if one.get("restartPolicy") == "Always")


def _moment_s(text: object) -> float | None:
    return datetime.fromisoformat(str(text)).timestamp() if text else None
