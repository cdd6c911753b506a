"""The workload of a system that already runs: of which kind it is, whom it has as pods, and how they are made.

A Deployment and a StatefulSet say all that themselves. Any other kind is read as Kubernetes reads it: through its
`/scale`, which says how many replicas are wanted and by which labels they are selected, and by the chain of controllers
from its pods up to it. What it gives its pods stands in `spec.template`, or else is read from a live one.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from chaos.cluster import KINDS, Kind
from chaos.errors import UsageError
from chaos.objects.base import Raw, View
from chaos.objects.workload_kind import REPLICAS, WorkloadKind
from chaos.system.adopt.controller_chain import Chain, Source

__all__ = ["Workload", "kind_named", "read_workload", "workload_named"]

PLAIN = ("Deployment", "StatefulSet")
OWN = (*PLAIN, "ReplicaSet", "ReplicationController")
TOKENS = "kube-api-access-"
"""The volume of a pod's account, which the API server adds to pods and not to their template."""

ADDED_TAINTS = frozenset({"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"})
"""Tolerations of these taints for 300 s are added to pods, too (admission plugin DefaultTolerationSeconds)."""


@runtime_checkable
class Scaled(Source, Protocol):
    """A source that knows kinds which were added to the API, and what their `/scale` says."""

    def kind(self, name: str) -> Kind:
        """A kind's place in the API."""

    def has_scale(self, name: str) -> bool:
        """Whether it has a `/scale`."""

    def scale(self, kind: str, namespace: str, name: str) -> dict[str, Any] | None:
        """The `/scale` of an object, or None."""


@dataclass(frozen=True, slots=True)
class Workload:
    """A workload as it is now.

    `raw` has its number of replicas and the pods' template where a Deployment has them, whatever its kind. `chosen` are
    the labels by which it selects its pods, `labels` those that they have. `resource` is how kubectl names its kind,
    and `through` the kinds between its pods and it, ReplicaSets aside. `loose` are the kinds on the way to its pods
    whose objects do not have the labels that select these, so that they cannot be watched by them.
    """

    raw: Raw
    kind: WorkloadKind
    chosen: Mapping[str, str]
    labels: Mapping[str, str]
    loose: frozenset[str] = frozenset()
    resource: str = ""
    through: tuple[str, ...] = ()


def workload_named(text: str) -> tuple[str, str]:
    """The kind and the name in `rollouts.argoproj.io/chat`, written as kubectl does. Raises `ValueError` in words.

    A kind that is not Kubernetes' own comes as its resource, until a cluster says more.
    """
    resource, slash, name = text.partition("/")
    if not slash or not name or "/" in name:
        raise ValueError(f"{text!r} is no PLURAL.GROUP/NAME, e.g. rollouts.argoproj.io/chat")
    return kind_named(resource), name


def kind_named(resource: str) -> str:
    """The kind of a resource, as `workload_named` has it. Raises `ValueError` in words."""
    for known in (KINDS[name] for name in OWN):
        word, _, group = resource.partition(".")
        if word in (known.plural, known.name.lower()) and group in ("", known.group):
            return known.name
    if "." not in resource:
        raise ValueError(f"{resource!r} has no group: write PLURAL.GROUP, as kubectl api-resources does")
    return resource


def read_workload(source: Source, kind: str, namespace: str, name: str, through: Iterable[str] = ()) -> Workload | None:
    """Read it; None if there is none of that name. `through`: what may stand between its pods and it, where told.

    Raises `UsageError` in words for one that cannot be adopted, `ClusterRefused` if reading is refused.
    """
    if kind in PLAIN:
        raw = source.get(kind, namespace, name)
        return None if raw is None else _plain(source, raw, WorkloadKind.named(kind))
    if not isinstance(source, Scaled):
        raise UsageError(
            f"{kind} {name} is not in a cluster yet, so nothing says its scale", "deploy it, then adopt it"
        )
    return _scaled(source, kind, namespace, name, tuple(through))


def _plain(source: Source, raw: Raw, kind: WorkloadKind) -> Workload:
    view = View(raw)
    selector = view.spec.get("selector") or {}
    chosen = selector.get("matchLabels") or {}
    if not chosen or selector.get("matchExpressions"):
        raise _by_expressions(kind.name, view)
    Chain(source, raw, kind.name, frozenset(kind.through)).of(_selected(source, view.namespace, chosen), chosen)
    labels = view.spec["template"].get("metadata", {}).get("labels") or {}
    return Workload(raw, kind, dict(chosen), dict(labels), resource=kind.name.lower())


