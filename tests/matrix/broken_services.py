"""Services that are broken as teams break them: each names the scenario and the check that must say so, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from broken_servers import command_of
from plain_model import NAME
from variants import SHELL, UNPRIVILEGED, Objects, Variant, pod_spec, stateful, the

__all__ = ["BROKEN", "Broken"]

KILL = "test_pod_kill.py::test_killed_pods_are_replaced_within_the_slo[one-forced]"
KILL_HALF = "test_pod_kill.py::test_killed_pods_are_replaced_within_the_slo[half-graceful]"
RELEASE = "test_rollout.py::test_a_release_loses_no_request"
DRAIN = "test_node_drain.py::test_a_drained_node_costs_no_request"
SPREAD_OUT = {"replicas": 3, "spread": {"hostname": "DoNotSchedule"}}

SWITCH = "switch"
"""A ConfigMap whose value each container reads as it starts: without it, only containers that start later are ill."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A service, the scenario that runs on it, and what must be found: check, answer, and a word of the reason.

    `afterwards` is added once the service is up; `without_switch` takes the ConfigMap away then. `named` is what
    gameday.toml names besides of the system, as it would have to be told.
    """

    service: Variant
    scenario: str
    check: str
    answer: str
    because: str
    afterwards: Mapping[str, Any] | None = None
    without_switch: bool = False
    named: Mapping[str, str] = field(default_factory=dict)


def switched(objects: Objects, container: Mapping[str, Any], script: str) -> dict[str, Any]:
    """A container of that script, which reads the switch as GO, and the switch among the objects."""
    namespace = the(objects, "Deployment")["metadata"]["namespace"]
    objects.insert(
        0,
        {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {"name": SWITCH, "namespace": namespace},
            "data": {"go": "yes"},
        },
    )
    go = {"name": "GO", "valueFrom": {"configMapKeyRef": {"name": SWITCH, "key": "go", "optional": True}}}
    command = ["sh", "-c", script]
    return {**SHELL, **container, "command": command, "env": [go], "securityContext": UNPRIVILEGED}


READY_IF_GO = 'test -n "$GO" && : > /tmp/ready; exec busybox sleep 86400'
# A start that is promised: without it nobody can say that a sidecar is late.
STARTS = {"startupProbe": {"exec": {"command": ["sh", "-c", "exit 0"]}, "periodSeconds": 1, "failureThreshold": 5}}
THERE = {"exec": {"command": ["sh", "-c", "test -e /tmp/ready"]}, "periodSeconds": 1}


def sidecar_never_ready(objects: Objects) -> Objects:
    """A sidecar whose later starts are never ready."""
    pod_spec(objects)["containers"].append(switched(objects, {**STARTS, "readinessProbe": THERE}, READY_IF_GO))
    return objects


def sidecar_that_ends(objects: Objects) -> Objects:
    """A sidecar whose later starts end at once, again and again."""
    script = 'test -n "$GO" && exec busybox sleep 86400; exit 1'
    pod_spec(objects)["containers"].append(switched(objects, {}, script))
    return objects


def native_sidecar_never_started(objects: Objects) -> Objects:
    """A native sidecar whose later starts never pass their startup probe, so that the model never starts."""
    more = {"restartPolicy": "Always", "startupProbe": {**THERE, "failureThreshold": 5}}
    pod_spec(objects)["initContainers"] = [switched(objects, more, READY_IF_GO)]
    return objects


def member_never_ready(objects: Objects) -> Objects:
    """The same sidecar in a StatefulSet, in order."""
    return stateful("OrderedReady")(sidecar_never_ready(objects))


def apart(objects: Objects) -> Objects:
    """Never two replicas on a node, and as many replicas as nodes: a release has nowhere to begin."""
    of = {"labelSelector": the(objects, "Deployment")["spec"]["selector"], "topologyKey": "kubernetes.io/hostname"}
    pod_spec(objects)["affinity"] = {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [of]}}
    return objects


def second_budget(objects: Objects) -> Objects:
    """A budget of a neighbour's whose selector takes in these replicas too: no eviction can be decided."""
    mine = the(objects, "PodDisruptionBudget")
    return [*objects, {**mine, "metadata": {**mine["metadata"], "name": "of-a-neighbour"}}]


