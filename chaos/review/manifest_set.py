"""All manifests of a review together: which budget, Service and autoscaler belongs to which workload."""

from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from chaos.errors import plural
from chaos.objects.base import Raw, kind_in
from chaos.review.model import Manifest, Scaler, Workload
from chaos.review.shapes import rows, selects, sub, texts

__all__ = ["NEAR_MAX", "ManifestSet", "akin", "gather"]

BUDGET, SERVICE, CLAIM, LIMITS = "PodDisruptionBudget", "Service", "PersistentVolumeClaim", "LimitRange"
SCALERS = ("HorizontalPodAutoscaler", "ScaledObject.keda.sh")
RULED = frozenset({BUDGET, SERVICE, CLAIM, LIMITS, *SCALERS})
OWN = ("Deployment", "StatefulSet")
BOUNDED = frozenset({"Job", "CronJob", "Pod", "DaemonSet", "PodTemplate"})
"""Kinds of Kubernetes' own with pods, but without a number of replicas that somebody keeps."""

CLUSTER_WIDE = frozenset(
    {
        *("Namespace", "Node", "PersistentVolume", "ClusterRole", "ClusterRoleBinding", "CustomResourceDefinition"),
        *("StorageClass", "PriorityClass", "RuntimeClass", "APIService", "CSIDriver", "IngressClass"),
        *("ValidatingWebhookConfiguration", "MutatingWebhookConfiguration"),
    }
)
MAKERS = frozenset(
    {
        *("LeaderWorkerSet", "JobSet", "RayService", "RayCluster", "RayJob", "InferenceService", "LLMInferenceService"),
        *("SeldonDeployment", "BentoDeployment", "DynamoGraphDeployment", "DynamoComponentDeployment", "NIMService"),
        *("ModelService", "Workspace", "Rollout", "CloneSet", "InferenceGraph", "MPIJob", "PyTorchJob", "VLLMRuntime"),
        *("PodCliqueSet", "PodClique", "ScaledJob", "SparkApplication"),
    }
)
"""Kinds of others that are known to make pods, whose labels only their controller knows."""

NEAR_MAX = 100
"""So many workloads are looked at for one that a selector of nobody's pods may mean."""

Place = tuple[str, str, str]


@dataclass(frozen=True, slots=True, eq=False)
class ManifestSet:
    """What a review knows.

    Attributes:
        manifests: every object that was read, in order.
        workloads: those that have pods and a number of them.
        budgets: the disruption budgets, with whose pods each selects.
        services: the Services with a selector, likewise.
        scalers: the autoscalers.
        placed: the workloads by namespace.
        by_kind: namespace and name of each object, by its kind.
        limits: the LimitRanges, by namespace.
        others: labels of pods that no workload keeps, by namespace.
        blind: namespaces where something makes pods whose labels are not known.
        routed: whether an InferencePool or the like sends traffic to pods without a Service.
        tagged: images that a kustomization gives their version.
        notes: what was passed over, counted.

    """

    manifests: Sequence[Manifest]
    workloads: Sequence[Workload]
    scalers: Sequence[Scaler]
    placed: Mapping[str, Sequence[Workload]] = field(default_factory=dict)
    budgets: dict[Manifest, list[Workload]] = field(default_factory=dict)
    services: dict[Manifest, list[Workload]] = field(default_factory=dict)
    by_kind: Mapping[str, Container[tuple[str, str]]] = field(default_factory=dict)
    claims: Mapping[Place, Manifest] = field(default_factory=dict)
    limits: Mapping[str, Sequence[Manifest]] = field(default_factory=dict)
    others: Mapping[str, Sequence[Mapping[str, str]]] = field(default_factory=dict)
    blind: frozenset[str] = frozenset()
    routed: bool = False
    tagged: frozenset[str] = frozenset()
    notes: tuple[str, ...] = ()

    def in_namespace(self, namespace: str) -> Sequence[Workload]:
        """The workloads of a namespace."""
        return self.placed.get(namespace, ())

    def meant(self, manifest: Manifest, selector: Raw, free: Sequence[Workload]) -> list[Workload]:
        """Of the workloads that nothing of this kind selects, those that a selector of nobody's pods may mean.

        By a name, or a label's value; the pods of others may well be what it selects.
        """
        known = self.others.get(manifest.namespace, ())
        if manifest.namespace in self.blind or any(selects(selector, labels) for labels in known):
            return []
        wanted = {manifest.name, *texts(selector, "matchLabels").values()}
        return [one for one in free[:NEAR_MAX] if akin(wanted, {one.manifest.name, *one.labels.values()})]

    def names(self, kind: str) -> Container[tuple[str, str]]:
        """The namespace and name of each object of a kind."""
        return self.by_kind.get(kind, frozenset())

    def claim(self, workload: Workload, name: str) -> Manifest | None:
        """A claim that its pods mount, if it was read."""
        return self.claims.get((CLAIM, workload.manifest.namespace, name))