def _scaled(api: Scaled, kind: str, namespace: str, name: str, given: tuple[str, ...]) -> Workload | None:
    known = api.kind(kind)
    if known.name not in KINDS and not api.has_scale(known.name):
        raise UsageError(
            f"{known.resource} has no scale subresource, so nothing says how many replicas it wants",
            "adopt the workload that it makes, if that has one: a Deployment, a StatefulSet",
        )
    raw, scale = api.get(known.name, namespace, name), api.scale(known.name, namespace, name)
    if raw is None or scale is None:
        return None
    view = View(raw)
    if above := view.controller_kind:
        raise UsageError(
            f"{known.name} {namespace}/{name} is made by {above} {view.controller_name}, which would put it back",
            "adopt that one",
        )
    chosen = _chosen(known.name, view, str((scale.get("status") or {}).get("selector", "")))
    pods = _selected(api, namespace, chosen)
    if not pods:
        raise UsageError(
            f"{known.name} {namespace}/{name} has no pod", "see why, or scale it up: nothing can be tested"
        )
    allowed = (
        frozenset({"ReplicaSet", *(api.kind(one).name if "." in one else one for one in given)}) if given else None
    )
    chain = Chain(api, raw, known.name, allowed)
    through = chain.of(pods, chosen)
    path = REPLICAS if known.name in OWN else _replicas_path(api, known)
    spec: dict[str, Any] = {
        "replicas": int((scale.get("spec") or {}).get("replicas", 0)),
        "template": {"spec": _template(view, pods)},
    }
    status = {"replicas": int((scale.get("status") or {}).get("replicas", 0))}
    common = dict(set.intersection(*(set(pod.labels.items()) for pod in pods)))
    shown = {**raw, "spec": spec, "status": status}
    return Workload(
        shown,
        WorkloadKind(known.name, path, through),
        chosen,
        common,
        loose=chain.loose(through, chosen),
        resource=known.resource,
        through=tuple(api.kind(one).resource for one in through if one != "ReplicaSet"),
    )


def _selected(source: Source, namespace: str, chosen: Mapping[str, str]) -> list[View]:
    return [pod for pod in map(View, source.list("Pod", namespace)) if chosen.items() <= pod.labels.items()]


def _chosen(kind: str, view: View, selector: str) -> dict[str, str]:
    """The labels in the selector of a `/scale`, which is text. Raises `UsageError` if it is more than labels."""
    words = [word.strip() for word in selector.split(",")] if selector else []
    pairs = [word.replace("==", "=").partition("=") for word in words]
    if any(not equals or "!" in key or " " in f"{key}{value}" for key, equals, value in pairs):
        raise _by_expressions(kind, view)
    if not pairs:
        raise UsageError(
            f"the scale of {kind} {view.namespace}/{view.name} names no selector, so its pods cannot be told",
            "its CustomResourceDefinition must have a labelSelectorPath, and its controller must fill it in",
        )
    return {key: value for key, _, value in pairs}


def _by_expressions(kind: str, view: View) -> UsageError:
    return UsageError(
        f"{kind} {view.namespace}/{view.name} selects its pods by expressions, which gameday cannot watch by",
        "adopt a workload whose selector has matchLabels only",
    )


def _replicas_path(api: Scaled, kind: Kind) -> tuple[str, ...]:
    """Where the object itself holds what its `/scale` says: by its definition."""
    definition = api.get("CustomResourceDefinition", None, kind.resource)
    versions = View(definition).spec.get("versions") or () if definition else ()
    version: Raw = next((one for one in versions if f"{kind.group}/{one['name']}" == kind.api_version), {})
    path = str(((version.get("subresources") or {}).get("scale") or {}).get("specReplicasPath", ""))
    if not path:
        raise UsageError(
            f"no CustomResourceDefinition says where {kind.resource} hold their number of replicas",
            "only kinds of Kubernetes' own and of CustomResourceDefinitions can be adopted",
        )
    return tuple(path.removeprefix(".").split("."))


def _template(view: View, pods: list[View]) -> Raw:
    """What it gives its pods: as it says, or as its newest pod has it, without what the API server adds to pods."""
    template = (view.spec.get("template") or {}).get("spec") or {}
    if template.get("containers"):
        return dict(template)
    newest = max(pods, key=lambda pod: (pod.created, pod.name)).spec
    spec = {key: value for key, value in newest.items() if key != "nodeName"}
    spec["volumes"] = [one for one in spec.get("volumes") or () if not str(one["name"]).startswith(TOKENS)]
    spec["tolerations"] = [one for one in spec.get("tolerations") or () if one.get("key") not in ADDED_TAINTS]
    spec["containers"] = [
        {**one, "volumeMounts": [m for m in one.get("volumeMounts") or () if not str(m["name"]).startswith(TOKENS)]}
        for one in spec["containers"]
    ]
    return spec
