"""Why replicas are missing, each cause with the bound for their return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from chaos.checks.base import timings_of
from chaos.checks.recovery.node_losses import NODE_NEWS_NS, lost_node
from chaos.history import History
from chaos.history.coverage import covered
from chaos.history.facts.pod_lifecycles import PodLife, pod_lives
from chaos.history.facts.replica_counts import node_outages
from chaos.history.facts.templates import as_admitted, keeps_template, of_template, template_at
from chaos.objects.base import Raw
from chaos.semantics import (
    Bound,
    Part,
    Timings,
    Unpromised,
    node_loss_bound,
    recovery_bound,
    restart_bound,
    restarts_remembered,
)
from chaos.semantics.recovery_bounds import AT_ONCE, termination_part

__all__ = ["Cause", "Causes", "ended_by_kubelet", "kubelet_part"]


def ended_by_kubelet(life: PodLife, at_ns: int | None) -> bool:
    """Whether a replica that ceased to be Ready then was ended by its kubelet, and was not Ready again before."""
    again = at_ns is not None and any(begin_ns > at_ns for begin_ns, _ in life.ready_spans)
    return at_ns is not None and life.ended_by_kubelet and not again


def kubelet_part(spec: Raw, workload_kind: str) -> tuple[Part, ...]:
    """What its replacement waits for: its end, unless its owner waits for that anyway."""
    why = "nothing replaces a pod that its kubelet ends before it has ended"
    return (termination_part(spec, why),) if workload_kind in AT_ONCE else ()


@dataclass(frozen=True, slots=True)
class Cause:
    """Why replicas are missing, in words, and the bound for their return."""

    words: str
    bound: Bound


@dataclass(frozen=True, slots=True)
class Causes:
    """What is needed to name the cause of each loss in a trial, and its bound."""

    history: History
    timings: Timings
    _known: dict[tuple[object, ...], Cause] = field(default_factory=dict)
    _specs: dict[tuple[int, int], Raw] = field(default_factory=dict)

    @classmethod
    def of(cls, history: History) -> Causes:
        return cls(history, timings_of(history))

    def cause_of(self, life: PodLife, at_ns: int | None, *, held_ns: int | None = None) -> Cause:
        """What happened to a replica that ceased to be Ready, or never did (None), and the bound for its return.

        `held_ns`: until when a fault held it; a restart after that waits for those before, too.
        """
        kind = self.history.facts.workload.pods_by
        if at_ns is None:
            return self._once("restart in place", life.spec, (0, True), lambda: self._in_place(life.spec, 0))
        spec = self._own(at_ns, life)
        if life.left_ns == at_ns:
            deleted = "replacement of a deleted pod" if life.lost_ns == at_ns else "replacement of a failed pod"
            return self._once(deleted, spec, None, lambda: recovery_bound(spec, self.timings, workload_kind=kind))
        if ended_by_kubelet(life, at_ns):
            words, part = "replacement of a pod that its kubelet ended", kubelet_part(life.spec, kind)
            bound = recovery_bound(spec, self.timings, workload_kind=kind)
            return self._once(words, spec, None, lambda: bound.after(*part))
        if self.node_lost(life.node, at_ns):
            # Tolerations come from the pod itself: the API server adds them to pods, not to their template.
            spec, lost = life.spec, lost_node(self.history, life, at_ns)
            return self._once(
                "replacement after the loss of a node",
                spec,
                lost,
                lambda: node_loss_bound(spec, self.timings, workload_kind=kind, lost=lost),
            )
        recent = restarts_remembered(life.all_restarts_ns, held_ns or at_ns, self.timings)
        seen = covered(self.history, "Node", at_ns, at_ns)
        return self._once(
            "restart in place", life.spec, (recent, seen), lambda: self._in_place(life.spec, recent, node_seen=seen)
        )

    def _once(self, words: str, spec: Raw, key: object, bound: Callable[[], Bound]) -> Cause:
        """Work a bound out once for each spec; the history keeps the specs, so that their ids stay theirs."""
        known = (words, id(spec), key)
        if known not in self._known:
            self._known[known] = Cause(words, bound())
        return self._known[known]

    def _in_place(self, spec: Raw, recent: int, *, node_seen: bool = True) -> Bound:
        bound = restart_bound(spec, self.timings, restarts=recent)
        if node_seen:
            return bound
        unseen = Unpromised("ready", "nodes were not watched, so the pod's node may have been lost")
        return Bound(bound.parts, (*bound.unpromised, unseen))

    def node_lost(self, node: str, at_ns: int) -> bool:
        """Whether the node was lost about that moment."""
        return any(
            begin_ns <= at_ns + NODE_NEWS_NS and (end_ns is None or end_ns >= at_ns - NODE_NEWS_NS)
            for begin_ns, end_ns in node_outages(self.history).get(node, ())
        )

    def growth(self, at_ns: int, pod: PodLife | None = None) -> Cause:
        """The cause where no replica was lost: more are desired, and new ones are on their way, e.g. that pod."""
        like = pod or next(iter(pod_lives(self.history)), None)
        spec = template_at(self.history, at_ns) if like is None else self._spec(at_ns, like)
        spec = spec if pod is None else self._own(at_ns, pod)
        kind = self.history.facts.workload.pods_by
        return Cause("new replicas", recovery_bound(spec, self.timings, workload_kind=kind))

    def _own(self, at_ns: int, life: PodLife) -> Raw:
        """The spec of the pod that is made in its place: its own where that is of another template, and stays."""
        return life.spec if keeps_template(self.history, life, at_ns) else self._spec(at_ns, life)

    def _spec(self, at_ns: int, like: PodLife) -> Raw:
        """The template's pod spec at a moment, as admission makes it of pods, by such a one; its own without any."""
        template = template_at(self.history, at_ns)
        if not template or of_template(self.history, like, at_ns):  # e.g. a custom workload has none of its own
            return like.spec
        return self._specs.setdefault((id(template), id(like.spec)), as_admitted(template, like.spec))