def akin(wanted: set[str], own: set[str]) -> bool:
    """Whether a word is one of the other's, or a part of one: chat, and chat-server."""
    pairs = [(one, other) for one in wanted for other in own]
    return any(
        one == other or (min(len(one), len(other)) > 2 and (one in other or other in one)) for one, other in pairs
    )


class _Labels:
    """Finds the workloads that a selector selects by the rarest label that it wants, not by asking each."""

    def __init__(self, workloads: Iterable[Workload]) -> None:
        self.placed: dict[str, list[Workload]] = {}
        self._by_label: dict[Place, list[Workload]] = {}
        for one in workloads:
            namespace = one.manifest.namespace
            self.placed.setdefault(namespace, []).append(one)
            for key, value in one.labels.items():
                self._by_label.setdefault((namespace, key, value), []).append(one)

    def selected(self, namespace: str, selector: Raw) -> list[Workload]:
        """In the order in which they were read."""
        wanted = texts(selector, "matchLabels").items()
        pools = [self._by_label.get((namespace, key, value), []) for key, value in wanted]
        asked = min(pools, key=len) if pools else self.placed.get(namespace, [])
        return [one for one in asked if selects(selector, one.labels)]


def gather(read: Iterable[Manifest], tagged: frozenset[str] = frozenset()) -> ManifestSet:
    """Put manifests together. An object that repeats another is passed over."""
    manifests, notes = _placed(list(read))
    keepers = {_place(one) for one in manifests if _is_workload(one)}
    workloads = [Workload(one) for one in manifests if _place(one) in keepers and not _owned_by(one, keepers)]
    labels = _Labels(workloads)
    places = {_place(one) for one in manifests if one.kind in SCALERS}
    scalers = [Scaler(one) for one in manifests if _place(one) in places and not _owned_by(one, places)]
    found = ManifestSet(
        manifests,
        workloads,
        scalers,
        labels.placed,
        by_kind=_names(manifests),
        claims={_place(one): one for one in manifests if one.kind == CLAIM},
        limits=_limits(manifests),
        others=_others(manifests),
        blind=frozenset(one.namespace for one in manifests if _makes_pods(one)),
        routed=any(one.raw.get("kind") == "InferencePool" for one in manifests),
        tagged=tagged,
        notes=(*notes, *_passed_over(manifests)),
    )
    for one in manifests:
        if one.kind == BUDGET:
            selector = one.spec.get("selector")
            found.budgets[one] = labels.selected(one.namespace, selector) if isinstance(selector, Mapping) else []
            for workload in found.budgets[one]:
                workload.budgets.append(one)
        elif one.kind == SERVICE and (wanted := sub(one.spec, "selector")):
            found.services[one] = labels.selected(one.namespace, {"matchLabels": wanted})
            for workload in found.services[one]:
                workload.services.append(one)
    by_name = {(one.manifest.kind, one.manifest.namespace, one.manifest.name): one for one in workloads}
    for one in manifests:
        ref = sub(one.spec, "workloadRef")
        kind = kind_in(ref.get("apiVersion", ""), ref.get("kind", ""))
        if (borrowed := by_name.get((kind, one.namespace, str(ref.get("name"))))) is not None:
            borrowed.borrowers.append(one)
    for scaler in scalers:
        kind, name = scaler.target
        if (target := by_name.get((kind, scaler.manifest.namespace, name))) is not None:
            target.scalers.append(scaler)
    return found


