"""Find a system that already runs, and read from its live objects all that scenarios need to know. Nothing is written.

What the file does not name is found by what it belongs to: the Service and the disruption budget by the pods that they
select, the autoscaler by its target. None or several is an error that names the candidates, never a guess.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from chaos.cluster import Scope, ref_of, selector_of
from chaos.errors import UsageError
from chaos.history.facts.autoscaler import AutoscalerView
from chaos.objects.base import Raw, View, matches
from chaos.objects.kinds import SERVICE_NAME
from chaos.system.adopt.controller_chain import Source
from chaos.system.adopt.live_spec import shared_claims, spec_of, volumes_of
from chaos.system.adopt.workload import Workload, read_workload
from chaos.system.system import System

__all__ = ["Adopted", "SystemQuery", "adopt"]


@dataclass(frozen=True, slots=True)
class SystemQuery:
    """What is looked for. An empty name is found; a port of None is the Service's only one.

    `kind` is one of Kubernetes' own, or the resource of another: `rollouts.argoproj.io`. `through` are the kinds of
    controllers between its pods and it, named likewise; empty: found.
    `data` are the files that must survive, by their paths in the container; with them, claims are looked up too.
    """

    namespace: str
    kind: str
    name: str
    service: str = ""
    port: int | None = None
    disruption_budget: str = ""
    autoscaler: str = ""
    tolerance: int | None = None
    through: tuple[str, ...] = ()
    data: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Adopted:
    """A system that was found, with its workload as it is, and what to watch of a namespace that others use too.

    In `workload` the number of replicas and the pods' template stand where a Deployment has them, whatever its kind.
    `resource` is how kubectl names that kind, `through` those between its pods and it, ReplicaSets aside.
    `raws` are its objects; the workload has its selector and its pods' labels where a Deployment has them.
    """

    system: System
    workload: Raw
    scopes: tuple[Scope, ...]
    resource: str = "deployment"
    through: tuple[str, ...] = ()
    raws: tuple[Raw, ...] = ()


def adopt(cluster: Source, query: SystemQuery) -> Adopted:
    """Find the system. Raises `UsageError` naming what is missing or ambiguous, `ClusterRefused` if reading is."""
    read = read_workload(cluster, query.kind, query.namespace, query.name, query.through)
    if read is None:
        raise UsageError(*_missing(cluster, query))
    workload = read.raw
    service = _service(cluster, query, read.labels)
    budget = _budget(cluster, query, read)
    autoscaler = _autoscaler(cluster, query, read.kind.name)
    found = [one for one in (budget, service, workload, autoscaler) if one is not None]
    port = _port(service, query)
    claims = _claims(cluster, query, workload)
    volumes = volumes_of(workload, claims, query.data)
    system = System(
        spec=spec_of(
            workload, port=port, budget=budget, autoscaler=autoscaler, tolerance=query.tolerance, volumes=volumes
        ),
        namespace=query.namespace,
        selector=read.chosen,
        workload=ref_of(workload),
        service=View(service).name,
        port=port,
        cluster_ip=str(View(service).spec.get("clusterIP", "")),
        generations={ref_of(one).kind: View(one).generation for one in found},
        pods_before=int(View(workload).status.get("replicas", 0)),
        objects=tuple(map(ref_of, found)),
        template=View(workload).spec["template"]["spec"],
        workload_kind=read.kind,
    )
    claimed = _claim_scopes(system, claims) if query.data else ()
    raws = tuple(_labelled(read) if one is workload else one for one in found)
    return Adopted(system, workload, (*_scopes(system, read), *claimed), read.resource, read.through, raws)


def _labelled(read: Workload) -> Raw:
    """The workload with its selector, and the labels of its pods."""
    spec = View(read.raw).spec
    template = {**spec["template"], "metadata": {"labels": dict(read.labels)}}
    return {**read.raw, "spec": {"selector": {"matchLabels": dict(read.chosen)}, **spec, "template": template}}


def _missing(cluster: Source, query: SystemQuery) -> tuple[str, str]:
    if cluster.get("Namespace", None, query.namespace) is None:
        return f"there is no namespace {query.namespace} in the cluster", "correct system.namespace"
    there = sorted(View(one).name for one in cluster.list(query.kind, query.namespace))
    fix = f"name one of {', '.join(there)}" if there else f"namespace {query.namespace} has none; see gameday init"
    return f"no {query.kind} {query.name} in namespace {query.namespace}", fix


def _service(cluster: Source, query: SystemQuery, labels: Mapping[str, str]) -> Raw:
    if query.service:
        return _by_name(cluster, "Service", query.namespace, query.service)
    found = [
        one
        for one in cluster.list("Service", query.namespace)
        if (selector := View(one).spec.get("selector")) and selector.items() <= labels.items()
    ]
    # A headless Service sends nobody anywhere: it names the pods of a StatefulSet.
    serving = [one for one in found if View(one).spec.get("clusterIP") != "None"] or found
    if one := _only("Service", "name one as system.service", serving):
        return one
    raise UsageError(
        f"no Service in namespace {query.namespace} selects the pods of {query.name}, so no traffic can reach them",
        f"kubectl expose {query.kind.lower()} {query.name} -n {query.namespace} --port 80 --target-port …"
        if query.kind == "Deployment"
        else "make a Service that selects them",
    )


def _budget(cluster: Source, query: SystemQuery, read: Workload) -> Raw | None:
    """The budget over its pods. One that is named must be that, too: faults change it as the system's own."""
    if not query.disruption_budget:
        over = [one for one in cluster.list("PodDisruptionBudget", query.namespace) if _is_over(one, read.labels)]
        remedy = "name one as system.disruption_budget; Kubernetes evicts no pod that two of them select"
        return _only("PodDisruptionBudget", remedy, over)
    named = _by_name(cluster, "PodDisruptionBudget", query.namespace, query.disruption_budget)
    # Labels that are added to pods only are not in their template.
    pods = [View(pod).labels for pod in cluster.list("Pod", query.namespace)]
    if any(_is_over(named, one) for one in (read.labels, *pods) if read.chosen.items() <= one.items()):
        return named
    raise UsageError(
        f"PodDisruptionBudget {query.disruption_budget} in namespace {query.namespace} selects no pod of {query.name}",
        "correct system.disruption_budget, or leave it out: the budget over the pods is found",
    )


