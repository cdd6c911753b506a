"""What the API server refuses, or drops unseen where nobody validates strictly: values, fields, selectors, ports."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import SELECTOR_FIELDS, Manifest, Workload
from chaos.review.patches import Patch, container_patch, patch_of, pod_patch
from chaos.review.shapes import (
    HANDLERS,
    PROBES,
    is_placeholder,
    meant_number,
    pairs,
    quoted,
    rows,
    selects,
    sub,
    texts,
    whole,
)
from chaos.review.violation import Violation

__all__ = ["refused"]

HOOKS = frozenset({"preStop", "postStart", "stopSignal"})
TIMES = ("initialDelaySeconds", "periodSeconds", "timeoutSeconds", "successThreshold", "failureThreshold")
PROBE_FIELDS = frozenset({*HANDLERS, *TIMES, "terminationGracePeriodSeconds"})
ONLY_CONTAINER = frozenset({*PROBES, "lifecycle", "image", "env", "envFrom", "volumeMounts", "imagePullPolicy"})
ONLY_POD = frozenset(
    {
        *("terminationGracePeriodSeconds", "affinity", "tolerations", "nodeSelector", "topologySpreadConstraints"),
        *("volumes", "initContainers", "enableServiceLinks", "serviceAccountName", "priorityClassName"),
    }
)
COUNTED = frozenset({"Deployment", "StatefulSet", "HorizontalPodAutoscaler"})
NUMBERS = ("replicas", "minReplicas", "maxReplicas", "minReadySeconds", "progressDeadlineSeconds")
SERVICE_PORTS = ("port", "targetPort", "nodePort")
TEXTS: tuple[tuple[str, ...], ...] = (
    ("metadata", "labels"),
    ("metadata", "annotations"),
    ("spec", "selector", "matchLabels"),
    ("spec", "template", "metadata", "labels"),
    ("spec", "template", "metadata", "annotations"),
)
"""Where each value is text."""


def refused(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about what the API server does not take."""
    for one in known.manifests:
        yield from _numbers(one)
        yield from _quoted_ports(one)
        yield from _labels(one)
        yield from _budget_selector(one)
    for workload in known.workloads:
        yield from _selector(workload)
        yield from _misplaced(workload)
        yield from _grace(workload)
        yield from _scheduling(workload)
        for container in [*rows(workload.pod, "initContainers"), *workload.containers]:
            yield from _environment(workload, container)
            yield from _quoted(workload, container)
            yield from _fields(workload, container)
            yield from _thresholds(workload, container)
        for container in workload.containers:
            yield from _ports(workload, container)


def _numbers(one: Manifest) -> Iterator[Violation]:
    """Numbers in quotes; a placeholder is filled in by who applies it."""
    for key in NUMBERS:
        value = one.spec.get(key)
        if isinstance(value, str) and not is_placeholder(value) and one.kind in COUNTED:
            patch = patch_of(one, {key: number}) if (number := quoted(value)) is not None else None
            sentence = f'{key} "{value}" is text: the API wants a number, and refuses it'
            yield Violation("value-not-number", one, sentence, (), patch)


def _quoted_ports(one: Manifest) -> Iterator[Violation]:
    """A Service's ports in quotes. A targetPort is a name then, which needs a letter (`IsValidPortName`)."""
    for port in rows(one.spec, "ports") if one.kind == "Service" else ():
        wrong = {key: number for key in SERVICE_PORTS if (number := quoted(port.get(key))) is not None}
        if wrong:
            listed = ", ".join(f'{key} "{number}"' for key, number in wrong.items())
            patch = patch_of(one, {"ports": [{**wrong, "port": port["port"]}]}) if whole(port.get("port")) else None
            sentence = f"{listed} in quotes: the API wants a number, and refuses it"
            yield Violation("value-not-number", one, sentence, (), patch)


def _quoted(workload: Workload, container: Raw) -> Iterator[Violation]:
    """Times and ports of probes in quotes, likewise, and those of the container's ports."""
    wrong: list[tuple[str, int]] = []
    fields: dict[str, Any] = {}
    for probe in PROBES:
        given = sub(container, probe)
        times = {key: number for key in TIMES if (number := quoted(given.get(key))) is not None}
        asked = {key: number for key in HANDLERS if (number := quoted(sub(given, key).get("port"))) is not None}
        wrong += [(f"{probe}.{key}", number) for key, number in times.items()]
        wrong += [(f"{probe}.{key}.port", number) for key, number in asked.items()]
        if times or asked:
            fields[probe] = {**times, **{key: {"port": number} for key, number in asked.items()}}
    ports = [number for one in rows(container, "ports") if (number := quoted(one.get("containerPort"))) is not None]
    wrong += [("containerPort", number) for number in ports]
    if wrong:
        listed = ", ".join(f'{key} "{number}"' for key, number in wrong)
        sentence = f"{listed} in quotes (container {container.get('name')}): the API wants a number, and refuses it"
        patch = None if ports else container_patch(workload, container, fields)
        yield Violation("value-not-number", workload.manifest, sentence, (), patch)