def neighbour_in_service(objects: Objects) -> Objects:
    """A neighbour with the labels of the Service's selector, which serves nothing; the workload asks for one more."""
    service, spec = the(objects, "Service"), the(objects, "Deployment")["spec"]
    for labels in (spec["selector"]["matchLabels"], spec["template"]["metadata"]["labels"]):
        labels["tier"] = "engine"
    metadata = {"name": "stray", "namespace": service["metadata"]["namespace"], "labels": service["spec"]["selector"]}
    ports = spec["template"]["spec"]["containers"][0]["ports"]
    command = ["sh", "-c", "exec busybox sleep 86400"]
    container = {**SHELL, "command": command, "ports": ports, "securityContext": UNPRIVILEGED}
    return [*objects, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}]


def sticky(objects: Objects) -> Objects:
    """A Service that keeps a client with one replica: what one client sees says little of the others."""
    the(objects, "Service")["spec"]["sessionAffinity"] = "ClientIP"
    return objects


def aborting(objects: Objects) -> Objects:
    """Another server, which ends answers under way by `abort` when it is told to end."""
    (container,) = pod_spec(objects)["containers"]
    container["command"] = list(command_of("broken_engine"))
    container["env"] = [*container.get("env", ()), {"name": "BROKEN", "value": "abort"}]
    return objects


def quota(pods: int) -> dict[str, Any]:
    """No more pods than these in the namespace."""
    spec = {"hard": {"pods": str(pods)}}
    return {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "pods"}, "spec": spec}


BROKEN: Mapping[str, Broken] = {
    "sidecar-never-ready": Broken(
        Variant("a sidecar that is never ready in new pods", sidecar_never_ready),
        KILL,
        "recovered",
        "FAIL",
        "proxy",
        without_switch=True,
    ),
    "sidecar-that-ends": Broken(
        Variant("a sidecar that ends at once in new pods", sidecar_that_ends),
        KILL,
        "no-restart-loop",
        "FAIL",
        "was restarted",
        without_switch=True,
    ),
    "native-sidecar": Broken(
        Variant("a native sidecar that never starts in new pods", native_sidecar_never_started),
        KILL,
        "recovered",
        "FAIL",
        "proxy",
        without_switch=True,
    ),
    "member": Broken(
        Variant("a member of a StatefulSet that is never ready again", member_never_ready, kind="StatefulSet"),
        KILL,
        "recovered",
        "FAIL",
        "proxy",
        without_switch=True,
    ),
    "quota-release": Broken(
        Variant("a quota without room for a release's surge", fields=SPREAD_OUT),
        RELEASE,
        "rolled-out",
        "FAIL",
        "quota",
        afterwards=quota(3),
    ),
    "quota-member": Broken(
        Variant("a quota that is smaller than the StatefulSet", stateful("Parallel"), kind="StatefulSet"),
        KILL,
        "recovered",
        "FAIL",
        "quota",
        afterwards=quota(3),
    ),
    "apart": Broken(
        Variant("required anti-affinity, and as many replicas as nodes", apart, SPREAD_OUT),
        RELEASE,
        "rolled-out",
        "FAIL",
        "anti-affinity",
    ),
    "second-budget": Broken(
        Variant("a neighbour's budget that takes in these replicas", second_budget),
        DRAIN,
        "drained",
        "FAIL",
        "budget",
        named={"disruption_budget": NAME},
    ),
    "stray": Broken(
        Variant("a neighbour among the Service's endpoints that serves nothing", neighbour_in_service),
        KILL,
        "steady-state",
        "UNKNOWN",
        "",
    ),
    "sticky": Broken(
        # One of two carries what is meant for both.
        Variant("a Service that keeps a client with one replica", sticky, {"replicas": 2}),
        KILL,
        "recovered-in-time",
        "UNKNOWN",
        "ClientIP",
    ),
    "aborts": Broken(
        Variant("a server that aborts its answers when it is told to end", aborting, {"pre_stop_sleep_s": 3}),
        KILL_HALF,
        "slo-met",
        "FAIL",
        "",
    ),
}
