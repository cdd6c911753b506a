"""The whole plan, from one reading of the cluster."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection

from chaos.cli.plan.drain_outcome import Judge
from chaos.cli.plan.index import World
from chaos.cli.plan.node_pairs import judge_pairs
from chaos.cli.plan.results import Plan, Pool
from chaos.cli.plan.snapshot import Listing
from chaos.semantics import KUBERNETES, DrainOptions, Timings

__all__ = ["POOL_LABEL", "make_plan"]

POOL_LABEL = "gameday.dev/pool"


def make_plan(
    listing: Listing,
    *,
    options: DrainOptions,
    pool_label: str = POOL_LABEL,
    judged: Collection[str] | None = None,
    timings: Timings = KUBERNETES,
) -> Plan:
    """Answer for every node, every pool and every pair of nodes. Pure.

    `judged` are the namespaces whose pods are looked at, None for all. Raises `ValueError` for an object that no API
    server would have accepted.
    """
    world = World.of(listing)
    judge = Judge(world, options=options, timings=timings, judged=judged)
    alone = tuple(judge.drain((name,)) for name in sorted(world.nodes))
    pools: dict[str, list[str]] = defaultdict(list)
    for name, node in sorted(world.nodes.items()):
        if pool_label in node.labels:
            pools[node.labels[pool_label]].append(name)
    unread = [
        kind
        for kind, found in (("PersistentVolumeClaim", listing.claims), ("PersistentVolume", listing.volumes))
        if found is None
    ]
    return Plan(
        nodes=alone,
        pools=tuple(Pool(name, judge.drain(nodes)) for name, nodes in sorted(pools.items())),
        pairs=judge_pairs(judge, alone),
        pool_label=pool_label,
        pods=len(listing.pods),
        budgets=len(listing.budgets),
        unread=tuple(unread),
    )
