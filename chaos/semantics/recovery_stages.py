"""The way back of one replica, leg by leg: which steps it has, and how long each may take.

The bound of each leg is made of the parts of the whole bound (`chaos.semantics.recovery`), which name their sources,
so that legs and whole cannot come to differ. A leg alone is granted the same allowance as the whole, and every leg of
which a kubelet tells is granted the kubelet's periodic status report: as none knows which of them will need it, the
bounds of the legs add up to more than the bound of the whole. What nobody promises has no bound.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from chaos.semantics.probes import Probe, Stage, liveness_bound_s, unpromised_start, unready_bound_s
from chaos.semantics.recovery import Bound, Part, endpoint_bound, node_loss_bound, recovery_bound, restart_bound
from chaos.semantics.timings import Timings

__all__ = ["LegName", "LegRule", "Way", "leg_rules"]

Raw = Mapping[str, Any]

Way = Literal["replaced", "moved", "restarted", "crashed", "returned", "node back"]
"""How a replica comes back. `replaced`: deleted, another pod in its place; `moved`: the same after its node was lost.
In the same pod: `restarted` by a probe; `crashed`: its container ended by itself, and runs anew; `returned`: it was not
Ready for a while; `node back`: because its node was lost for a while."""

LegName = Literal[
    "fault",
    "first failed request",
    "probe failure event",
    "unready",
    "endpoint removed",
    "fault healed",
    "container restarted",
    "replacement created",
    "scheduled",
    "started",
    "Ready",
    "endpoint added",
    "first answer",
    "latency back",
]
"""The step that ends the leg; `fault` only begins."""

LISTS: Mapping[Way, tuple[LegName, ...]] = {
    "replaced": ("replacement created", "scheduled", "started"),
    "moved": ("replacement created", "scheduled", "started"),
    "restarted": ("container restarted", "started"),
    "crashed": ("container restarted", "started"),
    "returned": ("fault healed",),
    "node back": ("fault healed",),
}
"""What lies between the endpoint that was removed and Ready."""

PROBED: tuple[Way, ...] = ("restarted", "returned")


@dataclass(frozen=True, slots=True)
class LegRule:
    """One leg: it begins when the last of `since` is done, and may take `bound`; with None nobody promises anything.

    `aside`: the next step does not wait for it. `witness`: it shows what happens and is no step by itself (requests
    come when they come, and a kubelet may drop events): its absence breaks nothing.
    """

    name: LegName
    since: tuple[LegName, ...]
    bound: Bound | None = None
    aside: bool = False
    witness: bool = False


@dataclass(frozen=True, slots=True)
class _Ground:
    """What the bounds of one way are made from."""

    way: Way
    spec: Raw
    timings: Timings
    own: Part
    restarts: int
    workload_kind: str

    @property
    def whole(self) -> Bound:
        """The bound of the whole way, of whose parts the legs are made."""
        if self.way == "moved":
            return node_loss_bound(self.spec, self.timings, workload_kind=self.workload_kind)
        if self.way == "replaced":
            return recovery_bound(self.spec, self.timings, workload_kind=self.workload_kind)
        return restart_bound(self.spec, self.timings, restarts=self.restarts)

    def some(self, *names: str, before: tuple[Part, ...] = (), stage: Stage | None = None) -> Bound:
        """The parts of these names, the status report and the allowance where named; excused as the stage is."""
        parts = (*before, *(part for part in self.whole.parts if part.name in names))
        in_place = self.way not in ("replaced", "moved")
        may = unpromised_start(self.spec) if in_place else recovery_bound(self.spec, self.timings).unpromised
        return Bound(parts, tuple(one for one in may if one.stage == stage))


def leg_rules(
    way: Way,
    pod_spec: Raw,
    timings: Timings,
    *,
    detection_s: float = 0.0,
    restarts: int = 0,
    workload_kind: str = "Deployment",
    first_answer: Bound | None = None,
) -> tuple[LegRule, ...]:
    """The legs of a way, in order, each with its bound.

    `detection_s` is how long the server itself may take to know that it is unwell, or well again, before its probes
    can tell. `restarts`: how often the container was restarted in the last ten minutes. `first_answer`: how long it may
    take from the endpoint to the first answer, which hangs on the traffic.
    """
    own = Part("the server's own detection", detection_s, "the scenario: how long the server takes to know its state")
    ground = _Ground(way, pod_spec, timings, own, restarts, workload_kind)
    return tuple(_rules(ground, first_answer))


def _rules(ground: _Ground, first_answer: Bound | None) -> Iterator[LegRule]:
    endpoint = endpoint_bound(ground.timings)
    yield LegRule("first failed request", ("fault",), aside=True, witness=True)
    if ground.way in PROBED:
        yield LegRule("probe failure event", ("fault",), _event_bound(ground), aside=True, witness=True)
    yield LegRule("unready", ("fault",), _unready_bound(ground))
    yield LegRule("endpoint removed", ("unready",), endpoint, aside=True)
    for name in LISTS[ground.way]:
        yield _between(ground, name)
    yield LegRule("Ready", _ready_since(ground.way), _ready_bound(ground))
    yield LegRule("endpoint added", ("Ready",), endpoint)
    yield LegRule("first answer", ("endpoint added",), first_answer)
    yield LegRule("latency back", ("first answer",))


def _between(ground: _Ground, name: LegName) -> LegRule:
    match name:
        case "fault healed":
            return LegRule(name, ("fault",), aside=True, witness=True)
        case "container restarted":
            before = (ground.own,) if ground.way == "restarted" else ()
            probe = ("liveness probe and grace",) if ground.way == "restarted" else ()
            steps = (*probe, "exit seen", "back-off", "start", "status report", "allowance")
            bound = ground.some(*steps, before=before)
            unprobed = ground.way == "restarted" and liveness_bound_s(ground.spec) is None
            return LegRule(name, ("fault",), None if unprobed else bound)
        case "replacement created":
            steps = ("node eviction rate", "toleration of a lost node", "termination", "controller", "allowance")
            return LegRule(name, ("unready",), None if _stays_bound(ground) else ground.some(*steps))
        case "scheduled":
            return LegRule(name, ("replacement created",), ground.some("scheduling and start", "allowance"))
        case _:
            steps = ("scheduling and start", "start", "status report", "allowance")
            since: LegName = "replacement created" if ground.way in ("replaced", "moved") else "container restarted"
            return LegRule(name, (since,), ground.some(*steps, stage="started"))


def _stays_bound(ground: _Ground) -> bool:
    """Whether the pod may stay bound to its lost node for ever, so that nobody has to replace it."""
    plain = recovery_bound(ground.spec, ground.timings).unpromised
    return ground.way == "moved" and any(one not in plain for one in ground.whole.unpromised)


def _event_bound(ground: _Ground) -> Bound | None:
    """The first failed probe: a tick comes within P, its answer within T; of each container the soonest probe."""
    first_s = [
        min((probe.period_s + probe.timeout_s for probe in _probes(container)), default=None)
        for container in ground.spec.get("containers") or ()
    ]
    if not first_s or None in first_s:
        return None
    probe = Part("first failed probe", max(one for one in first_s if one is not None), "the pod's own probe: P + T")
    return Bound((ground.own, probe, *endpoint_bound(ground.timings).parts))


def _probes(container: Raw) -> Iterator[Probe]:
    for kind in ("readinessProbe", "livenessProbe"):
        if (probe := Probe.of(container, kind)) is not None:
            yield probe


def _unready_bound(ground: _Ground) -> Bound | None:
    if ground.way == "replaced":
        return endpoint_bound(ground.timings)
    if ground.way in ("moved", "node back"):
        timings = ground.timings
        lost_s = timings.node_monitor_grace_s + 2 * timings.node_monitor_period_s
        source = "the controller's grace, seen one period late at its begin and at its end"
        return endpoint_bound(timings).after(Part("node declared lost", lost_s, source))
    if ground.way == "crashed":
        return ground.some("exit seen", "status report", "allowance")
    detection_s = unready_bound_s(ground.spec)
    if detection_s is None:
        return None
    probe = Part("readiness probe", detection_s, "the pod's own probe: P + (F-1)*max(P, T) + T")
    return ground.some("status report", "allowance", before=(ground.own, probe))


def _ready_since(way: Way) -> tuple[LegName, ...]:
    return ("unready", "fault healed") if way in ("returned", "node back") else ("started",)


def _ready_bound(ground: _Ground) -> Bound | None:
    if ground.way == "node back":
        return None
    if ground.way != "returned":
        return ground.some("startup and readiness probes", "status report", "allowance", stage="ready")
    found = (Probe.of(container, "readinessProbe") for container in ground.spec.get("containers") or ())
    longest_s = max((probe.recovery_detection_s for probe in found if probe is not None), default=0.0)
    probe = Part("readiness probe", longest_s, "the pod's own probe: S*P + T")
    return ground.some("status report", "allowance", before=(ground.own, probe))
