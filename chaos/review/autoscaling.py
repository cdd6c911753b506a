"""The number of replicas, and who decides on it."""

from collections.abc import Iterator, Mapping
from typing import Any

from chaos.objects.base import Raw
from chaos.review.manifest_set import NEAR_MAX, ManifestSet, akin
from chaos.review.model import Manifest, Metric, Scaler, Workload
from chaos.review.patches import Patch, patch_of, pod_patch, scaler_patch
from chaos.review.shapes import probe_of, rows, sub, whole
from chaos.review.violation import Violation
from chaos.review.volumes import claims_of_one_node

__all__ = ["ALONE", "USUAL", "autoscaling", "requested"]

USUAL = {"cpu": "100m", "memory": "128Mi"}
"""Placeholders of a patch, as nobody can know from a manifest what a server uses."""

WINDOW_S, WINDOW_DEFAULT_S = 60, 300
"""A scale-down that looks back for less than the first is reported, as no model server starts sooner; ours."""

ALONE = ("1 replica - 1 lost = 0 to serve", "2 replicas - 1 lost = 1 to serve")
"""Why one replica is too few."""

KNOWN = ("Deployment", "StatefulSet")


def autoscaling(known: ManifestSet) -> Iterator[Violation]:
    """Every violation of a rule about the number of replicas and those who decide on it."""
    bound = {scaler for workload in known.workloads for scaler in workload.scalers}
    for scaler in known.scalers:
        yield from _bounds(scaler)
        kind, name = scaler.target
        if scaler not in bound and (scaler.manifest.namespace, name) not in known.names(kind):
            yield from _aimless(known, scaler)
    for workload in known.workloads:
        yield from _number(known, workload)
        if len(workload.scalers) > 1:
            names = ", ".join(one.manifest.label for one in workload.scalers)
            sentence = f"{len(workload.scalers)} autoscalers decide on the number of replicas and fight: {names}"
            yield Violation("autoscalers-compete", workload.manifest, sentence)
        for scaler in workload.scalers:
            yield from _measured(known, workload, scaler)
            yield from _window(workload, scaler)


def _bounds(scaler: Scaler) -> Iterator[Violation]:
    least, most = scaler.floor, scaler.ceiling
    if least is None or most is None:
        return
    if least > most:
        sentence = f"the minimum of {least} is above the maximum of {most}: the API refuses it"
        patch = scaler_patch(scaler, floor=least, ceiling=least + 1)
        yield Violation("autoscaler-bounds-crossed", scaler.manifest, sentence, (), patch)
    elif least == most:
        sums = (f"{most} - {least} = 0 replicas to add",)
        yield Violation(
            "autoscaler-fixed", scaler.manifest, f"minimum and maximum are both {most}: it never scales", sums
        )


def _aimless(known: ManifestSet, scaler: Scaler) -> Iterator[Violation]:
    """One whose target is not here, though a workload is that it may mean by its name."""
    (kind, name), here = scaler.target, known.in_namespace(scaler.manifest.namespace)[:NEAR_MAX]
    near = [one for one in here if akin({name, scaler.manifest.name}, {one.manifest.name})]
    if kind not in KNOWN or not near:
        return
    only = near[0] if len(near) == 1 and not near[0].scalers else None
    meant = only.manifest if only is not None and only.manifest.kind in KNOWN else None
    sentence = f"it scales nothing here: there is no {kind} {name}"
    sums = (f"there is {', '.join(one.label for one in near[:3])}",)
    ref = {"kind": meant.raw["kind"], "name": meant.name} if meant else {}
    patch = patch_of(scaler.manifest, {"scaleTargetRef": ref}) if meant else None
    yield Violation("autoscaler-aims-at-nothing", scaler.manifest, sentence, sums, patch)


def _number(known: ManifestSet, workload: Workload) -> Iterator[Violation]:
    about, floor, scalers = workload.manifest, workload.floor, workload.scalers
    who = f"{scalers[0].manifest.label} keeps" if scalers else ""
    if floor == 0:
        sums = _refused_zero(scalers[0]) if scalers else ()
        words = f"{who} no replica between requests" if scalers else "scaled to zero"
        yield Violation("replicas-zero", about, f"{words}: the first request waits for a model load", sums)
    elif floor == 1 and not _joined(known, workload):
        words = f"{who} one replica at its minimum" if scalers else "one replica"
        # A second replica could not mount what only one node can.
        patch = None if claims_of_one_node(known, workload) else _second(workload)
        yield Violation("replicas-one", about, f"{words}: any loss is an outage", ALONE, patch)
    if scalers and "replicas" in workload.spec and not sub(about.raw, "metadata").get("uid"):
        sentence = (
            f"{workload.spec['replicas']} replicas are written beside {scalers[0].manifest.label}: each apply puts the "
            "number back; leave it out"
        )
        sums = ("a number that was applied before has to be taken out of the last-applied annotation first",)
        yield Violation("replicas-beside-autoscaler", about, sentence, sums)


