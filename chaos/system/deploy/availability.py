"""Whether the system is available, and what is missing if it is not: pure over raw objects.

Available means more than Kubernetes' own condition of that name: every desired replica is of the newest template and
Ready, the Service sends traffic to each, and the disruption budget has counted them. Before that, a baseline would
start on half a system.
"""

import math
from collections.abc import Callable, Iterable

from chaos.objects.base import Raw, View
from chaos.objects.kinds import DeploymentView, EndpointSliceView
from chaos.objects.pod import PodView
from chaos.semantics import ready_bound_s
from chaos.semantics.rollout import Strategy
from chaos.system.manifests.render import pod_spec
from chaos.system.spec.system_spec import SystemSpec
from chaos.system.system import System

__all__ = ["available_bound_s", "shortfall"]

Seen = Callable[[str], Iterable[Raw]]
"""Gives the raw objects of a kind, as they were seen last."""

ROLLED = frozenset({"Deployment", "StatefulSet"})
"""Kinds whose status says how far a rollout has come."""

POD_STARTUP_S = 5.0
"""Kubernetes' own objective for scheduling and starting a pod, images aside (kubernetes.md C.1)."""

PULL_ALLOWANCE_S = 120.0
"""For pulling the image, of whose size and registry nothing is known."""

ALLOWANCE_S = 30.0
"""For the API server, the controllers and a busy machine."""


def shortfall(system: System, seen: Seen) -> str:
    """Say what the system lacks to be available, in words; empty if it lacks nothing."""
    kind = system.workload.kind
    found = [DeploymentView(raw) for raw in seen(kind) if View(raw).uid == system.workload.uid]
    if not found:
        return f"its {kind} has not been seen yet"
    workload, floor = found[0], system.spec.replicas_floor
    newest = max(workload.generation, workload.observed_generation) if kind in ROLLED else workload.generation
    if newest < system.generations[kind]:
        return f"its {kind} has not been seen yet as it was applied"
    wanted = system.workload_kind.wanted(workload.raw)
    if wanted is None:
        return f"its {kind} does not say how many replicas it wants"
    if wanted < floor:
        return f"the autoscaler has asked for {wanted} replicas so far, not for {floor}"
    unready = _unrolled(workload) if kind in ROLLED else _unready(system, seen, wanted)
    return unready or _unreachable(system, seen, wanted) or _uncounted(system, seen, wanted)


def _unrolled(workload: DeploymentView) -> str:
    """What is missing by the counts of a Deployment's or a StatefulSet's own controller."""
    if workload.rolled_out and workload.ready_replicas >= workload.replicas:
        return ""
    new = min(workload.ready_replicas, workload.updated_replicas)
    old = workload.status_replicas - workload.updated_replicas
    going = f", {old} of an older template are still there" if old > 0 else ""
    stuck = f" ({workload.stuck})" if workload.stuck else ""
    return f"{new} of {workload.replicas} replicas are ready{going}{stuck}"


def _unready(system: System, seen: Seen, wanted: int) -> str:
    """What is missing by the pods themselves: of other kinds nobody knows what their status means."""
    ready = sum(pod.ready for pod in map(PodView, seen("Pod")) if system.owns(pod))
    return "" if ready >= wanted else f"{ready} of {wanted} replicas are ready"


def available_bound_s(
    spec: SystemSpec, *, pods_before: int = 0, hpa_sync_s: float = 15.0, template: Raw | None = None
) -> float:
    """Give how long the system may take to become available, as its own spec permits, or its pods' live `template`.

    All new pods start at once. Pods that are there already are replaced in steps of what the rollout may move at a
    time. Where no startup probe limits the start, the rollout's own progress deadline does.
    """
    one_s = ready_bound_s(template or pod_spec(spec)) + spec.rollout.min_ready_s + POD_STARTUP_S
    if spec.startup is None:
        one_s = max(one_s, spec.rollout.progress_deadline_s)
    if pods_before:
        pods = max(pods_before, spec.replicas_floor)
        strategy = Strategy(False, spec.rollout.max_surge, spec.rollout.max_unavailable, 0)
        step = max(1, strategy.surge(pods) + strategy.unavailable(pods))
        one_s = math.ceil(pods / step) * (one_s + spec.grace_s)
    pulling_s = 0.0 if spec.image_pull_policy == "Never" else PULL_ALLOWANCE_S
    scaling_s = hpa_sync_s if spec.autoscale else 0.0
    return one_s + pulling_s + scaling_s + ALLOWANCE_S


def _unreachable(system: System, seen: Seen, wanted: int) -> str:
    ready = {
        endpoint.pod_uid
        for piece in map(EndpointSliceView, seen("EndpointSlice"))
        if piece.namespace == system.namespace and piece.service == system.service
        for endpoint in piece.endpoints
        if endpoint.ready and not endpoint.terminating
    }
    return (
        "" if len(ready) >= wanted else f"{len(ready)} of {wanted} replicas are endpoints of Service {system.service}"
    )


def _uncounted(system: System, seen: Seen, wanted: int) -> str:
    uids = {ref.uid for ref in system.objects if ref.kind == "PodDisruptionBudget"}
    if not uids:
        return ""
    for budget in map(View, seen("PodDisruptionBudget")):
        if budget.uid in uids and budget.observed_generation >= system.generations["PodDisruptionBudget"]:
            healthy = budget.status.get("currentHealthy", 0)
            return "" if healthy >= wanted else f"the disruption budget has counted {healthy} of {wanted} replicas"
    return "the disruption budget has not been counted yet"
