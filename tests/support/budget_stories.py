"""Stories of disruption budgets: how the API server and the disruption controller tell them over the watch."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, Self

from histories import NAMESPACE, WORKLOAD, Story, at, deployment, node, pod, replica_set

from chaos.checks.budgets.records import EVICTED
from chaos.history import History, Outcome
from chaos.objects.base import Ref

REFUSED: Mapping[str, Any] = {"status": 429, "causes": ["DisruptionBudget"], "reason": "429 Cannot evict pod"}
GRACE_S = 2.0


def budget(
    *,
    healthy: int = 4,
    desired: int = 3,
    allowed: int | None = None,
    disrupted: tuple[str, ...] = (),
    generation: int = 1,
    observed: int | None = None,
    expected: int = 4,
    name: str = "model",
    spec: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """A raw disruption budget as its controller would count it; `disrupted` are UIDs of the story's pods."""
    wish = {"maxUnavailable": 1, "selector": {"matchLabels": {"app": WORKLOAD}}}
    return {
        "metadata": {"uid": f"pdb-{name}", "name": name, "namespace": NAMESPACE, "generation": generation},
        "spec": wish if spec is None else dict(spec),
        "status": {
            "observedGeneration": generation if observed is None else observed,
            "disruptionsAllowed": max(0, healthy - desired) if allowed is None else allowed,
            "currentHealthy": healthy,
            "desiredHealthy": desired,
            "expectedPods": expected,
            "disruptedPods": {f"model-{uid}": "2026-01-01T00:00:00Z" for uid in disrupted},
        },
    }


