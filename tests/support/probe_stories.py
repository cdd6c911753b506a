"""Hand-written histories of processes that hang: what the watch log says of pods, endpoints and events."""

from collections.abc import Iterable, Mapping
from typing import Any

from histories import NAMESPACE, PROBED, T0, WORKLOAD, Story, at, pod

COVERED = ("Pod", "Deployment", "ReplicaSet", "Node", "EndpointSlice", "Event")

UNPROBED: Mapping[str, Any] = {
    **PROBED,
    "containers": [{key: value for key, value in PROBED["containers"][0].items() if key != "livenessProbe"}],
}


def restarted(uid: str, count: int = 1, *, ready: bool = False, spec: Mapping[str, Any] = PROBED) -> dict[str, Any]:
    """A pod whose container was started anew."""
    raw = pod(uid, ready=ready, running=True, restarts=count, spec=spec)
    raw["status"]["containerStatuses"][0] |= {
        "containerID": f"containerd://{uid}-{count}",
        "lastState": {"terminated": {"exitCode": 0, "reason": "Completed"}},
    }
    return raw


def killing(uid: str, message: str = "Container m failed liveness probe, will be restarted") -> dict[str, Any]:
    """The kubelet says that it ends a container."""
    return told(uid, "Killing", message)


def told(uid: str, reason: str, message: str) -> dict[str, Any]:
    """An Event about an object."""
    metadata = {"uid": f"{reason}-{uid}", "name": f"{reason}-{uid}", "namespace": NAMESPACE}
    return {"metadata": metadata, "involvedObject": {"uid": uid}, "reason": reason, "message": message}


def endpoints(*uids: str, unready: Iterable[str] = ()) -> dict[str, Any]:
    """The Service's slice, with the endpoints that are ready, and those that are not."""
    told = [{"conditions": {"ready": True}, "targetRef": {"uid": uid}} for uid in uids]
    told += [{"conditions": {"ready": False}, "targetRef": {"uid": uid}} for uid in unready]
    labels = {"kubernetes.io/service-name": WORKLOAD}
    metadata = {"uid": "slice-1", "name": "slice-1", "namespace": NAMESPACE, "labels": labels}
    return {"metadata": metadata, "endpoints": told, "ports": [{"port": 8000}]}


def covered(end_s: float = 120) -> Mapping[str, tuple[int, int]]:
    """Every kind watched from the first moment to the last."""
    return dict.fromkeys(COVERED, (T0, at(end_s)))


def hung(*, spec: Mapping[str, Any] = PROBED, healed_s: float = 110, end_s: float = 120) -> Story:
    """Two replicas; the process of `a` hangs from 30 s on, which the fault proves at 30.5 s; nothing else happens."""
    return (
        Story(end_s)
        .replicas("a", "b", spec=spec)
        .saw(0, "LISTED", endpoints("a", "b"), "EndpointSlice")
        .fault("a", name="process-hang", healed_s=healed_s)
        .has(covered_ns=covered(end_s))
        .traffic()
    )


def hang_story() -> Story:
    """`a` hangs, leaves the endpoints, is restarted by its liveness probe after 9.5 s, and is Ready again 4 s later."""
    return (
        hung()
        .saw(33, "MODIFIED", pod("a", running=True))
        .saw(33.2, "MODIFIED", endpoints("b", unready=["a"]), "EndpointSlice")
        .saw(35, "ADDED", killing("a"), "Event")
        .saw(40, "MODIFIED", restarted("a"))
        .saw(44, "MODIFIED", restarted("a", ready=True))
        .saw(44.3, "MODIFIED", endpoints("a", "b"), "EndpointSlice")
    )
