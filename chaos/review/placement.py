"""Where replicas may run: spreads that count nobody, places that there are not, nodes that go with little notice."""

from collections.abc import Iterator
from typing import Any

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Workload
from chaos.review.patches import pod_patch
from chaos.review.shapes import pairs, rows, selects, sub, texts
from chaos.review.violation import Violation

__all__ = ["HOST", "kept_apart", "placement"]

HOST = "kubernetes.io/hostname"
ZONE, REGION = "topology.kubernetes.io/zone", "topology.kubernetes.io/region"
PLACES = {ZONE: 3, REGION: 1}
"""How many of these places a cluster has, as a rule: three zones in a region is the most that many providers have."""

REVISION = "pod-template-hash"
REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution"

NOTICE_S = {
    "cloud.google.com/gke-spot": ("GKE", 15),
    "cloud.google.com/gke-preemptible": ("GKE", 15),
    "cloud.google.com/gke-provisioning": ("GKE", 15),
    "kubernetes.azure.com/scalesetpriority": ("AKS", 30),
    "eks.amazonaws.com/capacityType": ("EKS", 120),
    "karpenter.sh/capacity-type": ("Karpenter on AWS", 120),
}
"""Labels of spot nodes, and what pods have there once the notice is given; GKE grants 15 s to those not critical."""


def placement(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about where replicas run."""
    for workload in known.workloads:
        yield from _spreads(workload)
        yield from _places(workload)
        yield from _pinned(workload)
        yield from _spot(workload)


def kept_apart(workload: Workload, *, at_release: bool = False) -> set[str]:
    """The topologies in which no place may hold two of its replicas; `at_release`: an old and a new one neither."""
    found = set()
    for term in rows(workload.pod, "affinity", "podAntiAffinity", REQUIRED):
        own = selects(sub(term, "labelSelector"), workload.labels) if "labelSelector" in term else False
        keys = term.get("matchLabelKeys")
        by_revision = isinstance(keys, list) and REVISION in keys
        if own and not (at_release and by_revision):
            found.add(str(term.get("topologyKey")))
    return found


def _spreads(workload: Workload) -> Iterator[Violation]:
    for one in rows(workload.pod, "topologySpreadConstraints"):
        selector = sub(one, "labelSelector")
        if "labelSelector" in one and selects(selector, workload.labels):
            continue
        wanted = texts(selector, "matchLabels")
        right: dict[str, Any] = {**dict.fromkeys(wanted), **texts(workload.selector, "matchLabels")}
        key = {name: one[name] for name in ("maxSkew", "topologyKey", "whenUnsatisfiable") if name in one}
        patch = pod_patch(workload, {"topologySpreadConstraints": [{**key, "labelSelector": {"matchLabels": right}}]})
        given = pairs(wanted) or "no labels"
        own = pairs(workload.labels)
        sentence = (
            f"the spread over {one.get('topologyKey')} counts pods with {given}, and these have {own}: it binds none"
        )
        patched = patch if not rows(selector, "matchExpressions") else None
        yield Violation("spread-binds-nobody", workload.manifest, sentence, (), patched)


def _places(workload: Workload) -> Iterator[Violation]:
    most = workload.ceiling
    for key in sorted(kept_apart(workload) & PLACES.keys()):
        if most is not None and most > PLACES[key]:
            what = key.rpartition("/")[2]
            sentence = f"anti-affinity lets no {what} hold two replicas, and {most} replicas need {most} {what}s"
            sums = (f"a cluster has {PLACES[key]} {what}s as a rule: {most} - {PLACES[key]} stay Pending",)
            yield Violation("anti-affinity-impossible", workload.manifest, sentence, sums)


def _pinned(workload: Workload) -> Iterator[Violation]:
    node, selector = workload.pod.get("nodeName"), sub(workload.pod, "nodeSelector")
    if not node and HOST not in selector:
        return
    change: dict[str, Any] = {"nodeName": None} if node else {}
    change |= {"nodeSelector": {HOST: None}} if HOST in selector else {}
    sentence = f"every replica is held to node {node or selector[HOST]}, and goes with it"
    yield Violation("node-pinned", workload.manifest, sentence, (), pod_patch(workload, change))


def _spot(workload: Workload) -> Iterator[Violation]:
    asked = {**texts(workload.pod, "nodeSelector"), **_required(workload.pod)}
    for label, (whose, notice_s) in NOTICE_S.items():
        if asked.get(label, "").lower() in ("true", "spot") and workload.grace_s > notice_s:
            sentence = f"spot nodes of {whose} leave a pod about {notice_s} s, not its grace of {workload.grace_s} s"
            sums = (f"{workload.grace_s} - {notice_s} = {workload.grace_s - notice_s} s of the grace are not kept",)
            yield Violation("spot-notice-short", workload.manifest, sentence, sums)


def _required(pod: Raw) -> dict[str, str]:
    """Labels that a node must have by affinity, where only one value will do."""
    terms = rows(sub(pod, "affinity", "nodeAffinity", REQUIRED), "nodeSelectorTerms")
    asked = [one for term in terms for one in rows(term, "matchExpressions")] if len(terms) == 1 else []
    found = {}
    for one in asked:
        values = one.get("values")
        if one.get("operator") == "In" and isinstance(values, list) and len(values) == 1:
            found[str(one.get("key"))] = str(values[0])
    return found