class Guarded(Story):
    """A story of pods under a disruption budget; pods are on nodes n1, n2, n3 in turn."""

    def stands(self, *uids: str, pdb: Mapping[str, Any] | None = None) -> Self:
        """The system stands, with these pods Ready and this budget, when the watch begins."""
        self.saw(0, "LISTED", deployment(len(uids)), "Deployment")
        self.saw(0, "LISTED", replica_set(len(uids)), "ReplicaSet")
        for number in (1, 2, 3):
            self.saw(0, "LISTED", node(f"n{number}", labels={"pool": "blue", "zone": f"z{number}"}), "Node")
        for place, uid in enumerate(uids):
            self.saw(0, "LISTED", pod(uid, ready=True, node=f"n{place % 3 + 1}"))
        if pdb is not None:
            self.counted(0, pdb, type_="LISTED")
        return self

    def counted(self, at_s: float, pdb: Mapping[str, Any], *, type_: str = "MODIFIED") -> Self:
        """A state of the budget."""
        self.saw(at_s, type_, pdb, "PodDisruptionBudget")
        return self

    def charged(self, uid: str, at_s: float, *, healthy: int = 4, desired: int = 3, allowed: int = 0) -> Self:
        """The eviction API charges the budget for a pod; `allowed` is what is left after that."""
        return self.counted(at_s, budget(healthy=healthy, desired=desired, allowed=allowed, disrupted=(uid,)))

    def leaves(self, uid: str, at_s: float, *, reason: str = EVICTED, node: str = "n1") -> Self:
        """A pod is marked, its deletion is accepted 10 ms later, and it is gone after its grace."""
        if reason:
            self.saw(at_s, "MODIFIED", pod(uid, ready=True, node=node, disruption=reason))
        self.saw(at_s + 0.01, "MODIFIED", pod(uid, ready=True, node=node, disruption=reason, deleting=True))
        gone = pod(uid, node=node, disruption=reason, deleting=True)
        self.saw(at_s + GRACE_S, "DELETED", gone)
        return self

    def evicted(
        self,
        uid: str,
        at_s: float,
        *,
        node: str = "n1",
        healthy: int = 4,
        desired: int = 3,
        outcome: Outcome | None = "ok",
        fault: str | None = None,
    ) -> Self:
        """A pod is evicted as it should be: asked, charged, marked, deleted; by others if `outcome` is None."""
        if outcome is not None:
            self.acted("evict-pod", at_s - 0.01, uid=uid, outcome=outcome, fault=fault)
        self.charged(uid, at_s, healthy=healthy, desired=desired, allowed=max(0, healthy - desired - 1))
        self.leaves(uid, at_s + 0.002, node=node)
        return self.counted(at_s + 0.02, budget(healthy=healthy - 1, desired=desired))

    def refused(self, uid: str, at_s: float, *, fault: str | None = None) -> Self:
        """The eviction of a pod is refused by its budget."""
        self.acted("evict-pod", at_s, uid=uid, outcome="fail", fault=fault, detail=REFUSED)
        return self

    def back(self, uid: str, at_s: float, *, node: str = "n2", healthy: int = 4, desired: int = 3) -> Self:
        """A replacement is made, becomes Ready 2 s later, and is counted."""
        self.saw(at_s, "ADDED", pod(uid, node=""))
        self.saw(at_s + 0.1, "MODIFIED", pod(uid, node=node))
        self.saw(at_s + 1, "MODIFIED", pod(uid, node=node, running=True))
        self.saw(at_s + 2, "MODIFIED", pod(uid, node=node, ready=True))
        return self.counted(at_s + 2.01, budget(healthy=healthy, desired=desired))

    def drain(
        self,
        *,
        node: str = "n1",
        at_s: float = 30,
        result: str = "finished",
        result_s: float = 40,
        healed_s: float = 41,
        detail: Mapping[str, Any] | None = None,
        parameters: Mapping[str, Any] | None = None,
        name: str = "node-drain",
    ) -> Self:
        """A node is cordoned and drained, and the drain ends with that result."""
        self.fault(at_s=at_s, healed_s=healed_s, name=name)
        *others, one = self.parts["faults"]
        told = {"node": node, "budget": "", "gone": [], "left": [], "pending": [], **(detail or {})}
        one = replace(
            one,
            victims=(Ref("Node", "", node, f"node-{node}"),),
            result=result,
            result_ns=at(result_s) if result else None,
            result_words=result,
            result_detail=told,
            parameters=parameters or {"deadline_s": 60},
        )
        self.has(faults=(*others, one))
        self.saw(at_s + 0.01, "MODIFIED", _node(node, cordoned=True), "Node")
        self.saw(healed_s, "MODIFIED", _node(node, cordoned=False), "Node")
        return self

    def history(self) -> History:
        """The story as a History, in which disruption budgets were watched too."""
        covered = {"PodDisruptionBudget": (at(0), at(self.end_s))}
        told = super().history()
        return told if "covered_ns" in self.parts else replace(told, covered_ns={**told.covered_ns, **covered})


def _node(name: str, *, cordoned: bool) -> dict[str, Any]:
    return node(name, labels={"pool": "blue", "zone": f"z{name[1:]}"}, cordoned=cordoned)


def guarded(*, pdb: Mapping[str, Any] | None = None) -> Guarded:
    """Four replicas of which three have to stay, under traffic."""
    story = Guarded().stands("a", "b", "c", "d", pdb=budget() if pdb is None else pdb)
    story.traffic()
    return story


def drain_story() -> Guarded:
    """Node n1 holds a and d of four replicas and is drained: a goes, d is refused until a is replaced, then goes."""
    return (
        guarded()
        .drain(result_s=42, healed_s=45)
        .evicted("a", 30.2, fault="node-drain-1")
        .refused("d", 30.25, fault="node-drain-1")
        .back("e", 30.3, node="n2")
        .evicted("d", 35.3, fault="node-drain-1")
        .back("f", 35.4, node="n3")
    )


def unwatched_budget(story: Guarded) -> Guarded:
    """The story, without any disruption budget in it."""
    story.events = [event for event in story.events if event.kind != "PodDisruptionBudget"]
    return story