def _grace(workload: Workload) -> Iterator[Violation]:
    key = "terminationGracePeriodSeconds"
    if (number := quoted(workload.pod.get(key))) is not None:
        sentence = f'{key} "{number}" is text: the API wants a number, and refuses it'
        yield Violation("value-not-number", workload.manifest, sentence, (), pod_patch(workload, {key: number}))


def _labels(one: Manifest) -> Iterator[Violation]:
    for path in (*TEXTS, ("spec", "selector")) if one.kind == "Service" else TEXTS:
        given = sub(one.raw, *path)
        for key in [key for key, value in given.items() if not isinstance(value, str)]:
            where = f"{'.'.join(path)}: {key}"
            yield Violation("value-not-text", one, f"{where} is {_shown(given[key])}, not text: the API refuses it")


def _shown(value: Any) -> str:
    """As YAML has it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _scheduling(workload: Workload) -> Iterator[Violation]:
    """Where pods may run is said in text: the label of a node is "true", not true."""
    selector = sub(workload.pod, "nodeSelector")
    nodes = {str(key): value for key, value in selector.items() if not isinstance(value, str)}
    wrong = {f"nodeSelector: {key}": value for key, value in nodes.items()}
    for one in rows(workload.pod, "tolerations"):
        if "value" in one and not isinstance(one["value"], str):
            wrong[f"tolerations: the value for {one.get('key')}"] = one["value"]
    for where, value in wrong.items():
        fields = {"nodeSelector": {key: _shown(given) for key, given in nodes.items()}}
        patch = pod_patch(workload, fields) if where.startswith("nodeSelector") else None
        sentence = f"{where} is {_shown(value)}, not text: the API refuses it"
        yield Violation("value-not-text", workload.manifest, sentence, (), patch)


def _environment(workload: Workload, container: Raw) -> Iterator[Violation]:
    wrong = [one for one in rows(container, "env") if "value" in one and not isinstance(one["value"], str)]
    if wrong:
        named = ", ".join(f"{one.get('name')}: {_shown(one['value'])}" for one in wrong)
        fields = {"env": [{"name": one.get("name"), "value": _shown(one["value"])} for one in wrong]}
        sentence = f"env of container {container.get('name')} must be text, and is not ({named}): the API refuses it"
        patch = container_patch(workload, container, fields)
        yield Violation("value-not-text", workload.manifest, sentence, (), patch)
    for key in ("command", "args"):
        words = container.get(key)
        bare = [word for word in words if not isinstance(word, str)] if isinstance(words, list) else []
        if bare:
            listed = ", ".join(map(_shown, bare))
            sentence = (
                f"{key} of container {container.get('name')} must be text, and {listed} is not: the API refuses it"
            )
            fixed = {key: [_shown(word) for word in words or ()]}
            yield Violation(
                "value-not-text", workload.manifest, sentence, (), container_patch(workload, container, fixed)
            )


def _budget_selector(one: Manifest) -> Iterator[Violation]:
    selector = sub(one.spec, "selector")
    if one.kind == "PodDisruptionBudget" and selector and not SELECTOR_FIELDS & selector.keys():
        sentence = (
            f"`{next(iter(selector))}` is no field of a selector, labels stand in matchLabels: without it every pod of "
            "the namespace is bound, and a strict kubectl refuses it"
        )
        patch = patch_of(one, {"selector": {"matchLabels": texts(one.spec, "selector")}})
        yield Violation("field-unknown", one, sentence, (), patch)


def _selector(workload: Workload) -> Iterator[Violation]:
    selector, about = sub(workload.spec, "selector"), workload.manifest
    if about.kind not in ("Deployment", "StatefulSet"):
        return
    if not SELECTOR_FIELDS & selector.keys():
        wanted: dict[str, Any] = {**dict.fromkeys(selector), "matchLabels": workload.labels}
        patch = patch_of(about, {"selector": wanted}) if workload.labels else None
        what = "its selector has no matchLabels" if selector else "it has no selector"
        sentence = f"{what}, which apps/v1 needs: the API refuses it"
        yield Violation("selector-missing", about, sentence, (), patch)
    elif not selects(selector, workload.labels):
        asked = texts(selector, "matchLabels")
        listed, own = pairs(asked), pairs(workload.labels) or "none"
        plain = not rows(selector, "matchExpressions")
        patch = patch_of(about, {"template": {"metadata": {"labels": asked}}}) if plain else None
        sentence = f"its selector ({listed}) does not select its own pods, whose labels are {own}: the API refuses it"
        yield Violation("selector-not-the-labels", about, sentence, (), patch)


def _misplaced(workload: Workload) -> Iterator[Violation]:
    for key in sorted(ONLY_CONTAINER & workload.pod.keys()):
        sentence = f"`{key}` is a field of a container, not of a pod: it is dropped, or refused by a strict kubectl"
        yield Violation("field-unknown", workload.manifest, sentence)


def _fields(workload: Workload, container: Raw) -> Iterator[Violation]:
    name = container.get("name")
    unknown = [(key, "lifecycle") for key in sub(container, "lifecycle").keys() - HOOKS]
    unknown += [(key, probe) for probe in PROBES for key in sub(container, probe).keys() - PROBE_FIELDS]
    for key, where in sorted(unknown):
        nothing = "no hook runs" if where == "lifecycle" else "it does nothing"
        sentence = f"`{key}` is no field of {where} (container {name}): {nothing}, and a strict kubectl refuses it"
        yield Violation("field-unknown", workload.manifest, sentence, (), _renamed(workload, container, key, where))
    for key in sorted(ONLY_POD & container.keys()):
        sentence = (
            f"`{key}` is a field of a pod, not of container {name}: it is dropped, or refused by a strict kubectl"
        )
        yield Violation("field-unknown", workload.manifest, sentence)


def _renamed(workload: Workload, container: Raw, key: str, where: str) -> Patch | None:
    """The hook under its right name, where the wrong one only has letters too many or too few."""
    given = sub(container, where).get(key)
    right = next((one for one in ("preStop", "postStart") if key.lower().startswith(one.lower())), "")
    if where != "lifecycle" or not right or right in sub(container, where) or not isinstance(given, Mapping):
        return None
    return container_patch(workload, container, {where: {key: None, right: given}})


def _thresholds(workload: Workload, container: Raw) -> Iterator[Violation]:
    for probe in ("livenessProbe", "startupProbe"):
        given = whole(sub(container, probe).get("successThreshold"))
        if given not in (None, 0, 1):
            sentence = f"successThreshold {given} on a {probe}: the API refuses anything but 1 there"
            patch = container_patch(workload, container, {probe: {"successThreshold": 1}})
            yield Violation("probe-success-threshold", workload.manifest, sentence, (), patch)


def _ports(workload: Workload, container: Raw) -> Iterator[Violation]:
    """Ports that probes ask and nobody has: a name is the container's own, a number may be any of the pod's."""
    own = rows(container, "ports")
    names = {str(one["name"]) for one in own if "name" in one}
    pods = [one for other in [*workload.containers, *workload.sidecars] for one in rows(other, "ports")]
    numbers = {meant_number(one.get("containerPort")) for one in pods}
    spoken = " ".join(str(container.get(key, "")) for key in ("command", "args", "env"))
    wrong: dict[str, list[tuple[str, str]]] = {}
    for probe in PROBES:
        for handler in ("httpGet", "tcpSocket", "grpc"):
            asks = sub(container, probe, handler)
            port = asks.get("port")
            number = whole(port)
            if isinstance(port, str):
                if port not in names and quoted(port) is None and not is_placeholder(port):
                    wrong.setdefault(port, []).append((probe, handler))
            elif number is None or not numbers or numbers & {None, number} or asks.get("host"):
                continue
            elif str(number) not in spoken:
                wrong.setdefault(str(number), []).append((probe, handler))
    for port, asked in wrong.items():
        unnamed = not port.isdigit()
        rule = "probe-port-unnamed" if unnamed else "probe-port-undeclared"
        kinds = [probe.removesuffix("Probe") for probe, _ in asked]
        who = f"{' and '.join(kinds)} {'probe asks' if len(kinds) == 1 else 'probes ask'}"
        listed = ", ".join(str(one.get("name") or one.get("containerPort")) for one in own) or "none"
        sentence = f"{who} {port}, no container port of it (container {container.get('name')}: {listed})"
        # A port that is not declared may be open all the same.
        right = own[0].get("containerPort") if unnamed and len(own) == 1 else None
        fields = {probe: {handler: {"port": right}} for probe, handler in asked}
        patch = container_patch(workload, container, fields) if right else None
        yield Violation(rule, workload.manifest, sentence, (), patch)
