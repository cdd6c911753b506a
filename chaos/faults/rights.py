"""What each fault needs of the API server, and which faults a scenario makes: for consent, preflight and roles. Pure.

A scenario's faults are read from its code, so that what it lacks is known before any of it runs. What it really does is
held against the same consent when it does it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import CodeType

from chaos.safety.lease import LEASE_NAME

__all__ = ["ACTIONS", "BASE", "LOAD_PODS", "NAMED_VERBS", "Action", "Right", "actions_in", "object_names", "rights_of"]

NAMED_VERBS = frozenset({"get", "patch", "delete"})
"""Verbs that a rule can hold to objects of one name: a list and a watch name none, and what is created has none yet."""


@dataclass(frozen=True, slots=True)
class Right:
    """One right: a verb on a kind, or on a subresource of it. `everywhere`: in all namespaces, by a ClusterRole."""

    verb: str
    kind: str
    subresource: str = ""
    everywhere: bool = False

    @property
    def words(self) -> str:
        """The right as people say it."""
        what = f"{self.kind}/{self.subresource}" if self.subresource else self.kind
        return f"{self.verb} {what}" + (" in all namespaces" if self.everywhere else "")


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of fault: its name in annotations, the rights that it takes, whether it hits nodes.

    `workload_kind`: the only kind of workload that it can change, empty for any.
    """

    name: str
    rights: tuple[Right, ...]
    nodes: bool = False
    workload_kind: str = ""


def _all(verbs: str, kind: str, subresource: str = "", *, everywhere: bool = False) -> tuple[Right, ...]:
    return tuple(Right(verb, kind, subresource, everywhere) for verb in verbs.split())


WATCHED = ("Pod", "ReplicaSet", "EndpointSlice", "PodDisruptionBudget", "HorizontalPodAutoscaler", "Event")

BASE = (
    Right("get", "Namespace", everywhere=True),
    *_all("list watch", "Node", everywhere=True),
    *(right for kind in WATCHED for right in _all("list watch", kind)),
    Right("get", "Pod"),
    Right("list", "Service"),
    Right("get", "Service"),
    *_all("get create patch delete", "Lease"),
    *_all("list create patch delete", "ConfigMap"),
)
"""What every trial on an adopted system takes: reading, the lease, and the undo journal."""

PROXY = (*_all("get create", "Service", "proxy"),)
"""For traffic through the API server's proxy, where the file names no URL."""

LOAD_PODS = (*_all("create get delete", "Job"), *_all("create", "Pod", "proxy"))
"""For load from pods in the cluster: their Job, and the way to them."""

_EVICT = _all("create", "Pod", "eviction")
_DRAIN = (*_EVICT, *_all("get patch", "Node", everywhere=True), *_all("list", "Pod", everywhere=True))

ACTIONS: Mapping[str, Action] = {
    "PodKill": Action("pod-kill", _all("delete", "Pod")),
    "Evict": Action("evict", _EVICT),
    "NodeDrain": Action("node-drain", _DRAIN, nodes=True),
    "RollingPoolDrain": Action("pool-drain", _DRAIN, nodes=True),
    "RollingUpdate": Action("rolling-update", _all("get patch", "Deployment"), workload_kind="Deployment"),
    "BadRollout": Action("bad-rollout", _all("get patch", "Deployment"), workload_kind="Deployment"),
    "Scale": Action("scale", _all("get patch", "Deployment"), workload_kind="Deployment"),
    "BudgetChange": Action("budget-change", _all("get patch", "PodDisruptionBudget")),
    "ProcessHang": Action("process-hang", _all("create get", "Pod", "exec")),
    "NetworkPartition": Action(
        "network-partition",
        (
            *_all("get patch", "Pod"),
            *_all("create delete get", "NetworkPolicy"),
            *_all("get", "Pod", "proxy"),
        ),
    ),
    "NodeDown": Action("node-down", _all("list", "Pod", everywhere=True), nodes=True),
    "NotReady": Action("not-ready", _all("create get", "Pod", "exec")),
    "MemoryHog": Action("memory-hog", _all("create get", "Pod", "exec")),
    "ProcessCrash": Action("process-crash", _all("create get", "Pod", "exec")),
}
"""Every fault by the name of its class in `chaos.faults`."""


def actions_in(code: CodeType) -> tuple[Action, ...]:
    """The faults that are named in a piece of code, or in what is defined in it, in the order of the table."""
    named = set(_names(code))
    return tuple(action for name, action in ACTIONS.items() if name in named)


def rights_of(
    actions: Iterable[Action], workload_kind: str, *, proxied: bool, load_pods: bool = False
) -> tuple[Right, ...]:
    """All rights that a trial with these faults takes, each once, for a workload of that kind.

    `proxied`: where traffic goes through the API server's proxy, unless `load_pods` send it.
    """
    way = LOAD_PODS if load_pods else PROXY if proxied else ()
    own = (*_all("get list watch", workload_kind), *way)
    wanted = (*BASE, *own, *(right for action in actions for right in action.rights))
    return tuple(dict.fromkeys(wanted))


def object_names(namespace: str, workload_kind: str, workload: str) -> Mapping[str, tuple[str, ...]]:
    """The objects to which rights on these kinds are held: the workload, the lease, and the two namespaces read."""
    return {workload_kind: (workload,), "Lease": (LEASE_NAME,), "Namespace": ("kube-system", namespace)}


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