def _is_over(budget: Raw, labels: Mapping[str, str]) -> bool:
    bound = View(budget).spec.get("selector")
    return bound is not None and matches(bound, labels)


def _autoscaler(cluster: Source, query: SystemQuery, kind: str) -> Raw | None:
    if query.autoscaler:
        return _by_name(cluster, "HorizontalPodAutoscaler", query.namespace, query.autoscaler)
    scalers = cluster.list("HorizontalPodAutoscaler", query.namespace)
    ours = [one for one in scalers if AutoscalerView(one).target == (kind, query.name)]
    return _only("HorizontalPodAutoscaler", "name one as system.autoscaler", ours)


def _claims(cluster: Source, query: SystemQuery, workload: Raw) -> dict[str, Raw]:
    """The claims that all replicas share, where files on them must survive: else nobody needs the right to see them."""
    names = shared_claims(workload) if query.data else ()
    found = {name: cluster.get("PersistentVolumeClaim", query.namespace, name) for name in names}
    return {name: claim for name, claim in found.items() if claim is not None}


def _by_name(cluster: Source, kind: str, namespace: str, name: str) -> Raw:
    found = cluster.get(kind, namespace, name)
    if found is None:
        there = ", ".join(sorted(View(one).name for one in cluster.list(kind, namespace))) or "none"
        raise UsageError(f"no {kind} {name} in namespace {namespace}", f"there is {there}")
    return found


def _only(kind: str, remedy: str, found: Sequence[Raw]) -> Raw | None:
    if len(found) > 1:
        names = ", ".join(sorted(View(one).name for one in found))
        raise UsageError(f"{len(found)} objects of kind {kind} belong to the pods: {names}", remedy)
    return found[0] if found else None


def _port(service: Raw, query: SystemQuery) -> int:
    ports = [int(one["port"]) for one in View(service).spec.get("ports") or () if one.get("protocol", "TCP") == "TCP"]
    listed = ", ".join(map(str, ports)) or "none"
    if query.port is None and len(ports) == 1:
        return ports[0]
    if query.port in ports:
        return int(query.port or 0)
    wrong = "it has not just one" if query.port is None else f"{query.port} is none of them"
    raise UsageError(f"Service {View(service).name} has the TCP ports {listed}; {wrong}", "name one as system.port")


def _claim_scopes(system: System, claims: Mapping[str, Raw]) -> tuple[Scope, ...]:
    """The claims that are mounted, and their volumes: the only one by its name, and several as all that there are."""
    names = {volume.claim for volume in system.spec.volumes if volume.storage or volume.claim}
    only = (names.pop() if len(names) == 1 else None) or ""
    volume = View(claims[only]).spec.get("volumeName") if only in claims else None
    return (
        Scope("PersistentVolumeClaim", system.namespace, name=only),
        Scope("PersistentVolume", None, name=str(volume or "")),
    )


def _scopes(system: System, read: Workload) -> tuple[Scope, ...]:
    """What to watch: the system's own objects only, in a namespace that others use too."""
    pods = selector_of(system.selector)
    names = {ref.kind: ref.name for ref in system.objects}

    def named(kind: str) -> Scope:
        # Without an object of that kind: one that is made under the workload's name would be seen.
        return Scope(kind, system.namespace, name=names.get(kind, system.workload.name))

    between = tuple(
        Scope(kind, system.namespace, "" if kind in read.loose else pods)
        for kind in dict.fromkeys(("ReplicaSet", *read.kind.through))
        if kind != system.workload.kind
    )
    return (
        Scope("Pod", system.namespace, pods),
        named(system.workload.kind),
        *between,
        Scope("Service", system.namespace, name=system.service),
        Scope("EndpointSlice", system.namespace, f"{SERVICE_NAME}={system.service}"),
        named("PodDisruptionBudget"),
        named("HorizontalPodAutoscaler"),
        Scope("Event", system.namespace),
    )
