"""The path back of one replica, stage by stage: which steps it has, and how long each may take.

The bound of each stage is made of the parts of the whole bound (`recovery_bounds`), which name their sources, so that
stages and whole cannot differ. A stage alone is granted the same allowance as the whole, and every stage of
which a kubelet tells is granted the kubelet's periodic status report: as none knows which of them will need it, the
bounds of the stages add up to more than the bound of the whole. What nobody promises has no bound.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Literal

from chaos.objects.base import Raw
from chaos.objects.pod import PodView
from chaos.semantics.liveness_restarts import restart_bound
from chaos.semantics.node_loss import ALONE, LostNode, toleration_s
from chaos.semantics.probes import (
    ContainerProbes,
    Stage,
    Unpromised,
    container_probes,
    unpromised_hooks,
    unpromised_start,
)
from chaos.semantics.recovery_bounds import Bound, Part, endpoint_bound, node_loss_bound, recovery_bound
from chaos.semantics.timings import Timings

__all__ = ["RecoveryPath", "StageName", "StageRule", "stage_rules"]

RecoveryPath = Literal["replaced", "moved", "restarted", "crashed", "returned", "node back"]
"""How a replica comes back. `replaced`: deleted, another pod in its place; `moved`: the same after its node was lost.
In the same pod: `restarted` by a probe; `crashed`: its container ended by itself, and runs anew; `returned`: it was not
Ready for a while; `node back`: because its node was lost for a while."""

StageName = Literal[
    "fault",
    "first failed request",
    "probe failure event",
    "unready",
    "endpoint removed",
    "fault healed",
    "marked for deletion",
    "container restarted",
    "predecessors Ready",
    "replacement created",
    "scheduled",
    "started",
    "Ready",
    "endpoint added",
    "first answer",
    "latency back",
]
"""The step that ends the stage; `fault` only begins."""

LISTS: Mapping[RecoveryPath, tuple[StageName, ...]] = {
    "replaced": ("replacement created", "scheduled", "started"),
    "moved": ("marked for deletion", "replacement created", "scheduled", "started"),
    "restarted": ("container restarted", "started"),
    "crashed": ("container restarted", "started"),
    "returned": ("fault healed",),
    "node back": ("fault healed",),
}
"""What lies between the endpoint that was removed and Ready."""

LEAVES = ("node eviction rate", "toleration of a lost node", "removal of the node", "pod garbage collector")
"""What passes until a pod leaves its lost node: the first two, or the others where the node is removed."""

PROBED: tuple[RecoveryPath, ...] = ("restarted", "returned")


@dataclass(frozen=True, slots=True)
class StageRule:
    """One stage: it begins when the last of `since` is done, and may take `bound`; with None nobody promises anything.

    `aside`: the next step does not wait for it. `witness`: it shows what happens and is no step by itself (requests
    come when they come, and a kubelet may drop events): its absence breaks nothing.
    """

    name: StageName
    since: tuple[StageName, ...]
    bound: Bound | None = None
    aside: bool = False
    witness: bool = False


@dataclass(frozen=True, slots=True)
class _Context:
    """What the bounds of one path are made from."""

    path: RecoveryPath
    spec: Raw
    timings: Timings
    own: Part
    restarts: int
    workload_kind: str
    waits: tuple[Part, ...]
    container: str
    in_turn: bool
    lost: LostNode
    no_room: str
    room: Part | None
    of_node: bool

    @property
    def whole(self) -> Bound:
        """The bound of the whole path, of whose parts the stages are made."""
        if self.path == "moved":
            return node_loss_bound(self.spec, self.timings, workload_kind=self.workload_kind, lost=self.lost)
        if self.path == "replaced":
            return recovery_bound(self.spec, self.timings, workload_kind=self.workload_kind).after(*self.waits)
        return restart_bound(self.spec, self.timings, container=self.container, restarts=self.restarts)

    @property
    def probes(self) -> tuple[ContainerProbes, ...]:
        """Those of the container that hangs; of all, where it is not known which."""
        return container_probes(self.spec, self.container)

    def some(self, *names: str, before: tuple[Part, ...] = (), stage: Stage | None = None) -> Bound:
        """The parts of these names, the status report and the allowance where named; excused as the stage is."""
        parts = (*before, *(part for part in self.whole.parts if part.name in names))
        in_place = self.path not in ("replaced", "moved")
        may = self._restart_may() if in_place else recovery_bound(self.spec, self.timings).unpromised
        return Bound(parts, tuple(one for one in may if one.stage == stage))

    def _restart_may(self) -> tuple[Unpromised, ...]:
        """What may hold up a container that is restarted in place: no init container, as none is run again.

        Unless a rule of a container has all of the pod restarted (`restartPolicyRules`, KEP-5532).
        """
        start, runs = unpromised_start(self.spec), PodView({"spec": self.spec}).runs
        rules = [rule for one in runs for rule in one.get("restartPolicyRules") or ()]
        if any(rule.get("action") == "RestartAllContainers" for rule in rules):
            return start
        hooks = unpromised_hooks(self.spec, "started", self.container)
        return (*hooks, *(one for one in start if one.stage != "started"))


def stage_rules(
    path: RecoveryPath,
    pod_spec: Raw,
    timings: Timings,
    *,
    container: str = "",
    in_turn: bool = False,
    detection_s: float = 0.0,
    restarts: int = 0,
    workload_kind: str = "Deployment",
    waits: tuple[Part, ...] = (),
    lost: LostNode = ALONE,
    no_room: str = "",
    room: Part | None = None,
    of_node: bool = False,
    first_answer: Bound | None = None,
) -> tuple[StageRule, ...]:
    """The stages of a path on which a pod of that spec comes back, in order, each with its bound.

    Args:
        container: the one that hangs or ended; empty where that is not known: then the slowest probe of any counts.
        in_turn: whether the pod is made only when the members before it are Ready.
        detection_s: how long the server itself may take to know that it is unwell, or well again.
        restarts: how many restarts the kubelet remembers.
        waits: what a replacement waits for besides, e.g. the end of a pod that its kubelet ends.
        lost: how its node was lost.
        no_room: why no node took the replacement for a while, where nobody promises how soon one does.
        room: what the wait for room is granted, where the lost pod held it until its end.
        of_node: whether it was its node that was struck, so that others had to notice, and nobody asked it to go.
        first_answer: how long it may take from the endpoint to the first answer, which depends on the traffic.
    """
    own = Part("the server's own detection", detection_s, "the scenario: how long the server takes to know its state")
    place = lost, no_room, room, of_node
    context = _Context(path, pod_spec, timings, own, restarts, workload_kind, waits, container, in_turn, *place)
    return tuple(_rules(context, first_answer))


def _rules(context: _Context, first_answer: Bound | None) -> Iterator[StageRule]:
    endpoint = endpoint_bound(context.timings)
    yield StageRule("first failed request", ("fault",), aside=True, witness=True)
    if context.path in PROBED:
        yield StageRule("probe failure event", ("fault",), _event_bound(context), aside=True, witness=True)
    yield StageRule("unready", ("fault",), _unready_bound(context))
    yield StageRule("endpoint removed", ("unready",), endpoint, aside=True)
    if context.in_turn:
        yield StageRule("predecessors Ready", ("unready",))
    for name in LISTS[context.path]:
        yield _between(context, name)
    yield StageRule("Ready", _ready_since(context.path), _ready_bound(context))
    yield StageRule("endpoint added", ("Ready",), endpoint)
    yield StageRule("first answer", ("endpoint added",), first_answer)
    yield StageRule("latency back", ("first answer",))


def _between(context: _Context, name: StageName) -> StageRule:
    match name:
        case "fault healed":
            return StageRule(name, ("fault",), aside=True, witness=True)
        case "container restarted":
            before = (context.own,) if context.path == "restarted" else ()
            probe = ("liveness probe and grace",) if context.path == "restarted" else ()
            steps = (*probe, "exit seen", "back-off", "start", "status report", "allowance")
            # A kubelet says nothing of the new run before its hook has ended.
            hooks = unpromised_hooks(context.spec, "started", context.container)
            bound = Bound(context.some(*steps, before=before).parts, hooks)
            unprobed = context.path == "restarted" and not any(one.liveness for one in context.probes)
            return StageRule(name, ("fault",), None if unprobed else bound)
        case "marked for deletion":
            tolerated_s = toleration_s(context.spec, context.timings, *context.lost.taints)
            bound = context.some(*LEAVES, "allowance")
            forever = (tolerated_s is None or context.lost.rate == 0) and bound.parts[0].name != LEAVES[-2]
            return StageRule(name, ("unready",), None if forever else bound, aside=True)
        case "replacement created":
            steps = (*LEAVES, "termination", "controller", "allowance")
            since: StageName = "predecessors Ready" if context.in_turn else "unready"
            return StageRule(name, (since,), None if _stays_bound(context) else context.some(*steps))
        case "scheduled":
            before = () if context.room is None else (context.room,)
            bound = context.some("scheduling and start", "allowance", before=before)
            excuses = (Unpromised("scheduled", context.no_room),) if context.no_room else ()
            return StageRule(name, ("replacement created",), Bound(bound.parts, (*bound.unpromised, *excuses)))
        case _:
            steps = ("scheduling and start", "start", "status report", "allowance")
            made: StageName = "scheduled" if context.no_room else "replacement created"
            since = made if context.path in ("replaced", "moved") else "container restarted"
            return StageRule(name, (since,), context.some(*steps, stage="started"))


def _stays_bound(context: _Context) -> bool:
    """Whether the pod may stay bound to its lost node for ever, so that nobody has to replace it."""
    plain = recovery_bound(context.spec, context.timings).unpromised
    return context.path == "moved" and any(one not in plain for one in context.whole.unpromised)


def _event_bound(context: _Context) -> Bound | None:
    """The first failed probe: a tick comes within P, its answer within T; of each container the soonest probe."""
    first_s = [one.first_failure_s for one in context.probes if one.first_failure_s is not None]
    if not first_s:
        return None
    probe = Part("first failed probe", max(first_s), "the container's own probe: P + T")
    return Bound((context.own, probe, *endpoint_bound(context.timings).parts))


def _unready_bound(context: _Context) -> Bound | None:
    if context.path == "replaced" and not context.of_node:
        return endpoint_bound(context.timings)
    if context.path in ("moved", "node back", "replaced"):
        timings = context.timings
        lost_s = timings.node_monitor_grace_s + 2 * timings.node_monitor_period_s
        source = "the controller's grace, seen one period late at its begin and at its end"
        bound = endpoint_bound(timings).after(Part("node declared lost", lost_s, source))
        assumed = [flag for flag in ("node_monitor_grace_s", "node_monitor_period_s") if flag in timings.assumed]
        text = f"how the cluster is set is not recorded, and taken as Kubernetes' default ({', '.join(assumed)})"
        return Bound(bound.parts, (Unpromised("ready", text),) if assumed else ())
    if context.path == "crashed":
        return context.some("exit seen", "status report", "allowance")
    detected_s = [one.unready_s for one in context.probes if one.unready_s is not None]
    if not detected_s:
        return None
    probe = Part("readiness probe", max(detected_s), "the container's own probe: P + (F-1)*max(P, T) + T")
    return context.some("status report", "allowance", before=(context.own, probe))


def _ready_since(path: RecoveryPath) -> tuple[StageName, ...]:
    return ("unready", "fault healed") if path in ("returned", "node back") else ("started",)


def _ready_bound(context: _Context) -> Bound | None:
    if context.path == "node back":
        return None
    if context.path != "returned":
        return context.some("startup and readiness probes", "status report", "allowance", stage="ready")
    found = (one.readiness for one in container_probes(context.spec))
    longest_s = max((probe.recovery_detection_s for probe in found if probe is not None), default=0.0)
    probe = Part("readiness probe", longest_s, "the pod's own probe: S*P + T")
    return context.some("status report", "allowance", before=(context.own, probe))
