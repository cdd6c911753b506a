"""Small hand-written clusters for the tests of `chaos.cli.plan`, and the answers for them."""

from collections.abc import Iterable, Sequence
from typing import Any

from cluster_objects import NOW, Obj, deployment, node, pod

from chaos.cli.plan.listing import Listing
from chaos.cli.plan.planner import make_plan
from chaos.cli.plan.results import DrainAnswer, Plan
from chaos.semantics import DrainOptions

__all__ = ["PLAIN", "answer_of", "codes", "listing", "plan_of", "spread_out", "three_nodes"]

PLAIN = DrainOptions(ignore_daemonsets=True)


def three_nodes(**given: Any) -> list[Obj]:
    """Nodes n1, n2 and n3."""
    return [node(f"n{index}", **given) for index in (1, 2, 3)]


def spread_out(count: int, *, nodes: Sequence[str] = ("n1", "n2", "n3"), app: str = "web", **given: Any) -> list[Obj]:
    """Pods APP-0 … of one app, one node after the other."""
    return [pod(f"{app}-{index}", app=app, node=nodes[index % len(nodes)], **given) for index in range(count)]


def listing(
    *,
    nodes: Iterable[Obj] | None = None,
    pods: Iterable[Obj] | None = None,
    budgets: Iterable[Obj] = (),
    controllers: Iterable[Obj] | None = None,
    **more: Any,
) -> Listing:
    """A reading of a cluster: three nodes with a Deployment `web` of three, unless told otherwise."""
    return Listing(
        at=NOW,
        nodes=tuple(three_nodes() if nodes is None else nodes),
        pods=tuple(spread_out(3) if pods is None else pods),
        budgets=tuple(budgets),
        controllers=tuple(deployment("web", 3) if controllers is None else controllers),
        **more,
    )


def plan_of(*, options: DrainOptions = PLAIN, judged: frozenset[str] | None = None, **cluster: Any) -> Plan:
    """The plan for a cluster."""
    return make_plan(listing(**cluster), options=options, judged=judged)


def answer_of(name: str = "n1", **cluster: Any) -> DrainAnswer:
    """The answer for one node."""
    return next(answer for answer in plan_of(**cluster).nodes if answer.nodes == (name,))


def codes(answer: DrainAnswer) -> list[str]:
    """The codes of its reasons, the worst first."""
    return [reason.code for reason in answer.reasons]
