"""What each fault needs of the API server, and which faults a scenario makes: for consent, preflight and roles. Pure.

A scenario's faults are read from its code, so that what it lacks is known before any of it runs. What it really does is
held against the same consent when it does it.
"""

from __future__ import annotations

import dis
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from types import CodeType, FunctionType

from chaos.cluster import KINDS, WATCHED
from chaos.safety.lease import LEASE_NAME

__all__ = [
    "ACTIONS",
    "BASE",
    "CLAIMS",
    "DATA",
    "DEPLOYED",
    "LOAD",
    "LOAD_PODS",
    "NAMED_VERBS",
    "READINGS",
    "Action",
    "Right",
    "actions_in",
    "deploying_rights",
    "object_names",
    "raises_load",
    "rights_of",
]

NAMED_VERBS = frozenset({"get", "patch", "delete"})
"""Verbs that a rule can hold to objects of one name: a list and a watch name none, and what is created has none yet."""

DEFINITION = "CustomResourceDefinition"

SELF_SAID = frozenset({"Deployment", "StatefulSet"})
"""Kinds of workload that are read without their `/scale`."""

OWN = ("chaos.", "loadgen.", "reports.")


@dataclass(frozen=True, slots=True)
class Right:
    """One right: a verb on a kind, or on a subresource of it. `everywhere`: in all namespaces, by a ClusterRole."""

    verb: str
    kind: str
    subresource: str = ""
    everywhere: bool = False

    def held_to(self, names: Mapping[str, tuple[str, ...]]) -> tuple[str, ...]:
        """The names of the objects to which the right is held, out of those of each kind; none: it holds for all."""
        beyond = self.everywhere and self.kind not in ("Namespace", DEFINITION)
        return () if beyond or self.verb not in NAMED_VERBS else names.get(self.kind, ())

    @property
    def words(self) -> str:
        """The right as people say it."""
        what = f"{self.kind}/{self.subresource}" if self.subresource else self.kind
        return f"{self.verb} {what}" + (" in all namespaces" if self.everywhere else "")


@dataclass(frozen=True, slots=True)
class Action:
    """One kind of fault: its name in annotations, the rights that it takes, whether it hits nodes.

    `workload_kind`: the only kind of workload that it can change, empty for any. `reads`: it changes nothing, so that
    nobody's consent is asked.
    """

    name: str
    rights: tuple[Right, ...]
    nodes: bool = False
    workload_kind: str = ""
    reads: bool = False


def _all(verbs: str, kind: str, subresource: str = "", *, everywhere: bool = False) -> tuple[Right, ...]:
    return tuple(Right(verb, kind, subresource, everywhere) for verb in verbs.split())


BASE = (
    Right("get", "Namespace", everywhere=True),
    *_all("list watch", "Node", everywhere=True),
    *(right for kind in WATCHED for right in _all("list watch", kind)),
    Right("get", "Pod"),
    Right("get", "Pod", "log"),
    Right("list", "PodMetrics"),
    Right("list", "Service"),
    Right("get", "Service"),
    # A file may name them, as gameday init does.
    Right("get", "PodDisruptionBudget"),
    Right("get", "HorizontalPodAutoscaler"),
    *_all("get create patch delete", "Lease"),
    *_all("list create patch delete", "ConfigMap"),
)
"""What every trial on an adopted system takes: reading, the lease, and the undo journal."""

PROXY = (*_all("get create", "Service", "proxy"),)
"""For traffic through the API server's proxy, where the file names no URL."""

LOAD_PODS = (*_all("create get delete", "Job"), *_all("create", "Pod", "proxy"))
"""For load from pods in the cluster: their Job, and the way to them."""

DATA = (
    *_all("get list watch", "PersistentVolumeClaim"),
    *_all("list watch", "PersistentVolume", everywhere=True),
)
"""For a system of which files must survive: the claims that they lie on, and where their volumes can be reached."""

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
    "NodeDown": Action(
        "node-down",
        # The leases are the nodes' own: by them a node speaks for itself.
        (
            *_all("list", "Pod", everywhere=True),
            *_all("get", "Lease", everywhere=True),
            *_all("get", "Node", everywhere=True),
        ),
        nodes=True,
    ),
    "NotReady": Action("not-ready", _all("create get", "Pod", "exec")),
    "MemoryHog": Action("memory-hog", _all("create get", "Pod", "exec")),
    "ProcessCrash": Action("process-crash", _all("create get", "Pod", "exec")),
}
"""Every fault by the name of its class in `chaos.faults`."""

LOAD = Action("load", ())
"""A load that rises: it takes no right, but the owners' consent."""

STREAMS = frozenset({"steady", "shape"})
"""The methods of a scenario's `traffic` that begin a stream."""

READINGS: Mapping[str, Action] = {
    "read_data": Action(
        "read-data", (*_all("create get", "Pod", "exec"), *_all("create get", "Pod", "proxy")), reads=True
    ),
}
"""What a scenario looks at beside the API's objects, by the name of the trial's method."""