def _joined(known: ManifestSet, workload: Workload) -> bool:
    """Whether every Service that leads to it leads to others, too: a canary's loss is no outage."""
    return bool(workload.services) and all(len(known.services[one]) > 1 for one in workload.services)


def _second(workload: Workload) -> Patch | None:
    """Two replicas, asked of whoever decides on their number."""
    if not workload.scalers:
        return patch_of(workload.manifest, {"replicas": 2})
    (scaler, *others) = workload.scalers
    return None if others else scaler_patch(scaler, floor=2, ceiling=max(2, scaler.ceiling or 2))


def _refused_zero(scaler: Scaler) -> tuple[str, ...]:
    """The API server's `validateMetrics`: at zero there is no pod to measure."""
    types = {one.get("type") for one in rows(scaler.manifest.spec, "metrics")}
    if scaler.keda or types & {"Object", "External"}:
        return ()
    return ("the API refuses minReplicas 0 without a metric of type Object or External",)


def _measured(known: ManifestSet, workload: Workload, scaler: Scaler) -> Iterator[Violation]:
    for metric in scaler.metrics:
        bare = _bare(known, workload, metric)
        if metric.target == "Utilization" and bare:
            names = " and ".join(str(one.get("name")) for one in bare)
            what = metric.resource.upper() if metric.resource == "cpu" else metric.resource
            ends = "never scales in" if _several(scaler) else "never scales"
            sentence = (
                f"no {what} request in container {names}: {scaler.manifest.label} measures against it, and {ends}"
            )
            sums = (
                "a limit alone would do as a request",
                "write what kubectl top pod shows, the patch is a placeholder",
            )
            patch = _requests(workload, bare, metric.resource)
            yield Violation("autoscaler-without-request", scaler.manifest, sentence, sums, patch)
        if metric.resource == "memory":
            sentence = "a model server's memory does not fall with load: on memory it scales out, and never in"
            yield Violation("autoscaler-on-memory", scaler.manifest, sentence, (), _without_memory(scaler))


def _several(scaler: Scaler) -> bool:
    """Whether it has other metrics, too: by these it still scales out, but not in (`computeReplicasForMetrics`)."""
    return len(rows(scaler.manifest.spec, "triggers" if scaler.keda else "metrics")) > 1


def _bare(known: ManifestSet, workload: Workload, metric: Metric) -> list[Raw]:
    """The containers without the request that a metric is held against (`calculatePodRequests`)."""
    if not metric.container and metric.resource in sub(workload.pod, "resources", "requests"):
        return []
    measured = [*workload.containers, *workload.sidecars]
    named = [one for one in measured if metric.container in ("", one.get("name"))]
    return [one for one in named if not requested(known, workload.manifest, one, metric.resource)]


def requested(known: ManifestSet, about: Manifest, container: Raw, resource: str) -> bool:
    """Whether a container requests a resource: itself, by its limit, or by a LimitRange of its namespace."""
    given = sub(container, "resources")
    if resource in sub(given, "requests") or resource in sub(given, "limits"):
        return True
    limits = [one for limit in known.limits.get(about.namespace, ()) for one in rows(limit.spec, "limits")]
    return any(resource in sub(one, "defaultRequest") or resource in sub(one, "default") for one in limits)


def _requests(workload: Workload, bare: list[Raw], resource: str) -> Patch | None:
    usual = {"requests": {resource: USUAL.get(resource, "1")}}
    kinds: dict[str, Any] = {}
    for one in bare:
        kinds.setdefault(workload.list_of(one), []).append({"name": one.get("name"), "resources": usual})
    return pod_patch(workload, kinds)


def _without_memory(scaler: Scaler) -> Patch | None:
    """The other metrics, if there are any. The list is atomic: a patch replaces it."""

    def resource(one: Mapping[str, Any]) -> Any:
        return (sub(one, "resource") or sub(one, "containerResource")).get("name")

    left = [one for one in rows(scaler.manifest.spec, "metrics") if resource(one) != "memory"]
    return patch_of(scaler.manifest, {"metrics": left}) if left and not scaler.keda else None


def _window(workload: Workload, scaler: Scaler) -> Iterator[Violation]:
    down = sub(scaler.behavior, "scaleDown")
    window_s = whole(down.get("stabilizationWindowSeconds"))
    readiness = probe_of(workload.serving[0], "readinessProbe")
    least_s = max(WINDOW_S, int(readiness.initial_delay_s) if readiness else 0)
    if window_s is None or window_s >= least_s or down.get("selectPolicy") == "Disabled":
        return
    sentence = (
        f"scale-down looks back for {window_s} s, less than a model load: replicas go that are wanted back at once"
    )
    sums = (f"a start takes {least_s} s or more > {window_s} s; Kubernetes' default is {WINDOW_DEFAULT_S} s",)
    behavior = {"behavior": {"scaleDown": {"stabilizationWindowSeconds": max(WINDOW_DEFAULT_S, least_s)}}}
    patch = None if scaler.keda else patch_of(scaler.manifest, behavior)
    yield Violation("scale-down-hasty", scaler.manifest, sentence, sums, patch)
