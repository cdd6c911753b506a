"""The answer for one set of nodes: would a drain of them finish, what would it wait for, what would stop it."""

from collections import defaultdict
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from functools import cache

from chaos.cli.plan import reasons
from chaos.cli.plan.index import ClusterIndex, Pod
from chaos.cli.plan.results import Answer, DrainAnswer, Reason, Unplaced
from chaos.cli.plan.scheduling import Room
from chaos.cli.plan.simulation import Assumed, Outcome, simulate
from chaos.semantics import Batch, DrainOptions, Timings, drain_bound, drain_set, recovery_bound
from chaos.semantics.kubectl_drain import Sorted

__all__ = ["Judge"]


class Judge:
    """Answers for one cluster. `judged` are the namespaces whose pods are looked at, None for all.

    Pods of other namespaces take room, and are taken to leave without hindrance.
    """

    def __init__(
        self, cluster: ClusterIndex, *, options: DrainOptions, timings: Timings, judged: Collection[str] | None = None
    ) -> None:
        self.cluster = cluster
        self.room = Room(cluster)
        self._options = options
        self._timings = timings
        self._judged = judged
        self._at = cluster.listing.at
        self._starting = cache(self._starts)

    def evictable(self, node: str) -> tuple[tuple[Pod, ...], tuple[Sorted, ...]]:
        """The pods that a drain of this node evicts, and those for which kubectl refuses to begin."""
        pods = [pod for pod in self.cluster.pods.get(node, ()) if self._looked_at(pod)]
        by_name = {(pod.view.namespace, pod.view.name): pod for pod in pods}
        views = [pod.view for pod in pods]
        found = drain_set(views, self._options, at=self._at, daemon_sets=self.cluster.daemon_sets)
        return tuple(by_name[view.namespace, view.name] for view in found.evict), found.refused

    def drain(self, nodes: Sequence[str]) -> DrainAnswer:
        """What would become of draining these nodes together. A node at which kubectl refuses refuses them all."""
        sorted_ = [self.evictable(node) for node in nodes]
        evict = tuple(pod for found, _ in sorted_ for pod in found)
        refused = [one for _, found in sorted_ for one in found]
        if refused:
            why = tuple(reasons.filters(refused))
            return DrainAnswer(tuple(nodes), Answer.REFUSED, why, pods=len(evict), rounds=0)
        found, outcome = self._simulated(nodes, evict)
        answer = max((reason.answer for reason in found), default=Answer.FINISHES)
        bound_s, unpromised = self._bound(evict) if answer <= Answer.WAITS else (None, ())
        return DrainAnswer(
            nodes=tuple(nodes),
            answer=answer,
            reasons=tuple(sorted(found, key=lambda reason: -reason.answer)),
            pods=len(evict),
            rounds=outcome.rounds,
            homeless=tuple(Unplaced(pod.key, homeless.words) for pod, homeless in outcome.homeless),
            bound_s=bound_s,
            unpromised=unpromised,
        )

    def _looked_at(self, pod: Pod) -> bool:
        return self._judged is None or pod.view.namespace in self._judged

    def _simulated(self, nodes: Sequence[str], evict: Sequence[Pod]) -> tuple[list[Reason], Outcome]:
        """Why the drain does not simply finish, and the outcome that shows it.

        Where it sticks it is simulated again: with the pods that are about to be Ready, then with all of them Ready, to
        tell what passes by itself from what somebody must mend.
        """
        cluster = self.cluster
        found = [
            *reasons.lost_nodes(cluster, nodes, evict),
            *reasons.finalizers(evict),
            *reasons.uncounted(cluster, evict),
        ]
        outcome = self._simulate(nodes, evict, lambda _: False)
        if not outcome.stuck:
            return [*found, *self._by_order(nodes, evict, outcome), *reasons.delays(cluster, evict, outcome)], outcome
        soon = self._simulate(nodes, evict, self._starting)
        if not soon.stuck:
            keys = dict.fromkeys(name for _, decision in outcome.stuck for name in decision.budgets)
            waiting = {pod.key: pod for key in keys for pod in cluster.budgets[key].unready}
            starting = [pod for pod in waiting.values() if self._starting(pod)]
            marked = {pod.key: pod for key in keys for pod in cluster.budgets[key].marked}
            why = reasons.awaited(starting, tuple(marked.values()))
            return [*found, *why, *reasons.delays(cluster, evict, soon)], soon
        by_order = self._by_order(nodes, evict, outcome)
        if by_order:
            return [*found, *by_order], outcome
        still = {pod.key for pod, _ in self._simulate(nodes, evict, lambda _: True).stuck}
        stuck = [
            reasons.stuck(cluster, outcome, pod, decision, curable=pod.key not in still)
            for pod, decision in outcome.stuck
        ]
        return reasons.merged([*found, *stuck]), outcome

    def _simulate(self, nodes: Sequence[str], evict: Sequence[Pod], assumed: Assumed) -> Outcome:
        return simulate(self.cluster, self.room, nodes, evict, assumed)

    def _by_order(self, nodes: Sequence[str], evict: Sequence[Pod], outcome: Outcome) -> list[Reason]:
        """Whether it depends on the order of evictions, which kubectl leaves open, if a drain sticks.

        A drain that finishes might stick if the pods whose replacements have no place went first; one that sticks might
        finish if they went last.
        """
        homeless = {pod.key for pod, _ in outcome.homeless if pod.budgets}
        if not homeless or not (outcome.stuck or outcome.delayed):
            return []
        odd = [pod for pod in evict if pod.key in homeless]
        even = [pod for pod in evict if pod.key not in homeless]
        other = self._simulate(nodes, [*even, *odd] if outcome.stuck else [*odd, *even], lambda _: False)
        return [reasons.by_order(odd)] if bool(other.stuck) != bool(outcome.stuck) else []

    def _starts(self, pod: Pod) -> bool:
        """Whether a pod that does not count as healthy will soon: one that is not Ready within its probes' time.

        One that is Ready and does not count has been evicted just now, or will count again within two minutes.
        """
        view = pod.view
        if view.ready:
            return True
        turned = str(view.condition("Ready").get("lastTransitionTime") or "")
        since = max(turned, view.created)
        if not since or not view.node:
            return False
        bound = recovery_bound(view.spec, self._timings)
        return self._at - datetime.fromisoformat(since) < timedelta(seconds=bound.total_s)

    def _bound(self, evict: Sequence[Pod]) -> tuple[float | None, tuple[str, ...]]:
        """By when the drain is over; None if a disruption budget permits none before others are Ready."""
        batches: dict[tuple[str, str], list[Pod]] = defaultdict(list)
        for pod in evict:
            charged = pod.budgets[0] if pod.budgets and pod.view.ready else ""
            batches[charged, pod.owner.uid if pod.owner else pod.key].append(pod)
        found = []
        for (key, _), pods in batches.items():
            allowed = self.cluster.budgets[key].state.allowed if key else None
            if allowed == 0:
                return None, ()
            found.append(Batch(key or "no disruption budget", len(pods), allowed, pods[0].view.spec))
        bound = drain_bound(found, self._timings)
        return bound.total_s, tuple(one.reason for one in bound.unpromised)