def _placed(read: list[Manifest]) -> tuple[list[Manifest], list[str]]:
    """Each in its namespace and once. Where only one namespace is named, what names none is meant for it.

    Only by what belongs to a service: its monitoring, and its rights, often lie in a namespace of others.
    """
    named = {namespace for one in read if _is_ruled(one) and (namespace := one.namespace)}
    usual = next(iter(named)) if len(named) == 1 else ""
    found: dict[Place, Manifest] = {}
    repeated = []
    for one in read:
        placed = one if str(one.raw.get("kind")) in CLUSTER_WIDE else replace(one, usual_namespace=usual)
        if _place(placed) in found:
            repeated.append(f"{one.label} ({one.path}:{one.line})")
        else:
            found[_place(placed)] = placed
    notes = [f"passed over, as they repeat an object that was read already: {', '.join(repeated)}"] if repeated else []
    return list(found.values()), notes


def _place(manifest: Manifest) -> Place:
    return manifest.kind, manifest.namespace, manifest.name


def _is_ruled(manifest: Manifest) -> bool:
    """Whether rules are about it."""
    return manifest.kind in RULED or _is_workload(manifest)


def _is_workload(manifest: Manifest) -> bool:
    """Whether it has a number of replicas and their template, as a Deployment has them; a part of one does not."""
    spec = manifest.spec
    counted = manifest.kind in OWN or "replicas" in spec or "selector" in spec
    if manifest.kind in BOUNDED or not counted:
        return False
    return any("image" in one for one in rows(spec, "template", "spec", "containers"))


def _owned_by(manifest: Manifest, keepers: Container[Place]) -> bool:
    """Whether one of these has made it, as a Deployment its ReplicaSets, and a ScaledObject its autoscaler."""
    owners = rows(manifest.raw, "metadata", "ownerReferences")
    kinds = [(kind_in(one.get("apiVersion", ""), one.get("kind", "")), str(one.get("name"))) for one in owners]
    return any((kind, manifest.namespace, name) in keepers for kind, name in kinds)


def _makes_pods(manifest: Manifest) -> bool:
    if _is_workload(manifest) or sub(manifest.spec, "workloadRef"):
        return False
    known = str(manifest.raw.get("kind")) in MAKERS
    return known or ("." in manifest.kind and bool(rows(manifest.spec, "template", "spec", "containers")))


def _names(manifests: Sequence[Manifest]) -> dict[str, set[tuple[str, str]]]:
    found: dict[str, set[tuple[str, str]]] = {}
    for one in manifests:
        found.setdefault(one.kind, set()).add((one.namespace, one.name))
    return found


def _limits(manifests: Sequence[Manifest]) -> dict[str, list[Manifest]]:
    found: dict[str, list[Manifest]] = {}
    for one in manifests:
        if one.kind == LIMITS:
            found.setdefault(one.namespace, []).append(one)
    return found


def _others(manifests: Sequence[Manifest]) -> dict[str, list[Mapping[str, str]]]:
    found: dict[str, list[Mapping[str, str]]] = {}
    for one in manifests:
        if one.kind in BOUNDED:
            spec = sub(one.spec, "jobTemplate", "spec") if one.kind == "CronJob" else one.spec
            holder = one.raw if one.kind == "Pod" else sub(spec, "template")
            found.setdefault(one.namespace, []).append(texts(holder, "metadata", "labels"))
    return found


def _passed_over(manifests: Sequence[Manifest]) -> Iterator[str]:
    left: list[str] = []
    for one in manifests:
        if _is_ruled(one):
            continue
        if one.kind == "DaemonSet":
            yield f"{one.words} is not reviewed: a DaemonSet has no number of replicas, the nodes decide on it"
        elif _makes_pods(one):
            yield f"{one.words} is not reviewed: its own controller makes its pods, in a form that no rule reads"
        elif one.kind in OWN:
            yield f"{one.words} is not reviewed: it names no image, so it is a part that changes another object"
        else:
            left.append(str(one.raw.get("kind")))
    if left:
        kinds = ", ".join(f"{number} {kind}" for kind, number in sorted(Counter(left).items()))
        yield f"passed over {plural(len(left), 'object')} that no rule is about: {kinds}"
