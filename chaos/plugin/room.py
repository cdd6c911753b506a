"""Whether a system has room for a scenario: replicas, what may be down at once, what its budget lets go, its nodes.

Decided before anything is deployed or done, from what a scenario says with `@pytest.mark.needs(…)` and which faults it
names. Each answer is one sentence that ends with what would allow it.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import pytest

from chaos.errors import ClusterRefused, UsageError, plural
from chaos.faults.permissions import LOAD, Activity
from chaos.faults.targets import ZONE
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView
from chaos.safety import BlastRadius
from chaos.semantics.rollout import Strategy
from chaos.system import SystemSpec
from chaos.system.adopt.find import Adopted
from chaos.system.spec.compatibility import may_go
from chaos.trial.environment import Environment

__all__ = ["NodeRoom", "Room", "lacks_of_room", "nodes_with", "room_here", "room_of"]

ROLLS = frozenset({"rolling-update", "bad-rollout"})
ALL = "all"
GROUPS: Mapping[str, str] = {"zone": ZONE}

MORE_AT_ONCE = "raise safety.pods_max (its default is system.tolerance), safety.percent_max or --gameday-pods-max"

KNOWN = frozenset(
    {
        "replicas_min",
        "at_once_min",
        "evictable_min",
        "evictable_max",
        "refused_min",
        "nodes_out",
        "node_share_max",
        "nodes",
        "node_label",
    }
)
"""What a scenario may say that it needs, each by a keyword of the marker `needs`."""


@dataclass(frozen=True, slots=True)
class NodeRoom:
    """A node that may take replicas; `held`: of a system that runs, how many ready ones are on it, else None."""

    labels: Mapping[str, str]
    held: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """What a system has room for.

    `replicas`: how many it is meant to have at the fewest. `at_once`: how many pods may be down at once because of us.
    `evictable`: how many the disruption budget lets go at once, all without one. `rolled`: how many a release may have
    down. `nodes_out`: how many nodes may be out at once because of us, None for any number.
    """

    replicas: int
    at_once: int
    evictable: int
    rolled: int = 0
    nodes: Sequence[NodeRoom] = ()
    nodes_out: int | None = None


def room_of(spec: SystemSpec, radius: BlastRadius, nodes: Sequence[NodeRoom]) -> Room:
    """The room of a system of this spec within this bound."""
    replicas, budget, rollout = spec.replicas_floor, spec.disruption_budget, spec.rollout
    strategy = {"maxSurge": rollout.max_surge, "maxUnavailable": rollout.max_unavailable}
    return Room(
        replicas=replicas,
        at_once=min(radius.pods_max, replicas),
        evictable=replicas if budget is None else may_go(budget, replicas),
        rolled=Strategy.of({"strategy": {"rollingUpdate": strategy}}).unavailable(replicas),
        nodes=nodes,
        nodes_out=radius.nodes_max,
    )


def room_here(environment: Environment, spec: SystemSpec, adopted: Adopted | None, pods_max: int | None) -> Room:
    """What the system has room for, as it is now."""
    nodes: Sequence[NodeRoom] = [NodeRoom(one.labels) for one in environment.cluster.facts.nodes]
    namespace = adopted.system.namespace if adopted else ""
    if adopted:
        selector = ",".join(f"{key}={value}" for key, value in adopted.system.selector.items())
        with suppress(ClusterRefused):  # the preflight names the rights that are missing
            pods = environment.cluster.list("Pod", namespace, selector=selector)
            nodes = nodes_with(map(NodeView, environment.cluster.list("Node")), map(PodView, pods))
    wanted = spec.replicas_floor
    radius = environment.blast_radius(spec, namespace, pods_max, wanted=wanted, nodes=len(nodes))
    return room_of(spec, radius, nodes)


def nodes_with(nodes: Iterable[NodeView], pods: Iterable[PodView]) -> tuple[NodeRoom, ...]:
    """The nodes of a system that runs, each with how many ready replicas it holds."""
    held = Counter(pod.node for pod in pods if pod.ready)
    return tuple(NodeRoom(one.labels, held[one.name]) for one in nodes if one.ready and not one.unschedulable)


def lacks_of_room(node: pytest.Item, room: Room, activities: Iterable[Activity]) -> Iterator[str]:
    """What the room is too small for, in sentences; empty if the scenario fits. Raises `UsageError` for an odd need."""
    needs = _needs(node)
    done = tuple(one for one in activities if not one.reads and one.name != LOAD.name)
    yield from _replicas(room, needs)
    if "at_once_min" in needs or any(not one.hits_none for one in done):
        yield from _at_once(room, needs, done)
    yield from _budget(room, needs)
    yield from _nodes(room, needs, hit=any(one.hits_nodes for one in done))


def _needs(node: pytest.Item) -> dict[str, Any]:
    """What the scenario says by keywords; the innermost marker wins."""
    given: dict[str, Any] = {}
    for marker in reversed(list(node.iter_markers("needs"))):
        given |= marker.kwargs
    if unknown := sorted(set(given) - KNOWN):
        raise UsageError(f"@pytest.mark.needs: {unknown[0]} is not known", f"known: {', '.join(sorted(KNOWN))}")
    return given


def _replicas(room: Room, needs: Mapping[str, Any]) -> Iterator[str]:
    least = int(needs.get("replicas_min", 1))
    if room.replicas < least:
        yield f"the system has {plural(room.replicas, 'replica')}, the scenario needs {least}: give it more"


def _at_once(room: Room, needs: Mapping[str, Any], done: Sequence[Activity]) -> Iterator[str]:
    asked = needs.get("at_once_min", 1)
    least = room.replicas if asked == ALL else int(asked)
    if any(one.name in ROLLS for one in done):
        least = max(least, room.rolled)
    if room.at_once < least:
        of = plural(room.replicas, "replica")
        yield f"{room.at_once} of {of} may be down at once, the scenario needs {least}: {MORE_AT_ONCE}"


def _budget(room: Room, needs: Mapping[str, Any]) -> Iterator[str]:
    lets = f"the disruption budget lets {room.evictable} of {plural(room.replicas, 'replica')} go"
    least, most, refused = (needs.get(name) for name in ("evictable_min", "evictable_max", "refused_min"))
    if least is not None and room.evictable < int(least):
        yield f"{lets}, the scenario needs {least}: change it, e.g. to maxUnavailable {least}"
    if most is not None and room.evictable > int(most):
        yield f"{lets}, the scenario is about one that lets at most {most}: try it on a copy with such a budget"
    if refused is not None and room.at_once - room.evictable < int(refused):
        yield (
            f"{lets}, and {room.at_once} may be asked to at once, so none of these is refused: {MORE_AT_ONCE}, "
            "or try it on a copy with a smaller budget"
        )


def _nodes(room: Room, needs: Mapping[str, Any], *, hit: bool) -> Iterator[str]:
    wanted, label = int(needs.get("nodes", 0)), str(needs.get("node_label", ""))
    if len(room.nodes) < wanted:
        yield f"the cluster has {plural(len(room.nodes), 'open node')}, the scenario needs {wanted}: open or add some"
    if label and not any(label in one.labels for one in room.nodes):
        yield f"no node has the label {label}, which the scenario needs: kubectl label node NAME {label}=VALUE"
        return
    if hit:
        yield from _out(room, needs.get("nodes_out", 1), label, float(needs.get("node_share_max", 1)))


def _out(room: Room, out: int | str, label: str, share_max: float) -> Iterator[str]:
    """Whether so many nodes, or the nodes of a zone or pool, or all, may be out, with the replicas on them."""
    known = all(one.held is not None for one in room.nodes)
    if out == ALL:
        if not known:  # nobody's bound holds on a system that we deploy
            return
        groups = [room.nodes]
    elif isinstance(out, str):
        key = GROUPS.get(out, label)
        values = {one.labels[key] for one in room.nodes if key in one.labels}
        groups = [[one for one in room.nodes if one.labels.get(key) == value] for value in sorted(values)]
        if len(groups) < 2:
            yield f"the nodes are in {len(groups)} {out}s by their label {key}, and one has to be left: label two"
            return
    else:
        groups = [[one] for one in room.nodes]
    count = out if isinstance(out, int) else 1
    fewest = count * min((len(group) for group in groups), default=1)
    most = fewest if room.nodes_out is None else room.nodes_out
    if most < fewest:
        yield f"{plural(most, 'node')} may be out at once, the scenario takes {fewest}: raise safety.nodes_max"
        return
    # Where we deploy, nobody knows yet where replicas will lie; their number is bound by no owner then.
    held = sorted(sum(one.held or 0 for one in group) for group in groups if len(group) * count <= most)
    ready = sum(one.held or 0 for one in room.nodes)
    fitting = [one for one in held if 0 < one <= min(room.at_once // count, share_max * ready)]
    if known and len(fitting) < count:
        yield (
            f"the ready replicas lie {', '.join(map(str, held)) or 'none'} to a {_called(out)}, and "
            f"{min(room.at_once // count, int(share_max * ready))} may go with one: spread them over the nodes, or "
            f"{MORE_AT_ONCE}"
        )


def _called(out: int | str) -> str:
    return "node" if isinstance(out, int) or out == ALL else out
