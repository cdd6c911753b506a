"""Choosing victims, replayable from the trial's seed.

Every pick is called with the system first:

| pick | victims |
| --- | --- |
| `one(system)` | one ready replica |
| `share(system, 0.5)` | that part of the ready replicas, rounded down, at least one, at most what may be down at once |
| `every(system)` | every ready replica |
| `unready(system)` | the newest pod that runs and is not Ready |
| `fullest_node(system, share_max=0.5)` | the fullest of the nodes with at most that part of the ready replicas |
| `fullest_nodes(system, 2)` | so many nodes, the fullest first, each as targets of its own |
| `node_of(system, one(system))` | the node of the pod that another pick chose |
| `pool(system, label, value)` | every node with that label |
| `fullest_pool(system, label)` | every node of the pool with the most ready replicas |
| `fullest_zone(system)` | every node of the zone with the most ready replicas |
| `all_nodes(system)` | every node |

A node, pool or zone with more replicas, or nodes, than may be down at once is no candidate.

Picks return `Targets`: references that carry UIDs, so that a replacement of the same name is never hit by mistake.
Candidates are ranked by node and age before the seed chooses among them, because pod names are random and would make
the same seed choose differently each time.
"""

import math
from collections import Counter
from collections.abc import Callable, Sequence

from chaos.errors import GamedayError, UsageError
from chaos.faults.target_pool import ENGINE, Pool, Targets, at_once, no_more_than
from chaos.objects.base import Ref
from chaos.objects.kinds import NodeView
from chaos.objects.pod import PodView

__all__ = [
    "ENGINE",
    "ZONE",
    "Targets",
    "all_nodes",
    "every",
    "fullest_node",
    "fullest_nodes",
    "fullest_pool",
    "fullest_zone",
    "node_of",
    "one",
    "pool",
    "share",
    "unready",
]

ZONE = "topology.kubernetes.io/zone"


def one(system: Pool, *, role: str = ENGINE) -> Targets:
    """Pick one replica."""
    return _pick(_in(system, role), lambda _ready: 1, f"one {_member(role)}")


def share(system: Pool, part: float, *, role: str = ENGINE) -> Targets:
    """Pick this part of the ready replicas, e.g. 0.5, rounded down, but at least one. Raises `UsageError`.

    Never more than may be down at once (`Pool.at_once`).
    """
    if not 0 < part <= 1:
        raise UsageError(f"targets.share: {part:g} is not above 0 and at most 1", "give a part, e.g. 0.5 for half")
    # A share such as 0.1 of 10 is one replica, though the product of floats may lie just below.
    system = _in(system, role)
    most = at_once(system)
    return _pick(
        system, lambda ready: max(1, int(min(part * ready + 1e-9, most))), f"{part:.0%} of the {_members(role)}"
    )


def every(system: Pool, *, role: str = ENGINE) -> Targets:
    """Pick every ready replica."""
    return _pick(_in(system, role), lambda ready: ready, f"every {_member(role)}")


def unready(system: Pool) -> Targets:
    """Pick one pod that runs but is not Ready, the newest."""
    words = "one pod that runs and is not Ready"
    if system.inert:
        return Targets(words, ())
    found = [pod for pod in system.pods() if pod.phase == "Running" and not pod.ready_condition and not pod.deleting]
    if not found:
        raise GamedayError(f"no pod that runs and is not Ready matches {system.words}", "make one unready first")
    chosen = max(found, key=lambda pod: (pod.created, pod.name))
    return Targets(f"{words} ({chosen.name})", (chosen.ref,), chosen.grace_s)


def fullest_node(system: Pool, *, share_max: float = 1.0) -> Targets:
    """Pick the node with the most ready replicas; among equals the seed chooses.

    `share_max` is the largest part of them that it may hold, where the scenario counts on the others: of nodes that
    hold no more than that the fullest is picked. Raises `GamedayError` if all hold more.
    """
    return _fullest(system, 1, share_max * len(system.ready_pods()))[0]


def fullest_nodes(system: Pool, count: int) -> tuple[Targets, ...]:
    """Pick so many nodes, the fullest first, each as targets of its own; among equals the seed chooses.

    Only nodes that are Ready, not cordoned, and hold a ready replica; together no more than may be down at once.
    Raises `GamedayError` if there are fewer.
    """
    return _fullest(system, count, math.inf)


