"""Services: whom they select, which of their ports serve, and what their names do to the pods beside them."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from chaos.objects.base import Raw
from chaos.review.manifest_set import ManifestSet
from chaos.review.model import Manifest, Workload
from chaos.review.patches import new_object, patch_of, pod_patch
from chaos.review.shapes import is_placeholder, pairs, quoted, rows, spoken, sub, texts
from chaos.review.violation import Violation

__all__ = ["service"]

READ = {"vllm": "VLLM_PORT", "sglang": "SGLANG_PORT"}
"""Servers, by a word of their image, and a variable that they read as a number.

Of a Service `vllm` every pod of its namespace has VLLM_PORT=tcp://10.0.0.1:80, unless its enableServiceLinks is false.
"""


def service(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about Services."""
    free: dict[str, list[Workload]] = {}
    for workload in known.workloads:
        if not workload.services:
            free.setdefault(workload.manifest.namespace, []).append(workload)
    missed: set[Workload] = set()
    for one, selected in known.services.items():
        selector = {"matchLabels": sub(one.spec, "selector")}
        meant = [] if selected else known.meant(one, selector, free.get(one.namespace, []))
        if meant:
            missed.update(meant)
            yield _selects_nothing(one, meant)
        if len(selected) > 1:
            named = " and ".join(workload.label for workload in selected[:3])
            sentence = f"Service {one.name} sends traffic to the pods of {len(selected)} workloads: {named}"
            yield Violation("service-spans-workloads", one, sentence)
        yield from _ports(one, selected)
    services = {(one.namespace, one.name): one for one in known.manifests if one.kind == "Service"}
    for workload in known.workloads:
        if not (workload.services or known.routed or workload in missed):
            yield _missing(known, workload)
        yield from _name_taken(services, workload)


def _missing(known: ManifestSet, workload: Workload) -> Violation:
    """A note: an InferencePool, or a Service of another folder, may select them."""
    _, port = workload.serving
    labels = texts(workload.selector, "matchLabels")
    spec = {"selector": labels, "ports": [{"port": 80, "targetPort": port}]}
    patch = new_object(workload.manifest, "v1", "Service", spec, known.names("Service")) if port and labels else None
    sentence = (
        "no Service here selects its pods: right only if an InferencePool or a Service elsewhere does, or nobody asks"
    )
    return Violation("service-missing", workload.manifest, sentence, (), patch)


def _selects_nothing(one: Manifest, unserved: Sequence[Workload]) -> Violation:
    selector, first = texts(one.spec, "selector"), unserved[0]
    wanted, own = pairs(selector), pairs(first.labels)
    right: dict[str, Any] = {**dict.fromkeys(selector), **texts(first.selector, "matchLabels")}
    patch = patch_of(one, {"selector": right}) if len(unserved) == 1 else None
    sentence = f"Service {one.name} selects no pod here ({wanted}), and none selects those of {first.label}"
    return Violation("service-selects-nothing", one, sentence, (f"the pods of {first.label} have {own}",), patch)


def _ports(one: Manifest, selected: Sequence[Workload]) -> Iterator[Violation]:
    ports = [port for port in rows(one.spec, "ports") if port.get("protocol", "TCP") == "TCP"]
    for port in ports:
        target = port.get("targetPort")
        lacking = [workload for workload in selected if target not in _names(workload)]
        if not isinstance(target, str) or quoted(target) is not None or is_placeholder(target):
            continue
        if lacking:
            yield _unnamed(one, port, target, lacking[0])
    if len(ports) > 1 and selected:
        listed = ", ".join(f"{port.get('name', '')} {port.get('port')}".strip() for port in ports)
        sentence = (
            f"Service {one.name} has {len(ports)} ports ({listed}): a trial asks which of them serves, system.port"
        )
        yield Violation("service-ports-several", one, sentence)


def _names(workload: Workload) -> list[str]:
    """The names of its pods' ports."""
    containers = [*workload.containers, *workload.sidecars]
    return [str(port["name"]) for one in containers for port in rows(one, "ports") if "name" in port]


def _unnamed(one: Manifest, port: Mapping[str, Any], target: str, workload: Workload) -> Violation:
    declared = [own for container in workload.containers for own in rows(container, "ports")]
    right = declared[0].get("name") or declared[0].get("containerPort") if len(declared) == 1 else None
    patch = patch_of(one, {"ports": [{"port": port.get("port"), "targetPort": right}]}) if right else None
    names = ", ".join(_names(workload)) or "none"
    sentence = f"Service {one.name}: targetPort `{target}` names no port of {workload.label}, so nothing is sent to it"
    return Violation("service-port-unnamed", one, sentence, (f"its ports are named: {names}",), patch)


def _name_taken(services: Mapping[tuple[str, str], Manifest], workload: Workload) -> Iterator[Violation]:
    if workload.pod.get("enableServiceLinks") is False:
        return
    container, _ = workload.serving
    for word, variable in READ.items():
        one = services.get((workload.manifest.namespace, word))
        own = any(given.get("name") == variable for given in rows(container, "env"))
        if one is None or own or not _runs(container, word) or one.spec.get("clusterIP") == "None":
            continue
        if one.spec.get("type") != "ExternalName":
            sentence = (
                f"Service {one.name} makes {variable} a URI in each pod here, and {word} reads its port from it: it "
                "ends at its start"
            )
            sums = (f"{variable}=tcp://…; enableServiceLinks false, or another name for the Service",)
            yield Violation(
                "service-name-taken",
                workload.manifest,
                sentence,
                sums,
                pod_patch(workload, {"enableServiceLinks": False}),
            )


def _runs(container: Raw, word: str) -> bool:
    """Whether it runs this server, by its image or its command: `vllm serve`, `python3 -m sglang.launch_server`."""
    said = spoken(container)
    return word in str(container.get("image", "")) or f"{word} serve" in said or f"-m {word}." in said
