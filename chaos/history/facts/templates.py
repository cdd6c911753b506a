"""Which pod template each replica was made from, and which one its workload wants."""

from bisect import bisect_right
from collections.abc import Mapping

from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import workload_states
from chaos.history.facts.reported_reasons import last_state
from chaos.history.model import History
from chaos.objects.base import Raw
from chaos.objects.kinds import ReplicaSetView
from chaos.objects.pod import PodView
from chaos.objects.pod_template import same_template

__all__ = ["as_admitted", "is_wanted", "keeps_template", "of_template", "owner_templates", "template_at"]

ADDED = {"initContainers": "name", "containers": "name", "readinessGates": "conditionType"}
"""The lists of a pod's spec that webhooks add to, and what tells their entries apart."""

REVISION = "controller-revision-hash"
"""The label by which a StatefulSet's pod names the revision that it was made from; so does its status."""


@once
def owner_templates(history: History) -> Mapping[str, Raw]:
    """The template of every ReplicaSet, by UID; empty for one that was seen without its template."""
    views = (ReplicaSetView(event.object) for event in history.watch if event.kind == "ReplicaSet")
    return {view.uid: view.template for view in views}


@once
def member_revisions(history: History) -> Mapping[str, str]:
    """The revision that each of a StatefulSet's pods was made from, by the pod's UID."""
    pods = (PodView(event.object) for event in history.watch if event.kind == "Pod")
    return {pod.uid: str(pod.labels[REVISION]) for pod in pods if pod.labels.get(REVISION)}


def template_at(history: History, at_ns: int) -> Raw:
    """The pod spec that the workload gave its pods at a moment, empty if it was not seen by then or has none."""
    view = _workload_at(history, at_ns)
    spec = view.pod_spec if view is not None else {}
    return spec if spec.get("containers") else {}


def of_template(history: History, life: PodLife, at_ns: int) -> bool | None:
    """Whether a replica was made from the template that its workload has at a moment; None: the record cannot say."""
    wanted, kind = _workload_at(history, at_ns), history.facts.workload_kind
    if wanted is None:
        return None
    if kind == "Deployment":
        made = owner_templates(history).get(life.owner_uid)
        return same_template(made, wanted.template) if made else None
    revision, newest = member_revisions(history).get(life.uid), wanted.status.get("updateRevision")
    return revision == str(newest) if kind == "StatefulSet" and revision is not None and newest else None


def keeps_template(history: History, life: PodLife, at_ns: int) -> bool:
    """Whether the pod in place of a replica is of that one's template, which is not its workload's own one then.

    A ReplicaSet makes pods of its own template, however far a release is; a StatefulSet those below its partition of
    the former revision, and all others of the new one (pkg/controller/statefulset: `newVersionedStatefulSetPod`).
    """
    wanted, other = _workload_at(history, at_ns), of_template(history, life, at_ns) is False
    return (
        other
        and wanted is not None
        and (history.facts.workload_kind == "Deployment" or _below_partition(wanted, life.name))
    )


def as_admitted(template: Raw, made: Raw) -> Raw:
    """The pod spec of a template, and what a pod of another has besides that one: sidecars and readiness gates.

    Of a pod that was made from this very template its own spec says all. Webhooks add these to pods alone, e.g. a mesh
    its proxy, and a load balancer's controller the gate that it opens (Kubernetes documentation, "Dynamic Admission
    Control"; "Pod Lifecycle", section "Pod readiness").
    """
    known = {part: {one.get(key) for one in template.get(part) or ()} for part, key in ADDED.items()}
    more = {part: [one for one in made.get(part) or () if one.get(ADDED[part]) not in known[part]] for part in ADDED}
    added = {part: [*ones, *(template.get(part) or ())] for part, ones in more.items() if ones}
    return {**template, **added} if added else template


def is_wanted(history: History, life: PodLife, at_ns: int) -> bool | None:
    """Whether a replica is of the template that its workload wanted then, or need not be; None: the record cannot say.

    A Deployment's pods are of its own template (not while it is paused), a StatefulSet's of its update revision: but
    for ordinals below the partition, and with OnDelete none has to. Others do not say which template they want.
    """
    states = [view for known_ns, view in workload_states(history) if known_ns <= at_ns]
    if not states:
        return None
    wanted, kind = states[-1], history.facts.workload_kind
    if kind == "Deployment":
        made = owner_templates(history).get(life.owner_uid)
        same = bool(made) and same_template(made or {}, wanted.template)
        return same if made and (same or not wanted.spec.get("paused")) else None
    return _member_is_wanted(history, life, wanted, at_ns) if kind == "StatefulSet" else True


def _member_is_wanted(history: History, life: PodLife, wanted: ReplicaSetView, at_ns: int) -> bool | None:
    on_delete = (wanted.spec.get("updateStrategy") or {}).get("type") == "OnDelete"
    if on_delete or _below_partition(wanted, life.name):
        return True
    raw, revision = last_state(history, ("Pod",), life.uid, at_ns), wanted.status.get("updateRevision")
    if raw is None or not revision or wanted.observed_generation < wanted.generation:
        return None
    return PodView(raw).labels.get(REVISION) == str(revision)


def _below_partition(wanted: ReplicaSetView, name: str) -> bool:
    """Whether a member is among those that a StatefulSet keeps of its former revision."""
    strategy = wanted.spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    # It counts from the first member, whatever ordinal that has (pkg/controller/statefulset: `updateMin`).
    first = (wanted.spec.get("ordinals") or {}).get("start") or 0
    ordinal = name.rpartition("-")[2]
    return strategy.get("type") != "OnDelete" and ordinal.isdecimal() and int(ordinal) - int(first) < int(partition)


def _workload_at(history: History, at_ns: int) -> ReplicaSetView | None:
    states = workload_states(history)
    place = bisect_right(states, at_ns, key=lambda state: state[0])
    return states[place - 1][1] if place else None
