"""Too few replicas, all of them in one place, or a release that takes them all at once."""

from collections import Counter
from collections.abc import Iterator
from typing import Any

from chaos.checks.advice.model import Advice, Case, patch_of
from chaos.checks.placement.spread import SpreadDetail
from chaos.checks.verdict import Finding
from chaos.history.facts.replica_counts import ready_replicas
from chaos.review.autoscaling import ALONE
from chaos.semantics.rollout import Strategy

__all__ = ["one_node", "one_replica", "release_takes_all"]

HOST = "kubernetes.io/hostname"


def one_replica(case: Case, finding: Finding) -> Iterator[Advice]:
    """Users were not served, and there was one replica to serve them."""
    if case.workload.replicas != 1 or _lowest(case) != 0:
        return
    why = "With a single replica nobody serves while it is replaced; no probe and no budget can change that."
    yield Advice(finding.check, "Run more than one replica", why, ALONE, patch_of({"spec": {"replicas": 2}}), case.how)


def one_node(case: Case, finding: Finding) -> Iterator[Advice]:
    """All replicas were on one node when a fault took that node, or ended there."""
    if case.workload.replicas < 2:
        return
    if isinstance(finding.detail, SpreadDetail):
        yield _restart(case, finding.detail)
        return
    struck = {ref.name for fault in case.history.faults for ref in fault.victims if ref.kind == "Node"}
    held = Counter(life.node for life in case.lives if life.ready_at(case.at_ns))
    if len(held) != 1 or not struck & set(held) or _lowest(case) != 0:
        return
    (node, count) = next(iter(held.items()))
    selector = case.pod_spec.get("nodeSelector") or {}
    spec: dict[str, Any] = {"topologySpreadConstraints": [_spread(case, HOST, 1)]}
    sums: tuple[str, ...] = (f"all {count} ready replicas were on {node}: {count} - {count} = 0 left without it",)
    if selector:
        spec["nodeSelector"] = dict.fromkeys(selector)
        wanted = ", ".join(f"{key}={value}" for key, value in selector.items())
        sums += (f"nodeSelector {wanted} is taken away: no other node may hold a replica with it",)
    sums += (f"on 2 nodes with a skew of at most 1: {count} - {-(-count // 2)} = {count // 2} left without one",)
    why = f"All replicas were on node {node}, so they went with it."
    patch = patch_of({"spec": {"template": {"spec": spec}}})
    yield Advice(finding.check, "Spread the replicas over nodes", why, sums, patch, case.how)


def _restart(case: Case, spread: SpreadDetail) -> Advice:
    """Nothing moves running pods: new ones are placed anew, strictly."""
    spec = {"topologySpreadConstraints": [_spread(case, spread.key, spread.max_skew)]}
    sums = (
        f"skew {spread.skew} now, at most {spread.max_skew} wanted",
        "Kubernetes moves no running pod: this patch changes the template, so all replicas are placed anew",
    )
    why = "The scheduler may ignore a spread that it cannot keep (ScheduleAnyway), and nothing moves pods afterwards."
    patch = patch_of({"spec": {"template": {"spec": spec}}})
    return Advice("spread", "Make the spread binding, and place the replicas anew", why, sums, patch, case.how)


def _spread(case: Case, key: str, max_skew: int) -> dict[str, Any]:
    strict = {"maxSkew": max_skew, "topologyKey": key, "whenUnsatisfiable": "DoNotSchedule"}
    return {**strict, "labelSelector": dict(case.workload.selector)}


def release_takes_all(case: Case, finding: Finding) -> Iterator[Advice]:
    """A release left nobody to serve, because its strategy lets every replica be missing."""
    released = [fault for fault in case.history.faults if fault.name in ("rolling-update", "bad-rollout")]
    rolling = (case.workload.spec.get("strategy") or {}).get("rollingUpdate") or {}
    if not released or case.history.facts.workload_kind != "Deployment" or "maxUnavailable" not in rolling:
        return
    replicas = case.workload.replicas
    missing = Strategy.of(case.workload.spec).unavailable(replicas)
    if missing < replicas or _lowest(case) != 0:
        return
    sums = (
        f"now: maxUnavailable {rolling['maxUnavailable']} of {replicas} replicas: {replicas} - {missing} = 0 must stay",
        f"maxUnavailable 0 and maxSurge 1: {replicas} stay while one new replica at a time becomes Ready",
    )
    strategy = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    why = "The release may take every replica at once, before any new one has shown that it works."
    patch = patch_of({"spec": {"strategy": strategy}})
    yield Advice(finding.check, "Let a release keep its replicas", why, sums, patch, case.how)


def _lowest(case: Case) -> int | None:
    return ready_replicas(case.history).min(case.at_ns, case.history.ended_ns)