def _fullest(system: Pool, count: int, held_max: float) -> tuple[Targets, ...]:
    if system.inert:
        return tuple(Targets("the fullest node", ()) for _ in range(count))
    held = Counter(pod.node for pod in system.ready_pods())
    open_nodes = sorted(
        (node for node in system.nodes() if node.ready and not node.unschedulable and held[node.name]),
        key=lambda node: node.name,
    )
    most = min(held_max, at_once(system) // count)
    nodes = [node for node in open_nodes if held[node.name] <= most]
    system.rng.shuffle(nodes)
    nodes.sort(key=lambda node: held[node.name], reverse=True)
    if len(open_nodes) < count:
        raise GamedayError(
            f"{len(open_nodes)} open nodes hold a ready pod that matches {system.words}, not {count}",
            "see kubectl get nodes and where the pods lie, or give the system more replicas",
        )
    if len(nodes) < count:
        lie = ", ".join(f"{held[node.name]} on {node.name}" for node in open_nodes)
        raise GamedayError(
            f"the ready replicas lie {lie}, and the scenario counts on at most {most:g} of them on a node",
            "spread them over the nodes first, e.g. with kubectl rollout restart",
        )
    return tuple(_on_nodes(system, [node], f"node {node.name}") for node in nodes[:count])


def node_of(system: Pool, pods: Targets) -> Targets:
    """Pick the node on which the pod that another pick chose runs, e.g. `node_of(system, one(system))`.

    Raises `GamedayError` if the pods are not on one node.
    """
    if system.inert:
        return Targets(f"the node of {pods.words}", ())
    uids = {ref.uid for ref in pods.refs}
    names = {pod.node for pod in system.pods() if pod.uid in uids}
    nodes = [node for node in system.nodes() if node.name in names]
    if len(nodes) != 1:
        raise GamedayError(
            f"{pods.words}: on {len(nodes)} nodes, not on one", "pick one pod: node_of(system, one(system))"
        )
    return _on_nodes(system, nodes, f"node {nodes[0].name}, where {pods.words} runs")


def pool(system: Pool, label: str, value: str) -> Targets:
    """Pick every node that has this label, in the order of their names: a node pool. Raises `GamedayError` if none."""
    words = f"the node pool {label}={value}"
    if system.inert:
        return Targets(words, ())
    nodes = sorted((node for node in system.nodes() if node.labels.get(label) == value), key=lambda node: node.name)
    if not nodes:
        seen = sorted({node.labels[label] for node in system.nodes() if label in node.labels})
        raise GamedayError(
            f"no node has the label {label}={value}",
            f"choose one of the values that there are: {', '.join(seen)}" if seen else "see kubectl get nodes -L",
        )
    return _on_nodes(system, nodes, f"{words} ({', '.join(node.name for node in nodes)})")


def fullest_pool(system: Pool, label: str) -> Targets:
    """Pick every node of the pool with the most ready replicas; a pool is the nodes with the same value of the label.

    Among equals the seed chooses. Raises `GamedayError` if there are not two pools: nothing would be left.
    """
    return _fullest_group(system, label, "pool")


def fullest_zone(system: Pool) -> Targets:
    """Pick every node of the zone with the most ready replicas; among equals the seed chooses.

    Raises `GamedayError` if no node says in which zone it is, or if there is only one zone: nothing would be left.
    """
    return _fullest_group(system, ZONE, "zone")


def all_nodes(system: Pool) -> Targets:
    """Pick every node there is, in the order of their names."""
    if system.inert:
        return Targets("all nodes", ())
    nodes = sorted(system.nodes(), key=lambda node: node.name)
    return _on_nodes(system, nodes, f"all {len(nodes)} nodes")


def _fullest_group(system: Pool, label: str, called: str) -> Targets:
    if system.inert:
        return Targets(f"the fullest {called}", ())
    group_of = {node.name: node.labels[label] for node in system.nodes() if label in node.labels}
    groups = sorted(set(group_of.values()))
    if len(groups) < 2:
        raise GamedayError(
            f"the nodes are in {len(groups)} {called}s by their label {label}, and losing one would leave nothing",
            f"see kubectl get nodes -L, and label nodes of two {called}s at least",
        )
    held = Counter(group_of.get(pod.node, "") for pod in system.ready_pods())
    size, nodes_most = Counter(group_of.values()), no_more_than(system.nodes_at_once)
    fitting = [group for group in groups if held[group] <= at_once(system) and size[group] <= nodes_most]
    if not fitting:
        lie = ", ".join(f"{held[group]} on {size[group]} nodes in {called} {group}" for group in groups)
        raise GamedayError(
            f"the ready replicas lie {lie}; {at_once(system):g} and {nodes_most:g} nodes may be down at once",
            f"spread them over the {called}s, or raise safety.pods_max and safety.nodes_max",
        )
    system.rng.shuffle(fitting)
    chosen = max(fitting, key=lambda group: held[group])
    nodes = sorted((node for node in system.nodes() if group_of.get(node.name) == chosen), key=lambda node: node.name)
    return _on_nodes(system, nodes, f"{called} {chosen} ({', '.join(node.name for node in nodes)})")


def _on_nodes(system: Pool, nodes: Sequence[NodeView], words: str) -> Targets:
    names = {node.name for node in nodes}
    ready = system.ready_pods()
    pods = [pod for pod in _ranked(ready) if pod.node in names]
    refs = (*(Ref("Node", "", node.name, node.uid) for node in nodes), *(pod.ref for pod in pods))
    holds = f"{len(pods)} of {len(ready)} ready replicas"
    return Targets(f"{words}, with {holds}", refs, max((pod.grace_s for pod in pods), default=0))


def _pick(system: Pool, count_of: Callable[[int], int], words: str) -> Targets:
    if system.inert:
        return Targets(words, ())
    ready = _ranked(system.ready_pods())
    if not ready:
        raise GamedayError(
            f"no ready pod matches {system.words}",
            "see what the pods wait for with kubectl describe, or correct the selector",
        )
    chosen = system.rng.sample(ready, count_of(len(ready)))
    refs = tuple(pod.ref for pod in chosen)
    return Targets(f"{words} ({len(refs)} of {len(ready)})", refs, max(pod.grace_s for pod in chosen))


def _in(system: Pool, role: str) -> Pool:
    return system if role == ENGINE else system.role(role)


def _member(role: str) -> str:
    return "replica" if role == ENGINE else f"replica of the {role}"


def _members(role: str) -> str:
    return "replicas" if role == ENGINE else f"replicas of the {role}"


def _ranked(pods: Sequence[PodView]) -> list[PodView]:
    return sorted(pods, key=lambda pod: (pod.node, pod.created, pod.name))