DEPLOYED = ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service")
"""What a trial deploys of a `SystemSpec` without claims."""

CLAIMS = (
    *_all("create patch list watch", "PersistentVolumeClaim"),
    *_all("create patch get delete", "Job"),
    *_all("list watch", "PersistentVolume"),
    *_all("get", "StorageClass"),
)
"""What a system with volume claims takes beside."""

_TRIAL = (
    *_all("get list create delete", "Namespace"),
    *(right for right in BASE if right.kind not in ("Namespace", "Lease")),
    # Who may be alive of those that left something behind.
    Right("get", "Lease"),
    *_all("get list watch delete", "Deployment"),
)
"""What every trial takes that deploys its system into a namespace of its own, and sweeps up after dead runs."""


def actions_in(code: CodeType, known: Mapping[str, object] | None = None) -> tuple[Action, ...]:
    """The faults and readings that a piece of code names, or what is defined in it, in the order of the tables.

    `known` are the globals of its module: helpers of it, and tables of them, are read too, but nothing of our own.
    """
    named = {name for part in _parts(code, known or {}, set()) for name in part.co_names}
    return tuple(action for name, action in {**ACTIONS, **READINGS}.items() if name in named)


def raises_load(code: CodeType, known: Mapping[str, object] | None = None) -> bool:
    """Whether a scenario lets the load rise, as far as its code shows: it has a shape of it, or a second stream."""
    begun = [one for part in _parts(code, known or {}, set()) for one in _streams(part)]
    return len(begun) > 1 or "shape" in begun


def rights_of(
    actions: Iterable[Action],
    workload_kind: str,
    *through: str,
    proxied: bool,
    load_pods: bool = False,
    data: bool = False,
) -> tuple[Right, ...]:
    """All rights that a trial with these faults takes, each once, for a workload of that kind.

    `through` are the kinds between its pods and it, ReplicaSets aside. `proxied`: where traffic goes through the API
    server's proxy, unless `load_pods` send it. `data`: where the file names files that must survive.
    """
    way = LOAD_PODS if load_pods else PROXY if proxied else ()
    own = (
        *_all("get list watch", workload_kind),
        *(_all("get", workload_kind, "scale") if workload_kind not in SELF_SAID else ()),
        *(() if workload_kind in KINDS else _all("get", DEFINITION, everywhere=True)),
        *(right for kind in through for right in _all("list watch", kind)),
        *way,
        *(DATA if data else ()),
    )
    wanted = (*BASE, *own, *(right for action in actions for right in action.rights))
    return tuple(dict.fromkeys(wanted))


def deploying_rights(
    actions: Iterable[Action],
    kinds: Iterable[str] = DEPLOYED,
    *,
    proxied: bool,
    claims: bool,
    load_pods: bool = False,
) -> tuple[Right, ...]:
    """All rights of a trial that deploys objects of these kinds into a namespace that it makes: each in all namespaces.

    A namespace that is not there yet can have no Role. `proxied` and `load_pods` as for `rights_of`.
    """
    chosen = tuple(kinds)
    wanted = (
        *_TRIAL,
        *(right for kind in chosen for right in _all("create patch", kind)),
        *(_all("get list watch", "StatefulSet") if "StatefulSet" in chosen else ()),
        *(CLAIMS if claims else ()),
        *(LOAD_PODS if load_pods else PROXY if proxied else ()),
        *(right for action in actions for right in action.rights),
    )
    return tuple(dict.fromkeys(replace(right, everywhere=True) for right in wanted))


def object_names(
    namespace: str, workload_kind: str, workload: str, *, resource: str = ""
) -> Mapping[str, tuple[str, ...]]:
    """The objects to which rights on these kinds are held: the workload, the lease, and the two namespaces read.

    Only in their own namespace: the leases that a right in all namespaces is about are those of nodes. A kind that was
    added to the API is defined by an object of the name `resource`, that of the kind if it is a resource itself.
    """
    return {
        workload_kind: (workload,),
        "Lease": (LEASE_NAME,),
        "Namespace": ("kube-system", namespace),
        DEFINITION: (resource or workload_kind,),
    }


def _streams(code: CodeType) -> Iterator[str]:
    """How each stream of traffic is begun in a piece of code."""
    for one in dis.get_instructions(code):
        if one.opname in ("LOAD_ATTR", "LOAD_METHOD") and one.argval in STREAMS:
            yield str(one.argval)


def _parts(code: CodeType, known: Mapping[str, object], seen: set[CodeType]) -> Iterator[CodeType]:
    """A piece of code, what is defined in it, and the functions that it names."""
    if code in seen:
        return
    seen.add(code)
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _parts(constant, known, seen)
    for name in code.co_names:
        for helper in _helpers(known.get(name)):
            yield from _parts(helper.__code__, helper.__globals__, seen)


def _helpers(value: object) -> Iterator[FunctionType]:
    if isinstance(value, FunctionType):
        if not value.__module__.startswith(OWN):
            yield value
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _helpers(one)
    elif isinstance(value, dict):
        yield from _helpers(list(value.values()))
