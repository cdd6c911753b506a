"""Which pod template each replica was made from, and which one its workload wants."""

from collections.abc import Mapping

from chaos.history.cache import once
from chaos.history.facts.pod_lifecycles import PodLife
from chaos.history.facts.replica_counts import workload_states
from chaos.history.facts.reported import last_state
from chaos.history.model import History
from chaos.objects.base import Raw
from chaos.objects.kinds import ReplicaSetView, same_template
from chaos.objects.pod import PodView

__all__ = ["is_wanted", "owner_templates"]

REVISION = "controller-revision-hash"
"""The label by which a StatefulSet's pod names the revision that it was made from; so does its status."""


@once
def owner_templates(history: History) -> Mapping[str, Raw]:
    """The template of every ReplicaSet, by UID; empty for one that was seen without its template."""
    views = (ReplicaSetView(event.object) for event in history.watch if event.kind == "ReplicaSet")
    return {view.uid: view.template for view in views}


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
    strategy = wanted.spec.get("updateStrategy") or {}
    partition = (strategy.get("rollingUpdate") or {}).get("partition") or 0
    # It counts from the first member, whatever ordinal that has (pkg/controller/statefulset: `updateMin`).
    first = (wanted.spec.get("ordinals") or {}).get("start") or 0
    ordinal = life.name.rpartition("-")[2]
    if strategy.get("type") == "OnDelete" or (ordinal.isdecimal() and int(ordinal) - int(first) < int(partition)):
        return True
    raw, revision = last_state(history, ("Pod",), life.uid, at_ns), wanted.status.get("updateRevision")
    if raw is None or not revision or wanted.observed_generation < wanted.generation:
        return None
    return PodView(raw).labels.get(REVISION) == str(revision)
