"""What faults and trials need of the API server, for preflight and for the roles that `gameday rbac` prints. Pure.

A fault brings its own rights (`Fault.permissions`); what every trial takes beside is here.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from chaos.cluster import KINDS, WATCHED
from chaos.objects.scaled_object import SCALED_OBJECT
from chaos.safety.lease import LEASE_NAME
from chaos.safety.undo_journal import own_namespace

__all__ = [
    "AUTOSCALING",
    "CANARY",
    "DEBUG",
    "DEPLOYED",
    "DRAIN",
    "ENGINE_METRICS",
    "EVICT",
    "EXEC",
    "LOAD",
    "LOAD_POLICY",
    "READ_DATA",
    "Activity",
    "Right",
    "Workload",
    "deployed_kinds",
    "deploying_rights",
    "object_names",
    "rights",
    "rights_of",
]

NAMED_VERBS = frozenset({"get", "patch", "delete"})
"""Verbs that a rule can hold to objects of one name: a list and a watch name none, and what is created has none yet."""

Workload = tuple[str, str]
"""The kind and the name of one."""

DEFINITION = "CustomResourceDefinition"

JOURNAL = "ConfigMap"
"""What undo entries are written into, in the suite's own namespace; it takes none in the system's."""

COUNTING = frozenset({"Deployment", "StatefulSet"})
"""Kinds of workload that are read without their `/scale`."""


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

    def within(self, namespace: str) -> str | None:
        """The namespace that it is held to, for a system in that one; None: it is for all."""
        if self.everywhere:
            return None
        return own_namespace(namespace) if self.kind == JOURNAL else namespace

    @property
    def words(self) -> str:
        """The right as people say it."""
        what = f"{self.kind}/{self.subresource}" if self.subresource else self.kind
        return f"{self.verb} {what}" + (" in all namespaces" if self.everywhere else "")


def rights(verbs: str, kind: str, subresource: str = "", *, everywhere: bool = False) -> tuple[Right, ...]:
    """Several verbs on one kind, e.g. `rights("get patch", "Deployment")`."""
    return tuple(Right(verb, kind, subresource, everywhere) for verb in verbs.split())


@dataclass(frozen=True, slots=True)
class Activity:
    """One kind of thing that a scenario does: a fault, a reading, a load that rises.

    Attributes:
        name: What it is called in the owners' annotations.
        permissions: The rights that it takes.
        hits_nodes: Each node's owner is asked as well.
        evicts: A disruption budget that is spent already is in its way.
        workload_kind: The only kind of workload that it can change, empty for any.
        reads: It changes nothing, so that nobody's consent is asked.
        if_run_dies: What becomes of it where the run is killed and nobody comes back; empty: nothing is left.
        hits_none: Nothing of the system goes by it, so that no replica need be allowed to be down.
    """

    name: str
    permissions: tuple[Right, ...] = ()
    hits_nodes: bool = False
    evicts: bool = False
    workload_kind: str = ""
    reads: bool = False
    if_run_dies: str = ""
    hits_none: bool = False


EXEC = rights("create get", "Pod", "exec")
"""To run a script in a container."""

DEBUG = rights("patch", "Pod", "ephemeralcontainers")
"""To put an ephemeral container beside one whose image has no shell, where the file names an image for it."""

EVICT = rights("create", "Pod", "eviction")
DRAIN = (*EVICT, *rights("get patch", "Node", everywhere=True), *rights("list", "Pod", everywhere=True))
"""To cordon a node and evict from it, having seen whose pods are on it."""

LOAD = Activity("load")
"""A load that rises: it takes no right, but the owners' consent."""

LOAD_POLICY = Activity("load-policy", rights("create", "NetworkPolicy"), reads=True)
"""A policy for load pods, where the file or an option says who may reach them. Consent is asked for the load."""

READ_DATA = Activity("read-data", (*EXEC, *rights("create get", "Pod", "proxy")), reads=True)
"""Reading the files that must survive, in every replica."""

ENGINE_METRICS = Activity("engine-metrics", rights("get", "Pod", "proxy"), reads=True)
"""Asking servers for their own metrics: printed for every role, but no trial is refused for want of it."""

CANARY = Activity("canary", rights("create get", "Pod", "proxy"), reads=True)
"""Asking each replica directly, where the file or an option says so; without the right what needs it is UNKNOWN."""

LEASE = rights("get create patch delete", "Lease")
"""For what nobody else may do meanwhile."""

BASE = (
    Right("get", "Namespace", everywhere=True),
    *rights("list watch", "Node", everywhere=True),
    *(right for kind in WATCHED for right in rights("list watch", kind)),
    Right("get", "Pod"),
    Right("get", "Pod", "log"),
    Right("list", "PodMetrics"),
    Right("get", "Service"),
    # A file may name them, as gameday init does.
    Right("get", "PodDisruptionBudget"),
    Right("get", "HorizontalPodAutoscaler"),
    *LEASE,
    *rights("list create patch delete", JOURNAL),
)
"""What every trial on an adopted system takes: reading, the lease, and the undo journal."""

AUTOSCALING = (
    *rights("get list", "*.external.metrics.k8s.io"),
    *rights("get list", "*.custom.metrics.k8s.io"),
    *rights("get list watch", "scaledobjects.keda.sh"),
    *rights("get", "triggerauthentications.keda.sh"),
)
"""To see what an autoscaler is shown beside CPU and memory: a trial goes on without, and its findings say so."""

