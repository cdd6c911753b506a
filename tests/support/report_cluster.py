"""Histories with more of a cluster in them: disruption budgets, evictions, nodes and an autoscaler."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

import report_histories as made
from report_histories import NAMESPACE, at

from chaos.checks.traffic.accounting import ArrivalCounts
from chaos.checks.traffic.generator_health import GeneratorHealth
from chaos.checks.traffic.slo_met import PercentileDetail, SloMetDetail
from chaos.checks.verdict import Answer, Finding, Verdict
from chaos.history import Action, Fault, History, Outcome, Phase, WatchEvent
from chaos.objects.base import Ref

__all__ = ["autoscaler", "budget", "drained_run", "evicted", "node", "pod_evicted", "with_events"]


def budget(  # a row of a table
    when_s: float,
    kind: Any,
    allowed: int = 0,
    healthy: int = 0,
    desired: int = 0,
    *,
    generation: int = 1,
    observed: int | None = None,
    spec: Mapping[str, Any] | None = None,
    name: str = "model",
) -> WatchEvent:
    """A disruption budget as the server sent it; without `observed` its controller has not counted yet."""
    status: dict[str, Any] = {"disruptionsAllowed": allowed, "currentHealthy": healthy, "desiredHealthy": desired}
    if observed is not None:
        status["observedGeneration"] = observed
    metadata = {"name": name, "namespace": NAMESPACE, "uid": f"pdb-{name}", "generation": generation}
    given = {"selector": {"matchLabels": {"app": "model"}}, **(spec or {"maxUnavailable": 1})}
    return WatchEvent(at(when_s), "PodDisruptionBudget", kind, {"metadata": metadata, "spec": given, "status": status})


def node(
    when_s: float,
    kind: Any,
    name: str,
    *,
    ready: str = "True",
    cordoned: bool = False,
    taints: Iterable[Mapping[str, str]] = (),
) -> WatchEvent:
    """A node."""
    spec: dict[str, Any] = {"taints": list(taints)}
    if cordoned:
        spec["unschedulable"] = True
        spec["taints"].append({"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"})
    raw = {
        "metadata": {"name": name, "uid": f"node-{name}"},
        "spec": spec,
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    }
    return WatchEvent(at(when_s), "Node", kind, raw)


def autoscaler(  # a row of a table
    when_s: float,
    kind: Any,
    desired: int = 0,
    actual: int = 0,
    percent: int | None = None,
    *,
    looked: bool = True,
    target: str = "model",
) -> WatchEvent:
    """A HorizontalPodAutoscaler of 2 to 8 replicas at 60 % CPU; `looked` says that its controller has been there."""
    status: dict[str, Any] = {"desiredReplicas": desired, "currentReplicas": actual}
    if looked:
        active = "True" if percent is not None else "False"
        status["conditions"] = [{"type": "ScalingActive", "status": active}]
        if percent is not None:
            current = {"averageUtilization": percent, "averageValue": "60m"}
            status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    metric = {
        "type": "Resource",
        "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}},
    }
    raw = {
        "metadata": {"name": "model", "namespace": NAMESPACE, "uid": f"hpa-{target}"},
        "spec": {
            "minReplicas": 2,
            "maxReplicas": 8,
            "scaleTargetRef": {"kind": "Deployment", "name": target},
            "metrics": [metric],
        },
        "status": status,
    }
    return WatchEvent(at(when_s), "HorizontalPodAutoscaler", kind, raw)


def evicted(number: int, when_s: float, plan: made.PodPlan, outcome: Outcome = "ok", **detail: Any) -> Action:
    """An eviction that the drain asked for."""
    return Action(
        f"e{number}", "evict-pod", made.pod_ref(plan), at(when_s), at(when_s + 0.01), outcome, "node-drain-1", detail
    )


REFUSED: Mapping[str, Any] = {"status": 429, "causes": ["DisruptionBudget"], "reason": "429 Cannot evict pod"}


def pod_evicted(when_s: float, plan: made.PodPlan) -> WatchEvent:
    """The mark that an eviction leaves on a pod, whoever asked for it."""
    (event,) = [one for one in plan.events() if one.type == "LISTED"]
    mark = {"type": "DisruptionTarget", "status": "True", "reason": "EvictionByEvictionAPI"}
    status = event.object["status"] | {"conditions": [*event.object["status"]["conditions"], mark]}
    return replace(event, at_ns=at(when_s), type="MODIFIED", object={**event.object, "status": status})


def with_events(history: History, *events: WatchEvent, kinds: Iterable[str] = ()) -> History:
    """The history with more watch events, their kinds watched from begin to end."""
    watch = tuple(sorted((*history.watch, *events), key=lambda event: event.at_ns))
    seen = {event.kind for event in events} | set(kinds)
    covered = {**history.covered_ns, **{kind: (at(0.1), history.ended_ns) for kind in seen}}
    return replace(history, watch=watch, covered_ns=covered)


def served(latency: PercentileDetail) -> SloMetDetail:
    """What `SloMet` says of 600 good requests."""
    return SloMetDetail(
        valid=600,
        good=600,
        bad=0,
        availability=1.0,
        error_budget=6,
        goodput=None,
        meeting_all_limits=None,
        outcomes={"ok": 600},
        times={"latency": latency},
        arrivals=ArrivalCounts(600, 600, 0, 0, 0, 0, 0),
        generator=GeneratorHealth(0.001, 0.05, 0.1),
        tokens=None,
        begin_ns=None,
        end_ns=None,
    )


def drained_run() -> tuple[History, Verdict]:
    """A node is drained: one pod goes, the next is refused twice and goes once the first is replaced. PASS."""
    first, heir_1 = made.replaced(made.INITIAL[0], 20.1, 26.0, "model-6f7d9c-aaaaa", "n2")
    second, heir_2 = made.replaced(made.INITIAL[3], 30.1, 37.0, "model-6f7d9c-bbbbb", "n3")
    words = "2 of 2 pods gone from node n1 after 10.3 s"
    drain = Fault(
        "node-drain-1",
        "node-drain",
        "drain node n1",
        (Ref("Node", "", "n1", "node-n1"),),
        at(20),
        at(20.1),
        at(40),
        proof="first pod gone",
        result="finished",
        result_ns=at(30.4),
        result_words=words,
        result_detail={"node": "n1", "budget": "", "seconds": 10.3},
    )
    plain = made.history(
        60,
        (first, made.INITIAL[1], made.INITIAL[2], second, heir_1, heir_2),
        made.Asked(9).ask(2, 58, 20),
        20,
        traffic_s=(2, 58),
        faults=(drain,),
        phases=(Phase("baseline", at(2), at(20)), Phase("fault", at(20), at(40)), Phase("recovery", at(40), at(58))),
        generator=made.samples(2, 58, 20),
        actions=(
            evicted(1, 20.05, made.INITIAL[0]),
            evicted(2, 20.06, made.INITIAL[3], "fail", **REFUSED),
            evicted(3, 25.06, made.INITIAL[3], "fail", **REFUSED),
            evicted(4, 30.05, made.INITIAL[3]),
        ),
    )
    taint = ({"key": "example.com/spot", "value": "true", "effect": "NoSchedule"},)
    events = (
        budget(0.02, "LISTED"),
        budget(0.5, "MODIFIED", 1, 4, 3, observed=1),
        budget(20.2, "MODIFIED", 0, 3, 3, observed=1),
        budget(26.2, "MODIFIED", 1, 4, 3, observed=1),
        budget(30.2, "MODIFIED", 0, 3, 3, observed=1),
        budget(37.2, "MODIFIED", 1, 4, 3, observed=1),
        *(node(0.01, "LISTED", name) for name in ("n1", "n2")),
        node(0.01, "LISTED", "n3", taints=taint),
        node(19.9, "MODIFIED", "n1", cordoned=True),
        node(40.1, "MODIFIED", "n1"),
        autoscaler(0.03, "LISTED", looked=False),
        autoscaler(5, "MODIFIED", 4, 4, 55),
        autoscaler(35, "MODIFIED", 5, 4, 81),
    )
    findings = (
        Finding(
            "slo-met",
            Answer.PASS,
            "users are served within the SLO",
            "objective 0.99, p99 at most 2 s",
            "availability 1.0000, p99 0.4 s",
            detail=served(PercentileDetail(p99_s=0.4, objective_s=2.0, over=0, allowed=6)),
        ),
        Finding("drained", Answer.PASS, "a drained node is empty in time", "bound 60 s", "10.3 s"),
    )
    return with_events(plain, *events), Verdict.of(findings)