PROXY = rights("get create", "Service", "proxy")
"""For traffic through the API server's proxy, where the file names no URL."""

LOAD_PODS = (*rights("create get delete", "Job"), *rights("create", "Pod", "proxy"))
"""For load from pods in the cluster: their Job, and the way to them."""

DATA = (
    *rights("get list watch", "PersistentVolumeClaim"),
    *rights("list watch", "PersistentVolume", everywhere=True),
)
"""For a system of which files must survive: the claims that they lie on, and where their volumes can be reached."""

DEPLOYED = ("Deployment", "HorizontalPodAutoscaler", "PodDisruptionBudget", "Service")
"""What a trial deploys of a `SystemSpec` without claims."""

CLAIMS = (
    *rights("create patch list watch", "PersistentVolumeClaim"),
    *rights("create patch get delete", "Job"),
    *rights("list watch", "PersistentVolume"),
    *rights("get", "StorageClass"),
)
"""What a system with volume claims takes beside."""

_TRIAL = (
    *rights("get list create delete", "Namespace"),
    *(right for right in BASE if right.kind not in ("Namespace", "Lease")),
    # Who may be alive of those that left something behind.
    Right("get", "Lease"),
    *rights("get list watch delete", "Deployment"),
)
"""What every trial takes that deploys its system into a namespace of its own, and sweeps up after dead runs."""


def rights_of(
    activities: Iterable[Activity],
    workload_kind: str,
    *through: str,
    proxied: bool,
    load_pods: bool = False,
    data: bool = False,
    debug: bool = False,
    others: Iterable[Workload] = (),
) -> tuple[Right, ...]:
    """All rights that a trial that does this takes, each once, for a workload of that kind and the `others` beside it.

    `through` are the kinds between its pods and it, ReplicaSets aside. `proxied`: where traffic goes through the API
    server's proxy, unless `load_pods` send it. `data`: where the file names files that must survive. `debug`: where it
    names an image for ephemeral containers, beside containers that faults run scripts in.
    """
    done = tuple(activities)
    scripts = any(right in EXEC for one in done if not one.reads for right in one.permissions)
    wanted = (
        *BASE,
        *(right for kind in (workload_kind, *(kind for kind, _ in others)) for right in _of_workload(kind)),
        *(right for kind in through for right in rights("list watch", kind)),
        *(LOAD_PODS if load_pods else PROXY if proxied else ()),
        *(DATA if data else ()),
        *(DEBUG if debug and scripts else ()),
        *(right for activity in done for right in activity.permissions),
    )
    return tuple(dict.fromkeys(wanted))


def _of_workload(kind: str) -> tuple[Right, ...]:
    """What it takes to find and watch a workload of that kind."""
    return (
        *rights("get list watch", kind),
        *(rights("get", kind, "scale") if kind not in COUNTING else ()),
        *(() if kind in KINDS else rights("get", DEFINITION, everywhere=True)),
    )


def deploying_rights(
    activities: Iterable[Activity],
    kinds: Iterable[str] = DEPLOYED,
    *,
    proxied: bool,
    claims: bool,
    load_pods: bool = False,
    shared: bool = False,
) -> tuple[Right, ...]:
    """All rights of a trial that deploys objects of these kinds into a namespace that it makes: each in all namespaces.

    A namespace that is not there yet can have no Role. `proxied` and `load_pods` as for `rights_of`. `shared`: where
    the nodes are others' too, the lease on them is beside, in the account's own namespace.
    """
    chosen, done = tuple(kinds), tuple(activities)
    wanted = (
        *_TRIAL,
        *(right for kind in chosen for right in rights("create patch", kind)),
        *(rights("get list watch", "StatefulSet") if "StatefulSet" in chosen else ()),
        *(rights("list watch", SCALED_OBJECT) if SCALED_OBJECT in chosen else ()),
        *(CLAIMS if claims else ()),
        *(LOAD_PODS if load_pods else PROXY if proxied else ()),
        *(right for activity in done for right in activity.permissions),
    )
    lease = LEASE if shared and any(activity.hits_nodes for activity in done) else ()
    return (*dict.fromkeys(replace(right, everywhere=True) for right in wanted), *lease)


def deployed_kinds(*, keda: bool) -> tuple[str, ...]:
    """What a trial deploys of a `SystemSpec` without claims; `keda`: where a ScaledObject scales it."""
    return (*DEPLOYED, SCALED_OBJECT) if keda else DEPLOYED


def object_names(
    namespace: str, workload_kind: str, workload: str, *, resource: str = "", others: Iterable[Workload] = ()
) -> Mapping[str, tuple[str, ...]]:
    """The objects to which rights on these kinds are held: the workloads, the lease, and the namespaces read.

    Only in their own namespace: the leases that a right in all namespaces is about are those of nodes. A kind that was
    added to the API is defined by an object of the name `resource`, that of the kind if it is a resource itself.
    """
    beside = tuple(others)
    workloads: dict[str, tuple[str, ...]] = {}
    for kind, name in ((workload_kind, workload), *beside):
        workloads[kind] = (*workloads.get(kind, ()), name)
    added = (resource or workload_kind, *(kind for kind, _ in beside if kind not in KINDS))
    return {
        **workloads,
        "Lease": (LEASE_NAME,),
        "Namespace": ("kube-system", namespace, own_namespace(namespace)),
        DEFINITION: tuple(dict.fromkeys(added)),
    }
